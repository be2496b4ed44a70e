//! The labels by which a host's security module keeps guests apart and from the host: whose they are,
//! how they are chosen, and how a process gets one (WIRE.md section 23).
//!
//! A guest says by `<seclabel>` what it wants; [`Labels::choose`] makes a [`Chosen`] of it, which the
//! guest has as long as it runs. Owners of files (DAC) are `virt-confinement`'s.

mod apparmor;
mod categories;
mod context;
mod labels;
mod model;
mod process;
mod selinux;

pub use categories::{Reserved, Taken};
pub use context::Context;
pub use labels::{Chosen, Confinement, Labels};
pub use model::Model;
pub use process::{Label, Shown, shown};
