//! A guest's virtual processors: how many, where, how long they ran.

use std::sync::Arc;

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetEmulatorPinInfo, DomainGetEmulatorPinInfoRet, DomainGetMaxVcpus, DomainGetMaxVcpusRet,
    DomainGetVcpuPinInfo, DomainGetVcpuPinInfoRet, DomainGetVcpus, DomainGetVcpusFlags,
    DomainGetVcpusFlagsRet, DomainGetVcpusRet, DomainSetVcpus, DomainSetVcpusFlags, VcpuInfo,
};
use virt_rpc::server::{Call, Router};
use virt_tuning::cpu_maps::{bounded, map};
use virt_tuning::usage;

use super::agent::no_agent;
use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use super::session::Session;
use crate::definitions::change;
use crate::driver::Driver;
use crate::guest::{Body, Guest, Snapshot, entries, set_entries};
use crate::tuning::affinity;

/// Bits of the calls about the number of processors (`libvirt-domain.h`).
const MAXIMUM: u32 = 4;
const GUEST: u32 = 8;
const HOTPLUGGABLE: u32 = 16;

/// The processor is running (`virVcpuState`).
const RUNNING: i32 = 1;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetMaxVcpus>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let num = count(&guest.snapshot(), AFFECT_LIVE | MAXIMUM)?;
        Ok(DomainGetMaxVcpusRet { num })
    });
    router.call::<DomainGetVcpusFlags>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let num = count(&guest.snapshot(), call.args.flags)?;
        Ok(DomainGetVcpusFlagsRet { num })
    });
    router.call::<DomainGetVcpus>(vcpus);
    router.call::<DomainGetVcpuPinInfo>(pin_info);
    router.call::<DomainGetEmulatorPinInfo>(emulator_pin_info);
    router.task::<DomainSetVcpus, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), call.args.nvcpus, AFFECT_LIVE).await
    });
    router.task::<DomainSetVcpusFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), call.args.nvcpus, call.args.flags).await
    });
}

fn error(code: ErrorCode, what: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::Qemu, what)
}

fn count(snapshot: &Snapshot, flags: u32) -> Result<i32> {
    flags::exclusive("virDomainGetVcpusFlags", flags)?;
    flags::only(
        flags,
        AFFECT_LIVE | AFFECT_CONFIG | MAXIMUM | GUEST,
        "qemuDomainGetVcpusFlags",
    )?;
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    if flags & GUEST != 0 {
        return Err(match affects.live {
            true => no_agent(),
            false => error(
                ErrorCode::InvalidArg,
                "vCPU count provided by the guest agent can only be requested for live domains",
            ),
        });
    }
    let size = snapshot.described().size_as(affects)?;
    let (most, current) = (size.max_vcpus, size.vcpus);
    let count = if flags & MAXIMUM != 0 { most } else { current };
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}

/// How many processors the host has; maps have a bit for each.
pub(super) fn host_cpus(driver: &Driver) -> Result<u32> {
    Ok(driver.host.cpu_map()?.present)
}

fn vcpus(call: &Call<DomainGetVcpus, Session>) -> Result<DomainGetVcpusRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let snapshot = guest.snapshot();
    let Some(live) = &snapshot.live else {
        return Err(error(
            ErrorCode::OperationInvalid,
            "cannot retrieve vcpu information for inactive domain",
        ));
    };
    let (most, bytes) = bounded(call.args.maxinfo, call.args.maplen)?;
    let host = host_cpus(call.session().driver(&guest))?;
    let pid = live.qemu.process.pid();
    let mut info = Vec::new();
    let mut cpumaps = Vec::new();
    for vcpu in live.vcpus.iter().take(most) {
        let thread = usage::thread(pid, vcpu.thread).map_err(|cause| {
            Error::system(
                ErrorDomain::Qemu,
                "cannot get vCPU placement & pCPU time",
                &cause,
            )
        })?;
        info.push(VcpuInfo {
            number: vcpu.index,
            state: RUNNING,
            cpu_time: thread.time.total(),
            cpu: thread.last_cpu,
        });
        cpumaps.extend(map(
            affinity::of_vcpu(&live.domain, vcpu.index),
            host,
            bytes,
        ));
    }
    Ok(DomainGetVcpusRet { info, cpumaps })
}

fn pin_info(call: &Call<DomainGetVcpuPinInfo, Session>) -> Result<DomainGetVcpuPinInfoRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    flags::exclusive("virDomainGetVcpuPinInfo", args.flags)?;
    flags::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG,
        "qemuDomainGetVcpuPinInfo",
    )?;
    let (most, bytes) = bounded(args.ncpumaps, args.maplen)?;
    let domain = guest.snapshot().described().domain(args.flags)?;
    let host = host_cpus(call.session().driver(&guest))?;
    let count = most.min(domain.vcpu.max as usize);
    let mut cpumaps = Vec::with_capacity(count * bytes);
    for vcpu in 0..domain
        .vcpu
        .max
        .min(u32::try_from(count).unwrap_or(u32::MAX))
    {
        cpumaps.extend(map(affinity::of_vcpu(&domain, vcpu), host, bytes));
    }
    let num = i32::try_from(count).unwrap_or(i32::MAX);
    Ok(DomainGetVcpuPinInfoRet { cpumaps, num })
}

