//! Who may do what to which guest, and the only ways from a call to a guest.
//!
//! A handler has [`Guests`], not the [`Registry`]: every look-up of `Guests` takes the call,
//! runs the access rules of the call's row with the caller's identity, and hands out an
//! [`Authorized`] guest. So a handler that forgets the check does not compile.

mod document;
mod door;
mod guests;
mod known;
mod object;
mod permissions;
mod virtacld;

use std::fmt::Debug;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::protocol::Permission;
use virt_rpc::protocol::decisions::{Purpose, Subject};

use crate::identity::Identity;

pub use door::Door;
pub use guests::{Caller, Guests};
pub use known::{Asked, Verdict};
pub use object::AccessObject;
pub use permissions::Permissions;
pub use virtacld::{Decider, Settings};

/// Who decides.
#[derive(Debug, Clone)]
pub enum Access {
    /// Nobody: who got in may do everything (`access_drivers` names none).
    All,
    /// virtacld.
    Decided(Arc<Decider>),
}

impl Access {
    /// `decider`, where the configuration wants it asked at all.
    pub fn by(decider: &Arc<Decider>) -> Self {
        match decider.decides() {
            true => Self::Decided(Arc::clone(decider)),
            false => Self::All,
        }
    }

    /// Whether an event of a guest may be told to someone; `None` when that must be asked first.
    pub(crate) fn may_hear(&self, asked: &Asked) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Decided(decider) => Some(decider.known(asked)?.is_allowed()),
        }
    }

    /// Asks for what isn't known of who may hear.
    pub(crate) fn ask(
        &self,
        call: &'static str,
        asked: Vec<Asked>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let access = self.clone();
        async move {
            if let Self::Decided(decider) = access {
                decider.ask(call, Purpose::Filter, asked).await;
            }
        }
    }
}

/// What hearing of a guest's events takes.
pub(crate) fn hearing(who: &Identity, readonly: bool, object: Arc<AccessObject>) -> Asked {
    Asked {
        subject: subject(who),
        readonly,
        permissions: Permissions::one(Permission::Getattr),
        object,
    }
}

fn subject(who: &Identity) -> Subject {
    Subject {
        pid: who.pid,
        start_time: who.start_time,
        uid: who.uid,
        gid: who.gid,
        selinux_context: who.selinux_context.clone(),
    }
}

/// A guest that the caller of procedure `P` may do `P` to. Only a look-up that checked the
/// access rules of `P`'s row makes one.
pub struct Authorized<P, G> {
    guest: Arc<G>,
    call: PhantomData<fn() -> P>,
}

impl<P, G> Authorized<P, G> {
    fn new(guest: Arc<G>) -> Self {
        let call = PhantomData;
        Self { guest, call }
    }

    /// The guest, for what goes on after the call is answered (its actor, a background task).
    pub fn into_guest(self) -> Arc<G> {
        self.guest
    }

    /// The shared guest.
    pub fn guest(&self) -> &Arc<G> {
        &self.guest
    }
}

impl<P, G> Deref for Authorized<P, G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.guest
    }
}

impl<P, G: Debug> Debug for Authorized<P, G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.guest.fmt(f)
    }
}

/// The caller may do `P` to the driver, or to a guest that is about to be made.
pub struct Permitted<P>(PhantomData<fn() -> P>);

impl<P> Debug for Permitted<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permitted")
    }
}

/// ACCESS_DENIED: it names the driver (WIRE.md section 15), then what is missing and who says so.
fn denied(driver: &'static str, reason: &str) -> Error {
    let detail = match reason {
        "" => format!("'{driver}' denied access"),
        reason => format!("'{driver}' denied access: {reason}"),
    };
    Error::new(ErrorCode::AccessDenied, ErrorDomain::Access, detail)
}
