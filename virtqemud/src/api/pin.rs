//! On which processors threads run: `virsh vcpupin`, `emulatorpin`, `iothreadpin`, `iothreadinfo`.

use std::sync::Arc;

use virt_cgroup::Controller;
use virt_domain::cputune::{Emulatorpin, Iothreadpin, Vcpupin};
use virt_domain::{Domain, NumberSet};
use virt_driver::Event;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetIothreadInfo, DomainGetIothreadInfoRet, DomainIothreadInfo, DomainPinEmulator,
    DomainPinIothread, DomainPinVcpu, DomainPinVcpuFlags, TypedParam,
};
use virt_rpc::server::{Call, Router};

use virt_tuning::cpu_maps::map;
use virt_tuning::{EMULATOR, of_iothread, of_vcpu};

use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use super::session::Session;
use super::vcpu::host_cpus;
use crate::definitions::{change, change_live, off_thread};
use crate::guest::{Body, Guest, Live};
use crate::tuning::affinity;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainPinVcpu, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let who = Who::Vcpu(call.args.vcpu);
        pin(guest.guest(), who, &call.args.cpumap, AFFECT_LIVE).await
    });
    router.task::<DomainPinVcpuFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        flags::only(flags, AFFECT_LIVE | AFFECT_CONFIG, "qemuDomainPinVcpuFlags")?;
        let who = Who::Vcpu(call.args.vcpu);
        pin(guest.guest(), who, &call.args.cpumap, flags).await
    });
    router.task::<DomainPinEmulator, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        flags::only(flags, AFFECT_LIVE | AFFECT_CONFIG, "qemuDomainPinEmulator")?;
        pin(guest.guest(), Who::Emulator, &call.args.cpumap, flags).await
    });
    router.task::<DomainPinIothread, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        flags::only(flags, AFFECT_LIVE | AFFECT_CONFIG, "qemuDomainPinIOThread")?;
        let who = Who::Iothread(call.args.iothreads_id);
        pin(guest.guest(), who, &call.args.cpumap, flags).await
    });
    router.call::<DomainGetIothreadInfo>(iothread_info);
}

fn bad_argument(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what)
}

/// Whose processors they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Vcpu(u32),
    Emulator,
    Iothread(u32),
}

impl Who {
    /// The name in the event that tells of it (`libvirt-domain.h`).
    fn tunable(self) -> String {
        match self {
            Self::Vcpu(vcpu) => format!("cputune.vcpupin{vcpu}"),
            Self::Emulator => "cputune.emulatorpin".to_owned(),
            Self::Iothread(id) => format!("cputune.iothreadpin{id}"),
        }
    }

    /// Name of its group.
    fn group(self) -> String {
        match self {
            Self::Vcpu(vcpu) => of_vcpu(vcpu),
            Self::Emulator => EMULATOR.to_owned(),
            Self::Iothread(id) => of_iothread(id),
        }
    }

    /// Refuses what a definition does not have.
    fn check(self, domain: &Domain) -> Result<()> {
        match self {
            Self::Vcpu(vcpu) if vcpu >= domain.vcpu.max => Err(bad_argument(format!(
                "vcpu {vcpu} is out of range of persistent cpu count {}",
                domain.vcpu.max
            ))),
            Self::Iothread(id) if !iothreads(domain).contains(&id) => {
                Err(bad_argument(format!("iothreadid {id} not found")))
            }
            _ => Ok(()),
        }
    }

    /// The thread of a running guest.
    fn thread(self, live: &Live) -> Result<i32> {
        match self {
            Self::Emulator => Ok(live.qemu.process.pid()),
            Self::Vcpu(index) => {
                let found = live.vcpus.iter().find(|vcpu| vcpu.index == index);
                found.map(|vcpu| vcpu.thread).ok_or_else(|| {
                    bad_argument(format!(
                        "vcpu {index} is out of range of live cpu count {}",
                        live.domain.vcpu.max
                    ))
                })
            }
            Self::Iothread(id) => {
                let found = live.iothreads.iter().find(|one| one.id == id);
                let thread = found.map(|one| one.thread);
                thread.ok_or_else(|| bad_argument(format!("iothread {id} not found")))
            }
        }
    }

    fn note(self, domain: &mut Domain, cpuset: NumberSet) {
        let tune = domain.cputune.get_or_insert_default();
        match self {
            Self::Emulator => tune.emulatorpin = Some(Emulatorpin { cpuset }),
            Self::Vcpu(vcpu) => {
                tune.vcpupins.retain(|pin| pin.vcpu != vcpu);
                tune.vcpupins.push(Vcpupin { vcpu, cpuset });
                tune.vcpupins.sort_by_key(|pin| pin.vcpu);
            }
            Self::Iothread(iothread) => {
                tune.iothreadpins.retain(|pin| pin.iothread != iothread);
                tune.iothreadpins.push(Iothreadpin { iothread, cpuset });
                tune.iothreadpins.sort_by_key(|pin| pin.iothread);
            }
        }
    }
}

