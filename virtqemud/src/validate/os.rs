//! Checks of the kind of system, its firmware and what it boots.

use super::Context;
use super::refusal::{plain, unsupported, xml_error};
use crate::board::Board;
use crate::define::accel;
use virt_domain::os::{AcpiTableType, FirmwareKind, Loader, LoaderType};
use virt_domain::sysinfo::Sysinfo;
use virt_domain::{Arch, Domain, VirtType};
use virt_error::Result;
use virt_xml::YesNo;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    if !matches!(
        domain.virt_type,
        VirtType::Qemu | VirtType::Kvm | VirtType::Hvf
    ) {
        return Err(unsupported(format!(
            "Emulator '{}' does not support virt type '{}'",
            context.caps.emulator, domain.virt_type
        )));
    }
    containers_only(domain)?;
    firmware(domain)?;
    boot_order(domain)?;
    acpi(domain, context)?;
    acpi_tables(domain)?;
    firmware_blobs(domain)?;
    let bios = domain.os.bios.as_ref();
    if bios.is_some_and(|bios| bios.useserial == Some(YesNo::Yes))
        && domain.devices.serials.is_empty()
    {
        return Err(xml_error(
            "need at least one serial port to use BIOS serial output",
        ));
    }
    Ok(())
}

/// What only containers and Xen have.
fn containers_only(domain: &Domain) -> Result<()> {
    let os = &domain.os;
    let features = domain.features.as_ref();
    let found = [
        (os.init.is_some(), "<init>"),
        (!os.initargs.is_empty(), "<initarg>"),
        (!os.initenv.is_empty(), "<initenv>"),
        (os.initdir.is_some(), "<initdir>"),
        (os.inituser.is_some(), "<inituser>"),
        (os.initgroup.is_some(), "<initgroup>"),
        (os.root.is_some(), "<root>"),
        (domain.bootloader.is_some(), "<bootloader>"),
        (domain.bootloader_args.is_some(), "<bootloader_args>"),
        (domain.lxc.is_some(), "<lxc:namespace>"),
        (features.is_some_and(|f| f.privnet), "feature 'privnet'"),
        (features.is_some_and(|f| f.viridian), "feature 'viridian'"),
        (features.is_some_and(|f| f.xen.is_some()), "feature 'xen'"),
        (
            features.is_some_and(|f| f.capabilities.is_some()),
            "feature 'capabilities'",
        ),
    ];
    match found.iter().find(|(found, _)| *found) {
        Some((_, what)) => Err(unsupported(format!(
            "{what} has no meaning for QEMU guests; remove it"
        ))),
        None => Ok(()),
    }
}

fn firmware(domain: &Domain) -> Result<()> {
    let os = &domain.os;
    let loader = os.loader.as_ref();
    let nvram = os.nvram.as_ref();
    if os.firmware == Some(FirmwareKind::Bios) && nvram.is_some() {
        return Err(plain("firmware type 'bios' does not support nvram"));
    }
    let looked_at = os.firmware.is_some() || loader.is_some();
    if looked_at && os.shim.is_some() && os.kernel.is_none() {
        return Err(unsupported("shim only allowed with kernel option"));
    }
    let Some(loader) = loader else {
        return Ok(());
    };
    let stateless = loader.stateless == Some(YesNo::Yes);
    secure_boot(domain, loader)?;
    match loader.kind {
        Some(LoaderType::Rom) => {
            if loader.stateless == Some(YesNo::No) {
                return Err(plain("Only pflash loader type permits NVRAM"));
            }
        }
        Some(LoaderType::Pflash) | None => {
            if stateless && nvram.is_some_and(|nvram| nvram.template.is_some()) {
                return Err(plain(
                    "NVRAM template is not permitted when loader is stateless",
                ));
            }
            if stateless && nvram.is_some() {
                return Err(plain("NVRAM is not permitted when loader is stateless"));
            }
        }
    }
    Ok(())
}

/// Firmware that protects itself needs a board and the mode to do so.
fn secure_boot(domain: &Domain, loader: &Loader) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    if loader.secure != Some(YesNo::Yes) || !arch.is_x86() {
        return Ok(());
    }
    if Board::of(domain) != Board::Q35 {
        return Err(unsupported(
            "Secure boot is supported with q35 machine types only",
        ));
    }
    let smm = domain.features.as_ref().and_then(|f| f.smm.as_ref());
    if !smm.is_some_and(|smm| smm.state.is_on()) {
        return Err(unsupported("Secure boot requires SMM feature enabled"));
    }
    Ok(())
}

/// Either the devices say in which order they are tried, or `<os>` does.
fn boot_order(domain: &Domain) -> Result<()> {
    if !domain.os.boot.is_empty() && domain.devices.is_bootable() {
        return Err(unsupported(
            "per-device boot elements cannot be used together with os/boot elements",
        ));
    }
    Ok(())
}

/// A guest has each kind of licence once.
fn acpi_tables(domain: &Domain) -> Result<()> {
    let tables = domain.os.acpi.as_ref().map_or(&[][..], |acpi| &acpi.tables);
    for (index, table) in tables.iter().enumerate() {
        let kind = table.kind;
        if kind == AcpiTableType::Rawset {
            return Err(unsupported(format!(
                "ACPI table type '{kind}' is not supported"
            )));
        }
        let mut earlier = tables.iter().take(index);
        if kind != AcpiTableType::Raw && earlier.any(|other| other.kind == kind) {
            return Err(xml_error(format!(
                "ACPI table type '{kind}' may only appear once"
            )));
        }
    }
    Ok(())
}

/// QEMU leaves names below `opt/` to users, except for those of firmware and of its own.
fn firmware_blobs(domain: &Domain) -> Result<()> {
    for info in &domain.sysinfo {
        let Sysinfo::Fwcfg(entries) = info else {
            continue;
        };
        for entry in entries {
            let Some(name) = entry.name.strip_prefix("opt/") else {
                return Err(unsupported("Invalid firmware name"));
            };
            if name.starts_with("ovmf/") || name.starts_with("org.qemu/") {
                return Err(unsupported("That firmware name is reserved"));
            }
        }
    }
    Ok(())
}

/// UEFI and ACPI need each other on some architectures.
fn acpi(domain: &Domain, context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let name = domain.os.kind.machine.as_deref().unwrap_or_default();
    let acpi = domain.features.as_ref().is_some_and(|f| f.acpi);
    let flash = domain
        .os
        .loader
        .as_ref()
        .is_some_and(|loader| loader.kind == Some(LoaderType::Pflash));
    let efi = domain.os.firmware == Some(FirmwareKind::Efi) || flash;
    if efi && !acpi && arch.is_x86() {
        return Err(unsupported("UEFI requires ACPI on this architecture"));
    }
    if acpi && !efi && arch == Arch::Aarch64 {
        return Err(unsupported("ACPI requires UEFI on this architecture"));
    }
    let machine = context.caps.machine(accel(domain.virt_type), name);
    if acpi && machine.is_some_and(|m| m.acpi == Some(false)) {
        return Err(unsupported(format!(
            "machine type '{name}' does not support ACPI"
        )));
    }
    Ok(())
}
