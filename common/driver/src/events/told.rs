//! What happened to a guest, told under the category `guest`: such records reach virtlogd whatever the log
//! level is.

use uuid::Uuid;

use super::Event;

/// Tells the log of an event, if it is one that a person would ask for later.
pub(super) fn tell(uuid: Uuid, name: &str, event: &Event) {
    let Some(told) = told(event) else { return };
    let Told {
        event,
        reason,
        device,
        detail,
    } = told;
    let space = |text: &str| match text.is_empty() {
        true => String::new(),
        false => format!(" ({text})"),
    };
    let device_named = match device {
        "" => String::new(),
        device => format!(" {device}"),
    };
    tracing::info!(
        target: "guest",
        event,
        guest.name = name,
        guest.uuid = uuid.as_u128(),
        reason = (!reason.is_empty()).then_some(reason),
        device = (!device.is_empty()).then_some(device),
        detail = (!detail.is_empty()).then_some(detail),
        "{event}{device_named}{}",
        space(match reason {
            "" => detail,
            reason => reason,
        }),
    );
}

struct Told<'a> {
    event: &'static str,
    reason: &'static str,
    device: &'a str,
    detail: &'a str,
}

/// The words for it; none for what a guest may do many times a second, or what is another kind's double.
fn told(event: &Event) -> Option<Told<'_>> {
    let plain = |event, reason| Told {
        event,
        reason,
        device: "",
        detail: "",
    };
    let of_device = |event, device| Told {
        event,
        reason: "",
        device,
        detail: "",
    };
    Some(match event {
        Event::Lifecycle { event, detail } => {
            let (event, reasons) = lifecycle(*event)?;
            let reason = usize::try_from(*detail)
                .ok()
                .and_then(|place| reasons.get(place));
            plain(event, reason.copied().unwrap_or_default())
        }
        Event::Reboot => plain("rebooted", ""),
        Event::Watchdog { .. } => plain("watchdog", "it rang"),
        Event::IoErrorReason {
            source,
            alias,
            reason,
            ..
        } => Told {
            event: "disk-error",
            reason: match reason.as_str() {
                "enospc" => "no space left",
                _ => "",
            },
            device: alias,
            detail: source,
        },
        Event::ControlError => plain("monitor-lost", ""),
        Event::DiskChange { new, alias, .. } => Told {
            detail: new.as_deref().unwrap_or("empty"),
            ..of_device("medium-changed", alias)
        },
        Event::TrayChange { alias, reason } => Told {
            detail: match reason {
                0 => "opened",
                _ => "closed",
            },
            ..of_device("tray", alias)
        },
        Event::PmWakeup => plain("woke-up", ""),
        Event::DeviceAdded { alias } => of_device("device-attached", alias),
        Event::DeviceRemoved { alias } => of_device("device-detached", alias),
        Event::DeviceRemovalFailed { alias } => of_device("device-detach-failed", alias),
        Event::AgentLifecycle { state, .. } => match state {
            1 => plain("agent", "connected"),
            _ => plain("agent", "disconnected"),
        },
        Event::Graphics(graphics) => match graphics.phase {
            0 => plain("display", "client connected"),
            1 => plain("display", "client authenticated"),
            _ => plain("display", "client left"),
        },
        Event::BlockThreshold { device, .. } => of_device("disk-threshold", device),
        Event::MemoryFailure { .. } => plain("memory-failure", ""),
        Event::NicMacChange { alias, new, .. } => Told {
            detail: new,
            ..of_device("mac-changed", alias)
        },
        Event::JobCompleted(_) => plain("job-completed", ""),
        Event::RtcChange { .. }
        | Event::IoError { .. }
        | Event::BlockJob { .. }
        | Event::BlockJob2 { .. }
        | Event::PmSuspend
        | Event::PmSuspendDisk
        | Event::BalloonChange { .. }
        | Event::Tunable(_)
        | Event::MigrationIteration { .. }
        | Event::MetadataChange { .. }
        | Event::MemoryDeviceSizeChange { .. } => return None,
    })
}

/// The words for a lifecycle event and its details, by their numbers (`libvirt-domain.h`).
const fn lifecycle(event: i32) -> Option<(&'static str, &'static [&'static str])> {
    Some(match event {
        0 => ("defined", &["added", "updated", "renamed", "from snapshot"]),
        1 => ("undefined", &["removed", "renamed"]),
        2 => (
            "started",
            &["booted", "migrated", "restored", "from snapshot", "wakeup"],
        ),
        3 => (
            "paused",
            &[
                "by a client",
                "migrated",
                "disk error",
                "watchdog",
                "restored",
                "from snapshot",
                "API error",
                "post-copy",
                "post-copy failed",
            ],
        ),
        4 => (
            "resumed",
            &[
                "by a client",
                "migrated",
                "from snapshot",
                "post-copy",
                "post-copy failed",
            ],
        ),
        5 => (
            "stopped",
            &[
                "shutdown",
                "destroyed",
                "crashed",
                "migrated",
                "saved",
                "failed",
                "from snapshot",
            ],
        ),
        6 => ("shutting-down", &["finished", "by itself", "by the host"]),
        7 => ("asleep", &["in memory", "on disk"]),
        8 => ("crashed", &["panicked", "boots its crash kernel"]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(event: &Event) -> Option<(&str, &str, &str, &str)> {
        let told = told(event)?;
        Some((told.event, told.reason, told.device, told.detail))
    }

    #[test]
    fn events_have_words_and_unknown_numbers_none() {
        let lifecycle = |event, detail| Event::Lifecycle { event, detail };
        let started = lifecycle(2, 0);
        assert_eq!(words(&started), Some(("started", "booted", "", "")));
        let stopped = lifecycle(5, 2);
        assert_eq!(words(&stopped), Some(("stopped", "crashed", "", "")));
        let newer = lifecycle(5, 99);
        assert_eq!(words(&newer), Some(("stopped", "", "", "")));
        assert_eq!(words(&lifecycle(99, 0)), None);
        let alias = "virtio-disk1".to_owned();
        let added = Event::DeviceAdded { alias };
        assert_eq!(
            words(&added),
            Some(("device-attached", "", "virtio-disk1", ""))
        );
        assert_eq!(words(&Event::BalloonChange { actual: 1 }), None);
    }
}
