//! The filters of `virConnectListAllDomains`: groups of bits; of each group that has a bit set,
//! one bit must fit the guest.

use virt_error::ErrorDomain;

use crate::{Facts, State};

/// What a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter(u32);

/// A bit with whom it fits.
type Bit = (u32, fn(&Facts) -> bool);

/// The groups with their bits (`libvirt-domain.h`).
const GROUPS: &[&[Bit]] = &[
    &[
        (Filter::ACTIVE, Facts::is_active),
        (Filter::INACTIVE, |f| !f.is_active()),
    ],
    &[
        (Filter::PERSISTENT, |f| f.persistent),
        (Filter::TRANSIENT, |f| !f.persistent),
    ],
    &[
        (Filter::RUNNING, |f| matches!(f.state, State::Running(_))),
        (Filter::PAUSED, |f| matches!(f.state, State::Paused(_))),
        (Filter::SHUTOFF, |f| matches!(f.state, State::Shutoff(_))),
        (Filter::OTHER, |f| {
            !matches!(
                f.state,
                State::Running(_) | State::Paused(_) | State::Shutoff(_)
            )
        }),
    ],
    &[
        (Filter::MANAGED_SAVE, |f| f.managed_save),
        (Filter::NO_MANAGED_SAVE, |f| !f.managed_save),
    ],
    &[
        (Filter::AUTOSTART, |f| f.autostart),
        (Filter::NO_AUTOSTART, |f| !f.autostart),
    ],
    &[
        (Filter::SNAPSHOTS, |f| f.snapshots),
        (Filter::NO_SNAPSHOTS, |f| !f.snapshots),
    ],
    &[
        (Filter::CHECKPOINTS, |f| f.checkpoints),
        (Filter::NO_CHECKPOINTS, |f| !f.checkpoints),
    ],
];

#[allow(missing_docs, reason = "named after the flags of libvirt's public API")]
impl Filter {
    pub const ACTIVE: u32 = 1;
    pub const INACTIVE: u32 = 1 << 1;
    pub const PERSISTENT: u32 = 1 << 2;
    pub const TRANSIENT: u32 = 1 << 3;
    pub const RUNNING: u32 = 1 << 4;
    pub const PAUSED: u32 = 1 << 5;
    pub const SHUTOFF: u32 = 1 << 6;
    pub const OTHER: u32 = 1 << 7;
    pub const MANAGED_SAVE: u32 = 1 << 8;
    pub const NO_MANAGED_SAVE: u32 = 1 << 9;
    pub const AUTOSTART: u32 = 1 << 10;
    pub const NO_AUTOSTART: u32 = 1 << 11;
    pub const SNAPSHOTS: u32 = 1 << 12;
    pub const NO_SNAPSHOTS: u32 = 1 << 13;
    pub const CHECKPOINTS: u32 = 1 << 14;
    pub const NO_CHECKPOINTS: u32 = 1 << 15;
}

impl Filter {
    /// Every bit that is known.
    pub const ALL: u32 = (1 << 16) - 1;

    /// The filter of a call's flags; bits above are the caller's to refuse or use.
    pub const fn new(flags: u32) -> Self {
        Self(flags & Self::ALL)
    }

    /// Whether no guest that is off can fit, so that only active ones need to be looked at.
    pub const fn is_active_only(self) -> bool {
        self.0 & (Self::ACTIVE | Self::INACTIVE) == Self::ACTIVE
    }

    /// Whether it lets everything through.
    pub const fn is_open(self) -> bool {
        self.0 == 0
    }

    /// Whether the list shows a guest.
    pub fn fits(self, facts: &Facts) -> bool {
        GROUPS.iter().all(|group| {
            let mut chosen = group.iter().filter(|(bit, _)| self.0 & bit != 0).peekable();
            chosen.peek().is_none() || chosen.any(|(_, fits)| fits(facts))
        })
    }
}

/// Lists longer than the protocol's bound are refused, not cut short (WIRE.md section 11).
pub fn too_long(domain: ErrorDomain, length: usize, bound: usize) -> virt_error::Error {
    virt_error::Error::new(
        virt_error::ErrorCode::InternalError,
        domain,
        format!("Too many domains '{length}' for limit '{bound}'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Crashed, Paused, Running, Shutoff};

    fn facts(state: State) -> Facts {
        Facts {
            state,
            persistent: true,
            autostart: false,
            updated: false,
            managed_save: false,
            snapshots: false,
            checkpoints: false,
        }
    }

    fn fits(flags: u32, facts: Facts) -> bool {
        Filter::new(flags).fits(&facts)
    }

    #[test]
    fn no_bit_shows_all_and_both_bits_of_a_group_too() {
        for flags in [0, Filter::ACTIVE | Filter::INACTIVE, Filter::ALL] {
            assert!(fits(flags, facts(State::Shutoff(Shutoff::Saved))));
            assert!(fits(flags, facts(State::Crashed(Crashed::Panicked))));
        }
    }

    #[test]
    fn every_state_is_of_one_group() {
        let states = [
            (State::Running(Running::Booted), Filter::RUNNING),
            (State::Paused(Paused::User), Filter::PAUSED),
            (State::Shutoff(Shutoff::Unknown), Filter::SHUTOFF),
            (State::PmSuspended, Filter::OTHER),
            (State::Crashed(Crashed::Panicked), Filter::OTHER),
            (State::Blocked, Filter::OTHER),
        ];
        for (state, own) in states {
            for bit in [
                Filter::RUNNING,
                Filter::PAUSED,
                Filter::SHUTOFF,
                Filter::OTHER,
            ] {
                assert_eq!(fits(bit, facts(state)), bit == own, "{state:?}");
            }
        }
    }

    #[test]
    fn groups_narrow_each_other() {
        let off = Facts {
            autostart: true,
            managed_save: true,
            ..facts(State::Shutoff(Shutoff::Unknown))
        };
        assert!(fits(Filter::INACTIVE | Filter::AUTOSTART, off));
        assert!(!fits(Filter::ACTIVE | Filter::AUTOSTART, off));
        assert!(fits(Filter::MANAGED_SAVE | Filter::NO_SNAPSHOTS, off));
        assert!(!fits(Filter::TRANSIENT, off));
        assert!(!fits(Filter::CHECKPOINTS, off));
        assert!(Filter::new(Filter::ACTIVE).is_active_only());
    }
}
