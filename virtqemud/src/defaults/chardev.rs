//! Defaults of serial ports, parallel ports, consoles and channels.

use super::Context;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::address::Address;
use virt_domain::devices::chardev::{
    Channel, ChannelTarget, CharBackend, Console, ConsoleType, Serial, SerialModel, SerialTarget,
    SerialType, SourceMode,
};
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    number_serials(domain);
    number_parallels(domain);
    consoles_are_serials(domain, arch)?;
    for serial in &mut domain.devices.serials {
        fill_serial(serial, arch);
    }
    mirror_console(domain);
    for channel in &mut domain.devices.channels {
        forget_generated_path(channel, context);
    }
    Ok(())
}

fn number_serials(domain: &mut Domain) {
    let serials = &mut domain.devices.serials;
    number(serials.iter_mut().map(|s| &mut s.target.port).collect());
}

/// A port without a number gets one more than the largest before it.
fn number_parallels(domain: &mut Domain) {
    let mut next = 0;
    for parallel in &mut domain.devices.parallels {
        let port = *parallel.port.get_or_insert(next);
        next = next.max(port.saturating_add(1));
    }
}

/// Numbers count on from the largest that is given.
fn number(ports: Vec<&mut Option<u32>>) {
    let largest = ports.iter().filter_map(|port| **port).max();
    let mut next = largest.map_or(0, |port| port.saturating_add(1));
    for port in ports {
        if port.is_none() {
            *port = Some(next);
            next = next.saturating_add(1);
        }
    }
}

/// The kind of console where none is said.
fn usual_console(arch: Arch) -> ConsoleType {
    match arch {
        Arch::S390x | Arch::S390 => ConsoleType::Sclp,
        _ => ConsoleType::Serial,
    }
}

/// The first console of a guest is the first serial port under its other name: each of the two makes
/// the other one.
fn consoles_are_serials(domain: &mut Domain, arch: Arch) -> Result<()> {
    let devices = &mut domain.devices;
    for (place, console) in devices.consoles.iter_mut().enumerate() {
        let kind = *console.kind.get_or_insert(usual_console(arch));
        if place > 0 && kind == ConsoleType::Serial {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "Only the first console can be a serial port",
            ));
        }
    }
    let first = devices.consoles.first().and_then(|c| c.kind);
    match (first, devices.serials.first()) {
        (Some(ConsoleType::Serial), None) => {
            let console = &devices.consoles[0];
            devices.serials.push(Serial {
                source: console.source.clone(),
                target: SerialTarget {
                    port: Some(0),
                    ..SerialTarget::default()
                },
                info: console.info.clone(),
            });
        }
        (Some(ConsoleType::Serial), Some(_)) => {}
        (_, Some(serial)) if shows_as_console(serial) => {
            let console = Console {
                source: serial.source.clone(),
                kind: Some(ConsoleType::Serial),
                port: None,
                info: DeviceInfo::default(),
            };
            devices.consoles.insert(0, console);
        }
        _ => {}
    }
    for (place, console) in devices.consoles.iter_mut().enumerate() {
        console.port = Some(u32::try_from(place).unwrap_or(u32::MAX));
    }
    Ok(())
}

fn shows_as_console(serial: &Serial) -> bool {
    let kind = serial.target.kind.or_else(|| by_address(&serial.info));
    !matches!(
        kind,
        Some(SerialType::UsbSerial | SerialType::PciSerial | SerialType::IsaDebug)
    )
}

/// Makes the first console say what the first serial port says, where it is that under its other name;
/// to be called again whenever the port changes.
pub(crate) fn mirror_console(domain: &mut Domain) {
    let devices = &mut domain.devices;
    if let (Some(console), Some(serial)) = (devices.consoles.first_mut(), devices.serials.first())
        && console.kind == Some(ConsoleType::Serial)
    {
        console.source = serial.source.clone();
        console.port = serial.target.port;
        console.info = serial.info.clone();
    }
}

