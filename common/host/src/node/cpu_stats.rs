//! `virNodeGetCPUStats`: where the host's CPU time went, from `/proc/stat`.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::sysfs::Tree;

use super::memory::Stat;

/// Nanoseconds spent in `kernel user idle iowait` by one CPU, or by all of them for -1.
///
/// Ticks of `/proc/stat` are turned into nanoseconds with `ticks_per_second`.
pub(crate) fn stats(tree: &Tree, cpu: i32, ticks_per_second: u64) -> Result<Vec<Stat>> {
    let path = "/proc/stat";
    let text = tree
        .text(path)
        .map_err(|e| Error::system(ErrorDomain::None, format!("cannot open {path}"), &e))?;
    let name = if cpu == -1 {
        "cpu".to_owned()
    } else {
        format!("cpu{cpu}")
    };
    let ticks: Vec<u64> = text
        .lines()
        .find_map(|line| line.strip_prefix(name.as_str())?.strip_prefix(' '))
        .map(|rest| {
            rest.split_ascii_whitespace()
                .map_while(|word| word.parse().ok())
                .collect()
        })
        .unwrap_or_default();
    // user nice system idle iowait irq softirq
    let [user, nice, system, idle, iowait, irq, softirq, ..] = ticks[..] else {
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::None.number(),
            "Invalid cpuNum in virHostCPUGetStatsLinux".into(),
            Some("virHostCPUGetStatsLinux".into()),
            Some("cpuNum".into()),
            None,
        ));
    };
    let per_tick = 1_000_000_000 / ticks_per_second.max(1);
    let nanoseconds = |ticks: &[u64]| {
        let sum = ticks
            .iter()
            .fold(0u64, |sum, value| sum.saturating_add(*value));
        sum.saturating_mul(per_tick)
    };
    Ok(vec![
        ("kernel", nanoseconds(&[system, irq, softirq])),
        ("user", nanoseconds(&[user, nice])),
        ("idle", nanoseconds(&[idle])),
        ("iowait", nanoseconds(&[iowait])),
    ])
}
