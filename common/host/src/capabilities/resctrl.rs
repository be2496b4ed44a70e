//! The kernel's resource control file system, as far as it tells what there is to control (its
//! `Documentation/arch/x86/resctrl.rst`).

use crate::sysfs::Tree;

use super::cache::{Bank, Control, Monitor, MonitorFeature};
use super::size::scaled;

const INFO: &str = "/sys/fs/resctrl/info";

/// How a cache can be divided. With code and data prioritisation each has a control of its own.
pub(super) fn controls(tree: &Tree, bank: &Bank) -> Vec<Control> {
    let names = [("", "both"), ("CODE", "code"), ("DATA", "data")];
    names
        .into_iter()
        .filter_map(|(suffix, kind)| {
            let folder = format!("{INFO}/L{}{suffix}", bank.level);
            let mask = tree.line(&format!("{folder}/cbm_mask"))?;
            let bits: u32 = mask
                .chars()
                .map(|digit| digit.to_digit(16).map_or(0, u32::count_ones))
                .sum();
            let min_bits: u64 = tree.number(&format!("{folder}/min_cbm_bits"))?;
            let step = bank.bytes.checked_div(bits.into())?;
            let (granularity, unit) = scaled(step);
            Some(Control {
                granularity,
                min: (min_bits > 1).then(|| granularity.saturating_mul(min_bits)),
                unit: unit.to_owned(),
                kind: kind.to_owned(),
                max_allocs: tree.number(&format!("{folder}/num_closids"))?,
            })
        })
        .collect()
}

/// The monitors whose features' names are wanted.
pub(super) fn monitor(tree: &Tree, wanted: impl Fn(&str) -> bool) -> Option<Monitor> {
    let max_monitors = tree.number(&format!("{INFO}/L3_MON/num_rmids"))?;
    let names = tree.text(&format!("{INFO}/L3_MON/mon_features")).ok()?;
    let features: Vec<_> = names
        .lines()
        .map(str::trim)
        .filter(|name| wanted(name))
        .map(|name| MonitorFeature {
            name: name.to_owned(),
        })
        .collect();
    (!features.is_empty()).then_some(Monitor {
        level: None,
        reuse_threshold: None,
        max_monitors,
        features,
    })
}

/// Occupancy in bytes below which a monitor can be used again.
pub(super) fn reuse_threshold(tree: &Tree) -> u64 {
    tree.number(&format!("{INFO}/L3_MON/max_threshold_occupancy"))
        .unwrap_or(0)
}

/// What of memory bandwidth can be controlled: step and least share in per cent, and the number
/// of shares.
pub(super) fn bandwidth(tree: &Tree) -> Option<(u64, u64, u32)> {
    let number = |name: &str| tree.number::<u64>(&format!("{INFO}/MB/{name}"));
    Some((
        number("bandwidth_gran")?,
        number("min_bandwidth")?,
        u32::try_from(number("num_closids")?).ok()?,
    ))
}
