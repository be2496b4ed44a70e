//! The policy that decides now, and its number.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use crate::cedar::{self, Policies, Problem};
use crate::listeners::Listeners;

/// What a decision is made under. One decision sees one of these from its beginning to its end.
#[derive(Debug, Clone)]
pub struct InForce {
    /// A number that no other policy of this host has had.
    pub generation: u64,
    /// Cedar's policies, or why there are none.
    pub cedar: Result<Arc<Policies>, String>,
}

/// The place of the policy in force.
#[derive(Debug)]
pub struct Policy {
    now: ArcSwap<InForce>,
    /// Held while it is being changed: changes come one after another.
    changing: Mutex<()>,
    folder: PathBuf,
    listeners: Listeners,
}

impl Policy {
    /// Reads the folder. Policies that are wrong are told in the log, and nothing is allowed by
    /// Cedar until they are put right.
    pub fn read(folder: PathBuf) -> Self {
        let cedar = match cedar::folder(&folder) {
            Ok(loaded) => Ok(policies(loaded)),
            Err(problems) => {
                tell(&problems);
                Err(in_words(&problems))
            }
        };
        let now = InForce {
            generation: from_the_clock(),
            cedar,
        };
        Self {
            now: ArcSwap::from_pointee(now),
            changing: Mutex::new(()),
            folder,
            listeners: Listeners::default(),
        }
    }

    /// What decides now.
    pub fn now(&self) -> Arc<InForce> {
        self.now.load_full()
    }

    /// Who is told when it changes.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// The folder of Cedar's policies.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Reads the folder again. When the policies are right they are in force, and those who listen
    /// are told, when this returns; otherwise everything stays as it was and the log has the reasons.
    /// The number of the policy in force.
    ///
    /// # Errors
    /// The policies are wrong: the first reason.
    pub fn reload(&self) -> Result<u64, String> {
        let _one = self.changing();
        match cedar::folder(&self.folder) {
            Ok(loaded) => Ok(self.put(Ok(policies(loaded)))),
            Err(problems) => {
                tell(&problems);
                let reason = in_words(&problems);
                match &self.now().cedar {
                    Ok(_) => tracing::error!("the policies that were in force stay in force"),
                    Err(_) => {
                        self.put(Err(reason.clone()));
                    }
                }
                Err(reason)
            }
        }
    }

    /// What another back end decides by has changed.
    pub fn changed_elsewhere(&self) {
        let _one = self.changing();
        let cedar = self.now().cedar.clone();
        self.put(cedar);
    }

    fn put(&self, cedar: Result<Arc<Policies>, String>) -> u64 {
        let generation = from_the_clock().max(self.now().generation + 1);
        self.now.store(Arc::new(InForce { generation, cedar }));
        tracing::info!("policy {generation} is in force");
        self.listeners.changed(generation);
        generation
    }

    fn changing(&self) -> std::sync::MutexGuard<'_, ()> {
        // It guards nothing that could be half done: the policy is put in one step.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Microseconds since 1970: numbers go on where an earlier run of the daemon ended.
fn from_the_clock() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| {
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX >> 1)
    })
}

fn policies(loaded: cedar::Loaded) -> Arc<Policies> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let policies = Policies::new(loaded);
    tracing::info!("{} policies were read", policies.count());
    Arc::new(policies)
}

fn tell(problems: &[Problem]) {
    for problem in problems {
        tracing::error!("{problem}");
    }
}

fn in_words(problems: &[Problem]) -> String {
    let first = problems.first().map(Problem::to_string);
    format!("the policies can't be read: {}", first.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_policy_leaves_the_old_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.cedar");
        std::fs::write(&file, "permit(principal, action, resource);").unwrap();
        let policy = Policy::read(folder.path().to_owned());
        let first = policy.now();
        assert_eq!(first.cedar.as_ref().unwrap().count(), 1);
        std::fs::write(
            &file,
            "permit(principal, action == Action::\"x\", resource);",
        )
        .unwrap();
        assert!(policy.reload().unwrap_err().contains("a.cedar"));
        assert!(Arc::ptr_eq(&policy.now(), &first));
        std::fs::write(&file, "").unwrap();
        policy.reload().unwrap();
        let second = policy.now();
        assert_eq!(second.cedar.as_ref().unwrap().count(), 0);
        assert!(second.generation > first.generation);
        policy.changed_elsewhere();
        assert!(policy.now().generation > second.generation);
    }

    #[test]
    fn without_a_folder_nothing_is_allowed_until_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::read(folder.path().join("none"));
        assert!(policy.now().cedar.as_ref().unwrap_err().contains("none"));
        std::fs::create_dir(folder.path().join("none")).unwrap();
        policy.reload().unwrap();
        assert_eq!(policy.now().cedar.as_ref().unwrap().count(), 0);
    }
}
