//! The flags of calls.

use virt_driver::api::flags;
use virt_error::{ErrorDomain, Result};

pub use virt_driver::api::flags::{AFFECT_CONFIG, AFFECT_LIVE, Affects, affects, exclusive};

/// Refuses flags that `function` does not know.
///
/// # Errors
/// INVALID_ARG.
pub fn only(flags: u32, known: u32, function: &str) -> Result<()> {
    flags::only(flags, known, function, ErrorDomain::Qemu)
}

/// As [`only`], for calls that the stock daemon answers outside of its driver.
///
/// # Errors
/// INVALID_ARG.
pub fn only_of_host(flags: u32, known: u32, function: &str) -> Result<()> {
    flags::only(flags, known, function, ErrorDomain::None)
}
