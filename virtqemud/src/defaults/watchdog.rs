//! Defaults of watchdogs.

use super::Context;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::watchdog::{Watchdog, WatchdogModel};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let q35 = Board::of(domain) == Board::Q35;
    let watchdogs = &mut domain.devices.watchdogs;
    let there = watchdogs.iter().any(|w| w.model == WatchdogModel::Itco);
    if q35 && !there {
        // Part of the chipset; it does what the others do.
        let action = watchdogs.first().map(|w| w.action).unwrap_or_default();
        watchdogs.push(Watchdog {
            model: WatchdogModel::Itco,
            action,
            info: DeviceInfo::default(),
        });
    }
    Ok(())
}
