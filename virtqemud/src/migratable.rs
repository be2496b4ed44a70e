//! A guest as it is told to another host, which may have an older libvirt: without what a start
//! added and without what every libvirt adds by itself.
//!
//! Facts: documents of the stock daemon with VIR_DOMAIN_XML_MIGRATABLE.

use std::ffi::OsStr;
use std::path::Path;

use virt_domain::Domain;
use virt_domain::cpu::Cpu;
use virt_domain::devices::chardev::{CharBackend, SourceMode};
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::input::{InputBus, InputType};
use virt_domain::devices::storage::StorageFormat;
use virt_domain::devices::watchdog::WatchdogModel;
use virt_domain::seclabel::{Seclabel, SeclabelType};

use crate::argv::{self, DriverConfig};
use crate::board::Board;
use crate::defaults;

/// Strips a guest. `asked_cpu` is the processor of a running guest as it was asked for.
pub fn strip(domain: &mut Domain, asked_cpu: Option<&Cpu>, config: &DriverConfig) {
    // Sockets that a start made up are in a folder of the guest's own.
    let folder = domain.id.map(|id| argv::short_name(id, &domain.name));
    let made_up_path = |path: &String| {
        let parent = Path::new(path).parent().and_then(Path::file_name);
        parent.is_some_and(|name| Some(name) == folder.as_ref().map(OsStr::new))
    };
    let board = Board::of(domain);
    if domain.id.is_some()
        && let Some(cpu) = asked_cpu
    {
        // Nodes aren't part of what was kept.
        let numa = domain.cpu.take().and_then(|cpu| cpu.numa);
        domain.cpu = Some(Cpu {
            numa,
            ..cpu.clone()
        });
    }
    domain.inactive();
    let made_up =
        |label: &Seclabel| label.kind == Some(SeclabelType::Dynamic) && label.baselabel.is_none();
    domain.seclabels.retain(|label| !made_up(label));
    let devices = &mut domain.devices;
    for disk in &mut devices.disks {
        if disk.is_empty()
            && let Some(driver) = &mut disk.driver
        {
            driver.format.get_or_insert(StorageFormat::Raw);
        }
    }
    for channel in &mut devices.channels {
        if let CharBackend::Unix { path, mode, .. } = &mut channel.source.backend
            && path.as_ref().is_some_and(made_up_path)
        {
            (*path, *mode) = (None, SourceMode::default());
        }
    }
    let usb = devices
        .controllers
        .iter()
        .filter(|controller| controller.kind == ControllerKind::Usb)
        .count();
    let implied = |controller: &Controller| match controller.kind {
        ControllerKind::Usb => {
            usb == 1
                && board == Board::I440fx
                && controller.index() == 0
                && controller
                    .model
                    .is_none_or(|model| model == ControllerModel::Piix3Uhci)
        }
        ControllerKind::Pci => {
            controller.index() == 0 && controller.has_model(ControllerModel::PciRoot)
        }
        _ => false,
    };
    devices
        .controllers
        .retain(|controller| !implied(controller));
    devices
        .inputs
        .retain(|input| !(input.kind == InputType::Keyboard && input.bus == Some(InputBus::Ps2)));
    let mut without = devices.clone();
    without.audios.clear();
    defaults::audio::choose(&mut without, config);
    if without.audios == devices.audios {
        devices.audios.clear();
    }
    devices
        .watchdogs
        .retain(|watchdog| watchdog.model != WatchdogModel::Itco);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_libvirt_adds_is_left_out() {
        let mut domain = Domain::read(
            "<domain type='qemu' id='3'><name>a</name><memory>1024</memory>
             <os><type arch='x86_64' machine='pc-i440fx-10.0'>hvm</type></os>
             <devices><controller type='usb' index='0' model='piix3-uhci'><alias name='usb'/></controller>
             <controller type='pci' index='0' model='pci-root'/>
             <controller type='ide' index='0'/>
             <input type='mouse' bus='ps2'/><input type='keyboard' bus='ps2'/>
             <audio id='1' type='none'/></devices>
             <seclabel type='dynamic' model='dac' relabel='yes'><label>+1:+1</label></seclabel>
             </domain>",
        )
        .unwrap();
        strip(&mut domain, None, &DriverConfig::system());
        assert_eq!(domain.id, None);
        let kinds: Vec<_> = domain.devices.controllers.iter().map(|c| c.kind).collect();
        assert_eq!(kinds, [ControllerKind::Ide]);
        assert_eq!(domain.devices.inputs.len(), 1);
        assert!(domain.devices.audios.is_empty() && domain.seclabels.is_empty());
    }
}
