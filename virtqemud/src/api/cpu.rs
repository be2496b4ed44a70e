//! CPU models: their names, whether a host has one, and what hosts have in common.

use std::sync::Arc;

use virt_domain::Arch;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::cpu::baseline::{self, Manner};
use virt_host::cpu::{Comparison, Definition, Offer, Offered, compare};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::limit::CONNECT_CPU_MODELS_MAX;
use virt_rpc::protocol::remote::{
    ConnectBaselineCpu, ConnectBaselineCpuRet, ConnectBaselineHypervisorCpu,
    ConnectBaselineHypervisorCpuRet, ConnectCompareCpu, ConnectCompareCpuRet,
    ConnectCompareHypervisorCpu, ConnectCompareHypervisorCpuRet, ConnectGetCpuModelNames,
    ConnectGetCpuModelNamesRet,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::caps::AccelCaps;
use crate::domcaps::{Request, Subject, accel_of};
use crate::driver::Driver;
use crate::host_model::{self, LeftOut};

/// An incompatible CPU is an error, which says why.
const FAIL_INCOMPATIBLE: u32 = 1;
/// Descriptions are checked against their schema.
const VALIDATE_XML: u32 = 2;
/// The model's own features are listed as well.
const EXPAND_FEATURES: u32 = 1;
/// What keeps guests from being migrated is left out.
const MIGRATABLE: u32 = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<ConnectGetCpuModelNames, _, _>(names);
    router.task::<ConnectCompareCpu, _, _>(compare_with_host);
    router.task::<ConnectBaselineCpu, _, _>(baseline_of_hosts);
    router.task::<ConnectCompareHypervisorCpu, _, _>(compare_with_hypervisor);
    router.task::<ConnectBaselineHypervisorCpu, _, _>(baseline_of_hypervisors);
}

fn driver<P: Procedure>(call: &Call<P, Session>) -> Result<Arc<Driver>> {
    let permitted = call.session().permit(call)?;
    Ok(Arc::clone(call.session().driver(&permitted)))
}

fn error(code: ErrorCode, detail: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::Qemu, detail)
}

async fn names(call: Call<ConnectGetCpuModelNames, Session>) -> Result<ConnectGetCpuModelNamesRet> {
    flags::only(call.args.flags, 0, "qemuConnectGetCPUModelNames")?;
    let driver = driver(&call)?;
    let word = &call.args.arch;
    let arch = Arch::from_word(word).ok_or_else(|| {
        let detail = format!("cannot find architecture {word}");
        error(ErrorCode::InvalidArg, detail)
    })?;
    let map = driver.host_state.required_cpu_map().await?;
    // Where any name will do none is listed.
    let names = map.names(arch.word()).unwrap_or_default();
    if names.len() > CONNECT_CPU_MODELS_MAX {
        return Err(error(ErrorCode::Rpc, "too many CPU models for one reply"));
    }
    Ok(ConnectGetCpuModelNamesRet {
        ret: i32::try_from(names.len()).unwrap_or(i32::MAX),
        models: match call.args.need_results {
            0 => Vec::new(),
            _ => names.into_iter().map(str::to_owned).collect(),
        },
    })
}

/// There is no schema here to check against.
fn refuse_validation(given: u32) -> Result<()> {
    match given & VALIDATE_XML {
        0 => Ok(()),
        _ => Err(error(
            ErrorCode::ConfigUnsupported,
            "checking a CPU's description against its schema",
        )),
    }
}

/// The client's number for the outcome.
fn outcome(comparison: Comparison, given: u32) -> Result<i32> {
    match comparison {
        Comparison::Incompatible(why) if given & FAIL_INCOMPATIBLE != 0 => Err(Error::new(
            ErrorCode::CpuIncompatible,
            ErrorDomain::Cpu,
            why,
        )),
        Comparison::Incompatible(_) => Ok(0),
        Comparison::Identical => Ok(1),
        Comparison::Superset => Ok(2),
    }
}

async fn compare_with_host(call: Call<ConnectCompareCpu, Session>) -> Result<ConnectCompareCpuRet> {
    let given = call.args.flags;
    let known = FAIL_INCOMPATIBLE | VALIDATE_XML;
    flags::only(given, known, "qemuConnectCompareCPU")?;
    refuse_validation(given)?;
    let driver = driver(&call)?;
    only_x86(driver.host.machine())?;
    let cpu = Definition::read(&call.args.xml)?;
    let map = driver.host_state.required_cpu_map().await?;
    let host = driver.host_state.cpu().await?;
    let comparison = compare::compare(&map.x86, &host, &cpu)?;
    let result = outcome(comparison, given)?;
    Ok(ConnectCompareCpuRet { result })
}

