//! Checks of the balloon against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::memballoon::BalloonModel;
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let Some(balloon) = &domain.devices.memballoon else {
        return Ok(());
    };
    if balloon.model == BalloonModel::Xen {
        return Err(unsupported(
            "Balloon device type 'xen' is not supported by this version of qemu",
        ));
    }
    let asked = |value: Option<OnOff>| value.is_some() && balloon.model != BalloonModel::None;
    if asked(balloon.autodeflate) && !context.caps.has(CapFlag::VirtioBalloonPciDeflateOnOom) {
        return Err(unsupported(
            "deflate-on-oom is not supported by this QEMU binary",
        ));
    }
    if asked(balloon.free_page_reporting)
        && !context.caps.has(CapFlag::VirtioBalloonFreePageReporting)
    {
        return Err(unsupported(
            "free-page-reporting is not supported by this QEMU binary",
        ));
    }
    Ok(())
}
