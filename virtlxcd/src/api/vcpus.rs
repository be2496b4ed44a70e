//! A container's virtual processors: `virsh vcpuinfo`, `vcpucount`, `vcpupin`.

use virt_domain::NumberSet;
use virt_driver::api::Session as _;
use virt_driver::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Describe as _, Described};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetMaxVcpus, DomainGetMaxVcpusRet, DomainGetVcpuPinInfo, DomainGetVcpuPinInfoRet,
    DomainGetVcpus, DomainGetVcpusFlags, DomainGetVcpusFlagsRet, DomainGetVcpusRet, VcpuInfo,
};
use virt_rpc::server::{Call, Router};
use virt_tuning::Limited as _;
use virt_tuning::cpu_maps::{bounded, map};

use super::session::Session;
use crate::processors;

/// `VIR_DOMAIN_VCPU_MAXIMUM`
const MAXIMUM: u32 = 4;

/// `virVcpuState`: it is off, it runs.
const OFFLINE: i32 = 0;
const RUNNING: i32 = 1;
/// In place of a processor of the host: none, or more than one (`virVcpuHostCpuState`).
const NO_CPU: i32 = -1;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetMaxVcpus>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let num = count(&guest.described(), AFFECT_LIVE | MAXIMUM)?;
        Ok(DomainGetMaxVcpusRet { num })
    });
    router.call::<DomainGetVcpusFlags>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let num = count(&guest.described(), call.args.flags)?;
        Ok(DomainGetVcpusFlagsRet { num })
    });
    router.call::<DomainGetVcpus>(vcpus);
    router.call::<DomainGetVcpuPinInfo>(pin_info);
}

fn count(described: &Described, flags: u32) -> Result<i32> {
    flags::exclusive("virDomainGetVcpusFlags", flags)?;
    let known = AFFECT_LIVE | AFFECT_CONFIG | MAXIMUM;
    Session::only(flags, known, "DomainGetVcpusFlags")?;
    let size = described.size_as(described.affects(flags)?)?;
    let count = match flags & MAXIMUM != 0 {
        true => size.max_vcpus,
        false => size.vcpus,
    };
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

fn vcpus(call: &Call<DomainGetVcpus, Session>) -> Result<DomainGetVcpusRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let limits = guest.limits();
    let Some(domain) = &limits.described.live else {
        return Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Lxc,
            "cannot retrieve vcpu information for inactive domain",
        ));
    };
    let (most, bytes) = bounded(call.args.maxinfo, call.args.maplen)?;
    let host = call.session().driver(&guest).host.cpu_map()?;
    let online: NumberSet = host.online.iter().collect();
    let used = processors::used(domain, &online, limits.placed.as_deref())?;
    let mut info = Vec::new();
    let mut cpumaps = Vec::new();
    for (number, vcpu) in (0..).zip(used).take(most) {
        let mut cpus = vcpu.cpus.iter();
        let cpu = match (cpus.next(), cpus.next()) {
            (Some(only), None) => i32::try_from(only).unwrap_or(NO_CPU),
            _ => NO_CPU,
        };
        info.push(VcpuInfo {
            number,
            state: match vcpu.cpus.is_empty() {
                true => OFFLINE,
                false => RUNNING,
            },
            cpu_time: vcpu.time.unwrap_or(0),
            cpu,
        });
        cpumaps.extend(map(Some(&vcpu.cpus), host.present, bytes));
    }
    Ok(DomainGetVcpusRet { info, cpumaps })
}

fn pin_info(call: &Call<DomainGetVcpuPinInfo, Session>) -> Result<DomainGetVcpuPinInfoRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    flags::exclusive("virDomainGetVcpuPinInfo", args.flags)?;
    Session::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG,
        "DomainGetVcpuPinInfo",
    )?;
    let (most, bytes) = bounded(args.ncpumaps, args.maplen)?;
    let domain = guest.described().domain(args.flags)?;
    let present = call.session().driver(&guest).host.cpu_map()?.present;
    // Its processes may run on each of these.
    let one = map(domain.vcpu.cpuset.as_ref(), present, bytes);
    let count = most.min(domain.vcpu.max as usize);
    let num = i32::try_from(count).unwrap_or(i32::MAX);
    Ok(DomainGetVcpuPinInfoRet {
        cpumaps: one.repeat(count),
        num,
    })
}
