//! Events of QEMU that concern a device rather than the guest's run.

use std::sync::Arc;

use serde_json::{Map, Value};
use virt_driver::Event;
use virt_driver::events::{Graphics, MonitorEvent};
use virt_rpc::protocol::remote::{DomainEventGraphicsAddress, DomainEventGraphicsIdentity};

use super::body::Body;
use super::dump;
use super::transition::{self, Before};
use crate::qmp;
use crate::start::{back_ends, memory_devices};

/// The port that the guest's agent listens at.
const AGENT_PORT: &str = "org.qemu.guest_agent.0";

impl Body {
    /// Passes an event to those who asked for events of the monitor itself.
    pub(super) fn pass_on(&self, event: &qmp::Event) {
        let events = &self.driver().events;
        if !events.is_monitor_wanted() {
            return;
        }
        let details = match event.data.is_empty() {
            true => None,
            false => serde_json::to_string(&event.data).ok(),
        };
        events.emit_monitor(
            &**self.guest(),
            &MonitorEvent {
                name: event.name.clone(),
                seconds: event.seconds,
                micros: event.microseconds,
                details,
            },
        );
    }

    pub(super) async fn device_event(&mut self, before: &Before, event: &qmp::Event) {
        let data = &event.data;
        let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| data.get(key).and_then(Value::as_i64).unwrap_or(0);
        let truth = |key: &str| data.get(key).and_then(Value::as_bool) == Some(true);
        match event.name.as_str() {
            "BLOCK_IO_ERROR" => {
                let alias = alias_of(text("qom-path"), text("device"));
                let source = self.disk_source(&alias).unwrap_or_default();
                let after = transition::io_error(before, &source, &alias, data);
                self.follow(after).await;
            }
            "MIGRATION" => {
                if let Some(running) = &mut self.running {
                    running.migration = Some(text("status").to_owned());
                }
            }
            "DUMP_COMPLETED" => {
                if let Some(running) = &mut self.running {
                    running.dumped = Some(dump::outcome(data));
                }
            }
            "MIGRATION_PASS" => {
                let iteration = i32::try_from(number("pass")).unwrap_or(i32::MAX);
                self.emit(Event::MigrationIteration { iteration });
            }
            "RTC_CHANGE" => self.emit(Event::RtcChange {
                offset: number("offset"),
            }),
            "BALLOON_CHANGE" => self.balloon_changed(number("actual").unsigned_abs() / 1024),
            "DEVICE_TRAY_MOVED" => {
                let alias = alias_of(text("id"), text("device"));
                let reason = if truth("tray-open") { 0 } else { 1 };
                self.tray_moved(&alias, truth("tray-open"));
                self.emit(Event::TrayChange { alias, reason });
            }
            "DEVICE_DELETED" if !text("device").is_empty() => {
                self.device_gone(text("device").to_owned()).await;
            }
            "DEVICE_UNPLUG_GUEST_ERROR" | "MEM_UNPLUG_ERROR" if !text("device").is_empty() => {
                let alias = text("device").to_owned();
                if let Some(running) = &mut self.running {
                    running.kept_device = Some(alias.clone());
                }
                self.emit(Event::DeviceRemovalFailed { alias });
            }
            "MEMORY_DEVICE_SIZE_CHANGE" => {
                let (alias, size) = (text("id").to_owned(), number("size").unsigned_abs() / 1024);
                // A guest that is gone by now has no size.
                let _ = self.change_live(|live| {
                    memory_devices::size_changed(Arc::make_mut(&mut live.domain), &alias, size);
                });
                self.emit(Event::MemoryDeviceSizeChange { alias, size });
            }
            "MEMORY_FAILURE" => self.emit(memory_failure(data)),
            "VSERPORT_CHANGE" => self.port_changed(text("id"), truth("open")),
            name => {
                if let Some(event) = graphics(name, data) {
                    self.emit(event);
                }
            }
        }
    }

    /// What the disk of that name shows as its source.
    fn disk_source(&self, alias: &str) -> Option<String> {
        let live = self.live().ok()?;
        let mut disks = live.domain.devices.disks.iter();
        let disk = disks.find(|disk| disk.info.alias() == Some(alias))?;
        Some(disk.shown_source().to_owned())
    }

