//! What is set in a group, by controller (WIRE.md section 22): one function a value, in the units of
//! the domain XML.
//!
//! Where the kernel's interface is the same as everybody's, `cgroups-rs` writes it; where libvirt
//! takes other files than that crate (memory's protection, weights of block devices), they are
//! written here.

use std::path::Path;

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuset::CpuSetController;
use cgroups_rs::fs::error::ErrorKind;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::group::Folder;
use crate::{Controller, Group, file};

/// A limit of so many KiB is none.
pub const UNLIMITED_KIB: u64 = 9_007_199_254_740_991;

/// Processor time of all threads in a group, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuUsage {
    /// All of it.
    pub total: u64,
    /// Outside the kernel.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
}

/// Which limit of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// Reads a second.
    ReadIops,
    /// Writes a second.
    WriteIops,
    /// Bytes read a second.
    ReadBytes,
    /// Bytes written a second.
    WriteBytes,
}

impl Throttle {
    const fn legacy_file(self) -> &'static str {
        match self {
            Self::ReadIops => "blkio.throttle.read_iops_device",
            Self::WriteIops => "blkio.throttle.write_iops_device",
            Self::ReadBytes => "blkio.throttle.read_bps_device",
            Self::WriteBytes => "blkio.throttle.write_bps_device",
        }
    }

    const fn unified_key(self) -> &'static str {
        match self {
            Self::ReadIops => "riops",
            Self::WriteIops => "wiops",
            Self::ReadBytes => "rbps",
            Self::WriteBytes => "wbps",
        }
    }
}

/// Which limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// The most memory.
    Hard,
    /// The most under contention.
    Soft,
    /// The most of memory and swap; with version 2 of swap.
    SwapHard,
}

impl MemoryLimit {
    const fn file(self, unified: bool) -> &'static str {
        match (self, unified) {
            (Self::Hard, false) => "memory.limit_in_bytes",
            (Self::Hard, true) => "memory.max",
            (Self::Soft, false) => "memory.soft_limit_in_bytes",
            (Self::Soft, true) => "memory.high",
            (Self::SwapHard, false) => "memory.memsw.limit_in_bytes",
            (Self::SwapHard, true) => "memory.swap.max",
        }
    }
}

/// What `cgroups-rs` could not write, in the stock daemon's words.
fn told(folder: &Path) -> impl FnOnce(cgroups_rs::fs::error::Error) -> Error {
    move |error| {
        let cause = std::error::Error::source(&error)
            .and_then(|cause| cause.downcast_ref::<std::io::Error>())
            .and_then(std::io::Error::raw_os_error)
            .map(std::io::Error::from_raw_os_error);
        match (error.kind(), cause) {
            (ErrorKind::WriteFailed(name, value), Some(cause)) => {
                file::refused(&folder.join(name), value, &cause)
            }
            _ => Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Cgroup,
                format!("{}: {error}", folder.display()),
            ),
        }
    }
}

impl Group {
    fn cpu(&self) -> Result<(&Folder, CpuController)> {
        let folder = self.of(Controller::Cpu)?;
        let cpu = CpuController::new(folder.path.clone(), "".into(), folder.unified);
        Ok((folder, cpu))
    }

    fn cpuset(&self) -> Result<(&Folder, CpuSetController)> {
        let folder = self.of(Controller::Cpuset)?;
        let cpuset = CpuSetController::new(folder.path.clone(), "".into(), folder.unified);
        Ok((folder, cpuset))
    }

    /// Whether version 2 serves the controller here.
    pub fn is_unified(&self, controller: Controller) -> bool {
        self.folder(controller).is_some_and(|folder| folder.unified)
    }

    /// The weight against other groups: of processor time in version 1's range (2 to 262144) or in
    /// version 2's (1 to 10000).
    ///
    /// # Errors
    /// SYSTEM_ERROR, INTERNAL_ERROR without the controller.
    pub fn cpu_shares(&self) -> Result<u64> {
        let (folder, cpu) = self.cpu()?;
        cpu.shares().map_err(told(&folder.path))
    }

