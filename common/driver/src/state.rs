//! The states a guest is in and why, with libvirt's numbers (`libvirt-domain.h`) and the words of
//! the status files (WIRE.md section 26).

macro_rules! reasons {
    ($(#[$doc:meta])* $enum:ident { $($name:ident = $number:literal $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[allow(missing_docs, reason = "the word beside each number says it")]
        pub enum $enum { $($name = $number,)* }

        impl $enum {
            /// The word of the status file.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The reason a status file names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }

            /// The number on the wire.
            pub const fn number(self) -> i32 {
                self as i32
            }
        }
    };
}

reasons! {
    /// Why a guest runs.
    Running {
        Unknown = 0 "unknown",
        Booted = 1 "booted",
        Migrated = 2 "migrated",
        Restored = 3 "restored",
        FromSnapshot = 4 "from snapshot",
        Unpaused = 5 "unpaused",
        MigrationCanceled = 6 "migration canceled",
        SaveCanceled = 7 "save canceled",
        Wakeup = 8 "wakeup",
        Crashed = 9 "crashed",
        Postcopy = 10 "post-copy",
        PostcopyFailed = 11 "post-copy failed",
    }
}

reasons! {
    /// Why a guest is paused.
    Paused {
        Unknown = 0 "unknown",
        User = 1 "user",
        Migration = 2 "migration",
        Save = 3 "save",
        Dump = 4 "dump",
        IoError = 5 "ioerror",
        Watchdog = 6 "watchdog",
        FromSnapshot = 7 "from snapshot",
        ShuttingDown = 8 "shutdown",
        Snapshot = 9 "snapshot",
        Crashed = 10 "panicked",
        StartingUp = 11 "starting up",
        Postcopy = 12 "post-copy",
        PostcopyFailed = 13 "post-copy failed",
        ApiError = 14 "api error",
    }
}

reasons! {
    /// Why a guest is shutting down.
    Shutdown {
        Unknown = 0 "unknown",
        User = 1 "user",
    }
}

reasons! {
    /// Why a guest is off.
    Shutoff {
        Unknown = 0 "unknown",
        Shutdown = 1 "shutdown",
        Destroyed = 2 "destroyed",
        Crashed = 3 "crashed",
        Migrated = 4 "migrated",
        Saved = 5 "saved",
        Failed = 6 "failed",
        FromSnapshot = 7 "from snapshot",
        Daemon = 8 "daemon",
    }
}

reasons! {
    /// Why a guest counts as crashed.
    Crashed {
        Unknown = 0 "unknown",
        Panicked = 1 "panicked",
    }
}

/// A guest's state with the reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Its processors run.
    Running(Running),
    /// It waits for a resource.
    Blocked,
    /// Its processors stand still.
    Paused(Paused),
    /// It is on its way to being off.
    Shutdown(Shutdown),
    /// It has no process.
    Shutoff(Shutoff),
    /// It crashed and is kept for inspection.
    Crashed(Crashed),
    /// Its own power management put it to sleep.
    PmSuspended,
}

impl State {
    /// A word for each state, at the place of its number on the wire.
    pub const WORDS: [&str; 8] = [
        "unknown",
        "running",
        "blocked",
        "paused",
        "shutdown",
        "shutoff",
        "crashed",
        "pmsuspended",
    ];

    /// Whether its processors may write to its disks, so that it must hold its leases.
    pub const fn holds_leases(self) -> bool {
        !matches!(self, Self::Paused(_) | Self::Shutoff(_) | Self::Crashed(_))
    }

    /// The state's number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Running(_) => 1,
            Self::Blocked => 2,
            Self::Paused(_) => 3,
            Self::Shutdown(_) => 4,
            Self::Shutoff(_) => 5,
            Self::Crashed(_) => 6,
            Self::PmSuspended => 7,
        }
    }

    /// The reason's number on the wire; its meaning depends on the state.
    pub const fn reason(self) -> i32 {
        match self {
            Self::Running(reason) => reason.number(),
            Self::Paused(reason) => reason.number(),
            Self::Shutdown(reason) => reason.number(),
            Self::Shutoff(reason) => reason.number(),
            Self::Crashed(reason) => reason.number(),
            Self::Blocked | Self::PmSuspended => 0,
        }
    }

    /// The two words a status file holds, `state` and `reason`.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Running(reason) => ("running", reason.word()),
            Self::Blocked => ("blocked", "unknown"),
            Self::Paused(reason) => ("paused", reason.word()),
            Self::Shutdown(reason) => ("shutdown", reason.word()),
            Self::Shutoff(reason) => ("shutoff", reason.word()),
            Self::Crashed(reason) => ("crashed", reason.word()),
            Self::PmSuspended => ("pmsuspended", "unknown"),
        }
    }

    /// The state a status file names; an unknown reason counts as "unknown", an unknown state is
    /// `None`.
    pub fn from_words(state: &str, reason: &str) -> Option<Self> {
        Some(match state {
            "running" => Self::Running(Running::from_word(reason).unwrap_or(Running::Unknown)),
            "blocked" => Self::Blocked,
            "paused" => Self::Paused(Paused::from_word(reason).unwrap_or(Paused::Unknown)),
            "shutdown" => Self::Shutdown(Shutdown::from_word(reason).unwrap_or(Shutdown::Unknown)),
            "shutoff" => Self::Shutoff(Shutoff::from_word(reason).unwrap_or(Shutoff::Unknown)),
            "crashed" => Self::Crashed(Crashed::from_word(reason).unwrap_or(Crashed::Unknown)),
            "pmsuspended" => Self::PmSuspended,
            _ => return None,
        })
    }

    /// Whether the guest has a process.
    pub const fn is_active(self) -> bool {
        !matches!(self, Self::Shutoff(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        let states = [
            State::Running(Running::Booted),
            State::Paused(Paused::IoError),
            State::Shutoff(Shutoff::Destroyed),
            State::Crashed(Crashed::Panicked),
            State::Shutdown(Shutdown::User),
            State::PmSuspended,
            State::Blocked,
        ];
        for state in states {
            let (word, reason) = state.words();
            assert_eq!(State::from_words(word, reason), Some(state));
        }
    }

    #[test]
    fn an_unknown_reason_is_kept_as_unknown() {
        assert_eq!(
            State::from_words("running", "new in a later libvirt"),
            Some(State::Running(Running::Unknown))
        );
        assert_eq!(State::from_words("dreaming", "unknown"), None);
    }
}
