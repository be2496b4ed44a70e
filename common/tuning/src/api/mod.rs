//! Calls about limits: what the host's control groups keep. The live ones are set in the guest's
//! groups and noted in its live definition.

mod blkio;
mod cpu_stats;
mod memory;
mod numa;
pub mod params;
mod scheduler;
mod size;

use std::sync::Arc;

use virt_driver::actor::{self, Work};
use virt_driver::api::Session;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::server::Router;

use crate::Limited;

/// Strings in typed parameters are welcome (`VIR_TYPED_PARAM_STRING_OKAY`).
const STRING_OKAY: u32 = 4;

/// All handlers of this module.
pub fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    scheduler::register(router);
    memory::register(router);
    blkio::register(router);
    numa::register(router);
    size::register(router);
    cpu_stats::register(router);
}

/// Has the guest's actor run a change.
async fn run<G: Limited, T: Send + 'static>(
    guest: &Arc<G>,
    job: &'static str,
    work: impl for<'a> Work<'a, G::Editor, T> + Send + 'static,
) -> Result<T> {
    actor::submit::<G::Editor, T>(guest, job, work).await
}

fn invalid(from: ErrorDomain, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationInvalid, from, what)
}

fn bad_argument(from: ErrorDomain, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, from, what)
}

/// A reply's parameters: none when only their number is asked for.
pub fn asked<T>(nparams: i32, params: Vec<T>) -> (Vec<T>, i32) {
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
