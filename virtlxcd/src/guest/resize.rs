//! How much memory a running container may use.

use std::sync::Arc;

use virt_cgroup::{Controller, MemoryLimit, UNLIMITED_KIB};
use virt_domain::KiB;
use virt_driver::audit::{Amount, Reason, Subject};
use virt_driver::{change_live, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_tuning::{Limited as _, memory};

use super::body::Body;
use super::entry::Guest;
use crate::limits;

/// Has the container use no more than so many KiB.
pub(super) async fn resize(body: &mut Body, kib: u64) -> Result<()> {
    let all = body.guest().limits();
    let domain = Arc::clone(all.described.running()?);
    let placed = all.groups::<Guest>(
        Controller::Memory,
        "cgroup memory controller is not mounted",
    )?;
    let most = limits::resized(&domain, KiB(kib)).0;
    let swap_hard = memory::get(domain.memtune.as_ref(), MemoryLimit::SwapHard);
    memory::check(most, swap_hard.unwrap_or(UNLIMITED_KIB), ErrorDomain::Lxc)?;
    let placed = Arc::clone(placed);
    let set = off_thread(move || {
        let set = placed.group().set_memory_limit(MemoryLimit::Hard, most);
        set.map_err(|error| match error.errno() {
            Some(nix::libc::EBUSY) => Error::new(
                ErrorCode::OperationFailed,
                ErrorDomain::Lxc,
                format!("the container needs more than {most} KiB now"),
            ),
            _ => error,
        })
    })
    .await;
    let (before, subject) = (domain.current_memory.0, Subject::from(&*domain));
    body.driver().auditor.tell(&subject, |subject| {
        vec![subject.amount(Amount::Memory, before, kib, Reason::Update, set.is_ok())]
    });
    set?;
    change_live(body, |domain| {
        domain.current_memory = KiB(kib);
        Ok(())
    })
}
