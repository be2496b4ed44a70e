//! What has to differ between all devices of a guest: names and places in the boot order.
//!
//! The texts of refusals are the stock daemon's.

use std::collections::HashSet;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain) -> Result<()> {
    let refuse = |text: String| {
        Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            text,
        ))
    };
    let mut names = HashSet::new();
    let mut orders = HashSet::new();
    for info in domain.devices.infos() {
        // A console on the first serial port is that port, name included.
        if let Some(name) = info.alias().filter(|n| n.starts_with("ua-"))
            && !names.insert(name)
            && !is_first_console(domain, info)
        {
            return refuse(format!("non unique alias detected: {name}"));
        }
        let elsewhere = info
            .address
            .as_ref()
            .is_some_and(|address| !matches!(address, Address::Pci(_)));
        if info.acpi.is_some() && elsewhere {
            return refuse("ACPI index is only supported for PCI devices".to_owned());
        }
        if let Some(order) = info.boot_order()
            && !orders.insert(order)
        {
            return refuse(format!(
                "boot order '{order}' used for more than one device"
            ));
        }
    }
    Ok(())
}

fn is_first_console(domain: &Domain, info: &DeviceInfo) -> bool {
    let console = domain.devices.consoles.first();
    let serial = domain.devices.serials.first();
    console.zip(serial).is_some_and(|(console, serial)| {
        std::ptr::eq(&raw const console.info, info) && serial.info.alias() == info.alias()
    })
}
