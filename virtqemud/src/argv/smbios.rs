//! What the guest reads of itself: `-uuid`, `-smbios`, `-fw_cfg`, the generation id.

use super::command_line::Builder;
use super::props::{OptionList, Props};
use virt_domain::Domain;
use virt_domain::os::SmbiosMode;
use virt_domain::sysinfo::{
    BaseBoardKey, BiosKey, ChassisKey, SmbiosInfo, Sysinfo, SystemKey, Table,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The options.
pub(super) fn append(b: &mut Builder, domain: &Domain, host: Option<&SmbiosInfo>) -> Result<()> {
    b.option("-uuid", domain.uuid.hyphenated().to_string());
    match domain.os.smbios.as_ref().and_then(|s| s.mode) {
        None | Some(SmbiosMode::Emulate) => {}
        Some(SmbiosMode::Host) => match host {
            Some(info) => tables(b, info, true)?,
            None => {
                return Err(Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Qemu,
                    "Host SMBIOS information is not available",
                ));
            }
        },
        Some(SmbiosMode::Sysinfo) => {
            let mut all = domain.sysinfo.iter();
            if !all.any(|info| matches!(info, Sysinfo::Smbios(_))) {
                return Err(Error::new(
                    ErrorCode::XmlError,
                    ErrorDomain::Qemu,
                    format!("Domain '{}' sysinfo are not available", domain.name),
                ));
            }
            for info in &domain.sysinfo {
                if let Sysinfo::Smbios(info) = info {
                    tables(b, info, false)?;
                }
            }
        }
    }
    if let Some(genid) = domain.genid {
        let device = Props::device("vmgenid")
            .with("guid", genid.hyphenated().to_string())
            .with("id", "vmgenid0");
        b.device(&device);
    }
    Ok(())
}

/// `-fw_cfg`.
pub(super) fn blobs(b: &mut Builder, domain: &Domain) {
    for info in &domain.sysinfo {
        let Sysinfo::Fwcfg(entries) = info else {
            continue;
        };
        for entry in entries {
            let list = OptionList::default()
                .with("name", &entry.name)
                .maybe("file", entry.file.as_ref())
                .maybe(
                    "string",
                    entry.value.as_ref().filter(|_| entry.file.is_none()),
                );
            b.option("-fw_cfg", list.finish());
        }
    }
}

fn tables(b: &mut Builder, info: &SmbiosInfo, of_host: bool) -> Result<()> {
    if let Some(bios) = &info.bios {
        table(
            b,
            0,
            bios,
            &[
                (BiosKey::Vendor, "vendor"),
                (BiosKey::Version, "version"),
                (BiosKey::Date, "date"),
                (BiosKey::Release, "release"),
            ],
        );
    }
    if let Some(system) = &info.system {
        let mut keys = vec![
            (SystemKey::Manufacturer, "manufacturer"),
            (SystemKey::Product, "product"),
            (SystemKey::Version, "version"),
            (SystemKey::Serial, "serial"),
            (SystemKey::Uuid, "uuid"),
            (SystemKey::Sku, "sku"),
            (SystemKey::Family, "family"),
        ];
        if of_host {
            // The guest's UUID is its own.
            keys.retain(|(key, _)| *key != SystemKey::Uuid);
        }
        table(b, 1, system, &keys);
    }
    if info.base_boards.len() > 1 && !of_host {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            "qemu does not support more than one entry to Type 2 in SMBIOS table",
        ));
    }
    for board in info.base_boards.iter().take(1) {
        table(
            b,
            2,
            board,
            &[
                (BaseBoardKey::Manufacturer, "manufacturer"),
                (BaseBoardKey::Product, "product"),
                (BaseBoardKey::Version, "version"),
                (BaseBoardKey::Serial, "serial"),
                (BaseBoardKey::Asset, "asset"),
                (BaseBoardKey::Location, "location"),
            ],
        );
    }
    if let Some(chassis) = &info.chassis {
        table(
            b,
            3,
            chassis,
            &[
                (ChassisKey::Manufacturer, "manufacturer"),
                (ChassisKey::Version, "version"),
                (ChassisKey::Serial, "serial"),
                (ChassisKey::Asset, "asset"),
                (ChassisKey::Sku, "sku"),
            ],
        );
    }
    if let Some(strings) = info.oem_strings.as_ref().filter(|s| !s.entries.is_empty()) {
        let mut list = OptionList::default().with("type", 11);
        for value in &strings.entries {
            list.put("value", value);
        }
        b.option("-smbios", list.finish());
    }
    Ok(())
}

fn table<K: PartialEq + Copy>(b: &mut Builder, number: u8, table: &Table<K>, keys: &[(K, &str)]) {
    let mut list = OptionList::default().with("type", number);
    for (key, name) in keys {
        if let Some(value) = table.get(*key) {
            list.put(name, value);
        }
    }
    b.option("-smbios", list.finish());
}