fn only_x86(arch: &str) -> Result<()> {
    match Arch::from_word(arch) {
        Some(arch) if arch.is_x86() => Ok(()),
        _ => Err(error(
            ErrorCode::ConfigUnsupported,
            format!("CPUs of architecture {arch} can't be compared"),
        )),
    }
}

fn manner(given: u32) -> Manner {
    Manner {
        expanded: given & EXPAND_FEATURES != 0,
        migratable: given & MIGRATABLE != 0,
    }
}

/// What CPUID says of the operating system: no guest gets it from its CPU.
const SET_BY_SYSTEMS: [&str; 2] = ["osxsave", "ospke"];

fn read_all(
    texts: &[String],
    read: impl Fn(&str) -> Result<Definition>,
) -> Result<Vec<Definition>> {
    let mut cpus = texts
        .iter()
        .map(|text| read(text))
        .collect::<Result<Vec<_>>>()?;
    for cpu in &mut cpus {
        cpu.features
            .retain(|(name, _)| !SET_BY_SYSTEMS.contains(&name.as_str()));
    }
    Ok(cpus)
}

async fn baseline_of_hosts(
    call: Call<ConnectBaselineCpu, Session>,
) -> Result<ConnectBaselineCpuRet> {
    let known = EXPAND_FEATURES | MIGRATABLE;
    flags::only(call.args.flags, known, "qemuConnectBaselineCPU")?;
    let driver = driver(&call)?;
    let cpus = read_all(&call.args.xmlCPUs, Definition::read_host)?;
    for arch in cpus.iter().filter_map(|cpu| cpu.arch.as_deref()) {
        only_x86(arch)?;
    }
    let map = driver.host_state.required_cpu_map().await?;
    let found = baseline::baseline(&map.x86, &cpus, None, manner(call.args.flags))?;
    Ok(ConnectBaselineCpuRet {
        cpu: found.to_xml(),
    })
}

/// What the accelerator of a subject offers.
fn offered<'a>(subject: &Subject<'a>) -> Result<&'a AccelCaps> {
    only_x86(subject.arch.word())?;
    let caps = subject.caps;
    caps.accel(accel_of(subject.virt))
        .or_else(|| caps.best_accel())
        .ok_or_else(|| error(ErrorCode::InternalError, "the binary has no accelerator"))
}

async fn compare_with_hypervisor(
    call: Call<ConnectCompareHypervisorCpu, Session>,
) -> Result<ConnectCompareHypervisorCpuRet> {
    let args = &call.args;
    let known = FAIL_INCOMPATIBLE | VALIDATE_XML;
    flags::only(args.flags, known, "qemuConnectCompareHypervisorCPU")?;
    refuse_validation(args.flags)?;
    let driver = driver(&call)?;
    let state = &driver.host_state;
    let request = Request::new(
        args.emulator.clone(),
        args.arch.as_deref(),
        args.machine.clone(),
        args.virttype.as_deref(),
    )?;
    let caps = state.emulator(&driver.prober, &request).await?;
    let subject = request.about(&caps)?;
    let accel = offered(&subject)?;
    let map = state.required_cpu_map().await?;
    let host = accel.host_cpu.as_ref().ok_or_else(|| {
        let detail = format!("emulator '{}' doesn't tell its CPU", caps.emulator);
        error(ErrorCode::ConfigUnsupported, detail)
    })?;
    let cpu = host_model::described(&map.x86, host, LeftOut::of(&caps));
    let host = Offered::of(&map.x86, subject.arch.word(), cpu);
    let cpu = Definition::read(&args.xmlCPU)?;
    let result = outcome(compare::compare(&map.x86, &host, &cpu)?, args.flags)?;
    Ok(ConnectCompareHypervisorCpuRet { result })
}

async fn baseline_of_hypervisors(
    call: Call<ConnectBaselineHypervisorCpu, Session>,
) -> Result<ConnectBaselineHypervisorCpuRet> {
    let args = &call.args;
    let known = EXPAND_FEATURES | MIGRATABLE;
    flags::only(args.flags, known, "qemuConnectBaselineHypervisorCPU")?;
    let driver = driver(&call)?;
    let state = &driver.host_state;
    let request = Request::new(
        args.emulator.clone(),
        args.arch.as_deref(),
        args.machine.clone(),
        args.virttype.as_deref(),
    )?;
    let caps = state.emulator(&driver.prober, &request).await?;
    let subject = request.about(&caps)?;
    let accel = offered(&subject)?;
    let map = state.required_cpu_map().await?;
    let cpus = read_all(&args.xmlCPUs, Definition::read)?;
    let offers: Vec<Offer> = accel.cpus.iter().map(host_model::offer).collect();
    let found = baseline::baseline(&map.x86, &cpus, Some(&offers), manner(args.flags))?;
    Ok(ConnectBaselineHypervisorCpuRet {
        cpu: found.to_xml(),
    })
}
