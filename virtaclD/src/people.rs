//! Who a user is: the name and the groups that policies know, as the system's name service says.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// How long a user's groups are remembered. A user who is put into a group, or out of one, waits at
/// most this long and as long as drivers remember answers that rest on it.
pub const VALID: Duration = Duration::from_secs(5);
/// People that are remembered.
const REMEMBERED: usize = 4096;

/// A user as policies see one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user's name; `uid:1000` for one without.
    pub name: String,
    /// The names of the groups the user is in; `gid:1000` for one without.
    pub groups: Vec<String>,
}

/// The people that were asked for lately.
#[derive(Debug, Default)]
pub struct People(Mutex<Remembered>);

/// By user and group, until when.
type Remembered = HashMap<(u32, u32), (Arc<Person>, Instant)>;

impl People {
    /// The user `uid`, whose process has the group `gid`. Returns at once when the user is
    /// remembered; otherwise the name service is asked, for at most `patience`, on a thread of its
    /// own: it may ask the network.
    ///
    /// # Errors
    /// The name service fails or is too slow: a sentence.
    pub async fn person(
        &self,
        uid: u32,
        gid: u32,
        patience: Duration,
    ) -> Result<Arc<Person>, String> {
        let now = Instant::now();
        if let Some(person) = self.known(uid, gid, now) {
            return Ok(person);
        }
        let asked = tokio::task::spawn_blocking(move || ask(uid, gid));
        let person = match tokio::time::timeout(patience, asked).await {
            Ok(Ok(person)) => Arc::new(person?),
            Ok(Err(_)) => return Err(format!("the lookup of user {uid} ended early")),
            Err(_) => {
                return Err(format!(
                    "the name service did not say within {patience:?} who user {uid} is"
                ));
            }
        };
        let mut remembered = self.remembered();
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, (_, until)| now < *until);
        }
        if remembered.len() < REMEMBERED {
            remembered.insert((uid, gid), (Arc::clone(&person), now + VALID));
        }
        Ok(person)
    }

    /// Whether the user is remembered.
    pub fn remember(&self, uid: u32, gid: u32) -> bool {
        self.known(uid, gid, Instant::now()).is_some()
    }

    fn known(&self, uid: u32, gid: u32, now: Instant) -> Option<Arc<Person>> {
        let remembered = self.remembered();
        let (person, until) = remembered.get(&(uid, gid))?;
        (now < *until).then(|| Arc::clone(person))
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        // A map that was being changed is still a map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the name service (getpwuid(3), getgrouplist(3), getgrgid(3)).
fn ask(uid: u32, gid: u32) -> Result<Person, String> {
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        format!("the name service does not say {what} of user {uid}: {e}")
    };
    let user = User::from_uid(Uid::from_raw(uid)).map_err(|e| failed("the name", &e))?;
    let own = Gid::from_raw(gid);
    let (name, groups) = match user {
        None => (format!("uid:{uid}"), vec![own]),
        Some(user) => {
            let name = CString::new(user.name.as_str()).map_err(|e| failed("the name", &e))?;
            let mut groups = getgrouplist(&name, user.gid).map_err(|e| failed("the groups", &e))?;
            if !groups.contains(&own) {
                groups.push(own);
            }
            (user.name, groups)
        }
    };
    let groups = groups
        .into_iter()
        .map(|gid| match Group::from_gid(gid) {
            Ok(Some(group)) => Ok(group.name),
            Ok(None) => Ok(format!("gid:{gid}")),
            Err(e) => Err(failed("the groups", &e)),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Person { name, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_root_and_nobody_is_a_number() {
        let root = ask(0, 0).unwrap();
        assert_eq!(root.name, "root");
        assert!(root.groups.contains(&"root".to_owned()), "{root:?}");
        let unknown = ask(4_000_000_000, 4_000_000_001).unwrap();
        assert_eq!(unknown.name, "uid:4000000000");
        assert_eq!(unknown.groups, ["gid:4000000001"]);
    }

    #[tokio::test]
    async fn someone_who_is_remembered_is_not_asked_for_again() {
        let people = People::default();
        let first = people.person(0, 0, VALID).await.unwrap();
        let second = people.person(0, 0, VALID).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
