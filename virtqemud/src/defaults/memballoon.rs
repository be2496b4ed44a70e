//! Defaults of the balloon.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::memballoon::{BalloonModel, Memballoon};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    domain
        .devices
        .memballoon
        .get_or_insert_with(|| Memballoon::new(BalloonModel::Virtio));
    Ok(())
}
