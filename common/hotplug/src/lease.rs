//! Which lease is meant.

use virt_domain::devices::lease::Lease;
use virt_error::{Error, ErrorDomain};

use crate::invalid;

/// Whether both are the same lock.
pub fn is_same(one: &Lease, other: &Lease) -> bool {
    one.key == other.key && one.lockspace == other.lockspace
}

/// The refusal of one that is there.
pub fn exists(driver: ErrorDomain, lease: &Lease) -> Error {
    invalid(driver, format!("{} already exists", name(lease)))
}

/// What is said of one that is not there.
pub fn none(lease: &Lease) -> String {
    format!("{} does not exist", name(lease))
}

fn name(lease: &Lease) -> String {
    let space = lease.lockspace.as_deref().unwrap_or("NULL");
    format!("Lease {} in lockspace {space}", lease.key)
}
