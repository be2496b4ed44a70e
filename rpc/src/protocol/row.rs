//! What a row says, and the types it ties together.

use std::fmt::Debug;

use super::{AclRule, Program, ReadOnlyRule};
use crate::xdr::{Decode, Described, Encode, Shape};

/// One procedure of a program.
#[derive(Debug)]
pub struct Row {
    /// The program it belongs to.
    pub program: Program,
    /// Its number in the program, from 1.
    pub number: i32,
    /// Its name in the protocol, such as `REMOTE_PROC_DOMAIN_GET_INFO`.
    pub name: &'static str,
    /// The public API function it carries; none for authentication and events.
    pub api: Option<&'static str>,
    /// Call or event.
    pub kind: RowKind,
    /// Whether the priority workers may take it.
    pub priority: Priority,
    /// The stream it opens.
    pub stream: Option<StreamDirection>,
    /// The bit of the call's `flags` that allows holes in the stream.
    pub sparse_flag: Option<u32>,
    /// Callable before authentication.
    pub pre_auth: bool,
    /// Whether a read-only connection may call it.
    pub readonly: ReadOnlyRule,
    /// What the caller must be permitted, in the order of the checks; empty means no check.
    pub acl: &'static [AclRule],
    /// What the caller must be permitted on each object listed; others are left out silently.
    pub acl_filter: &'static [AclRule],
    /// The daemon that serves it.
    pub conn: Connection,
    /// Form of the arguments, or of the event.
    pub args: &'static Shape,
    /// Form of the reply.
    pub ret: &'static Shape,
}

impl Row {
    /// What all events' rows have in common.
    pub const EVENT: Self = Self {
        program: Program::Remote,
        number: 0,
        name: "",
        api: None,
        kind: RowKind::Event,
        priority: Priority::Low,
        stream: None,
        sparse_flag: None,
        pre_auth: false,
        readonly: ReadOnlyRule::Allow,
        acl: &[],
        acl_filter: &[],
        conn: Connection::Own,
        args: &Shape::Void,
        ret: &Shape::Void,
    };

    pub(super) const NONE: &'static Self = &Self::EVENT;
}

/// Call or event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Sent by a client, answered by a reply.
    Call,
    /// Sent by a server, not answered.
    Event,
}

/// Which workers may take a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// All workers: the call never waits for a guest.
    High,
    /// Normal workers only.
    Low,
}

/// Which way a stream's data go, as the table names it (console and channel go both ways).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamDirection {
    /// Server to client.
    Read,
    /// Client to server.
    Write,
}

/// The daemon that serves a call in a split installation (WIRE.md section 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// Every daemon for itself: opening, authentication.
    Own,
    /// The driver whose socket the client is on.
    Hypervisor,
    /// `virtnetworkd`.
    Network,
    /// `virtstoraged`.
    Storage,
    /// `virtnodedevd`.
    Nodedev,
    /// `virtsecretd`.
    Secret,
    /// `virtnwfilterd`.
    Nwfilter,
    /// `virtinterfaced`.
    Interface,
}

/// What every message type can do.
pub trait Wire:
    Encode + Decode + Described + Debug + Clone + PartialEq + Send + Sync + 'static
{
}

impl<T> Wire for T where
    T: Encode + Decode + Described + Debug + Clone + PartialEq + Send + Sync + 'static
{
}

/// A call: its row and its types.
pub trait Procedure: 'static {
    /// The row.
    const ROW: &'static Row;
    /// Arguments; `()` when there are none.
    type Args: Wire;
    /// Reply; `()` when it is empty.
    type Ret: Wire;

    /// The call's `flags`, for calls that have them.
    fn flags(_args: &Self::Args) -> Option<u64> {
        None
    }

    /// An argument that the row's conditions name.
    fn parameter(_args: &Self::Args, _name: &str) -> Option<i64> {
        None
    }

    /// Whether a read-only connection must be refused this call.
    fn denied_when_readonly(args: &Self::Args) -> bool {
        match &Self::ROW.readonly {
            ReadOnlyRule::Allow => false,
            ReadOnlyRule::Deny => true,
            ReadOnlyRule::DenyIf(condition) => {
                condition.holds(Self::flags(args), |name| Self::parameter(args, name))
            }
        }
    }

    /// The access rules that apply to this call, in order.
    fn acl(args: &Self::Args) -> impl Iterator<Item = &'static AclRule> {
        Self::ROW.acl.iter().filter(move |rule| {
            rule.condition.as_ref().is_none_or(|condition| {
                condition.holds(Self::flags(args), |name| Self::parameter(args, name))
            })
        })
    }
}

/// An event: its row and its type.
pub trait EventMessage: 'static {
    /// The row.
    const ROW: &'static Row;
    /// What it carries.
    type Msg: Wire;
}

/// Shown the type of every procedure of a program.
pub trait Visitor {
    /// A call.
    fn call<P: Procedure>(&mut self);
    /// An event.
    fn event<E: EventMessage>(&mut self);
}
