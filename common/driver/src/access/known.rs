//! Decisions that were made, as long as they may be used.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use virt_rpc::protocol::decisions::Subject;

use super::{AccessObject, Permissions};

/// Decisions that are remembered at most; beyond, all are forgotten.
const ENTRIES_MAX: usize = 100_000;
/// A decision may be used that long after it was made whatever its back end says, unless the policy
/// changed: the call that it was made for has yet to come back for it.
const AT_LEAST: Duration = Duration::from_millis(250);
/// Refusals of the same to the same process within that time are one: on a busy host the call for which
/// it was made comes back that late.
const ONE_CALL: Duration = Duration::from_secs(1);

/// What one decision is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Who.
    pub subject: Subject,
    /// Whether over a read-only connection.
    pub readonly: bool,
    /// All of what is to be done.
    pub permissions: Permissions,
    /// To what.
    pub object: Arc<AccessObject>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allowed,
    /// It may not, for this reason; it is empty for what a list leaves out.
    Refused(Arc<str>),
}

impl Verdict {
    /// Whether it may be done.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// Decisions made under one policy.
#[derive(Debug, Default)]
pub struct Known {
    generation: u64,
    entries: HashMap<Asked, Entry>,
}

#[derive(Debug)]
struct Entry {
    verdict: Verdict,
    since: Instant,
    until: Option<Instant>,
}

impl Known {
    /// The decision, if it is known and may be used.
    pub fn get(&self, asked: &Asked, now: Instant) -> Option<Verdict> {
        let entry = self.entries.get(asked)?;
        let usable = entry.until.is_none_or(|until| now < until);
        usable.then(|| entry.verdict.clone())
    }

    /// The same for a call about this one object. A refusal answers the call that it was asked for: what
    /// was refused before, or left out of a list, is asked about again, so that each refusal is told and
    /// has its reason.
    pub fn for_call(&self, asked: &Asked, now: Instant) -> Option<Verdict> {
        let entry = self.entries.get(asked)?;
        match &entry.verdict {
            Verdict::Allowed => self.get(asked, now),
            Verdict::Refused(reason) => {
                let own = !reason.is_empty() && now < entry.since + ONE_CALL;
                own.then(|| entry.verdict.clone())
            }
        }
    }

    /// Remembers a decision made under the policy of `generation`, for `valid` from `now` on or until
    /// the policy changes. One made under an older policy than is in force is not remembered.
    pub fn learn(
        &mut self,
        generation: u64,
        asked: Asked,
        verdict: Verdict,
        valid: Option<Duration>,
        now: Instant,
    ) {
        if generation < self.generation {
            return;
        }
        self.changed(generation);
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
        }
        let until = valid.map(|valid| now + valid.max(AT_LEAST));
        let entry = Entry {
            verdict,
            since: now,
            until,
        };
        self.entries.insert(asked, entry);
    }

    /// A newer policy is in force: what was decided under another one is forgotten.
    pub fn changed(&mut self, generation: u64) {
        if generation > self.generation {
            self.restart(generation);
        }
    }

    /// Another virtacld answers from now on, or none: its numbers are its own.
    pub fn restart(&mut self, generation: u64) {
        self.generation = generation;
        self.entries.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The policy that decisions are remembered of.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_rpc::protocol::Permission;

    fn asked(uid: u32) -> Asked {
        Asked {
            subject: Subject {
                pid: None,
                start_time: None,
                uid,
                gid: 0,
                selinux_context: None,
            },
            readonly: false,
            permissions: Permissions::one(Permission::Start),
            object: AccessObject::driver(),
        }
    }

    #[test]
    fn a_decision_of_an_older_policy_is_neither_kept_nor_learnt() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.restart(1);
        known.learn(1, asked(7), Verdict::Allowed, None, now);
        assert_eq!(known.get(&asked(7), now), Some(Verdict::Allowed));
        assert_eq!(known.get(&asked(8), now), None);
        known.changed(2);
        assert_eq!(known.get(&asked(7), now), None);
        known.learn(1, asked(7), Verdict::Allowed, None, now);
        assert_eq!(known.get(&asked(7), now), None);
        // An answer that overtakes the news of its policy brings them.
        known.learn(3, asked(8), Verdict::Allowed, None, now);
        known.learn(2, asked(7), Verdict::Allowed, None, now);
        assert_eq!(known.get(&asked(7), now), None);
        assert_eq!(known.get(&asked(8), now), Some(Verdict::Allowed));
        // A new virtacld counts anew.
        known.restart(1);
        assert_eq!(known.get(&asked(8), now), None);
    }

    #[test]
    fn a_decision_that_may_not_be_kept_serves_its_own_call() {
        let (mut known, now) = (Known::default(), Instant::now());
        let refused = Verdict::Refused("no rule".into());
        known.learn(0, asked(7), refused.clone(), Some(Duration::ZERO), now);
        assert_eq!(known.get(&asked(7), now), Some(refused));
        assert_eq!(known.get(&asked(7), now + AT_LEAST), None);
    }

    #[test]
    fn a_refusal_answers_its_own_call_and_a_list_again() {
        let (mut known, now) = (Known::default(), Instant::now());
        let refused = Verdict::Refused("no rule".into());
        known.learn(0, asked(7), refused.clone(), None, now);
        let left_out = Verdict::Refused("".into());
        known.learn(0, asked(8), left_out.clone(), None, now);
        known.learn(0, asked(9), Verdict::Allowed, None, now);
        assert_eq!(known.for_call(&asked(7), now), Some(refused.clone()));
        assert_eq!(known.for_call(&asked(8), now), None);
        let later = now + ONE_CALL;
        assert_eq!(known.for_call(&asked(7), later), None);
        assert_eq!(known.for_call(&asked(9), later), Some(Verdict::Allowed));
        assert_eq!(known.get(&asked(7), later), Some(refused));
        assert_eq!(known.get(&asked(8), later), Some(left_out));
    }
}
