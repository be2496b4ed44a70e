//! What a container is and does, in few words.

use virt_driver::Size;
use virt_driver::api::Session as _;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetInfo, DomainGetInfoRet, DomainGetOsType, DomainGetOsTypeRet,
};
use virt_rpc::server::{Call, Router};

use super::session::Session;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetInfo>(info);
    router.call::<DomainGetOsType>(|call| {
        call.session().guest(call, &call.args.dom)?;
        // No other kind is taken.
        let r#type = "exe".into();
        Ok(DomainGetOsTypeRet { r#type })
    });
}

fn info(call: &Call<DomainGetInfo, Session>) -> Result<DomainGetInfoRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let snapshot = guest.snapshot();
    let state = u8::try_from(snapshot.state.number()).unwrap_or(0);
    let Some(live) = &snapshot.live else {
        let summary = snapshot.definition.as_ref().map(|kept| kept.summary());
        let summary = summary.ok_or_else(gone)?;
        return Ok(DomainGetInfoRet {
            state,
            maxMem: summary.memory,
            memory: summary.current_memory,
            nrVirtCpu: u16::try_from(summary.vcpus).unwrap_or(u16::MAX),
            cpuTime: 0,
        });
    };
    let group = live.container.groups.as_ref().map(|placed| placed.group());
    let used = group.map(|group| group.cpu_usage()).transpose()?;
    // What it uses is what a container has.
    let memory = group.map(|group| group.memory_usage()).transpose()?;
    let size = Size::from(&*live.domain);
    Ok(DomainGetInfoRet {
        state,
        maxMem: size.memory,
        memory: memory.unwrap_or(size.current_memory),
        nrVirtCpu: u16::try_from(size.vcpus).unwrap_or(u16::MAX),
        cpuTime: used.map_or(0, |used| used.total),
    })
}

fn gone() -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Lxc,
        "the container stopped and is gone",
    )
}
