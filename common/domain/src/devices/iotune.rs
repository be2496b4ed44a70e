//! `<iotune>`: limits of a disk or of a group of disks.
//!
//! Facts: formatdomain "Hard drives, floppy disks, CDROMs"; the texts of refusals are the stock
//! daemon's.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::Element;

/// Limits: bytes or operations in a second, bursts, lengths of bursts in seconds. 0 is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
#[allow(missing_docs, reason = "each field is the element of its name")]
pub struct IoTune {
    #[xml(child_text)]
    pub total_bytes_sec: Option<u64>,
    #[xml(child_text)]
    pub read_bytes_sec: Option<u64>,
    #[xml(child_text)]
    pub write_bytes_sec: Option<u64>,
    #[xml(child_text)]
    pub total_iops_sec: Option<u64>,
    #[xml(child_text)]
    pub read_iops_sec: Option<u64>,
    #[xml(child_text)]
    pub write_iops_sec: Option<u64>,
    #[xml(child_text)]
    pub total_bytes_sec_max: Option<u64>,
    #[xml(child_text)]
    pub read_bytes_sec_max: Option<u64>,
    #[xml(child_text)]
    pub write_bytes_sec_max: Option<u64>,
    #[xml(child_text)]
    pub total_iops_sec_max: Option<u64>,
    #[xml(child_text)]
    pub read_iops_sec_max: Option<u64>,
    #[xml(child_text)]
    pub write_iops_sec_max: Option<u64>,
    #[xml(child_text)]
    pub size_iops_sec: Option<u64>,
    #[xml(child_text)]
    pub group_name: Option<String>,
    #[xml(child_text)]
    pub total_bytes_sec_max_length: Option<u64>,
    #[xml(child_text)]
    pub read_bytes_sec_max_length: Option<u64>,
    #[xml(child_text)]
    pub write_bytes_sec_max_length: Option<u64>,
    #[xml(child_text)]
    pub total_iops_sec_max_length: Option<u64>,
    #[xml(child_text)]
    pub read_iops_sec_max_length: Option<u64>,
    #[xml(child_text)]
    pub write_iops_sec_max_length: Option<u64>,
}

impl IoTune {
    /// Whether anything is limited.
    pub fn limits(&self) -> bool {
        self.numbers()
            .iter()
            .any(|(_, value)| value.is_some_and(|v| v > 0))
    }

    /// Each number with the name of its element, in the order of the schema.
    pub fn numbers(&self) -> [(&'static str, Option<u64>); 19] {
        [
            ("total_bytes_sec", self.total_bytes_sec),
            ("read_bytes_sec", self.read_bytes_sec),
            ("write_bytes_sec", self.write_bytes_sec),
            ("total_iops_sec", self.total_iops_sec),
            ("read_iops_sec", self.read_iops_sec),
            ("write_iops_sec", self.write_iops_sec),
            ("total_bytes_sec_max", self.total_bytes_sec_max),
            ("read_bytes_sec_max", self.read_bytes_sec_max),
            ("write_bytes_sec_max", self.write_bytes_sec_max),
            ("total_iops_sec_max", self.total_iops_sec_max),
            ("read_iops_sec_max", self.read_iops_sec_max),
            ("write_iops_sec_max", self.write_iops_sec_max),
            ("size_iops_sec", self.size_iops_sec),
            (
                "total_bytes_sec_max_length",
                self.total_bytes_sec_max_length,
            ),
            ("read_bytes_sec_max_length", self.read_bytes_sec_max_length),
            (
                "write_bytes_sec_max_length",
                self.write_bytes_sec_max_length,
            ),
            ("total_iops_sec_max_length", self.total_iops_sec_max_length),
            ("read_iops_sec_max_length", self.read_iops_sec_max_length),
            ("write_iops_sec_max_length", self.write_iops_sec_max_length),
        ]
    }

    /// A limit of 0 is none.
    pub(crate) fn settle(&mut self) {
        for number in [
            &mut self.total_bytes_sec,
            &mut self.read_bytes_sec,
            &mut self.write_bytes_sec,
            &mut self.total_iops_sec,
            &mut self.read_iops_sec,
            &mut self.write_iops_sec,
            &mut self.total_bytes_sec_max,
            &mut self.read_bytes_sec_max,
            &mut self.write_bytes_sec_max,
            &mut self.total_iops_sec_max,
            &mut self.read_iops_sec_max,
            &mut self.write_iops_sec_max,
            &mut self.size_iops_sec,
            &mut self.total_bytes_sec_max_length,
            &mut self.read_bytes_sec_max_length,
            &mut self.write_bytes_sec_max_length,
            &mut self.total_iops_sec_max_length,
            &mut self.read_iops_sec_max_length,
            &mut self.write_iops_sec_max_length,
        ] {
            *number = number.filter(|number| *number > 0);
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.group_name.is_some()
            && !self.numbers().iter().any(|(_, n)| n.is_some_and(|n| n > 0))
        {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "group_name can be configured only together with settings",
            ));
        }
        self.check_totals()
    }

    /// What counts reads and writes together leaves nothing for each.
    pub(crate) fn check_totals(&self) -> Result<()> {
        let both = |total: Option<u64>, read: Option<u64>, write: Option<u64>, what: &str| {
            let set = |v: Option<u64>| v.is_some_and(|v| v > 0);
            if set(total) && (set(read) || set(write)) {
                return Err(Error::new(
                    ErrorCode::XmlError,
                    ErrorDomain::Domain,
                    format!("total and read/write {what} cannot be set at the same time"),
                ));
            }
            Ok(())
        };
        both(
            self.total_bytes_sec,
            self.read_bytes_sec,
            self.write_bytes_sec,
            "bytes_sec",
        )?;
        both(
            self.total_iops_sec,
            self.read_iops_sec,
            self.write_iops_sec,
            "iops_sec",
        )?;
        both(
            self.total_bytes_sec_max,
            self.read_bytes_sec_max,
            self.write_bytes_sec_max,
            "bytes_sec_max",
        )?;
        both(
            self.total_iops_sec_max,
            self.read_iops_sec_max,
            self.write_iops_sec_max,
            "iops_sec_max",
        )
    }
}
