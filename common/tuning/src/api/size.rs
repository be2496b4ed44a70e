//! How much memory a guest has: asking and changing.

use std::sync::Arc;

use virt_domain::{Domain, KiB};
use virt_driver::api::Session;
use virt_driver::api::flags::{AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Edit as _, change};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetMaxMemory, DomainGetMaxMemoryRet, DomainSetMaxMemory, DomainSetMemory,
    DomainSetMemoryFlags,
};
use virt_rpc::server::Router;

use super::{bad_argument, invalid, run};
use crate::Limited;

/// The size itself is meant, not what the guest may use of it (`libvirt-domain.h`).
const MAXIMUM: u32 = 4;

pub(super) fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    router.call::<DomainGetMaxMemory>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let memory = guest.limits().described.size().memory;
        Ok(DomainGetMaxMemoryRet { memory })
    });
    router.task::<DomainSetMaxMemory, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set::<S>(guest.guest(), call.args.memory, MAXIMUM).await
    });
    router.task::<DomainSetMemory, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set::<S>(guest.guest(), call.args.memory, AFFECT_LIVE).await
    });
    router.task::<DomainSetMemoryFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set::<S>(guest.guest(), call.args.memory, call.args.flags).await
    });
}

async fn set<S: Session<Guest: Limited>>(
    guest: &Arc<S::Guest>,
    kib: u64,
    flags: u32,
) -> Result<()> {
    let known = AFFECT_LIVE | AFFECT_CONFIG | MAXIMUM;
    S::only(flags, known, "DomainSetMemoryFlags")?;
    if kib == 0 {
        let function = "virDomainSetMemoryFlags";
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::Domain.number(),
            format!("memory in {function} must not be zero"),
            Some(function.into()),
            Some("memory".into()),
            None,
        ));
    }
    run(guest, "memory", move |body| {
        Box::pin(resize::<S::Guest>(body, kib, flags))
    })
    .await
}

async fn resize<G: Limited>(body: &mut G::Editor, kib: u64, flags: u32) -> Result<()> {
    let described = body.entry().described();
    let affects = described.affects(flags)?;
    let maximum = flags & MAXIMUM != 0;
    if affects.live {
        let domain = described.running()?;
        if maximum {
            return Err(invalid(G::DOMAIN, G::SIZE_IS_FIXED));
        }
        if kib > domain.memory.size.0 {
            return Err(bad_argument(G::DOMAIN, G::TOO_MUCH_MEMORY));
        }
        G::check_resize(domain)?;
    }
    let edit = move |domain: &mut Domain| match maximum {
        true => enlarge(domain, kib, G::DOMAIN),
        false if kib > domain.memory.size.0 => Err(bad_argument(G::DOMAIN, G::TOO_MUCH_MEMORY)),
        false => {
            domain.current_memory = KiB(kib);
            Ok(())
        }
    };
    if let (true, Some(definition)) = (affects.config, &described.definition) {
        edit(&mut Domain::clone(&*definition.domain()?))?;
    }
    if affects.live {
        G::resize(body, kib).await?;
    }
    if affects.config {
        change(body, edit).await?;
    }
    Ok(())
}

/// Changes the size itself; what the guest may use stays within it.
fn enlarge(domain: &mut Domain, kib: u64, from: ErrorDomain) -> Result<()> {
    let cells = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    if cells.is_some() {
        return Err(invalid(
            from,
            "initial memory size of a domain with NUMA nodes cannot be modified with this API",
        ));
    }
    let most = domain.max_memory.as_ref();
    if most.is_some_and(|most| most.size.0 < kib) {
        return Err(invalid(
            from,
            "cannot set initial memory size greater than the maximum memory size",
        ));
    }
    domain.memory.size = KiB(kib);
    domain.current_memory = domain.current_memory.min(KiB(kib));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_within_the_size() {
        let mut domain = Domain::default();
        domain.memory.size = KiB(1000);
        domain.current_memory = KiB(400);
        let of = |domain: &Domain| (domain.memory.size.0, domain.current_memory.0);
        enlarge(&mut domain, 2000, ErrorDomain::Qemu).unwrap();
        assert_eq!(of(&domain), (2000, 400));
        enlarge(&mut domain, 300, ErrorDomain::Qemu).unwrap();
        assert_eq!(of(&domain), (300, 300));
        domain.max_memory = Some(virt_domain::memory::MaxMemory {
            size: KiB(500),
            ..Default::default()
        });
        assert!(enlarge(&mut domain, 501, ErrorDomain::Qemu).is_err());
    }
}
