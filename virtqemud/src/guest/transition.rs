//! What QEMU's events mean for a guest: from the state and the event to the new state, the events
//! for clients and what is to be done. Values in, values out.
//!
//! Order and reasons are those seen in the stock daemon (libvirt 11.3).

use serde_json::{Map, Value};
use virt_driver::{Crashed, Event, Paused, Running, Shutdown, Shutoff, State};

use super::lifecycle::Lifecycle;

/// What a guest that ends, restarts or crashes by itself becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes {
    /// Off.
    Off,
    /// Itself again, from its firmware on.
    Restarted,
    /// It is left as it is, for inspection.
    Kept,
}

/// What is known of the guest when the event comes.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// Its state.
    pub state: State,
    /// The state that a command under way asked for.
    pub expected: Option<State>,
    /// A caller wants it to come back after its next shutdown.
    pub reboot_wanted: bool,
    /// `on_poweroff`.
    pub on_poweroff: Becomes,
    /// `on_crash`.
    pub on_crash: Becomes,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct After {
    /// The new state, if it changes.
    pub state: Option<State>,
    /// What clients are told, in order.
    pub events: Vec<Event>,
    /// What is to be done.
    pub then: Then,
}

/// What is to be done after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Then {
    /// Nothing.
    #[default]
    Nothing,
    /// QEMU is ended; this is why.
    End(Shutoff),
    /// The machine is reset and its processors run.
    Restart,
}

impl After {
    fn becomes(state: State, what: Lifecycle) -> Self {
        Self {
            state: Some(state),
            events: vec![what.event()],
            then: Then::Nothing,
        }
    }

    fn tells(event: Event) -> Self {
        Self {
            events: vec![event],
            ..Self::default()
        }
    }
}

/// Takes an event that concerns the guest's run; `None` for all others.
pub fn of(before: &Before, name: &str, data: &Map<String, Value>) -> Option<After> {
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(match name {
        "STOP" => stop(before),
        "RESUME" => resume(before),
        "SHUTDOWN" => shutdown(before, data.get("guest").and_then(Value::as_bool)),
        "RESET" => After::tells(Event::Reboot),
        "SUSPEND" => sleep(Lifecycle::PmSuspendedMemory, Event::PmSuspend),
        "SUSPEND_DISK" => sleep(Lifecycle::PmSuspendedDisk, Event::PmSuspendDisk),
        "WAKEUP" => wakeup(before),
        "WATCHDOG" => watchdog(before, text("action")),
        "GUEST_PANICKED" => panicked(before),
        "GUEST_CRASHLOADED" => After::tells(Lifecycle::CrashedCrashloaded.event()),
        _ => return None,
    })
}

fn stop(before: &Before) -> After {
    // The reason is known already: a watchdog, an I/O error, a crash, a shutdown.
    if !matches!(before.state, State::Running(_) | State::PmSuspended) {
        return After::default();
    }
    // The machine was reset and is about to run again.
    if matches!(before.expected, Some(State::Running(_))) {
        return After::default();
    }
    let state = match before.expected {
        Some(state @ State::Paused(_)) => state,
        _ => State::Paused(Paused::Unknown),
    };
    After::becomes(state, Lifecycle::SuspendedPaused)
}

fn resume(before: &Before) -> After {
    if matches!(before.state, State::Running(_)) {
        return After::default();
    }
    let reason = match before.expected {
        Some(State::Running(reason)) => reason,
        _ => Running::Unpaused,
    };
    let what = match reason {
        Running::Restored | Running::FromSnapshot => Lifecycle::ResumedFromSnapshot,
        _ => Lifecycle::ResumedUnpaused,
    };
    After::becomes(State::Running(reason), what)
}

fn shutdown(before: &Before, guest: Option<bool>) -> After {
    let what = match guest {
        Some(true) => Lifecycle::ShutdownGuest,
        Some(false) => Lifecycle::ShutdownHost,
        None => Lifecycle::ShutdownFinished,
    };
    // Only the guest's own shutdown can be answered by a restart: a signal or `quit` ends QEMU.
    // Clients see a guest that restarts as one that runs all the time.
    let comes_back = before.reboot_wanted || before.on_poweroff == Becomes::Restarted;
    if guest == Some(true) && comes_back {
        return After {
            then: Then::Restart,
            ..After::default()
        };
    }
    let mut after = After::becomes(State::Shutdown(Shutdown::Unknown), what);
    after.then = Then::End(Shutoff::Shutdown);
    after
}

fn sleep(what: Lifecycle, event: Event) -> After {
    After {
        state: Some(State::PmSuspended),
        events: vec![event, what.event()],
        then: Then::Nothing,
    }
}

fn wakeup(before: &Before) -> After {
    let mut after = After::tells(Event::PmWakeup);
    if before.state == State::PmSuspended {
        after.state = Some(State::Running(Running::Wakeup));
        after.events.push(Lifecycle::StartedWakeup.event());
    }
    after
}

fn watchdog(before: &Before, action: &str) -> After {
    let number = match action {
        "pause" => 1,
        "reset" => 2,
        "poweroff" => 3,
        "shutdown" => 4,
        "debug" => 5,
        "inject-nmi" => 6,
        _ => 0,
    };
    let mut after = After::tells(Event::Watchdog { action: number });
    if action == "pause" && matches!(before.state, State::Running(_)) {
        after.state = Some(State::Paused(Paused::Watchdog));
        after.events.push(Lifecycle::SuspendedWatchdog.event());
    }
    after
}

