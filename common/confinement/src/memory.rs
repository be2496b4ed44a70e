//! What a file's attributes remember: its first owner and how many use it. Pure: attributes in,
//! what to do out.

use crate::owner::Owner;

/// Attribute of the first owner's label.
pub(crate) const OWNER: &str = "trusted.libvirt.security.dac";
/// Attribute of the number of users.
pub(crate) const COUNT: &str = "trusted.libvirt.security.ref_dac";
/// Attribute of the boot the two belong to, in seconds since 1970.
pub(crate) const BOOT: &str = "trusted.libvirt.security.timestamp_dac";

/// What is remembered of a file in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Who owned it before anybody used it.
    pub owner: Owner,
    /// How many use it now.
    pub users: u32,
}

impl Memory {
    /// What the attributes say; nothing when they are missing, damaged or of an earlier boot.
    pub fn read(
        owner: Option<&str>,
        count: Option<&str>,
        boot: Option<&str>,
        this_boot: u64,
    ) -> Option<Self> {
        if boot?.parse() != Ok(this_boot) {
            return None;
        }
        Some(Self {
            owner: Owner::from_label(owner?)?,
            users: count?.parse().ok().filter(|users| *users > 0)?,
        })
    }

    /// One more user who wants the file to be `wanted`'s; it is `now`'s at the moment. `Err` when
    /// others use it as somebody else's.
    pub fn with_one_more(memory: Option<Self>, now: Owner, wanted: Owner) -> Result<Self, Self> {
        match memory {
            None => Ok(Self {
                owner: now,
                users: 1,
            }),
            Some(memory) => {
                let more = Self {
                    users: memory.users.saturating_add(1),
                    ..memory
                };
                if now == wanted { Ok(more) } else { Err(memory) }
            }
        }
    }

    /// One user less: what remains, or the owner who gets the file back.
    pub fn with_one_less(self) -> Result<Self, Owner> {
        match self.users {
            0 | 1 => Err(self.owner),
            users => Ok(Self {
                users: users - 1,
                ..self
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: Owner = Owner {
        uid: 64055,
        gid: 993,
    };
    const USER: Owner = Owner {
        uid: 1000,
        gid: 1000,
    };

    #[test]
    fn the_first_owner_gets_the_file_back_from_the_last_user() {
        let one = Memory::with_one_more(None, USER, GUEST).unwrap();
        let two = Memory::with_one_more(Some(one), GUEST, GUEST).unwrap();
        assert_eq!(
            two,
            Memory {
                owner: USER,
                users: 2
            }
        );
        assert_eq!(two.with_one_less(), Ok(one));
        assert_eq!(one.with_one_less(), Err(USER));
    }

    #[test]
    fn a_file_in_use_as_somebody_elses_is_not_taken() {
        let one = Memory {
            owner: USER,
            users: 1,
        };
        let other = Owner { uid: 7, gid: 7 };
        assert_eq!(Memory::with_one_more(Some(one), GUEST, other), Err(one));
    }

    #[test]
    fn attributes_of_another_boot_or_damaged_ones_do_not_count() {
        let read = |owner, count, boot| Memory::read(Some(owner), Some(count), Some(boot), 100);
        assert_eq!(
            read("+1000:+1000", "2", "100"),
            Some(Memory {
                owner: USER,
                users: 2
            })
        );
        assert_eq!(read("+1000:+1000", "2", "99"), None);
        assert_eq!(read("nobody", "2", "100"), None);
        assert_eq!(read("+1000:+1000", "0", "100"), None);
        assert_eq!(read("+1000:+1000", "-1", "100"), None);
        assert_eq!(Memory::read(None, Some("1"), Some("100"), 100), None);
    }
}
