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
    options(timer)?;
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
    let Some(policy) = timer.tickpolicy else {
        return Ok(());
    };
    let known = match name {
        TimerName::Rtc => matches!(policy, TickPolicy::Delay | TickPolicy::Catchup),
        TimerName::Pit => policy != TickPolicy::Merge,
        TimerName::Armvtimer => matches!(policy, TickPolicy::Delay | TickPolicy::Discard),
        // QEMU has no choice to offer for these; the word has no effect in the stock driver either.
        _ => true,
    };
    if known {
        Ok(())
    } else {
        let timer = if name == TimerName::Rtc { " timer" } else { "" };
        Err(unsupported(format!(
            "unsupported {name}{timer} tickpolicy '{policy}'"
        )))
    }
}

/// Which timers have which options.
fn options(timer: &Timer) -> Result<()> {
    use TimerName as T;
    let name = timer.name;
    let has_track = matches!(name, T::Platform | T::Rtc);
    let has_policy = !matches!(name, T::Kvmclock | T::Hypervclock);
    for (option, is_said, exists) in [
        ("tickpolicy", timer.tickpolicy.is_some(), has_policy),
        ("track", timer.track.is_some(), has_track),
        ("frequency", timer.frequency.is_some(), name == T::Tsc),
        ("mode", timer.mode.is_some(), name == T::Tsc),
    ] {
        if is_said && !exists {
            return Err(unsupported(format!(
                "timer {name} doesn't support setting of timer {option}"
            )));
        }
    }
    let track = timer.track.filter(|track| {
        !matches!(
            track,
            TimerTrack::Guest | TimerTrack::Wall | TimerTrack::Realtime
        )
    });
    match track.filter(|_| name == T::Rtc) {
        Some(track) => Err(unsupported(format!(
            "unsupported {name} timer track '{track}'"
        ))),
        None => Ok(()),
    }
}
