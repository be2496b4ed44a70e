//! Where memory comes from: `virsh numatune`.

use std::sync::Arc;

use virt_cgroup::Controller;
use virt_domain::numatune::{NumaMemory, NumaMode};
use virt_domain::vcpu::Placement;
use virt_domain::{Domain, NumberSet};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetNumaParameters, DomainGetNumaParametersRet, DomainSetNumaParameters, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::params::{self, Kind};
use super::{affected, asked, bad_argument, blocking, groups, invalid};
use crate::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use crate::api::metadata::described;
use crate::api::session::Session;
use crate::definitions::{change, change_live};
use crate::guest::{Body, Live};
use crate::tuning::groups as names;

/// Strings in typed parameters are welcome.
const STRING_OKAY: u32 = 4;

const MODE: &str = "numa_mode";
const NODES: &str = "numa_nodeset";
const NOT_MOUNTED: &str = "cgroup cpuset controller is not mounted";

/// The modes by their numbers (`virDomainNumatuneMemMode`).
const MODES: [NumaMode; 4] = [
    NumaMode::Strict,
    NumaMode::Preferred,
    NumaMode::Interleave,
    NumaMode::Restrictive,
];

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetNumaParameters>(get);
    router.task::<DomainSetNumaParameters, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        flags::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "qemuDomainSetNumaParameters",
        )?;
        let wanted = Wanted::of(&call.args.params)?;
        let guest = guest.into_guest();
        guest
            .run("numatune", move |body| Box::pin(set(body, wanted, flags)))
            .await
    });
}

fn get(call: &Call<DomainGetNumaParameters, Session>) -> Result<DomainGetNumaParametersRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    flags::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "qemuDomainGetNumaParameters",
    )?;
    flags::exclusive("virDomainGetNumaParameters", args.flags)?;
    let domain = described(&guest.snapshot(), args.flags & !STRING_OKAY)?;
    let memory = memory(&domain);
    let mode = memory.and_then(|memory| memory.mode).unwrap_or_default();
    let number = MODES.iter().position(|one| *one == mode).unwrap_or(0);
    let nodes = memory.and_then(|memory| memory.nodeset.as_ref());
    let told = vec![
        TypedParam::int(MODE, i32::try_from(number).unwrap_or(0)),
        TypedParam::string(NODES, nodes.map(ToString::to_string).unwrap_or_default()),
    ];
    let (params, nparams) = asked(args.nparams, told);
    Ok(DomainGetNumaParametersRet { params, nparams })
}

fn memory(domain: &Domain) -> Option<&NumaMemory> {
    domain.numatune.as_ref()?.memory.as_ref()
}

/// What is to be set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    mode: Option<NumaMode>,
    nodes: Option<NumberSet>,
}

impl Wanted {
    fn of(given: &[TypedParam]) -> Result<Self> {
        params::check(given, &[(MODE, Kind::Int), (NODES, Kind::String)])?;
        let mut wanted = Self::default();
        for param in given {
            if param.field == MODE {
                let number = params::number(param);
                let mode = usize::try_from(number).ok().and_then(|n| MODES.get(n));
                let mode = mode.ok_or_else(|| {
                    bad_argument(format!("unsupported numatune mode: '{number}'"))
                })?;
                wanted.mode = Some(*mode);
            } else {
                let text = params::text(param);
                let nodes = NumberSet::parse(text).ok_or_else(|| {
                    Error::new(
                        ErrorCode::InvalidArg,
                        ErrorDomain::None,
                        format!("Failed to parse bitmap '{text}'"),
                    )
                })?;
                if nodes.is_empty() {
                    return Err(bad_argument(format!(
                        "Invalid nodeset of 'numatune': {text}"
                    )));
                }
                wanted.nodes = Some(nodes);
            }
        }
        Ok(wanted)
    }

