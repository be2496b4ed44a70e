//! Processor time of a guest: `virsh cpu-stats`.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainGetCpuStats, DomainGetCpuStatsRet, TypedParam};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::guest::Live;
use crate::tuning::groups::of_vcpu;
use crate::usage;

/// Strings in typed parameters are welcome; there are none.
const STRING_OKAY: u32 = 4;

/// How many numbers are told of each of the host's processors.
const PER_CPU: usize = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetCpuStats>(cpu_stats);
}

/// Times of the whole guest, or by processor of the host, which only version 1 of control groups
/// counts.
fn cpu_stats(call: &Call<DomainGetCpuStats, Session>) -> Result<DomainGetCpuStatsRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    flags::only(args.flags, STRING_OKAY, "qemuDomainGetCPUStats")?;
    let snapshot = guest.snapshot();
    let live = snapshot.running()?;
    if args.start_cpu == -1 {
        let mut params = total(live)?;
        let nparams = i32::try_from(params.len()).unwrap_or(i32::MAX);
        params.truncate(args.nparams as usize);
        return Ok(DomainGetCpuStatsRet { params, nparams });
    }
    let (all, of_vcpus) = by_cpu(live)?;
    // No processors are asked for: how many there are.
    if args.ncpus == 0 {
        return Ok(reply(Vec::new(), all.len()));
    }
    if args.nparams == 0 {
        return Ok(reply(Vec::new(), PER_CPU));
    }
    let start = usize::try_from(args.start_cpu).unwrap_or(usize::MAX);
    if start >= all.len() {
        return Err(Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Cgroup,
            format!(
                "start_cpu {} larger than maximum of {}",
                args.start_cpu,
                all.len().saturating_sub(1)
            ),
        ));
    }
    let each = PER_CPU.min(args.nparams as usize);
    let mut params = Vec::new();
    for (used, of_vcpus) in all
        .iter()
        .zip(of_vcpus)
        .skip(start)
        .take(args.ncpus as usize)
    {
        let both = [
            TypedParam::ullong("cpu_time", *used),
            TypedParam::ullong("vcpu_time", of_vcpus),
        ];
        params.extend(both.into_iter().take(each));
    }
    Ok(reply(params, each))
}

fn reply(params: Vec<TypedParam>, nparams: usize) -> DomainGetCpuStatsRet {
    let nparams = i32::try_from(nparams).unwrap_or(i32::MAX);
    DomainGetCpuStatsRet { params, nparams }
}

fn total(live: &Live) -> Result<Vec<TypedParam>> {
    let used = usage::guest(live).map_err(|cause| {
        Error::system(
            ErrorDomain::Qemu,
            "cannot read the guest's CPU time",
            &cause,
        )
    })?;
    Ok(vec![
        TypedParam::ullong("cpu_time", used.total),
        TypedParam::ullong("user_time", used.user),
        TypedParam::ullong("system_time", used.system),
    ])
}

/// By processor of the host: all of the guest's time and that of its virtual processors.
fn by_cpu(live: &Live) -> Result<(Vec<u64>, Vec<u64>)> {
    let groups = live.qemu.groups.as_ref().ok_or_else(|| {
        // As where groups don't count it.
        Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Cgroup,
            "operation 'getCpuacctPercpuUsage' not supported for backend 'cgroup V2'",
        )
    })?;
    let all = groups.group().cpu_usage_by_cpu()?;
    let mut of_vcpus = vec![0; all.len()];
    for vcpu in live.vcpus.iter() {
        let threads = groups.group().threads(&of_vcpu(vcpu.index));
        for (sum, used) in of_vcpus.iter_mut().zip(threads.cpu_usage_by_cpu()?) {
            *sum += used;
        }
    }
    Ok((all, of_vcpus))
}