    /// The guest opened or closed a port of its virtio-serial controller.
    fn port_changed(&mut self, alias: &str, open: bool) {
        let mut agent = false;
        let changed = self.change_live(|live| {
            let domain = Arc::make_mut(&mut live.domain);
            back_ends::channel_changed(domain, alias, open);
            agent = domain.devices.channels.iter().any(|channel| {
                channel.info.alias() == Some(alias) && channel.target.name() == Some(AGENT_PORT)
            });
        });
        if changed.is_ok() && agent {
            self.emit(Event::AgentLifecycle {
                state: if open { 1 } else { 2 },
                // The channel's own doing, rather than the guest's start.
                reason: 2,
            });
        }
    }

    fn balloon_changed(&mut self, actual: u64) {
        let changed = self.change_live(|live| {
            Arc::make_mut(&mut live.domain).current_memory = virt_domain::KiB(actual);
        });
        if changed.is_ok() {
            self.emit(Event::BalloonChange { actual });
        }
    }
}

/// The alias in a path of QEMU's objects, `/machine/peripheral/ALIAS/…`, or what QEMU calls the
/// device.
fn alias_of(path: &str, device: &str) -> String {
    let inner = path.strip_prefix("/machine/peripheral/").unwrap_or(path);
    let alias = inner.split('/').next().unwrap_or_default();
    if alias.is_empty() { device } else { alias }.to_owned()
}

/// The host found broken memory of the guest.
fn memory_failure(data: &Map<String, Value>) -> Event {
    let word = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    let flag = |key: &str| data.get("flags").and_then(|f| f.get(key)?.as_bool()) == Some(true);
    Event::MemoryFailure {
        recipient: i32::from(word("recipient") == "guest"),
        action: match word("action") {
            "inject" => 1,
            "fatal" => 2,
            "reset" => 3,
            _ => 0,
        },
        flags: u32::from(flag("action-required")) | u32::from(flag("recursive")) << 1,
    }
}

/// A viewer connected to a screen, was let in, or left.
fn graphics(name: &str, data: &Map<String, Value>) -> Option<Event> {
    let (display, what) = name.split_once('_')?;
    if !matches!(display, "VNC" | "SPICE") {
        return None;
    }
    let phase = match what {
        "CONNECTED" => 0,
        "INITIALIZED" => 1,
        "DISCONNECTED" => 2,
        _ => return None,
    };
    let (server, client) = (data.get("server"), data.get("client"));
    let identity = |kind: &str, key: &str| {
        Some(DomainEventGraphicsIdentity {
            r#type: kind.to_owned(),
            name: member(client, key)?,
        })
    };
    let subject = [
        identity("x509dname", "x509_dname"),
        identity("saslUsername", "sasl_username"),
    ];
    Some(Event::Graphics(Box::new(Graphics {
        phase,
        local: address(server),
        remote: address(client),
        auth_scheme: member(server, "auth").unwrap_or_default(),
        subject: subject.into_iter().flatten().collect(),
    })))
}

fn member(value: Option<&Value>, key: &str) -> Option<String> {
    value?.get(key)?.as_str().map(str::to_owned)
}

fn address(value: Option<&Value>) -> DomainEventGraphicsAddress {
    let member = |key: &str| member(value, key);
    DomainEventGraphicsAddress {
        family: match member("family").as_deref() {
            Some("ipv6") => 1,
            Some("unix") => 2,
            _ => 0,
        },
        node: member("host").unwrap_or_default(),
        service: member("service").or(member("port")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_is_found_by_its_path_or_name() {
        assert_eq!(
            alias_of("/machine/peripheral/virtio-disk0/virtio-backend", ""),
            "virtio-disk0"
        );
        assert_eq!(alias_of("ide0-0-0", ""), "ide0-0-0");
        assert_eq!(alias_of("", "drive-x"), "drive-x");
    }

    #[test]
    fn a_viewer_is_told_with_both_addresses() {
        let Value::Object(data) = json!({
            "server": {"auth": "none", "family": "ipv4", "service": "5900", "host": "127.0.0.1"},
            "client": {"family": "ipv4", "service": "40000", "host": "127.0.0.9",
                       "sasl_username": "fred"}
        }) else {
            panic!("an object")
        };
        let Some(Event::Graphics(event)) = graphics("VNC_INITIALIZED", &data) else {
            panic!("an event")
        };
        assert_eq!(event.phase, 1);
        assert_eq!(event.auth_scheme, "none");
        assert_eq!(event.local.service, "5900");
        assert_eq!(event.remote.node, "127.0.0.9");
        assert_eq!(event.subject[0].name, "fred");
        assert_eq!(graphics("VNC_OTHER", &data), None);
    }
}
