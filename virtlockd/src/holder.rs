//! Who holds a lease.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;
use virt_rpc::protocol::lock::Owner;

/// A guest as it registered itself, and since when it has what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process whose end gives everything back.
    pub pid: u32,
    /// The guest's id; not 0.
    pub id: u32,
    /// The guest's name.
    pub name: String,
    /// The guest's UUID.
    pub uuid: [u8; 16],
    /// Nanoseconds since the epoch.
    since: u64,
}

impl Holder {
    /// The owner that a client told, from `now` on.
    pub fn new(owner: &Owner, now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            pid: owner.pid,
            id: owner.id,
            name: owner.name.clone(),
            uuid: owner.uuid,
            since: u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Since when, in whole seconds since the epoch.
    pub fn since_seconds(&self) -> i64 {
        let seconds = Duration::from_nanos(self.since).as_secs();
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    /// As on the wire.
    pub fn owner(&self) -> Owner {
        Owner {
            uuid: self.uuid,
            name: self.name.clone(),
            id: self.id,
            pid: self.pid,
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "guest '{}' (UUID {}, process {}) since {}",
            self.name,
            Uuid::from_bytes(self.uuid),
            self.pid,
            date(self.since_seconds())
        )
    }
}

/// A time as people read it, in UTC; empty for one no calendar has.
pub fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(
        |_| String::new(),
        |t| {
            let (date, clock) = (t.date(), t.time());
            let (hour, minute, second) = clock.as_hms();
            format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_as_a_person_needs_it() {
        let owner = Owner {
            uuid: [7; 16],
            name: "web".to_owned(),
            id: 3,
            pid: 42,
        };
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 + 61);
        assert_eq!(
            Holder::new(&owner, since).to_string(),
            "guest 'web' (UUID 07070707-0707-0707-0707-070707070707, process 42) since \
             1970-01-02 00:01:01 UTC"
        );
    }
}
