//! Registers on the virtual I/O bus of pSeries guests.
//!
//! Each kind of device has a range that it counts in from, in steps of 0x1000 (SPAPR's `reg`
//! properties as QEMU has them).

use std::collections::HashSet;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, SpaprVioAddress};
use virt_domain::devices::chardev::SerialType;
use virt_domain::devices::controller::ControllerModel;
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

const INTERFACES: u64 = 0x1000;
const DISKS: u64 = 0x2000;
const NVRAM: u64 = 0x3000;
const TPMS: u64 = 0x4000;
const SERIALS: u64 = 0x3000_0000;
const STEP: u64 = 0x1000;

/// Gives every device on that bus a register that has none.
///
/// # Errors
/// XML_ERROR where two devices have the same one.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    let mut taken = HashSet::new();
    for (info, _) in infos(domain) {
        if let Some(Address::SpaprVio(SpaprVioAddress { reg: Some(reg) })) = info.address
            && !taken.insert(reg)
        {
            return Err(Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Domain,
                format!("spapr-vio address {reg:#x} already in use"),
            ));
        }
    }
    for (info, first) in infos(domain) {
        let is_open = matches!(
            info.address,
            None | Some(Address::SpaprVio(SpaprVioAddress { reg: None }))
        );
        if !is_open {
            continue;
        }
        // There are fewer devices than registers.
        let reg = (0..)
            .map(|n| first + n * STEP)
            .find(|reg| taken.insert(*reg));
        info.address = Some(Address::SpaprVio(SpaprVioAddress { reg }));
    }
    Ok(())
}

/// The devices on that bus with the first register of their kind: those that belong there, and those
/// of these kinds that were put there.
fn infos(domain: &mut Domain) -> Vec<(&mut DeviceInfo, u64)> {
    let put = |info: &DeviceInfo| matches!(info.address, Some(Address::SpaprVio(_)));
    let d = &mut domain.devices;
    let mut all: Vec<(&mut DeviceInfo, u64)> = Vec::new();
    let interfaces = d.interfaces.iter_mut();
    all.extend(
        interfaces
            .filter(|interface| {
                interface.model.as_deref() == Some("spapr-vlan") || put(&interface.info)
            })
            .map(|interface| (&mut interface.info, INTERFACES)),
    );
    let controllers = d.controllers.iter_mut();
    all.extend(
        controllers
            .filter(|controller| {
                controller.has_model(ControllerModel::Ibmvscsi) || put(&controller.info)
            })
            .map(|controller| (&mut controller.info, DISKS)),
    );
    let serials = d.serials.iter_mut();
    all.extend(
        serials
            .filter(|serial| serial.target.kind == Some(SerialType::SpaprVioSerial))
            .map(|serial| (&mut serial.info, SERIALS)),
    );
    all.extend(d.nvram.iter_mut().map(|nvram| (&mut nvram.info, NVRAM)));
    let tpms = d.tpms.iter_mut();
    all.extend(
        tpms.filter(|tpm| put(&tpm.info))
            .map(|tpm| (&mut tpm.info, TPMS)),
    );
    all
}