/// Numbers of a definition's I/O threads.
fn iothreads(domain: &Domain) -> Vec<u32> {
    match &domain.iothreadids {
        Some(ids) => ids.list.iter().map(|one| one.id).collect(),
        None => (1..=domain.iothreads.unwrap_or(0)).collect(),
    }
}

/// The set of a map with a bit for each processor.
fn set_of(map: &[u8]) -> NumberSet {
    let bits = (0u32..).zip(
        map.iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)),
    );
    bits.filter(|(_, bit)| *bit == 1)
        .map(|(cpu, _)| cpu)
        .collect()
}

async fn pin(guest: &Arc<Guest>, who: Who, map: &[u8], flags: u32) -> Result<()> {
    let cpus = set_of(map);
    guest
        .run("pin", move |body| {
            Box::pin(change_pin(body, who, cpus, flags))
        })
        .await
}

async fn change_pin(body: &mut Body, who: Who, cpus: NumberSet, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let affects = snapshot.described().affects(flags)?;
    if let (true, Some(definition)) = (affects.config, &snapshot.definition) {
        who.check(&*definition.domain()?)?;
    }
    if cpus.is_empty() {
        return Err(bad_argument(match who {
            Who::Iothread(_) => "Empty iothread cpumap list for pinning",
            _ => "Empty cpu list for pinning",
        }));
    }
    if affects.live {
        let live = body.live()?;
        let thread = who.thread(&live)?;
        let own = cpus.clone();
        off_thread(move || keep(&live, who, thread, &own)).await?;
        let noted = cpus.clone();
        change_live(body, |domain| {
            who.note(domain, noted);
            Ok(())
        })?;
        let told = TypedParam::string(who.tunable(), cpus.to_string());
        body.emit(Event::Tunable(vec![told]));
    }
    if affects.config {
        change(body, move |domain| {
            who.note(domain, cpus);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Has the kernel keep it. Blocks.
fn keep(live: &Live, who: Who, thread: i32, cpus: &NumberSet) -> Result<()> {
    if let Some(placed) = &live.qemu.groups {
        let group = placed.group().threads(&who.group());
        if group.has(Controller::Cpuset) {
            group.set_cpus(&cpus.to_string())?;
        }
    }
    affinity::set(thread, cpus)
}

fn iothread_info(call: &Call<DomainGetIothreadInfo, Session>) -> Result<DomainGetIothreadInfoRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    flags::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG,
        "qemuDomainGetIOThreadInfo",
    )?;
    flags::exclusive("virDomainGetIOThreadInfo", args.flags)?;
    let domain = guest.snapshot().described().domain(args.flags)?;
    let host = host_cpus(call.session().driver(&guest))?;
    let info: Vec<_> = iothreads(&domain)
        .into_iter()
        .map(|id| DomainIothreadInfo {
            iothread_id: id,
            cpumap: map(
                affinity::of_iothread(&domain, id),
                host,
                host.div_ceil(8) as usize,
            ),
        })
        .collect();
    let ret = u32::try_from(info.len()).unwrap_or(u32::MAX);
    Ok(DomainGetIothreadInfoRet { info, ret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_a_set() {
        assert_eq!(set_of(&[0b101, 0b1000_0000]).to_string(), "0,2,15");
        assert!(set_of(&[0, 0]).is_empty());
    }

    #[test]
    fn one_thread_has_one_pin() {
        let mut domain = Domain::default();
        domain.vcpu.max = 2;
        let one = |text| NumberSet::parse(text).unwrap();
        Who::Vcpu(1).note(&mut domain, one("0"));
        Who::Vcpu(0).note(&mut domain, one("1"));
        Who::Vcpu(1).note(&mut domain, one("0-1"));
        let pins = &domain.cputune.as_ref().unwrap().vcpupins;
        let pins: Vec<_> = pins
            .iter()
            .map(|pin| (pin.vcpu, pin.cpuset.to_string()))
            .collect();
        assert_eq!(pins, [(0, "1".to_owned()), (1, "0-1".to_owned())]);
        let error = Who::Vcpu(9).check(&domain).unwrap_err();
        assert!(
            error
                .message()
                .ends_with("vcpu 9 is out of range of persistent cpu count 2")
        );
        assert!(Who::Iothread(1).check(&domain).is_err());
        domain.iothreads = Some(1);
        assert!(Who::Iothread(1).check(&domain).is_ok());
    }
}
