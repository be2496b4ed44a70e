//! How much memory a running guest's balloon leaves it.

use virt_domain::devices::memballoon::{BalloonModel, Memballoon};
use virt_domain::{Domain, KiB};
use virt_driver::audit::{Amount, Reason};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;

/// The balloon, if it is one.
pub(crate) fn balloon(domain: &Domain) -> Option<&Memballoon> {
    let balloon = domain.devices.memballoon.as_ref();
    balloon.filter(|balloon| balloon.model != BalloonModel::None)
}

/// Refuses what needs a balloon where there is none.
pub(super) fn check(domain: &Domain) -> Result<()> {
    match balloon(domain) {
        Some(_) => Ok(()),
        None => Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Qemu,
            "Unable to change memory of active domain without the balloon device and guest OS \
             balloon driver",
        )),
    }
}

/// Has the balloon leave the guest so many KiB.
pub(super) async fn resize(body: &mut Body, kib: u64) -> Result<()> {
    let live = body.live()?;
    let told = live.qemu.monitor.set_balloon(KiB(kib).bytes()).await;
    let before = live.domain.current_memory.0;
    body.audit(|guest| {
        vec![guest.amount(Amount::Memory, before, kib, Reason::Update, told.is_ok())]
    });
    told.map_err(|error| error.about(&body.name()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_guest_needs_a_balloon() {
        let error = check(&Domain::default()).unwrap_err();
        assert!(error.message().contains("without the balloon device"));
    }
}
