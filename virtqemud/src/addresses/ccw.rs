//! Device numbers on the channel subsystem of IBM's mainframe.
//!
//! Virtual devices are in subsystem 0xfe, set 0, and get the lowest free number, in the order of
//! WIRE.md section 29.

use crate::board::Board;
use std::collections::HashSet;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, CcwAddress, CcwNumber};
use virt_domain::devices::controller::{ControllerKind, ControllerModel};
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::hostdev::HostdevKind;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::input::InputBus;
use virt_domain::devices::memballoon::BalloonModel;
use virt_domain::devices::memory::MemoryModel;
use virt_domain::devices::video::VideoModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The subsystem of virtual devices.
const VIRTUAL: u32 = 0xfe;

/// The highest device number.
const LAST: u32 = 0xffff;

/// Gives every virtio device a number that has no address yet.
///
/// # Errors
/// XML_ERROR where two devices have the same number or all are taken.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    if Board::of(domain) != Board::S390Ccw {
        return Ok(());
    }
    let mut taken = HashSet::new();
    for info in infos(domain) {
        if let Some(Address::Ccw(CcwAddress {
            number: Some(number),
        })) = info.address
            && !taken.insert(number)
        {
            let CcwNumber { cssid, ssid, devno } = number;
            return Err(Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Domain,
                format!("The CCW devno '{cssid:x}.{ssid:x}.{devno:04x}' is in use already"),
            ));
        }
    }
    let mut next = 0;
    for info in infos(domain) {
        let is_open = matches!(
            info.address,
            None | Some(Address::Ccw(CcwAddress { number: None }))
        );
        if !is_open {
            continue;
        }
        let free = (next..=LAST)
            .map(|devno| CcwNumber {
                cssid: VIRTUAL,
                ssid: 0,
                devno,
            })
            .find(|number| !taken.contains(number));
        let Some(number) = free else {
            return Err(Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Domain,
                "There are no more free CCW devnos.",
            ));
        };
        taken.insert(number);
        next = number.devno + 1;
        info.address = Some(Address::Ccw(CcwAddress {
            number: Some(number),
        }));
    }
    Ok(())
}

/// The devices that are on the channel subsystem unless their address says otherwise.
fn infos(domain: &mut Domain) -> Vec<&mut DeviceInfo> {
    let d = &mut domain.devices;
    let mut all: Vec<&mut DeviceInfo> = Vec::new();
    let disks = d.disks.iter_mut();
    all.extend(
        disks
            .filter(|disk| disk.bus() == DiskBus::Virtio)
            .map(|disk| &mut disk.info),
    );
    let interfaces = d.interfaces.iter_mut();
    all.extend(
        interfaces
            .filter(|interface| interface.model.as_deref() == Some("virtio"))
            .map(|interface| &mut interface.info),
    );
    let hostdevs = d.hostdevs.iter_mut();
    all.extend(
        hostdevs
            .filter(|hostdev| hostdev.kind == HostdevKind::ScsiHost)
            .map(|hostdev| &mut hostdev.info),
    );
    let videos = d.videos.iter_mut();
    all.extend(
        videos
            .filter(|video| video.model == Some(VideoModel::Virtio))
            .map(|video| &mut video.info),
    );
    let controllers = d.controllers.iter_mut();
    all.extend(
        controllers
            .filter(|controller| match controller.kind {
                ControllerKind::VirtioSerial => true,
                ControllerKind::Scsi => matches!(
                    controller.model,
                    Some(ControllerModel::VirtioScsi | ControllerModel::VirtioNonTransitional)
                ),
                _ => false,
            })
            .map(|controller| &mut controller.info),
    );
    let inputs = d.inputs.iter_mut();
    all.extend(
        inputs
            .filter(|input| input.bus == Some(InputBus::Virtio))
            .map(|input| &mut input.info),
    );
    all.extend(d.filesystems.iter_mut().map(|device| &mut device.info));
    let balloon = d.memballoon.iter_mut();
    all.extend(
        balloon
            .filter(|balloon| balloon.model != BalloonModel::None)
            .map(|balloon| &mut balloon.info),
    );
    all.extend(d.rngs.iter_mut().map(|device| &mut device.info));
    let memories = d.memories.iter_mut();
    all.extend(
        memories
            .filter(|memory| memory.model == MemoryModel::VirtioMem)
            .map(|memory| &mut memory.info),
    );
    all.extend(d.vsock.iter_mut().map(|device| &mut device.info));
    all.extend(d.cryptos.iter_mut().map(|device| &mut device.info));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_numbers_are_given_around_those_that_are_taken() {
        let mut domain = Domain::read(
            "<domain type='qemu'><name>a</name><memory>1024</memory>
               <os><type arch='s390x' machine='s390-ccw-virtio'>hvm</type></os><devices>
                 <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
                 <rng model='virtio'><backend model='random'>/dev/urandom</backend>
                   <address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0000'/></rng>
                 <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
               </devices></domain>",
        )
        .unwrap();
        assign(&mut domain).unwrap();
        let numbers: Vec<_> = domain
            .devices
            .rngs
            .iter()
            .map(|rng| match rng.info.address {
                Some(Address::Ccw(ccw)) => ccw.number.map(|number| number.devno),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [Some(1), Some(0), Some(2)]);
    }
}
