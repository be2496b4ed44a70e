//! Files a guest needs are looked for before anything is made. Texts are the stock daemon's.

use crate::caps::QemuCaps;
use crate::driver::Driver;
use crate::live_cpu;
use virt_domain::Domain;
use virt_domain::cpu::CpuCheck;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{BackingStore, Location, NetworkProtocol, StorageSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

use crate::argv::DriverConfig;
use crate::argv::block::{managed_reservations, uses_nbdkit};

/// Checks that what the guest boots from is there.
///
/// # Errors
/// SYSTEM_ERROR that names the file.
pub(super) fn boot_files(domain: &Domain) -> Result<()> {
    let os = &domain.os;
    for path in [&os.kernel, &os.initrd, &os.dtb, &os.shim]
        .into_iter()
        .flatten()
    {
        std::fs::metadata(path).map_err(|cause| {
            Error::system(ErrorDomain::None, format!("unable to stat: {path}"), &cause)
        })?;
    }
    Ok(())
}

/// Checks that everything that is said of the disks can be kept here.
///
/// # Errors
/// CONFIG_UNSUPPORTED that names what can't, and the remedy.
pub(crate) fn disks(domain: &Domain, config: &DriverConfig) -> Result<()> {
    if managed_reservations(domain) {
        return Err(unsupported(
            "<reservations managed='yes'/> is not supported by this driver yet; start \
             qemu-pr-helper yourself and name its socket with managed='no'"
                .to_owned(),
        ));
    }
    for disk in &domain.devices.disks {
        for source in sources(disk) {
            match source.place() {
                Location::Nvme {
                    managed: Some(YesNo::Yes),
                    ..
                } => {
                    return Err(not_yet(
                        disk,
                        "managed='yes' of an NVMe disk (bind the controller to vfio-pci and use \
                         managed='no') is",
                    ));
                }
                Location::Network(server)
                    if server.protocol == NetworkProtocol::Ssh && !uses_nbdkit(server, config) =>
                {
                    let identity = server.identity.as_ref();
                    let has_key =
                        identity.is_some_and(|i| i.keyfile.is_some() || i.agentsock.is_some());
                    let has_password = disk.auth.is_some() || source.credentials().is_some();
                    if has_key || has_password || server.known_hosts.is_some() {
                        return Err(unsupported(format!(
                            "disk '{}': keys, passwords and known hosts of SSH need nbdkit with its \
                             plugin 'ssh'; install it and set storage_use_nbdkit = 1 in qemu.conf",
                            disk.name()
                        )));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn sources(disk: &Disk) -> Vec<&StorageSource> {
    let mut all: Vec<_> = disk.source.iter().collect();
    let mut backing = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = backing {
        all.extend(&image.source);
        backing = image.backing.as_ref();
    }
    all
}

fn not_yet(disk: &Disk, what: &str) -> Error {
    unsupported(format!(
        "disk '{}': {what} not supported by this driver yet",
        disk.name()
    ))
}

fn unsupported(text: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// Checks that the host can give the processor that was asked for, where that is to be checked.
///
/// # Errors
/// CPU_INCOMPATIBLE with what is missing.
pub(super) fn processor(domain: &Domain, caps: &QemuCaps, driver: &Driver) -> Result<()> {
    let asked = domain.cpu.as_ref();
    if !asked.is_some_and(|cpu| cpu.check == Some(CpuCheck::Partial)) {
        return Ok(());
    }
    match driver.host_state.cpu_map_at_once() {
        Some(map) => live_cpu::check_host(domain, caps, &map.x86),
        None => Ok(()),
    }
}
