//! Limits and shares of guests: what the host's control groups keep, and on which processors threads
//! run. The live ones are set in the guest's groups and noted in its live definition.

mod blkio;
mod memory;
mod numa;
mod params;
mod pin;
mod scheduler;

use std::sync::Arc;

use virt_cgroup::{Controller, Placed};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::server::Router;

use super::flags::{self, Affects};
use super::session::Session;
use crate::driver::Driver;
use crate::guest::{Body, Live};

pub(super) fn register(router: &mut Router<Session>) {
    scheduler::register(router);
    memory::register(router);
    blkio::register(router);
    numa::register(router);
    pin::register(router);
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationInvalid, ErrorDomain::Qemu, what)
}

fn bad_argument(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what)
}

/// Refuses what only control groups could do in a session, which has none.
fn needs_system(driver: &Driver, what: &str) -> Result<()> {
    match driver.paths.is_system() {
        true => Ok(()),
        false => Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Qemu,
            format!("{what} tuning is not available in session mode"),
        )),
    }
}

/// The guest's groups, if the controller acts on them.
fn groups<'l>(live: &'l Live, controller: Controller, absent: &str) -> Result<&'l Arc<Placed>> {
    let groups = live.qemu.groups.as_ref();
    let there = groups.filter(|groups| groups.group().has(controller));
    there.ok_or_else(|| invalid(absent))
}

/// What a change is made to.
fn affected(body: &Body, flags: u32) -> Result<Affects> {
    let snapshot = body.guest().current();
    flags::affects(flags, snapshot.is_active(), snapshot.definition.is_some())
}

/// Does on a thread of its own what blocks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "the change ended by a fault of the daemon's own; see its log",
        ))
    })
}

/// A reply's parameters: none when only their number is asked for.
fn asked<T>(nparams: i32, params: Vec<T>) -> (Vec<T>, i32) {
    let count = i32::try_from(params.len()).unwrap_or(i32::MAX);
    let wanted = usize::try_from(nparams).unwrap_or(0);
    let mut params = params;
    params.truncate(wanted);
    let told = if wanted == 0 {
        count
    } else {
        count.min(nparams)
    };
    (params, told)
}
