//! Who may do what to which guest, and the only ways from a call to a guest.
//!
//! A handler has [`Guests`], not the [`Registry`]: every look-up of `Guests` takes the call,
//! runs the access rules of the call's row with the caller's identity, and hands out an
//! [`Authorized`] guest. So a handler that forgets the check does not compile.

mod guests;

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::{AclRule, Object, Permission, Procedure};

use crate::identity::Identity;

pub use guests::{Caller, Guests};

/// What a permission is asked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The driver as a whole.
    Connect,
    /// One guest; it may not exist yet.
    Domain {
        /// Its name.
        name: &'a str,
        /// Its UUID.
        uuid: Uuid,
    },
}

/// Decides whether a caller may do something.
///
/// Any failure inside counts as a denial; its reason goes to the log, never to the caller
/// (WIRE.md section 15).
pub trait AccessDriver: Debug + Send + Sync {
    /// Whether `who` has `permission` on `subject`.
    fn allows(&self, who: &Identity, subject: Subject<'_>, permission: Permission) -> bool;

    /// Whether it allows everything to everyone, so that asking can be left out.
    fn allows_all(&self) -> bool {
        false
    }
}

/// The access driver "none": who got in may do everything.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

impl AccessDriver for AllowAll {
    fn allows(&self, _: &Identity, _: Subject<'_>, _: Permission) -> bool {
        true
    }

    fn allows_all(&self) -> bool {
        true
    }
}

/// All of several drivers must allow.
#[derive(Debug)]
pub struct All(pub Vec<Box<dyn AccessDriver>>);

impl AccessDriver for All {
    fn allows(&self, who: &Identity, subject: Subject<'_>, permission: Permission) -> bool {
        self.0.iter().all(|d| d.allows(who, subject, permission))
    }

    fn allows_all(&self) -> bool {
        self.0.iter().all(|d| d.allows_all())
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

/// Runs the rules that apply to a call, in order; the first denial ends it.
fn check<P: Procedure>(
    access: &dyn AccessDriver,
    driver: &'static str,
    who: &Identity,
    args: &P::Args,
    subject: Subject<'_>,
) -> Result<()> {
    if access.allows_all() {
        return Ok(());
    }
    for rule in P::acl(args) {
        debug_assert!(fits(rule, subject), "{} on {subject:?}", P::ROW.name);
        if !access.allows(who, subject, rule.permission) {
            tracing::info!(
                call = P::ROW.name,
                permission = rule.permission.name(),
                ?subject,
                ?who,
                "access denied"
            );
            return Err(denied(driver));
        }
    }
    Ok(())
}

/// Whether the caller may see a guest in the answer of a list call.
fn passes_filter<P: Procedure>(
    access: &dyn AccessDriver,
    who: &Identity,
    subject: Subject<'_>,
) -> bool {
    let mut rules = P::ROW.acl_filter.iter();
    access.allows_all() || rules.all(|rule| access.allows(who, subject, rule.permission))
}

fn fits(rule: &AclRule, subject: Subject<'_>) -> bool {
    rule.object
        == match subject {
            Subject::Connect => Object::Connect,
            Subject::Domain { .. } => Object::Domain,
        }
}

/// ACCESS_DENIED: it names the driver and nothing else (WIRE.md section 15).
fn denied(driver: &'static str) -> Error {
    Error::new(ErrorCode::AccessDenied, ErrorDomain::Access, driver)
}
