//! `iothread.*`: how the I/O threads poll.

use serde::Deserialize;
use virt_rpc::protocol::remote::TypedParam;

use crate::guest::Live;
use crate::qmp::Monitor;

/// One thread of `query-iothreads`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Iothread {
    /// `iothreadN`.
    pub id: String,
    /// Longest polling, in nanoseconds.
    #[serde(default)]
    pub poll_max_ns: u64,
    /// By how much polling grows; 0 = QEMU's choice.
    #[serde(default)]
    pub poll_grow: u32,
    /// By how much it shrinks.
    #[serde(default)]
    pub poll_shrink: u32,
}

/// Whether the guest has I/O threads: QEMU is not asked for others.
pub fn has_any(live: &Live) -> bool {
    let domain = &live.domain;
    domain.iothreads.is_some_and(|count| count > 0) || domain.iothreadids.is_some()
}

/// Asks QEMU.
pub async fn ask(monitor: Option<&Monitor>) -> Option<Vec<Iothread>> {
    let threads: Vec<Iothread> = monitor?.query("query-iothreads", None).await.ok()?;
    Some(threads)
}

/// What it told.
pub fn push(threads: &[Iothread], params: &mut Vec<TypedParam>) {
    if threads.is_empty() {
        return;
    }
    let count = u32::try_from(threads.len()).unwrap_or(u32::MAX);
    params.push(TypedParam::uint("iothread.count", count));
    for thread in threads {
        let number = thread.id.strip_prefix("iothread").unwrap_or(&thread.id);
        let name = |what: &str| format!("iothread.{number}.{what}");
        params.push(TypedParam::ullong(name("poll-max-ns"), thread.poll_max_ns));
        params.push(TypedParam::uint(name("poll-grow"), thread.poll_grow));
        params.push(TypedParam::uint(name("poll-shrink"), thread.poll_shrink));
    }
}
