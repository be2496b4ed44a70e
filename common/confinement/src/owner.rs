//! A user and a group, as labels name them.

use std::fmt;

/// The owner of a file or a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// Root, who gets files back whose owner nobody remembers.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };

    /// Reads `+UID:+GID`.
    pub fn from_label(label: &str) -> Option<Self> {
        let (uid, gid) = label.split_once(':')?;
        Some(Self {
            uid: uid.strip_prefix('+')?.parse().ok()?,
            gid: gid.strip_prefix('+')?.parse().ok()?,
        })
    }
}

/// The label: `+UID:+GID`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}:+{}", self.uid, self.gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_back() {
        let owner = Owner { uid: 7, gid: 64055 };
        assert_eq!(owner.to_string(), "+7:+64055");
        assert_eq!(Owner::from_label("+7:+64055"), Some(owner));
        for wrong in ["7:8", "+7", "+7:+8:+9", "+x:+1", ""] {
            assert_eq!(Owner::from_label(wrong), None);
        }
    }
}
