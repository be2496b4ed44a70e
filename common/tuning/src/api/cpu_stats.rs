//! Processor time of a guest: `virsh cpu-stats`.

use virt_driver::api::Session;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainGetCpuStats, DomainGetCpuStatsRet, TypedParam};
use virt_rpc::server::{Call, Router};

use super::STRING_OKAY;
use crate::{Limited, Limits, Of, usage};

pub(super) fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    router.call::<DomainGetCpuStats>(cpu_stats);
}

/// Times of the whole guest, or by processor of the host, which only version 1 of control groups
/// counts.
fn cpu_stats<S: Session<Guest: Limited>>(
    call: &Call<DomainGetCpuStats, S>,
) -> Result<DomainGetCpuStatsRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    S::only(args.flags, STRING_OKAY, "DomainGetCPUStats")?;
    let limits = guest.limits();
    limits.described.running()?;
    if args.start_cpu == -1 {
        let mut params = total(&limits, S::DOMAIN)?;
        let nparams = i32::try_from(params.len()).unwrap_or(i32::MAX);
        params.truncate(args.nparams as usize);
        return Ok(DomainGetCpuStatsRet { params, nparams });
    }
    let (all, of_vcpus) = by_cpu(&limits)?;
    // A container's virtual processors are everything that it has.
    let per_cpu = 1 + usize::from(of_vcpus.is_some());
    // No processors are asked for: how many there are.
    if args.ncpus == 0 {
        return Ok(reply(Vec::new(), all.len()));
    }
    if args.nparams == 0 {
        return Ok(reply(Vec::new(), per_cpu));
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
    let each = per_cpu.min(args.nparams as usize);
    let mut params = Vec::new();
    let wanted = all.iter().enumerate().skip(start);
    for (cpu, used) in wanted.take(args.ncpus as usize) {
        let of_vcpus = of_vcpus.as_ref().and_then(|used| used.get(cpu));
        let both = [
            Some(TypedParam::ullong("cpu_time", *used)),
            of_vcpus.map(|used| TypedParam::ullong("vcpu_time", *used)),
        ];
        params.extend(both.into_iter().flatten().take(each));
    }
    Ok(reply(params, each))
}

fn reply(params: Vec<TypedParam>, nparams: usize) -> DomainGetCpuStatsRet {
    let nparams = i32::try_from(nparams).unwrap_or(i32::MAX);
    DomainGetCpuStatsRet { params, nparams }
}

fn total(limits: &Limits, domain: ErrorDomain) -> Result<Vec<TypedParam>> {
    let pid = limits.process.unwrap_or(-1);
    let used = usage::guest(limits.placed.as_deref(), pid)
        .map_err(|cause| Error::system(domain, "cannot read the guest's CPU time", &cause))?;
    Ok(vec![
        TypedParam::ullong("cpu_time", used.total),
        TypedParam::ullong("user_time", used.user),
        TypedParam::ullong("system_time", used.system),
    ])
}

/// By processor of the host: all of the guest's time and, where they have groups of their own, that of
/// its virtual processors.
fn by_cpu(limits: &Limits) -> Result<(Vec<u64>, Option<Vec<u64>>)> {
    let placed = limits.placed.as_ref().ok_or_else(|| {
        // As where groups don't count it.
        Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Cgroup,
            "operation 'getCpuacctPercpuUsage' not supported for backend 'cgroup V2'",
        )
    })?;
    let all = placed.group().cpu_usage_by_cpu()?;
    if limits.threads.is_none() {
        return Ok((all, None));
    }
    let mut of_vcpus = vec![0; all.len()];
    for threads in limits.of(placed, Of::Vcpus) {
        for (sum, used) in of_vcpus.iter_mut().zip(threads.cpu_usage_by_cpu()?) {
            *sum += used;
        }
    }
    Ok((all, Some(of_vcpus)))
}
