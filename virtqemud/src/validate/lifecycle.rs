//! Checks of what happens at the end of a run.

use super::Context;
use super::refusal::unsupported;
use virt_domain::Domain;
use virt_domain::lifecycle::LifecycleAction;
use virt_error::Result;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let poweroff = domain.on_poweroff.unwrap_or(LifecycleAction::Destroy);
    let reboot = domain.on_reboot.unwrap_or(LifecycleAction::Restart);
    let crash = domain.on_crash.unwrap_or(LifecycleAction::Destroy);
    for (event, action) in [("poweroff", poweroff), ("reboot", reboot)] {
        if matches!(
            action,
            LifecycleAction::CoredumpDestroy | LifecycleAction::CoredumpRestart
        ) {
            return Err(unsupported(format!(
                "Lifecycle event '{event}' doesn't support '{action}' action"
            )));
        }
    }
    if [poweroff, reboot, crash].contains(&LifecycleAction::RenameRestart) {
        return Err(unsupported(
            "qemu driver doesn't support the 'rename-restart' action for 'on_reboot'/'on_poweroff'/'on_crash'",
        ));
    }
    if [poweroff, reboot].contains(&LifecycleAction::Preserve) {
        return Err(unsupported(
            "qemu driver doesn't support the 'preserve' action for 'on_reboot'/'on_poweroff'",
        ));
    }
    if reboot == LifecycleAction::Destroy && poweroff == LifecycleAction::Restart {
        return Err(unsupported(
            "qemu driver doesn't support 'onReboot' set to 'destroy and 'onPoweroff' set to 'reboot'",
        ));
    }
    Ok(())
}
