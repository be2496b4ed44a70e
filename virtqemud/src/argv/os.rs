//! What the guest boots: `-boot`, a kernel, ACPI tables.

use super::command_line::Builder;
use super::props::OptionList;
use virt_domain::Domain;
use virt_domain::os::AcpiTableType;
use virt_xml::OnOff;

/// `-boot`.
pub(super) fn append(b: &mut Builder, domain: &Domain) {
    let mut list = OptionList::default();
    if let Some(menu) = &domain.os.bootmenu {
        if let Some(enable) = menu.enable {
            list.put("menu", OnOff::from(enable.is_yes()));
        }
        if let Some(timeout) = menu.timeout {
            list.put("splash-time", timeout);
        }
    }
    if let Some(timeout) = domain.os.bios.as_ref().and_then(|bios| bios.reboot_timeout) {
        list.put("reboot-timeout", timeout.0);
    }
    list.put("strict", "on");
    b.option("-boot", list.finish());
}

/// A kernel that is booted directly.
pub(super) fn kernel(b: &mut Builder, domain: &Domain) {
    let os = &domain.os;
    for (option, value) in [
        ("-kernel", &os.kernel),
        ("-initrd", &os.initrd),
        ("-append", &os.cmdline),
        ("-dtb", &os.dtb),
        ("-shim", &os.shim),
    ] {
        if let Some(value) = value {
            b.option(option, value.as_str());
        }
    }
}

/// ACPI tables.
pub(super) fn acpi_tables(b: &mut Builder, domain: &Domain) {
    for table in domain.os.acpi.iter().flat_map(|acpi| &acpi.tables) {
        let mut list = OptionList::default();
        match table.kind {
            AcpiTableType::Raw => list.put("file", &table.path),
            AcpiTableType::Rawset => list.put("data", &table.path),
            AcpiTableType::Slic => {
                list.put("sig", "SLIC");
                list.put("file", &table.path);
            }
            AcpiTableType::Msdm => {
                list.put("sig", "MSDM");
                list.put("file", &table.path);
            }
        }
        b.option("-acpitable", list.finish());
    }
}