    /// Sets it.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_cpu_shares(&self, shares: u64) -> Result<()> {
        let (folder, cpu) = self.cpu()?;
        cpu.set_shares(shares).map_err(told(&folder.path))
    }

    /// Period and quota of processor time, in microseconds; a quota of -1 is no limit.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn cpu_bandwidth(&self) -> Result<(u64, i64)> {
        let (folder, cpu) = self.cpu()?;
        let period = cpu.cfs_period().map_err(told(&folder.path))?;
        let quota = cpu.cfs_quota().map_err(told(&folder.path))?;
        // The crate's own value for "max".
        let unlimited = quota < 0 || quota == i64::MAX;
        Ok((period, if unlimited { -1 } else { quota }))
    }

    /// Sets the period.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_cpu_period(&self, period: u64) -> Result<()> {
        let (folder, cpu) = self.cpu()?;
        cpu.set_cfs_period(period).map_err(told(&folder.path))
    }

    /// Sets the quota; anything negative is no limit.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_cpu_quota(&self, quota: i64) -> Result<()> {
        let (folder, cpu) = self.cpu()?;
        let quota = if quota < 0 { -1 } else { quota };
        cpu.set_cfs_quota(quota).map_err(told(&folder.path))
    }

    /// Sets the processors, as a list.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_cpus(&self, cpus: &str) -> Result<()> {
        let (folder, cpuset) = self.cpuset()?;
        cpuset.set_cpus(cpus).map_err(told(&folder.path))
    }

    /// Sets the memory nodes, as a list.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_mems(&self, nodes: &str) -> Result<()> {
        let (folder, cpuset) = self.cpuset()?;
        cpuset.set_mems(nodes).map_err(told(&folder.path))
    }

    /// The memory nodes.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn mems(&self) -> Result<String> {
        file::read(&self.of(Controller::Cpuset)?.path, "cpuset.mems")
    }

    /// Has memory move along when the nodes change. Version 2 always does.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn migrate_memory(&self) -> Result<()> {
        let folder = self.of(Controller::Cpuset)?;
        match folder.unified {
            true => Ok(()),
            false => file::write(&folder.path, "cpuset.memory_migrate", "1"),
        }
    }

    /// A limit of memory in KiB; [`UNLIMITED_KIB`] for none. `None` when the kernel does not count
    /// swap.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn memory_limit(&self, limit: MemoryLimit) -> Result<Option<u64>> {
        let folder = self.of(Controller::Memory)?;
        let name = limit.file(folder.unified);
        if limit == MemoryLimit::SwapHard && !folder.path.join(name).exists() {
            return Ok(None);
        }
        let text = file::read(&folder.path, name)?;
        let kib = match text.as_str() {
            "max" => UNLIMITED_KIB,
            number_text => file::number(number_text)? >> 10,
        };
        // The kernel's largest number is cut to whole pages.
        let largest = u64::try_from(i64::MAX).unwrap_or(u64::MAX) >> 10;
        let unlimited = kib >= largest & !63;
        Ok(Some(if unlimited { UNLIMITED_KIB } else { kib }))
    }

    /// Sets it, in KiB.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_memory_limit(&self, limit: MemoryLimit, kib: u64) -> Result<()> {
        let folder = self.of(Controller::Memory)?;
        let none = if folder.unified { "max" } else { "-1" };
        let value = match kib >= UNLIMITED_KIB {
            true => none.to_owned(),
            false => (kib << 10).to_string(),
        };
        file::write(&folder.path, limit.file(folder.unified), &value)
    }

    /// The weight against other groups at block devices.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`]; OPERATION_INVALID where no scheduler of the host has weights.
    pub fn blkio_weight(&self) -> Result<u64> {
        let folder = self.of(Controller::Blkio)?;
        let text = file::read(&folder.path, weight_file(folder)?)?;
        file::number(
            text.strip_prefix("default ")
                .unwrap_or(&text)
                .lines()
                .next()
                .unwrap_or(""),
        )
    }

    /// Sets it.
    ///
    /// # Errors
    /// As [`Group::blkio_weight`].
    pub fn set_blkio_weight(&self, weight: u64) -> Result<()> {
        let folder = self.of(Controller::Blkio)?;
        let name = weight_file(folder)?;
        let value = match name {
            "io.weight" => format!("default {weight}"),
            _ => weight.to_string(),
        };
        file::write(&folder.path, name, &value)
    }

    /// Sets the weight at one device, `MAJOR:MINOR`; 0 takes it back.
    ///
    /// # Errors
    /// As [`Group::blkio_weight`].
    pub fn set_blkio_device_weight(&self, device: &str, weight: u64) -> Result<()> {
        let folder = self.of(Controller::Blkio)?;
        let name = match folder.unified {
            true => "io.weight",
            false => "blkio.weight_device",
        };
        if !folder.path.join(name).exists() {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Cgroup,
                "blkio device weight is valid only for cfq scheduler",
            ));
        }
        let value = match weight {
            0 if folder.unified => "default".to_owned(),
            weight => weight.to_string(),
        };
        file::write(&folder.path, name, &format!("{device} {value}"))
    }

    /// Sets a limit at one device, `MAJOR:MINOR`; 0 is none.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn set_throttle(&self, device: &str, throttle: Throttle, value: u64) -> Result<()> {
        let folder = self.of(Controller::Blkio)?;
        if !folder.unified {
            let value = format!("{device} {value}");
            return file::write(&folder.path, throttle.legacy_file(), &value);
        }
        let key = throttle.unified_key();
        let value = match value {
            0 => "max".to_owned(),
            value => value.to_string(),
        };
        file::write(&folder.path, "io.max", &format!("{device} {key}={value}"))
    }

    /// The processor time of all that was ever in the group.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`].
    pub fn cpu_usage(&self) -> Result<CpuUsage> {
        let folder = self.of(Controller::Cpuacct)?;
        if folder.unified {
            let text = file::read(&folder.path, "cpu.stat")?;
            return usage_of_v2(&text).ok_or_else(|| file::absent(Controller::Cpuacct));
        }
        let total = file::number(&file::read(&folder.path, "cpuacct.usage")?)?;
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        let text = file::read(&folder.path, "cpuacct.stat")?;
        let nanos = |word| {
            let ticked = file::keyed(&text, word).unwrap_or(0);
            ticked.saturating_mul(1_000_000_000 / ticks)
        };
        Ok(CpuUsage {
            total,
            user: nanos("user"),
            system: nanos("system"),
        })
    }

    /// The processor time by processor of the host, in nanoseconds.
    ///
    /// # Errors
    /// As [`Group::cpu_shares`]; OPERATION_UNSUPPORTED with version 2, which does not count it.
    pub fn cpu_usage_by_cpu(&self) -> Result<Vec<u64>> {
        let folder = self.of(Controller::Cpuacct)?;
        if folder.unified {
            return Err(Error::new(
                ErrorCode::OperationUnsupported,
                ErrorDomain::Cgroup,
                "operation 'getCpuacctPercpuUsage' not supported for backend 'cgroup V2'",
            ));
        }
        let text = file::read(&folder.path, "cpuacct.usage_percpu")?;
        text.split_ascii_whitespace().map(file::number).collect()
    }
}

