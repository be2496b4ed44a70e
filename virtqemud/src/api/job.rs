//! Jobs that a client can watch: there are none that take long enough to be told of.

use virt_error::Result;
use virt_rpc::protocol::remote::{
    DomainGetJobInfo, DomainGetJobInfoRet, DomainGetJobStats, DomainGetJobStatsRet,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;

/// `VIR_DOMAIN_JOB_NONE`
const NONE: i32 = 0;

/// Bits of `virDomainGetJobStats`: of the job that ended last, and keep it.
const COMPLETED: u32 = 1;
const KEEP_COMPLETED: u32 = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetJobInfo>(info);
    router.call::<DomainGetJobStats>(stats);
}

fn info(call: &Call<DomainGetJobInfo, Session>) -> Result<DomainGetJobInfoRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    guest.snapshot().running()?;
    Ok(DomainGetJobInfoRet {
        r#type: NONE,
        timeElapsed: 0,
        timeRemaining: 0,
        dataTotal: 0,
        dataProcessed: 0,
        dataRemaining: 0,
        memTotal: 0,
        memProcessed: 0,
        memRemaining: 0,
        fileTotal: 0,
        fileProcessed: 0,
        fileRemaining: 0,
    })
}

fn stats(call: &Call<DomainGetJobStats, Session>) -> Result<DomainGetJobStatsRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    flags::only(
        call.args.flags,
        COMPLETED | KEEP_COMPLETED,
        "qemuDomainGetJobStats",
    )?;
    if call.args.flags & COMPLETED == 0 {
        guest.snapshot().running()?;
    }
    Ok(DomainGetJobStatsRet {
        r#type: NONE,
        params: Vec::new(),
    })
}
