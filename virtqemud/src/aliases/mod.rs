//! The name of every device of a guest that is started: kind and number. Names that start with `ua-`
//! are the user's and kept.

mod devices;
mod nodes;
mod storage;

pub(crate) use devices::assign as name_others;
pub(crate) use nodes::{last_number, last_of, number_one};
pub(crate) use storage::{assign as name_storage, disk_alias, is_narrow};

use virt_domain::Domain;
use virt_error::Result;

/// Names every device, in place, after it got the addresses its definition left open.
///
/// # Errors
/// CONFIG_UNSUPPORTED when two devices have the same name.
pub fn assign(domain: &mut Domain) -> Result<()> {
    crate::addresses::at_start(domain)?;
    storage::assign(domain)?;
    nodes::assign(domain);
    devices::assign(domain)
}