fn emulator_pin_info(
    call: &Call<DomainGetEmulatorPinInfo, Session>,
) -> Result<DomainGetEmulatorPinInfoRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    flags::exclusive("virDomainGetEmulatorPinInfo", args.flags)?;
    flags::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG,
        "qemuDomainGetEmulatorPinInfo",
    )?;
    let (_, bytes) = bounded(1, args.maplen)?;
    let domain = guest.snapshot().described().domain(args.flags)?;
    let set = affinity::of_emulator(&domain);
    let host = host_cpus(call.session().driver(&guest))?;
    Ok(DomainGetEmulatorPinInfoRet {
        cpumaps: map(set, host, bytes),
        ret: 1,
    })
}

async fn set(guest: &Arc<Guest>, wanted: u32, flags: u32) -> Result<()> {
    flags::only(
        flags,
        AFFECT_LIVE | AFFECT_CONFIG | MAXIMUM | GUEST | HOTPLUGGABLE,
        "qemuDomainSetVcpusFlags",
    )?;
    if wanted == 0 {
        let function = "virDomainSetVcpusFlags";
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::Domain.number(),
            format!("nvcpus in {function} must not be zero"),
            Some(function.into()),
            Some("nvcpus".into()),
            None,
        ));
    }
    guest
        .run("vcpus", move |body| Box::pin(recount(body, wanted, flags)))
        .await
}

async fn recount(body: &mut Body, wanted: u32, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    if flags & GUEST != 0 {
        snapshot.running()?;
        return Err(no_agent());
    }
    if affects.live {
        check_live(&snapshot.running()?.domain, wanted, flags & MAXIMUM != 0)?;
    }
    if let (true, Some(definition)) = (affects.config, &snapshot.definition) {
        // Nothing is done to the running guest that can't be done to its definition.
        let mut domain = Domain::clone(&*definition.domain()?);
        edit(
            &mut domain,
            wanted,
            flags & MAXIMUM != 0,
            flags & HOTPLUGGABLE != 0,
        )?;
    }
    if affects.live {
        body.recount_vcpus(wanted).await?;
    }
    if affects.config {
        change(body, move |domain| {
            let hotpluggable = flags & HOTPLUGGABLE != 0;
            edit(domain, wanted, flags & MAXIMUM != 0, hotpluggable)
        })
        .await?;
    }
    Ok(())
}

fn too_many(wanted: u32, most: u32, what: &str) -> Error {
    error(
        ErrorCode::InvalidArg,
        format!(
            "requested vcpus is greater than max allowable vcpus for the {what} domain: \
             {wanted} > {most}"
        ),
    )
}

fn check_live(domain: &Domain, wanted: u32, maximum: bool) -> Result<()> {
    if maximum {
        return Err(error(
            ErrorCode::InvalidArg,
            "maximum vcpu count of a live domain can't be modified",
        ));
    }
    if wanted > domain.vcpu.max {
        return Err(too_many(wanted, domain.vcpu.max, "live"));
    }
    Ok(())
}

fn edit(domain: &mut Domain, wanted: u32, maximum: bool, hotpluggable: bool) -> Result<()> {
    let vcpu = &mut domain.vcpu;
    if !maximum && wanted > vcpu.max {
        return Err(too_many(wanted, vcpu.max, "persistent"));
    }
    if !maximum && (hotpluggable || domain.vcpus.is_some()) {
        one_by_one(domain, wanted, hotpluggable);
        return Ok(());
    }
    let current = if maximum {
        vcpu.count().min(wanted)
    } else {
        wanted
    };
    if maximum {
        let topology = domain.cpu.as_ref().and_then(|cpu| cpu.topology.as_ref());
        if topology.is_some() {
            return Err(error(
                ErrorCode::OperationUnsupported,
                "this guest has a CPU topology: change both in its definition",
            ));
        }
        domain.vcpu.max = wanted;
    }
    let vcpu = &mut domain.vcpu;
    vcpu.current = (current != vcpu.max).then_some(current);
    if domain.vcpus.is_some() {
        let mut list = entries(domain);
        list.retain(|entry| entry.id < wanted);
        set_entries(domain, list);
    }
    Ok(())
}

/// Turns processors on, the first that are off first, or off, the last first.
fn one_by_one(domain: &mut Domain, wanted: u32, hotpluggable: bool) {
    let mut list = entries(domain);
    let mut on = list.iter().filter(|entry| entry.enabled.is_yes()).count();
    let wanted = wanted as usize;
    for entry in &mut list {
        if on < wanted && !entry.enabled.is_yes() {
            entry.enabled = true.into();
            entry.hotpluggable = hotpluggable.into();
            on += 1;
        }
    }
    for entry in list.iter_mut().rev() {
        if on > wanted && entry.enabled.is_yes() {
            entry.enabled = false.into();
            entry.hotpluggable = true.into();
            entry.order = None;
            on -= 1;
        }
    }
    set_entries(domain, list);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stays_within_the_most() {
        let mut domain = Domain::default();
        domain.vcpu.max = 2;
        let error = edit(&mut domain, 3, false, false).unwrap_err();
        assert!(error.message().ends_with("persistent domain: 3 > 2"));
        edit(&mut domain, 4, true, false).unwrap();
        assert_eq!((domain.vcpu.max, domain.vcpu.count()), (4, 2));
        edit(&mut domain, 4, false, false).unwrap();
        assert_eq!(domain.vcpu.current, None);
        edit(&mut domain, 1, true, false).unwrap();
        assert_eq!((domain.vcpu.max, domain.vcpu.count()), (1, 1));
        assert!(check_live(&domain, 2, false).is_err());
        one_by_one(&mut domain, 1, true);
        assert!(domain.vcpus.is_some());
        assert!(check_live(&domain, 1, false).is_ok());
    }
}
