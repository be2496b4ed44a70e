//! Network interfaces of containers. virtlxcd makes them while init waits, one end on the host, the
//! other one in init's network namespace, with what makes those of virtual machines (`virt_net`). They go
//! with the namespace, whoever dies; what does not is known from the live description alone.

mod change;
mod check;
mod lent;
mod make;
mod start;

pub(crate) use check::{complete, owns_network, refuse};
pub(crate) use make::{left, left_unseen};
