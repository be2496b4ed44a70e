//! The user that guests' processes run as.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use crate::owner::Owner;

/// A user with all groups, ready to be switched to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User and main group.
    pub owner: Owner,
    /// The user's name, for messages.
    pub name: String,
    /// Supplementary groups, the main one included: `/dev/kvm` is usually reached by one.
    pub groups: Vec<u32>,
}

impl Account {
    /// The account of a user and a group, each a name or a number behind a `+`, as `user` and
    /// `group` of `qemu.conf` name them.
    ///
    /// # Errors
    /// A sentence that names what there is not on this host.
    pub fn find(user: &str, group: &str) -> Result<Self, String> {
        let known = match number(user) {
            Some(uid) => User::from_uid(Uid::from_raw(uid)).ok().flatten(),
            None => User::from_name(user).ok().flatten(),
        };
        let uid = number(user)
            .or_else(|| known.as_ref().map(|user| user.uid.as_raw()))
            .ok_or_else(|| format!("there is no user '{user}' on this host"))?;
        let gid = number(group)
            .or_else(|| {
                let group = Group::from_name(group).ok().flatten()?;
                Some(group.gid.as_raw())
            })
            .ok_or_else(|| format!("there is no group '{group}' on this host"))?;
        let mut groups = vec![gid];
        if let Some(user) = &known
            && let Ok(name) = CString::new(user.name.as_str())
            && let Ok(listed) = getgrouplist(&name, Gid::from_raw(gid))
        {
            groups.extend(listed.iter().map(|gid| gid.as_raw()).filter(|g| *g != gid));
            // The main group of the user's own account is not in the list of a chosen group.
            let own = user.gid.as_raw();
            if !groups.contains(&own) {
                groups.push(own);
            }
        }
        Ok(Self {
            owner: Owner { uid, gid },
            name: known.map_or_else(|| user.to_owned(), |user| user.name),
            groups,
        })
    }

    /// Whether it is root's, so that nothing has to be switched or given.
    pub fn is_root(&self) -> bool {
        self.owner.uid == 0
    }
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix('+')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found() {
        let root = Account::find("root", "root").unwrap();
        assert!(root.is_root());
        let stranger = Account::find("+54321", "+54322").unwrap();
        assert_eq!(stranger.owner.to_string(), "+54321:+54322");
        assert_eq!(stranger.groups, [54322]);
        let error = Account::find("no-such-user", "root").unwrap_err();
        assert!(error.contains("no-such-user"), "{error}");
    }
}
