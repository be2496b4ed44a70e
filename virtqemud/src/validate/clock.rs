//! Checks of the timers.

use super::Context;
use super::refusal::unsupported;
use virt_domain::Domain;
use virt_domain::clock::{TickPolicy, Timer, TimerName, TimerTrack};
use virt_error::Result;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    for timer in &domain.clock.timers {
        check_timer(domain, timer)?;
    }
    Ok(())
}

fn check_timer(domain: &Domain, timer: &Timer) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let name = timer.name;
    let here = match name {
        TimerName::Platform => {
            return Err(unsupported(format!(
                "unsupported timer type (name) '{name}'"
            )));
        }
        TimerName::Rtc => true,
        TimerName::Armvtimer => arch.is_arm(),
        TimerName::Pit
        | TimerName::Hpet
        | TimerName::Tsc
        | TimerName::Kvmclock
        | TimerName::Hypervclock => arch.is_x86(),
    };
    if !here {
        return Err(unsupported(format!(
            "Configuring the '{name}' timer is not supported for virtType={} arch={arch} machine={} guests",
            domain.virt_type,
            domain.os.kind.machine.as_deref().unwrap_or_default()
        )));
    }
    if let Some(track) = timer.track {
        let known = name == TimerName::Rtc
            && matches!(
                track,
                TimerTrack::Guest | TimerTrack::Wall | TimerTrack::Realtime
            );
        if !known {
            return Err(unsupported(format!(
                "unsupported {name} timer track '{track}'"
            )));
        }
    }
    let Some(policy) = timer.tickpolicy else {
        return Ok(());
    };
    let known = match name {
        TimerName::Rtc => matches!(policy, TickPolicy::Delay | TickPolicy::Catchup),
        TimerName::Pit => policy != TickPolicy::Merge,
        TimerName::Armvtimer => matches!(policy, TickPolicy::Delay | TickPolicy::Discard),
        TimerName::Kvmclock | TimerName::Hypervclock => {
            return Err(unsupported(format!(
                "timer {name} doesn't support setting of timer tickpolicy"
            )));
        }
        // QEMU has no choice to offer for these; the word has no effect in the stock driver either.
        TimerName::Hpet | TimerName::Tsc | TimerName::Platform => true,
    };
    if known {
        Ok(())
    } else {
        Err(unsupported(format!(
            "unsupported {name} tickpolicy '{policy}'"
        )))
    }
}
