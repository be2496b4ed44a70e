//! Who wants to hear of what, and telling them.
//!
//! A [`Subscriber`] is one connection's registrations; dropping it ends them. Events go into the
//! clients' own bounded queues at once, so after a deregistration was answered nothing more of it
//! is sent.

mod event;
mod held;
mod monitor;
mod told;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Row;
use virt_rpc::protocol::remote::NonnullDomain;

use crate::Guest;
use crate::access::{Access, AccessObject};
use crate::identity::Identity;
use held::{For, Held, Way};
use monitor::MonitorRegistration;

pub use event::{Event, Graphics, KINDS, LEGACY_KINDS};
pub use monitor::{MonitorEvent, MonitorFilter};

/// Registrations one client may have, of all kinds together.
const MAX_REGISTRATIONS: usize = 4096;

/// A client that events are sent to.
pub trait Listener: Debug + Send + Sync {
    /// Sends one event, without waiting.
    fn event(&self, row: &'static Row, payload: &[u8]);

    /// Who it is, for the check whether it may hear of a guest.
    fn identity(&self) -> Arc<Identity>;

    /// Whether its connection is a read-only one.
    fn is_readonly(&self) -> bool;
}

impl Listener for virt_rpc::server::Client {
    fn event(&self, row: &'static Row, payload: &[u8]) {
        self.event_raw(row, payload);
    }

    fn identity(&self) -> Arc<Identity> {
        self.identity()
    }

