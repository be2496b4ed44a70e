//! Period and quota of processor time.

use virt_cgroup::Group;
use virt_error::Result;

/// Period and quota of one group, in microseconds; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bandwidth {
    /// Time is shared out once in so long.
    pub period: Option<u64>,
    /// How much of that all processors together may be used; negative: all.
    pub quota: Option<i64>,
}

impl Bandwidth {
    /// Has the kernel keep it. Period first: the quota has to fit it.
    ///
    /// # Errors
    /// The group's.
    pub fn apply(self, group: &Group) -> Result<()> {
        if let Some(period) = self.period.filter(|period| *period != 0) {
            group.set_cpu_period(period)?;
        }
        if let Some(quota) = self.quota.filter(|quota| *quota != 0) {
            group.set_cpu_quota(quota)?;
        }
        Ok(())
    }
}
