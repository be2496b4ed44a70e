//! Defaults of features.

use super::Context;
use crate::board::Board;
use virt_domain::features::GicVersion;
use virt_domain::{Domain, VirtType};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    if Board::of(domain) == Board::ArmVirt {
        let version = gic(domain.virt_type, context);
        let features = domain.features.get_or_insert_default();
        let gic = features.gic.get_or_insert_default();
        gic.version.get_or_insert(version);
    }
    Ok(())
}

/// The latest interrupt controller that the kernel has; what every QEMU emulates else.
fn gic(virt_type: VirtType, context: &Context) -> GicVersion {
    let mut known = context.caps.gic.iter();
    let in_kernel = virt_type == VirtType::Kvm && known.any(|gic| gic.kernel && gic.version == 3);
    match in_kernel {
        true => GicVersion::V3,
        false => GicVersion::V2,
    }
}