fn panicked(before: &Before) -> After {
    let mut after = After::becomes(
        State::Crashed(Crashed::Panicked),
        Lifecycle::CrashedPanicked,
    );
    after.then = match before.on_crash {
        Becomes::Off => Then::End(Shutoff::Crashed),
        Becomes::Restarted => Then::Restart,
        Becomes::Kept => Then::Nothing,
    };
    after
}

/// What a failed disk request means. `action` is what QEMU does about it.
pub fn io_error(before: &Before, source: &str, alias: &str, data: &Map<String, Value>) -> After {
    let stops = data.get("action").and_then(Value::as_str) == Some("stop");
    let action = match data.get("action").and_then(Value::as_str) {
        Some("stop") => 1,
        Some("report") => 2,
        _ => 0,
    };
    let full = data.get("nospace").and_then(Value::as_bool) == Some(true);
    let (source, alias) = (source.to_owned(), alias.to_owned());
    let mut after = After::tells(Event::IoError {
        source: source.clone(),
        alias: alias.clone(),
        action,
    });
    after.events.push(Event::IoErrorReason {
        source,
        alias,
        action,
        reason: if full { "enospc" } else { "" }.to_owned(),
    });
    if stops && matches!(before.state, State::Running(_)) {
        after.state = Some(State::Paused(Paused::IoError));
        after.events.push(Lifecycle::SuspendedIoError.event());
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RUNS: State = State::Running(Running::Booted);

    fn before(state: State) -> Before {
        Before {
            state,
            expected: None,
            reboot_wanted: false,
            on_poweroff: Becomes::Off,
            on_crash: Becomes::Off,
        }
    }

    fn hear(before: &Before, name: &str, data: Value) -> After {
        let Value::Object(data) = data else {
            panic!("an object")
        };
        of(before, name, &data).unwrap()
    }

    fn lifecycle(after: &After) -> Vec<(i32, i32)> {
        let numbers = after.events.iter().filter_map(|event| match event {
            Event::Lifecycle { event, detail } => Some((*event, *detail)),
            _ => None,
        });
        numbers.collect()
    }

    #[test]
    fn a_stop_has_the_reason_of_the_command_under_way() {
        let asked = Before {
            expected: Some(State::Paused(Paused::Save)),
            ..before(RUNS)
        };
        assert_eq!(
            hear(&asked, "STOP", json!({})).state,
            Some(State::Paused(Paused::Save))
        );
        let unasked = hear(&before(RUNS), "STOP", json!({}));
        assert_eq!(unasked.state, Some(State::Paused(Paused::Unknown)));
        assert_eq!(lifecycle(&unasked), [(3, 0)]);
    }

    #[test]
    fn a_stop_that_was_explained_is_not_told_twice() {
        let rings = hear(&before(RUNS), "WATCHDOG", json!({"action": "pause"}));
        assert_eq!(rings.state, Some(State::Paused(Paused::Watchdog)));
        assert_eq!(lifecycle(&rings), [(3, 3)]);
        let stops = hear(&before(rings.state.unwrap()), "STOP", json!({}));
        assert_eq!(stops, After::default());
    }

    #[test]
    fn a_restored_guest_resumes_from_a_snapshot() {
        let restoring = Before {
            expected: Some(State::Running(Running::Restored)),
            ..before(State::Paused(Paused::Migration))
        };
        let after = hear(&restoring, "RESUME", json!({}));
        assert_eq!(after.state, Some(State::Running(Running::Restored)));
        assert_eq!(lifecycle(&after), [(4, 2)]);
    }

    #[test]
    fn a_shutdown_ends_qemu_or_restarts_the_machine() {
        let own = json!({"guest": true, "reason": "guest-shutdown"});
        let after = hear(&before(RUNS), "SHUTDOWN", own.clone());
        assert_eq!(after.then, Then::End(Shutoff::Shutdown));
        assert_eq!(lifecycle(&after), [(6, 1)]);
        let rebooting = Before {
            reboot_wanted: true,
            ..before(RUNS)
        };
        let restarts = hear(&rebooting, "SHUTDOWN", own);
        assert_eq!((restarts.then, restarts.state), (Then::Restart, None));
        let restarting = Before {
            expected: Some(RUNS),
            ..rebooting
        };
        assert_eq!(hear(&restarting, "STOP", json!({})), After::default());
        // A signal can't be answered by a restart: the process goes.
        let signal = hear(
            &rebooting,
            "SHUTDOWN",
            json!({"guest": false, "reason": "host-signal"}),
        );
        assert_eq!(signal.then, Then::End(Shutoff::Shutdown));
        assert_eq!(lifecycle(&signal), [(6, 2)]);
    }

    #[test]
    fn a_full_disk_pauses_with_its_reason() {
        let Value::Object(data) = json!({"action": "stop", "nospace": true}) else {
            panic!("an object")
        };
        let after = io_error(&before(RUNS), "/a.raw", "virtio-disk0", &data);
        assert_eq!(after.state, Some(State::Paused(Paused::IoError)));
        assert!(
            matches!(&after.events[1], Event::IoErrorReason { reason, action: 1, .. } if reason == "enospc")
        );
        assert_eq!(lifecycle(&after), [(3, 2)]);
    }

    #[test]
    fn a_crash_is_kept_where_that_was_asked_for() {
        let kept = Before {
            on_crash: Becomes::Kept,
            ..before(RUNS)
        };
        let after = hear(&kept, "GUEST_PANICKED", json!({"action": "pause"}));
        assert_eq!(after.state, Some(State::Crashed(Crashed::Panicked)));
        assert_eq!(after.then, Then::Nothing);
        assert_eq!(
            hear(&before(RUNS), "GUEST_PANICKED", json!({"action": "pause"})).then,
            Then::End(Shutoff::Crashed)
        );
    }
}
