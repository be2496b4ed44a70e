//! What a guest is and does, in few words: the calls that tools make most.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetControlInfo, DomainGetControlInfoRet, DomainGetInfo, DomainGetInfoRet,
    DomainGetOsType, DomainGetOsTypeRet,
};
use virt_rpc::server::{Call, Router};
use virt_tuning::usage;

use super::flags;
use super::session::Session;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetInfo>(info);
    router.call::<DomainGetOsType>(os_type);
    router.call::<DomainGetControlInfo>(control);
}

fn info(call: &Call<DomainGetInfo, Session>) -> Result<DomainGetInfoRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let snapshot = guest.snapshot();
    let cpu_time = match &snapshot.live {
        Some(live) => usage::process(live.qemu.process.pid())
            .map(|used| used.total())
            .map_err(|_| {
                Error::new(
                    ErrorCode::OperationFailed,
                    ErrorDomain::Qemu,
                    "cannot read cputime for domain",
                )
            })?,
        None => 0,
    };
    let size = snapshot.size();
    // No guest has more processors than the reply can hold; one above would be cut.
    let count = u16::try_from(size.vcpus).unwrap_or(u16::MAX);
    Ok(DomainGetInfoRet {
        // All numbers of states are small.
        state: u8::try_from(snapshot.state.number()).unwrap_or(0),
        maxMem: size.memory,
        memory: size.current_memory,
        nrVirtCpu: count,
        cpuTime: cpu_time,
    })
}

fn os_type(call: &Call<DomainGetOsType, Session>) -> Result<DomainGetOsTypeRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let snapshot = guest.snapshot();
    let r#type = match (&snapshot.definition, &snapshot.live) {
        (Some(definition), _) => definition.summary().os_type.as_ref().to_owned(),
        // QEMU runs whole machines alone.
        _ => "hvm".to_owned(),
    };
    Ok(DomainGetOsTypeRet { r#type })
}

/// Whether the monitor answers: it does, or a job waits for it.
fn control(call: &Call<DomainGetControlInfo, Session>) -> Result<DomainGetControlInfoRet> {
    /// `VIR_DOMAIN_CONTROL_OK`
    const OK: u32 = 0;
    /// `VIR_DOMAIN_CONTROL_ERROR`
    const ERROR: u32 = 3;
    /// `VIR_DOMAIN_CONTROL_ERROR_REASON_MONITOR`
    const MONITOR: u32 = 2;
    let guest = call.session().guest(call, &call.args.dom)?;
    flags::only(call.args.flags, 0, "qemuDomainGetControlInfo")?;
    let snapshot = guest.snapshot();
    let live = snapshot.running()?;
    let monitor = &live.qemu.monitor;
    let (state, details) = match monitor.is_silent() || monitor.is_closed() {
        true => (ERROR, MONITOR),
        false => (OK, 0),
    };
    Ok(DomainGetControlInfoRet {
        state,
        details,
        stateTime: 0,
    })
}
