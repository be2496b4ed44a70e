//! Limits at block devices: the host's device of a path, and what is set for it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use virt_cgroup::{Placed, Throttle};
use virt_domain::blkiotune::BlkioDevice;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// `MAJOR:MINOR` of a block device.
///
/// # Errors
/// SYSTEM_ERROR when it can't be looked at, INVALID_ARG when it is something else.
pub fn numbers(path: &str) -> Result<String> {
    let data = std::fs::metadata(path).map_err(|cause| {
        let what = format!("Path '{path}' is not accessible");
        Error::system(ErrorDomain::Cgroup, what, &cause)
    })?;
    if !data.file_type().is_block_device() {
        return Err(Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Cgroup,
            format!("Path '{path}' must be a block device"),
        ));
    }
    let device = data.rdev();
    Ok(format!(
        "{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    ))
}

/// A limit of [`BlkioDevice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The weight against other guests.
    Weight,
    /// A ceiling.
    Ceiling(Throttle),
}

impl Limit {
    /// All of them with the names of their parameters (`libvirt-domain.h`).
    pub const ALL: [(Self, &str); 5] = [
        (Self::Weight, "device_weight"),
        (Self::Ceiling(Throttle::ReadIops), "device_read_iops_sec"),
        (Self::Ceiling(Throttle::WriteIops), "device_write_iops_sec"),
        (Self::Ceiling(Throttle::ReadBytes), "device_read_bytes_sec"),
        (
            Self::Ceiling(Throttle::WriteBytes),
            "device_write_bytes_sec",
        ),
    ];

    /// Its value, if there is one.
    pub fn get(self, device: &BlkioDevice) -> Option<u64> {
        match self {
            Self::Weight => device.weight.map(Into::into),
            Self::Ceiling(Throttle::ReadIops) => device.read_iops_sec.map(Into::into),
            Self::Ceiling(Throttle::WriteIops) => device.write_iops_sec.map(Into::into),
            Self::Ceiling(Throttle::ReadBytes) => device.read_bytes_sec,
            Self::Ceiling(Throttle::WriteBytes) => device.write_bytes_sec,
        }
    }

    /// Notes it; 0 takes it away.
    pub fn note(self, device: &mut BlkioDevice, value: u64) {
        let large = (value != 0).then_some(value);
        let small = large.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        match self {
            Self::Weight => device.weight = small,
            Self::Ceiling(Throttle::ReadIops) => device.read_iops_sec = small,
            Self::Ceiling(Throttle::WriteIops) => device.write_iops_sec = small,
            Self::Ceiling(Throttle::ReadBytes) => device.read_bytes_sec = large,
            Self::Ceiling(Throttle::WriteBytes) => device.write_bytes_sec = large,
        }
    }

    /// Has the kernel keep it.
    ///
    /// # Errors
    /// Those of [`numbers`] and of the group.
    pub fn set(self, groups: &Placed, path: &str, value: u64) -> Result<()> {
        let numbers = numbers(path)?;
        match self {
            Self::Weight => groups.set_blkio_device_weight(path, &numbers, value),
            Self::Ceiling(throttle) => groups.group().set_throttle(&numbers, throttle, value),
        }
    }
}

/// Sets all that a device has.
///
/// # Errors
/// As [`Limit::set`].
pub fn apply(groups: &Placed, device: &BlkioDevice) -> Result<()> {
    for (limit, _) in Limit::ALL {
        if let Some(value) = limit.get(device) {
            limit.set(groups, &device.path, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_devices_have_limits() {
        let error = numbers("/nonexistent/a").unwrap_err();
        assert_eq!(
            error.message(),
            "Path '/nonexistent/a' is not accessible: No such file or directory"
        );
        assert!(numbers("/dev/null").is_err());
    }

    #[test]
    fn every_limit_has_a_place_of_its_own() {
        let mut device = BlkioDevice::default();
        for (value, (limit, _)) in (1..).zip(Limit::ALL) {
            limit.note(&mut device, value);
        }
        let values: Vec<_> = Limit::ALL
            .iter()
            .map(|(limit, _)| limit.get(&device))
            .collect();
        assert_eq!(values, [1, 2, 3, 4, 5].map(Some));
        Limit::Weight.note(&mut device, 0);
        assert_eq!(device.weight, None);
    }
}