    /// Refuses what a running guest can't be given: QEMU itself keeps its memory to the nodes unless
    /// that is left to the control group.
    fn check_live(&self, domain: &Domain) -> Result<()> {
        let now = memory(domain);
        let mode = now.and_then(|memory| memory.mode).unwrap_or_default();
        if self.mode.is_some_and(|wanted| wanted != mode) {
            return Err(invalid("can't change numatune mode for running domain"));
        }
        if self.nodes.is_some() && now.is_some() && mode != NumaMode::Restrictive {
            return Err(invalid(
                "change of nodeset for running domain requires restrictive numa mode",
            ));
        }
        Ok(())
    }

    fn note(&self, domain: &mut Domain) -> Result<()> {
        let tune = domain.numatune.get_or_insert_default();
        let memory = tune.memory.get_or_insert_default();
        if let Some(mode) = self.mode {
            memory.mode = Some(mode);
        }
        if let Some(nodes) = &self.nodes {
            memory.mode.get_or_insert_default();
            memory.nodeset = Some(nodes.clone());
            memory.placement = None;
        }
        if memory.nodeset.is_none() && memory.placement != Some(Placement::Auto) {
            return Err(bad_argument(format!(
                "parameter '{NODES}' is missing: the guest's memory has no nodes yet"
            )));
        }
        Ok(())
    }
}

async fn set(body: &mut Body, wanted: Wanted, flags: u32) -> Result<()> {
    let affects = affected(body, flags)?;
    if affects.live {
        let live = body.live()?;
        groups(&live, Controller::Cpuset, NOT_MOUNTED)?;
        wanted.check_live(&live.domain)?;
        if let Some(nodes) = &wanted.nodes {
            let (live, nodes) = (Arc::clone(&live), nodes.to_string());
            blocking(move || keep(&live, &nodes)).await?;
            change_live(body, |domain| wanted.note(domain))?;
        }
    }
    if affects.config {
        change(body, move |domain| wanted.note(domain)).await?;
    }
    Ok(())
}

/// Has the kernel keep it for every thread. Blocks.
fn keep(live: &Live, nodes: &str) -> Result<()> {
    let group = groups(live, Controller::Cpuset, NOT_MOUNTED)?.group();
    let vcpus = live.vcpus.iter().map(|vcpu| names::of_vcpu(vcpu.index));
    let iothreads = live.iothreads.iter().map(|one| names::of_iothread(one.id));
    let emulator = std::iter::once(names::EMULATOR.to_owned());
    for name in emulator.chain(vcpus).chain(iothreads) {
        group.threads(&name).set_mems(nodes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_numbers_and_nodes_are_lists() {
        let of = |param| Wanted::of(&[param]);
        let wanted = of(TypedParam::int(MODE, 3)).unwrap();
        assert_eq!(wanted.mode, Some(NumaMode::Restrictive));
        let message = |param| of(param).unwrap_err().message().to_owned();
        assert_eq!(
            message(TypedParam::int(MODE, 9)),
            "invalid argument: unsupported numatune mode: '9'"
        );
        assert_eq!(
            message(TypedParam::string(NODES, "x".to_owned())),
            "invalid argument: Failed to parse bitmap 'x'"
        );
    }

    #[test]
    fn a_running_guest_changes_nodes_only_where_its_group_keeps_them() {
        let nodes = Wanted {
            mode: None,
            nodes: NumberSet::parse("0"),
        };
        let mut domain = Domain::default();
        assert!(nodes.check_live(&domain).is_ok());
        nodes.note(&mut domain).unwrap();
        assert!(nodes.check_live(&domain).is_err());
        let restrictive = Wanted {
            mode: Some(NumaMode::Restrictive),
            nodes: None,
        };
        assert!(restrictive.check_live(&domain).is_err());
        restrictive.note(&mut domain).unwrap();
        assert!(nodes.check_live(&domain).is_ok());
        assert!(restrictive.note(&mut Domain::default()).is_err());
    }
}
