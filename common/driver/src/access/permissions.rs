//! A set of permissions.

use virt_rpc::protocol::{AclRule, Permission};

/// The permissions that a call needs on one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u64);

// One bit each.
const _: () = assert!(Permission::ALL.len() <= 64);

impl Permissions {
    /// One.
    pub const fn one(permission: Permission) -> Self {
        Self(1 << permission as u64)
    }

    /// Those of some rules.
    pub fn of<'a>(rules: impl Iterator<Item = &'a AclRule>) -> Self {
        rules.fold(Self::default(), |all, rule| {
            Self(all.0 | Self::one(rule.permission).0)
        })
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of them, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        let all = Permission::ALL.iter().copied();
        all.filter(move |permission| self.0 & Self::one(*permission).0 != 0)
    }
}
