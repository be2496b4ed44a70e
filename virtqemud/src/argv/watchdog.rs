//! Options of watchdogs.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::watchdog::{WatchdogAction, WatchdogModel};
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    let mut part_of_chipset = false;
    for watchdog in &domain.devices.watchdogs {
        if watchdog.model == WatchdogModel::Itco {
            part_of_chipset = true;
        } else {
            let props = Props::device(watchdog.model.word())
                .maybe("id", watchdog.info.alias())
                .placed(domain, &watchdog.info)?;
            b.device(&props);
        }
    }
    if part_of_chipset {
        // It leaves its reset off unless told.
        b.option("-global", "ICH9-LPC.noreboot=off");
    }
    // They all do the same, which was checked when the guest was defined.
    if let Some(watchdog) = domain.devices.watchdogs.first() {
        let action = match watchdog.action {
            // The daemon dumps the paused guest.
            WatchdogAction::Dump => WatchdogAction::Pause,
            action => action,
        };
        b.option("-watchdog-action", action.word());
    }
    Ok(())
}