    fn is_readonly(&self) -> bool {
        self.is_readonly()
    }
}

/// The registrations of all clients of a driver.
#[derive(Debug)]
pub struct Events {
    itself: Weak<Self>,
    access: Access,
    registered: Mutex<Registered>,
    /// Registrations of each kind: telling of what nobody wants costs one look.
    wanted: [AtomicUsize; KINDS],
    monitor_wanted: AtomicUsize,
}

#[derive(Debug, Default)]
struct Registered {
    next_subscriber: u64,
    next_callback: i32,
    subscribers: HashMap<u64, Subscription>,
}

#[derive(Debug)]
struct Subscription {
    listener: Arc<dyn Listener>,
    registrations: Vec<Registration>,
    monitor: Vec<MonitorRegistration>,
    held: Held,
}

#[derive(Debug)]
struct Registration {
    kind: usize,
    /// `None`: in the old style.
    callback: Option<i32>,
    only: Option<Uuid>,
}

/// One connection's registrations.
#[derive(Debug)]
pub struct Subscriber {
    events: Arc<Events>,
    number: u64,
}

impl Events {
    /// Nobody listens yet. `access` decides who may hear of which guest.
    pub fn new(access: Access) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            access,
            registered: Mutex::default(),
            wanted: Default::default(),
            monitor_wanted: AtomicUsize::new(0),
        })
    }

    /// A connection that may register.
    pub fn subscriber(self: &Arc<Self>, listener: Arc<dyn Listener>) -> Subscriber {
        let mut registered = self.registered();
        let number = registered.next_subscriber;
        registered.next_subscriber += 1;
        let subscription = Subscription {
            listener,
            registrations: Vec::new(),
            monitor: Vec::new(),
            held: Held::default(),
        };
        registered.subscribers.insert(number, subscription);
        Subscriber {
            events: self.clone(),
            number,
        }
    }

    /// Tells of an event of a guest as it is now.
    pub fn emit(&self, guest: &impl Guest, event: Event) {
        told::tell(guest.uuid(), &guest.name(), &event);
        if self.is_wanted(event.kind()) {
            let object = self.object(|| guest.access_object());
            self.tell(guest.on_the_wire(), object.as_ref(), event);
        }
    }

    /// Whether anybody registered for events of that kind.
    pub fn is_wanted(&self, kind: usize) -> bool {
        self.wanted[kind].load(Ordering::Relaxed) != 0
    }

    /// Tells of an event of a guest under the name and number given: for one that is gone, or that
    /// had others when it happened. Who may hear of it goes by that name and the owners it has, or had
    /// last.
    pub fn emit_as(&self, guest: &impl Guest, dom: NonnullDomain, event: Event) {
        told::tell(Uuid::from_bytes(dom.uuid), &dom.name, &event);
        if self.is_wanted(event.kind()) {
            let object = self.object(|| AccessObject::named(guest, &dom.name));
            self.tell(dom, object.as_ref(), event);
        }
    }

    fn tell(&self, dom: NonnullDomain, object: Option<&Arc<AccessObject>>, event: Event) {
        let kind = event.kind();
        let (uuid, name) = (Uuid::from_bytes(dom.uuid), dom.name.clone());
        let mut encoded = match event.encode(dom) {
            Ok(encoded) => encoded,
            Err(error) => {
                tracing::error!("an event of guest '{name}' cannot be told: {error}");
                return;
            }
        };
        self.for_each(object, |subscription, tell| {
            let concerned = subscription
                .registrations
                .iter()
                .filter(|r| r.kind == kind && r.only.is_none_or(|only| only == uuid));
            for registration in concerned {
                match (registration.callback, encoded.legacy) {
                    (Some(callback), _) => {
                        encoded.payload[..4].copy_from_slice(&callback.to_be_bytes());
                        tell(For::Callback(callback), encoded.row, &encoded.payload);
                    }
                    (None, Some((row, skip))) => {
                        tell(For::Legacy(kind), row, &encoded.payload[skip..]);
                    }
                    // Old-style registrations of newer kinds are refused.
                    (None, None) => {}
                }
            }
        });
    }

    /// What is to be asked about a guest; nothing where everybody may hear of all.
    fn object(&self, object: impl FnOnce() -> Arc<AccessObject>) -> Option<Arc<AccessObject>> {
        match self.access {
            Access::All => None,
            Access::Decided(_) => Some(object()),
        }
    }

    /// Has `each` tell every client what it registered for, of a guest that it may hear of.
    fn for_each(
        &self,
        object: Option<&Arc<AccessObject>>,
        mut each: impl FnMut(&Subscription, &mut dyn FnMut(For, &'static Row, &[u8])),
    ) {
        for (number, subscription) in &mut self.registered().subscribers {
            // Out of it while its owner is looked at.
            let mut held = std::mem::take(&mut subscription.held);
            // Whether a client may hear is asked only if there is something to hear.
            let mut way = None;
            each(subscription, &mut |to, row, payload| {
                let way = way.get_or_insert_with(|| held.way(&self.access, subscription, object));
                match way {
                    Way::Send => subscription.listener.event(row, payload),
                    Way::Hold(asked) => held.push(asked, to, row, payload),
                    Way::Not => {}
                }
            });
            if held.needs_asking()
                && let Some(events) = self.itself.upgrade()
            {
                tokio::spawn(events.decide(*number));
            }
            subscription.held = held;
        }
    }

    fn registered(&self) -> MutexGuard<'_, Registered> {
        // A panic in between leaves a registration that is there or not there.
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber {
    /// Registers for events of `kind`, of one guest or of all, and gives the callback id.
    ///
    /// # Errors
    /// INTERNAL_ERROR when there is no such kind or the client has too many.
    pub fn register(&self, kind: i32, only: Option<Uuid>) -> Result<i32> {
        let kind = number(kind, KINDS)?;
        let mut registered = self.events.registered();
        let callback = registered.next_callback();
        self.add(&mut registered, kind, Some(callback), only)?;
        Ok(callback)
    }

    /// Registers in the old style, which knows the first 16 kinds.
    ///
    /// # Errors
    /// INTERNAL_ERROR as above, INVALID_ARG when it is registered already.
    pub fn register_legacy(&self, kind: i32) -> Result<()> {
        let kind = number(kind, LEGACY_KINDS)?;
        let mut registered = self.events.registered();
        if registered.count_legacy(self.number, kind) != 0 {
            return Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::None,
                "event callback already tracked",
            ));
        }
        self.add(&mut registered, kind, None, None)
    }

    /// Ends the registration of a callback id.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the connection has none such (WIRE.md section 8).
    pub fn deregister(&self, callback: i32) -> Result<()> {
        let removed = self.remove(|r| r.callback == Some(callback));
        removed
            .then_some(())
            .ok_or_else(|| internal(format!("domain event callback {callback} not registered")))
    }

    /// Ends a registration in the old style.
    ///
    /// # Errors
    /// INTERNAL_ERROR for an unknown kind and when there is no such registration.
    pub fn deregister_legacy(&self, kind: i32) -> Result<()> {
        let kind = number(kind, LEGACY_KINDS)?;
        match self.remove(|r| r.callback.is_none() && r.kind == kind) {
            true => Ok(()),
            false => Err(internal(format!("domain event {kind} not registered"))),
        }
    }

    fn add(
        &self,
        registered: &mut Registered,
        kind: usize,
        callback: Option<i32>,
        only: Option<Uuid>,
    ) -> Result<()> {
        if let Some(subscription) = registered.room(self.number)? {
            subscription.registrations.push(Registration {
                kind,
                callback,
                only,
            });
            self.events.wanted[kind].fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn remove(&self, is_it: impl Fn(&Registration) -> bool) -> bool {
        let mut registered = self.events.registered();
        let Some(subscription) = registered.subscribers.get_mut(&self.number) else {
            return false;
        };
        let Some(place) = subscription.registrations.iter().position(is_it) else {
            return false;
        };
        let gone = subscription.registrations.remove(place);
        subscription.held.forget(match gone.callback {
            Some(callback) => For::Callback(callback),
            None => For::Legacy(gone.kind),
        });
        self.events.wanted[gone.kind].fetch_sub(1, Ordering::Relaxed);
        true
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let gone = self.events.registered().subscribers.remove(&self.number);
        let Some(gone) = gone else { return };
        for registration in &gone.registrations {
            self.events.wanted[registration.kind].fetch_sub(1, Ordering::Relaxed);
        }
        let monitor = &self.events.monitor_wanted;
        monitor.fetch_sub(gone.monitor.len(), Ordering::Relaxed);
    }
}

impl Registered {
    fn next_callback(&mut self) -> i32 {
        // Wraps after two thousand million registrations; negative numbers are left out.
        self.next_callback = self.next_callback.checked_add(1).unwrap_or(1);
        self.next_callback
    }

    fn room(&mut self, subscriber: u64) -> Result<Option<&mut Subscription>> {
        let subscription = self.subscribers.get_mut(&subscriber);
        match subscription {
            Some(s) if s.registrations.len() + s.monitor.len() >= MAX_REGISTRATIONS => {
                Err(internal(format!(
                    "this connection has {MAX_REGISTRATIONS} event registrations already: \
                     deregister some"
                )))
            }
            other => Ok(other),
        }
    }

    fn count_legacy(&self, subscriber: u64, kind: usize) -> usize {
        self.subscribers.get(&subscriber).map_or(0, |s| {
            let old = |r: &&Registration| r.callback.is_none() && r.kind == kind;
            s.registrations.iter().filter(old).count()
        })
    }
}

fn number(kind: i32, end: usize) -> Result<usize> {
    let number = usize::try_from(kind).ok().filter(|kind| *kind < end);
    number.ok_or_else(|| internal(format!("unsupported event ID {kind}")))
}

fn internal(detail: String) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Rpc, detail)
}

#[cfg(test)]
mod tests;
