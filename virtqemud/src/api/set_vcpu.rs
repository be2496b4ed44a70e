//! Turning single processors of a guest on and off (`virsh setvcpu`).

use std::collections::BTreeSet;

use virt_domain::{Domain, NumberSet};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::DomainSetVcpu;
use virt_rpc::server::{Call, Router};

use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use super::session::Session;
use crate::definitions::change;
use crate::guest::{Body, entries, set_entries};

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainSetVcpu, _, _>(|call| async move { set(call).await });
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what)
}

async fn set(call: Call<DomainSetVcpu, Session>) -> Result<()> {
    let args = &call.args;
    let guest = call.session().guest(&call, &args.dom)?;
    flags::only(args.flags, AFFECT_LIVE | AFFECT_CONFIG, "qemuDomainSetVcpu")?;
    let on = match args.state {
        0 => false,
        1 => true,
        _ => return Err(invalid("unsupported state value")),
    };
    let ids = NumberSet::parse(&args.cpumap)
        .ok_or_else(|| invalid(format!("Failed to parse bitmap '{}'", args.cpumap)))?;
    let ids: BTreeSet<u32> = ids.iter().collect();
    if ids.is_empty() {
        return Err(invalid("no vcpus selected for modification"));
    }
    let flags = args.flags;
    guest
        .guest()
        .run("vcpu", move |body| Box::pin(apply(body, ids, on, flags)))
        .await
}

async fn apply(body: &mut Body, ids: BTreeSet<u32>, on: bool, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    if let (true, Some(definition)) = (affects.config, &snapshot.definition) {
        // Nothing is done to the running guest that can't be done to its definition.
        edit(&mut Domain::clone(&*definition.domain()?), &ids, on)?;
    }
    if affects.live {
        if ids.len() > 1 {
            return Err(invalid("only one hotpluggable entity can be selected"));
        }
        body.set_vcpus(&ids, on).await?;
    }
    if affects.config {
        change(body, move |domain| edit(domain, &ids, on)).await?;
    }
    Ok(())
}

fn edit(domain: &mut Domain, ids: &BTreeSet<u32>, on: bool) -> Result<()> {
    let mut list = entries(domain);
    if ids.contains(&0) {
        return Err(invalid("vCPU '0' can't be modified"));
    }
    for id in ids {
        let entry = list.iter_mut().find(|entry| entry.id == *id);
        let entry = entry
            .ok_or_else(|| invalid(format!("vcpu {id} is not present in persistent config")))?;
        entry.enabled = on.into();
        entry.hotpluggable = true.into();
        entry.order = entry.order.filter(|_| on);
    }
    set_entries(domain, list);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_turned_on_in_a_definition() {
        let mut domain = Domain::default();
        domain.vcpu.max = 4;
        domain.vcpu.current = Some(2);
        edit(&mut domain, &BTreeSet::from([3]), true).unwrap();
        let list = domain.vcpus.clone().unwrap().list;
        let seen: Vec<_> = list
            .iter()
            .map(|e| (e.enabled.is_yes(), e.hotpluggable.is_yes()))
            .collect();
        assert_eq!(
            seen,
            [(true, false), (true, false), (false, true), (true, true)]
        );
        assert_eq!(domain.vcpu.current, Some(3));
        let zero = edit(&mut domain, &BTreeSet::from([0, 1]), false).unwrap_err();
        assert_eq!(
            zero.message(),
            "invalid argument: vCPU '0' can't be modified"
        );
        assert!(edit(&mut domain, &BTreeSet::from([9]), true).is_err());
    }
}
