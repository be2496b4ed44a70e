//! Events of QEMU's monitor, passed on as they are (program 0x20008087, procedures 4 to 6).

use std::sync::atomic::Ordering;

use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::EventMessage;
use virt_rpc::protocol::qemu::{DomainMonitorEvent, DomainMonitorEventMsg};
use virt_rpc::xdr;

use super::{Events, For, Subscriber, internal};
use crate::Guest;

/// The event's name is a regular expression.
const REGEX: u32 = 1;
/// Letters match in either case.
const NO_CASE: u32 = 2;

/// Bytes a compiled expression may take: clients choose it.
const MAX_EXPRESSION: usize = 1 << 20;

/// One event of a monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorEvent {
    /// Its name, such as `RTC_CHANGE`.
    pub name: String,
    /// When QEMU says it happened: seconds since 1970.
    pub seconds: i64,
    /// And microseconds.
    pub micros: u32,
    /// Its data as JSON.
    pub details: Option<String>,
}

/// Which events of the monitor a client wants.
#[derive(Debug)]
pub enum MonitorFilter {
    /// All.
    All,
    /// Those of that name.
    Name {
        /// The name.
        name: String,
        /// In either case.
        any_case: bool,
    },
    /// Those an expression matches.
    Expression(regex::Regex),
}

impl MonitorFilter {
    /// The filter of a registration's arguments.
    ///
    /// # Errors
    /// INVALID_ARG for unknown flags and for what is no expression.
    pub fn new(name: Option<&str>, flags: u32) -> Result<Self> {
        let invalid = |what: String| Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what);
        if flags & !(REGEX | NO_CASE) != 0 {
            let function = "virDomainQemuMonitorEventStateRegisterID";
            return Err(Error::from_wire(
                ErrorCode::InvalidArg.number(),
                ErrorDomain::None.number(),
                format!(
                    "unsupported flags (0x{:x}) in function {function}",
                    flags & !(REGEX | NO_CASE)
                ),
                Some(function.to_owned()),
                Some("flags".to_owned()),
                None,
            ));
        }
        let any_case = flags & NO_CASE != 0;
        Ok(match name {
            None => Self::All,
            Some(name) if flags & REGEX != 0 => Self::Expression(
                regex::RegexBuilder::new(name)
                    .case_insensitive(any_case)
                    .size_limit(MAX_EXPRESSION)
                    .build()
                    .map_err(|e| invalid(format!("failed to compile regex '{name}': {e}")))?,
            ),
            Some(name) => Self::Name {
                name: name.to_owned(),
                any_case,
            },
        })
    }

    fn wants(&self, event: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name {
                name,
                any_case: true,
            } => name.eq_ignore_ascii_case(event),
            Self::Name { name, .. } => name == event,
            Self::Expression(expression) => expression.is_match(event),
        }
    }
}

#[derive(Debug)]
pub(super) struct MonitorRegistration {
    callback: i32,
    only: Option<Uuid>,
    filter: MonitorFilter,
}

impl Events {
    /// Whether anybody wants events of monitors at all.
    pub fn is_monitor_wanted(&self) -> bool {
        self.monitor_wanted.load(Ordering::Relaxed) != 0
    }

    /// Passes an event of a guest's monitor on.
    pub fn emit_monitor(&self, guest: &impl Guest, event: &MonitorEvent) {
        if !self.is_monitor_wanted() {
            return;
        }
        let dom = guest.on_the_wire();
        let (uuid, name) = (guest.uuid(), dom.name.clone());
        let message = DomainMonitorEventMsg {
            callbackID: 0,
            dom,
            event: event.name.clone(),
            seconds: event.seconds,
            micros: event.micros,
            details: event.details.clone(),
        };
        let mut payload = match xdr::to_bytes(&message) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(
                    "event {} of guest '{name}' cannot be told: {error}",
                    event.name
                );
                return;
            }
        };
        let object = self.object(|| guest.access_object());
        self.for_each(object.as_ref(), |subscription, tell| {
            let wanted = |r: &&MonitorRegistration| {
                r.only.is_none_or(|only| only == uuid) && r.filter.wants(&event.name)
            };
            for registration in subscription.monitor.iter().filter(wanted) {
                payload[..4].copy_from_slice(&registration.callback.to_be_bytes());
                let to = For::Callback(registration.callback);
                tell(to, DomainMonitorEvent::ROW, &payload);
            }
        });
    }
}

impl Subscriber {
    /// Registers for events of monitors, of one guest or of all.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the client has too many registrations.
    pub fn register_monitor(&self, filter: MonitorFilter, only: Option<Uuid>) -> Result<i32> {
        let mut registered = self.events.registered();
        let callback = registered.next_callback();
        if let Some(subscription) = registered.room(self.number)? {
            subscription.monitor.push(MonitorRegistration {
                callback,
                only,
                filter,
            });
            self.events.monitor_wanted.fetch_add(1, Ordering::Relaxed);
        }
        Ok(callback)
    }

    /// Ends such a registration.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the connection has none such.
    pub fn deregister_monitor(&self, callback: i32) -> Result<()> {
        let mut registered = self.events.registered();
        let found = registered
            .subscribers
            .get_mut(&self.number)
            .and_then(|subscription| {
                let place = subscription
                    .monitor
                    .iter()
                    .position(|r| r.callback == callback)?;
                subscription.held.forget(For::Callback(callback));
                Some(subscription.monitor.remove(place))
            });
        match found {
            Some(_) => {
                self.events.monitor_wanted.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            }
            None => Err(internal(format!(
                "qemu monitor event callback {callback} not registered"
            ))),
        }
    }
}
