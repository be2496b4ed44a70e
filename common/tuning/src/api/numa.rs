//! Where memory comes from: `virsh numatune`.

use std::sync::Arc;

use virt_cgroup::{Controller, Placed};
use virt_domain::numatune::{NumaMemory, NumaMode};
use virt_domain::vcpu::Placement;
use virt_domain::{Domain, NumberSet};
use virt_driver::api::Session;
use virt_driver::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Describe as _, Edit as _, change, change_live, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetNumaParameters, DomainGetNumaParametersRet, DomainSetNumaParameters, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::params::{self, Kind};
use super::{STRING_OKAY, asked, bad_argument, invalid, run};
use crate::{Limited, Limits};

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

pub(super) fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    router.call::<DomainGetNumaParameters>(get);
    router.task::<DomainSetNumaParameters, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        S::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "DomainSetNumaParameters",
        )?;
        let wanted = Wanted::of(&call.args.params, S::DOMAIN)?;
        let guest = guest.into_guest();
        run(&guest, "numatune", move |body| {
            Box::pin(set::<S::Guest>(body, wanted, flags))
        })
        .await
    });
}

fn get<S: Session<Guest: Limited>>(
    call: &Call<DomainGetNumaParameters, S>,
) -> Result<DomainGetNumaParametersRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    S::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "DomainGetNumaParameters",
    )?;
    flags::exclusive("virDomainGetNumaParameters", args.flags)?;
    let domain = guest.described().domain(args.flags & !STRING_OKAY)?;
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
    fn of(given: &[TypedParam], from: ErrorDomain) -> Result<Self> {
        params::check(given, &[(MODE, Kind::Int), (NODES, Kind::String)], from)?;
        let mut wanted = Self::default();
        for param in given {
            if param.field == MODE {
                let number = params::number(param);
                let mode = usize::try_from(number).ok().and_then(|n| MODES.get(n));
                let mode = mode.ok_or_else(|| {
                    bad_argument(from, format!("unsupported numatune mode: '{number}'"))
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
                    return Err(bad_argument(
                        from,
                        format!("Invalid nodeset of 'numatune': {text}"),
                    ));
                }
                wanted.nodes = Some(nodes);
            }
        }
        Ok(wanted)
    }

    /// Refuses what a running guest can't be given: QEMU itself keeps its memory to the nodes unless
    /// that is left to the control group, as it always is with a container's.
    fn check_live(&self, domain: &Domain, by_group: bool, from: ErrorDomain) -> Result<()> {
        let now = memory(domain);
        let mode = now.and_then(|memory| memory.mode).unwrap_or_default();
        if self.mode.is_some_and(|wanted| wanted != mode) {
            return Err(invalid(
                from,
                "can't change numatune mode for running domain",
            ));
        }
        if self.nodes.is_some() && now.is_some() && !by_group && mode != NumaMode::Restrictive {
            return Err(invalid(
                from,
                "change of nodeset for running domain requires restrictive numa mode",
            ));
        }
        Ok(())
    }

    fn note(&self, domain: &mut Domain, from: ErrorDomain) -> Result<()> {
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
            return Err(bad_argument(
                from,
                format!("parameter '{NODES}' is missing: the guest's memory has no nodes yet"),
            ));
        }
        Ok(())
    }
}

async fn set<G: Limited>(body: &mut G::Editor, wanted: Wanted, flags: u32) -> Result<()> {
    let limits = body.entry().limits();
    let affects = limits.described.affects(flags)?;
    if affects.live {
        let placed = Arc::clone(limits.groups::<G>(Controller::Cpuset, NOT_MOUNTED)?);
        let domain = limits.described.running()?;
        wanted.check_live(domain, limits.threads.is_none(), G::DOMAIN)?;
        if let Some(nodes) = &wanted.nodes {
            let (own, nodes) = (limits.clone(), nodes.to_string());
            off_thread(move || keep(&placed, &own, &nodes)).await?;
            change_live(body, |domain| wanted.note(domain, G::DOMAIN))?;
        }
    }
    if affects.config {
        change(body, move |domain| wanted.note(domain, G::DOMAIN)).await?;
    }
    Ok(())
}

/// Has the kernel keep it for everything in the guest. Blocks.
fn keep(placed: &Placed, limits: &Limits, nodes: &str) -> Result<()> {
    let mut all = limits.all(placed).into_iter();
    all.try_for_each(|group| group.set_mems(nodes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: ErrorDomain = ErrorDomain::Qemu;

    #[test]
    fn modes_have_numbers_and_nodes_are_lists() {
        let of = |param| Wanted::of(&[param], QEMU);
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
        assert!(nodes.check_live(&domain, false, QEMU).is_ok());
        nodes.note(&mut domain, QEMU).unwrap();
        assert!(nodes.check_live(&domain, false, QEMU).is_err());
        assert!(nodes.check_live(&domain, true, QEMU).is_ok());
        let restrictive = Wanted {
            mode: Some(NumaMode::Restrictive),
            nodes: None,
        };
        assert!(restrictive.check_live(&domain, false, QEMU).is_err());
        restrictive.note(&mut domain, QEMU).unwrap();
        assert!(nodes.check_live(&domain, false, QEMU).is_ok());
        assert!(restrictive.note(&mut Domain::default(), QEMU).is_err());
    }
}
