//! The guest model: `<domain>` as types, a file per device family, one way in and one way out.
//!
//! [`Domain::read`] takes a definition in, fills in what every driver would and checks what every
//! driver checks; [`Domain::to_xml`] gives it out. What depends on the hypervisor is the driver's.
//!
//! Facts: the pages `formatdomain` and the schemas of libvirt's documentation.

pub mod arch;
pub mod backup;
pub mod blkiotune;
pub mod checkpoint;
pub mod clock;
pub mod cpu;
pub mod cputune;
pub mod devices;
mod domain;
mod driverless;
pub mod features;
pub mod hyperv;
pub mod lifecycle;
pub mod memory;
mod moment;
pub mod namespace;
pub mod network_port;
pub mod numa;
pub mod numatune;
pub mod number_set;
pub mod os;
mod refusal;
pub mod resctrl;
pub mod resource;
mod root;
pub mod scaled;
pub mod seclabel;
mod settle;
pub mod snapshot;
pub mod sysinfo;
pub mod units;
pub mod vcpu;
mod view;

pub use arch::{Arch, OsKind, VirtType};
pub use domain::{Domain, random};
pub use number_set::NumberSet;
pub use scaled::KiB;
pub use view::View;
