//! Files a guest needs are looked for before anything is made. Texts are the stock daemon's.

use crate::caps::QemuCaps;
use crate::driver::Driver;
use crate::live_cpu;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::clock::TimerName;
use virt_domain::cpu::CpuCheck;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{BackingStore, Location, NetworkProtocol, StorageSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::kvm::{Kvm, Tsc};
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

/// Checks that the time stamp counter can tick as it was asked for, where the host says how its own
/// does.
///
/// # Errors
/// CONFIG_UNSUPPORTED with both rates.
pub(super) fn time_stamp_counter(domain: &Domain) -> Result<()> {
    let timers = domain.clock.timers.iter();
    let asked = timers
        .filter(|timer| timer.name == TimerName::Tsc)
        .find_map(|timer| timer.frequency);
    let Some(asked) = asked else { return Ok(()) };
    match Kvm::open(Path::new("/dev/kvm")).and_then(|kvm| kvm.tsc()) {
        Some(host) => ticks(asked, host),
        None => Ok(()),
    }
}

fn ticks(asked: u64, host: Tsc) -> Result<()> {
    /// Of a million; what Linux tolerates as well.
    const TOLERANCE: u64 = 250;
    let slack =
        host.frequency / 1_000_000 * TOLERANCE + host.frequency % 1_000_000 * TOLERANCE / 1_000_000;
    let (least, most) = (host.frequency - slack, host.frequency.saturating_add(slack));
    if host.scaling || (least..=most).contains(&asked) {
        return Ok(());
    }
    Err(unsupported(format!(
        "Requested TSC frequency {asked} Hz is outside tolerance range ([{least}, {most}] Hz) around \
         host frequency {} Hz and TSC scaling is not supported by the host CPU",
        host.frequency
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_ticks_as_the_hosts_unless_it_can_be_scaled() {
        let host = |scaling| Tsc {
            frequency: 2_599_996_000,
            scaling,
        };
        for rate in [2_599_346_001, 2_599_996_000, 2_600_645_999] {
            ticks(rate, host(false)).unwrap();
        }
        ticks(1_000_000, host(true)).unwrap();
        for rate in [0, 2_599_346_000, 2_600_646_000, u64::MAX] {
            let refused = ticks(rate, host(false)).unwrap_err();
            assert!(refused.message().contains(
                "outside tolerance range ([2599346001, 2600645999] Hz) around host frequency \
                 2599996000 Hz"
            ));
        }
    }
}
