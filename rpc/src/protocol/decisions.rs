//! Program 0x7669_6163, our own: may this person do this to that (virtacld).
//!
//! A driver asks about everything that one call needs in one message, a whole list of guests among
//! them, and is told when the policy has changed since.

use serde::{Deserialize, Serialize};
use virt_rpc_derive::procedures;

use super::{Object, Permission, Row, Visitor, table};
use crate::codec::Internal;

/// Most targets of one question.
pub const TARGETS_MAX: usize = 65_536;
/// Most permissions that one question asks for; no call of the tables needs as many.
pub const PERMISSIONS_MAX: usize = 16;
/// Most back ends that one question names.
pub const BACK_ENDS_MAX: usize = 8;
/// Longest name, value or sentence, in bytes.
pub const TEXT_MAX: usize = 65_536;

/// Who wants to do something: what the kernel, or a trusted daemon, says of the client's process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Process id.
    pub pid: Option<i32>,
    /// When the process started, in clock ticks since the boot (proc_pid_stat(5), field 22).
    pub start_time: Option<u64>,
    /// User id.
    pub uid: u32,
    /// Group id of the process; the user's other groups are looked up.
    pub gid: u32,
    /// SELinux context, where another daemon told it.
    pub selinux_context: Option<String>,
}

/// What it is to be done to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The kind of object.
    pub object: Object,
    /// What it is known by, under libvirt's names (`detail_keys` of `access.json`), such as
    /// `domain_name`, without `connect_driver`.
    pub details: Vec<(String, String)>,
    /// Users that the object itself names as its owners.
    pub owner_users: Vec<String>,
    /// Groups that the object itself names as its owners.
    pub owner_groups: Vec<String>,
}

/// What becomes of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A call is refused: someone was denied something.
    Call,
    /// The target is left out of a list, or an event of it is not told: nobody was denied anything.
    Filter,
}

/// Whether `subject` has **all** the `permissions`, asked of each target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who.
    pub subject: Subject,
    /// The driver's name in policies: `QEMU`, `LXC`.
    pub driver: String,
    /// The back ends that must all allow, as `access_drivers` of the driver's own configuration names
    /// them: `polkit`, `cedar`.
    pub back_ends: Vec<String>,
    /// Whether the client may only read: its connection is a read-only one.
    pub readonly: bool,
    /// The procedure, for people: `REMOTE_PROC_DOMAIN_CREATE`.
    pub call: String,
    /// What becomes of a refusal.
    pub purpose: Purpose,
    /// What is to be done, in the order of their names.
    pub permissions: Vec<Permission>,
    /// To what.
    pub targets: Vec<Target>,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The policy it was made under.
    pub generation: u64,
    /// How long it may be remembered, in milliseconds; `None`: until the policy changes.
    pub valid_ms: Option<u32>,
    /// For each target, in order.
    pub allowed: Vec<bool>,
    /// Why the first target is refused, of a call about one; filters have no reasons.
    pub refusal: Option<Refusal>,
}

/// Who refused what, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The permission that is missing.
    pub permission: Permission,
    /// The back end that says so.
    pub back_end: String,
    /// Its reason: the rule, or that there is none.
    pub reason: String,
}

/// What `virtacld check` wants to know: one permission on one target, from every back end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The back end.
    pub back_end: String,
    /// Whether it allows.
    pub allowed: bool,
    /// Which rule decided, or that none did.
    pub reason: String,
    /// The question as the back end saw it, a fact a line.
    pub seen: Vec<String>,
}

/// A policy that is in force, and who may still use decisions of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Its number.
    pub generation: u64,
    /// Drivers that have not acknowledged it in time, each with its process: what they remember may be
    /// of an older policy. None: it is confirmed.
    pub unconfirmed: Vec<String>,
}

/// One decision as `virtacld trace` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Nanoseconds it took.
    pub nanoseconds: u64,
    /// What was asked; of many targets the first ones.
    pub question: Question,
    /// How many targets there were.
    pub targets: u32,
    /// How many of them are allowed.
    pub allowed: u32,
    /// Why the first refused one is.
    pub refusal: Option<Refusal>,
}

procedures! {
    program Decisions "VIRT_DECISIONS_PROC_";

    1 DECIDE Decide
        high own allow []
        (question: Internal<Question>)
        -> (answer: Internal<Answer>);

    // From then on the caller is told of changes. The reply names the policy in force.
    2 WATCH Watch
        high own allow []
        ()
        -> (generation: u64);

    3 EXPLAIN Explain
        low own allow []
        (question: Internal<Question>)
        -> (verdicts: Internal<Vec<Verdict>>);

    // From then on the caller is shown every decision.
    4 TRACE Trace
        low own allow []
        ();

    event 5 POLICY_CHANGED PolicyChanged (generation: u64);

    event 6 DECIDED DecidedEvent (decided: Internal<Decided>);

    // May this person connect at all (`org.libvirt.unix.manage`, or `monitor` for reading only)? polkit
    // is asked, which may ask the person: the answer can take minutes.
    7 AUTHENTICATE Authenticate
        low own allow []
        (subject: Internal<Subject>, readonly: bool)
        -> (verdict: Internal<Verdict>);

    // Reads the policies again. The reply comes when every watching driver has acknowledged the new
    // number or is gone, or has had its time.
    8 RELOAD Reload
        low own allow []
        ()
        -> (reloaded: Internal<Reloaded>);

    // The caller uses no decision of a policy with a lower number any more.
    9 ACKNOWLEDGE Acknowledge
        high own allow []
        (generation: u64);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<9>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
