//! Program 0x20008086: libvirt's main API, one file a family of procedures.
//!
//! A row says everything about a procedure; the grammar is described at
//! `procedures!` in `rpc/derive`.

mod auth_type;
mod block;
mod connect;
mod devices;
mod events;
#[allow(missing_docs, reason = "named after the flags of libvirt's public API")]
pub mod flag;
mod guest;
mod interface;
mod lifecycle;
#[allow(missing_docs, reason = "named after what they bound")]
pub mod limit;
mod migration;
mod network;
mod node;
mod nodedev;
mod nwfilter;
mod resources;
mod secret;
mod snapshot;
mod storage;
#[allow(
    missing_docs,
    non_snake_case,
    reason = "the protocol's own field names"
)]
mod types;

pub use super::typed_param::{TypedParam, TypedParamValue};
pub use super::wire_error::RemoteError;
pub use auth_type::AuthType;
pub use block::*;
pub use connect::*;
pub use devices::*;
pub use events::*;
pub use guest::*;
pub use interface::*;
pub use lifecycle::*;
pub use migration::*;
pub use network::*;
pub use node::*;
pub use nodedev::*;
pub use nwfilter::*;
pub use resources::*;
pub use secret::*;
pub use snapshot::*;
pub use storage::*;
pub use types::*;

use super::{Row, Visitor, table};

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<453>(&[
    connect::ROWS,
    node::ROWS,
    lifecycle::ROWS,
    devices::ROWS,
    block::ROWS,
    resources::ROWS,
    guest::ROWS,
    migration::ROWS,
    snapshot::ROWS,
    events::ROWS,
    network::ROWS,
    storage::ROWS,
    nodedev::ROWS,
    secret::ROWS,
    nwfilter::ROWS,
    interface::ROWS,
]);

/// Shows the type of every procedure to `visitor`.
pub fn visit<V: Visitor + ?Sized>(visitor: &mut V) {
    connect::visit(visitor);
    node::visit(visitor);
    lifecycle::visit(visitor);
    devices::visit(visitor);
    block::visit(visitor);
    resources::visit(visitor);
    guest::visit(visitor);
    migration::visit(visitor);
    snapshot::visit(visitor);
    events::visit(visitor);
    network::visit(visitor);
    storage::visit(visitor);
    nodedev::visit(visitor);
    secret::visit(visitor);
    nwfilter::visit(visitor);
    interface::visit(visitor);
}