/// The file of the weight, which depends on the host's schedulers.
fn weight_file(folder: &Folder) -> Result<&'static str> {
    let names = match folder.unified {
        true => ["io.bfq.weight", "io.weight"],
        false => ["blkio.bfq.weight", "blkio.weight"],
    };
    let there = names
        .into_iter()
        .find(|name| folder.path.join(name).exists());
    there.ok_or_else(|| {
        Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Cgroup,
            "blkio weight is valid only for bfq or cfq scheduler",
        )
    })
}

fn usage_of_v2(text: &str) -> Option<CpuUsage> {
    let nanos = |word| file::keyed(text, word).map(|usec: u64| usec.saturating_mul(1000));
    Some(CpuUsage {
        total: nanos("usage_usec")?,
        user: nanos("user_usec")?,
        system: nanos("system_usec")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    /// A group of plain files: what is written can be read, and nothing else is there.
    fn group(root: &Path, unified: bool, files: &[(&str, &str)]) -> Group {
        for (name, value) in files {
            std::fs::write(root.join(name), value).unwrap();
        }
        let mounts = match unified {
            true => format!("c {} cgroup2 rw 0 0", root.display()),
            false => format!(
                "c {} cgroup rw,cpu,cpuacct,cpuset,memory,blkio 0 0",
                root.display()
            ),
        };
        let layout = Layout::detect(&mounts, |_| "cpu cpuset memory io".to_owned()).unwrap();
        Group::at(&layout, "/")
    }

    fn text(root: &Path, name: &str) -> String {
        std::fs::read_to_string(root.join(name)).unwrap()
    }

    #[test]
    fn version_1_has_a_file_a_value() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let files = [
            ("cpu.shares", "1024\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.cfs_quota_us", "-1\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.soft_limit_in_bytes", ""),
            ("blkio.bfq.weight", "100\n"),
            ("blkio.throttle.read_bps_device", ""),
            ("cpuacct.usage", "12345\n"),
            ("cpuacct.stat", "user 3\nsystem 4\n"),
            ("cpuacct.usage_percpu", "5 6 \n"),
        ];
        let group = group(root, false, &files);
        assert_eq!(group.cpu_shares(), Ok(1024));
        group.set_cpu_shares(2048).unwrap();
        assert_eq!(text(root, "cpu.shares"), "2048");
        assert_eq!(group.cpu_bandwidth(), Ok((100_000, -1)));
        assert_eq!(
            group.memory_limit(MemoryLimit::Hard),
            Ok(Some(UNLIMITED_KIB))
        );
        assert_eq!(group.memory_limit(MemoryLimit::SwapHard), Ok(None));
        group.set_memory_limit(MemoryLimit::Hard, 8).unwrap();
        assert_eq!(text(root, "memory.limit_in_bytes"), "8192");
        group
            .set_memory_limit(MemoryLimit::Soft, UNLIMITED_KIB)
            .unwrap();
        assert_eq!(text(root, "memory.soft_limit_in_bytes"), "-1");
        assert_eq!(group.blkio_weight(), Ok(100));
        group.set_throttle("254:0", Throttle::ReadBytes, 0).unwrap();
        assert_eq!(text(root, "blkio.throttle.read_bps_device"), "254:0 0");
        let error = group.set_blkio_device_weight("254:0", 100).unwrap_err();
        assert!(error.message().contains("cfq"), "{error}");
        assert_eq!(group.cpu_usage().unwrap().total, 12345);
        assert_eq!(group.cpu_usage_by_cpu(), Ok(vec![5, 6]));
    }

    #[test]
    fn version_2_puts_several_into_one_file() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let files = [
            ("cpu.weight", "100\n"),
            ("cpu.max", "max 100000\n"),
            ("memory.max", "max\n"),
            ("memory.high", ""),
            ("memory.swap.max", "4096\n"),
            ("io.max", ""),
            ("io.weight", "default 50\n8:0 70\n"),
            ("cpu.stat", "usage_usec 12\nuser_usec 7\nsystem_usec 5\n"),
        ];
        let group = group(root, true, &files);
        assert_eq!(group.cpu_bandwidth(), Ok((100_000, -1)));
        group.set_cpu_quota(5000).unwrap();
        assert_eq!(text(root, "cpu.max"), "5000 100000");
        group.set_cpu_quota(-7).unwrap();
        assert_eq!(text(root, "cpu.max"), "max 100000");
        assert_eq!(
            group.memory_limit(MemoryLimit::Hard),
            Ok(Some(UNLIMITED_KIB))
        );
        assert_eq!(group.memory_limit(MemoryLimit::SwapHard), Ok(Some(4)));
        group
            .set_memory_limit(MemoryLimit::Soft, UNLIMITED_KIB)
            .unwrap();
        assert_eq!(text(root, "memory.high"), "max");
        assert_eq!(group.blkio_weight(), Ok(50));
        group.set_blkio_weight(60).unwrap();
        assert_eq!(text(root, "io.weight"), "default 60");
        group.set_throttle("8:0", Throttle::WriteIops, 9).unwrap();
        assert_eq!(text(root, "io.max"), "8:0 wiops=9");
        assert_eq!(group.cpu_usage().unwrap().system, 5000);
        assert!(group.cpu_usage_by_cpu().is_err());
    }
}