fn by_address(info: &DeviceInfo) -> Option<SerialType> {
    match &info.address {
        Some(Address::Isa(_)) => Some(SerialType::IsaSerial),
        Some(Address::Usb(_)) => Some(SerialType::UsbSerial),
        Some(Address::Pci(_)) => Some(SerialType::PciSerial),
        Some(Address::SpaprVio(_)) => Some(SerialType::SpaprVioSerial),
        _ => None,
    }
}

fn fill_serial(serial: &mut Serial, arch: Arch) {
    let usual = || match arch {
        Arch::X86_64 | Arch::I686 => SerialType::IsaSerial,
        Arch::Ppc64 | Arch::Ppc64le => SerialType::SpaprVioSerial,
        Arch::S390x | Arch::S390 => SerialType::SclpSerial,
        _ => SerialType::SystemSerial,
    };
    let info = &serial.info;
    let kind = *serial.target.kind.get_or_insert_with(|| match arch {
        // A PC's is on ISA, wherever it is put.
        Arch::X86_64 | Arch::I686 => SerialType::IsaSerial,
        _ => by_address(info).unwrap_or_else(usual),
    });
    if serial.target.model.is_some() {
        return;
    }
    serial.target.model = Some(match kind {
        SerialType::IsaSerial => SerialModel::IsaSerial,
        SerialType::UsbSerial => SerialModel::UsbSerial,
        SerialType::PciSerial => SerialModel::PciSerial,
        SerialType::SpaprVioSerial => SerialModel::SpaprVty,
        SerialType::SclpSerial => SerialModel::Sclpconsole,
        SerialType::IsaDebug => SerialModel::IsaDebugcon,
        SerialType::SystemSerial => match arch {
            Arch::Riscv64 | Arch::Riscv32 | Arch::Loongarch64 => SerialModel::Uart16550a,
            // They have none, as is found out when the command line is built.
            Arch::X86_64 | Arch::I686 => return,
            _ => SerialModel::Pl011,
        },
    });
}

/// A path that an earlier start chose is chosen anew at each start.
fn forget_generated_path(channel: &mut Channel, context: &Context) {
    let ChannelTarget::Virtio {
        name: Some(name), ..
    } = &channel.target
    else {
        return;
    };
    let CharBackend::Unix {
        path: path @ Some(_),
        mode,
        ..
    } = &mut channel.source.backend
    else {
        return;
    };
    let old = context.config.lib_dir.join("channel/target");
    let ours = path.as_deref().map(Path::new).is_some_and(|path| {
        is_generated(path, &context.config.channel_target_dir, name)
            || is_generated(path, &old, name)
    });
    if ours {
        *path = None;
        *mode = SourceMode::Bind;
    }
}

/// Whether that is `FOLDER/domain-ID-SHORT/NAME`, `FOLDER/ID-SHORT/NAME` or `FOLDER/GUEST.NAME`.
fn is_generated(path: &Path, folder: &Path, name: &str) -> bool {
    let Some(rest) = path.strip_prefix(folder).ok().and_then(Path::to_str) else {
        return false;
    };
    let Some(start) = rest.strip_suffix(name) else {
        return false;
    };
    match start.strip_suffix('/') {
        Some(guest) => {
            let id = guest.split('-').next().unwrap_or_default();
            let numbered = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
            !guest.contains('/') && (guest.starts_with("domain-") || numbered)
        }
        None => start.len() > 1 && start.ends_with('.') && !start.contains('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_earlier_starts_are_known() {
        let folder = Path::new("/run/libvirt/qemu/channel");
        let is = |rest: &str| is_generated(&folder.join(rest), folder, "org.qemu.guest_agent.0");
        for rest in ["domain-3-a/", "3-a/", "guest."] {
            assert!(is(&format!("{rest}org.qemu.guest_agent.0")), "{rest}");
        }
        for rest in ["", "mine/", "3-a/x/", "."] {
            assert!(!is(&format!("{rest}org.qemu.guest_agent.0")), "{rest}");
        }
    }
}
