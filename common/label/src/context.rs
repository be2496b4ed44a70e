//! An SELinux context: `user:role:type:range`.

use std::fmt;
use std::str::FromStr;

/// Who a process or file is to SELinux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// SELinux's user.
    pub user: String,
    /// Its role.
    pub role: String,
    /// Its type, which most rules are about.
    pub kind: String,
    /// Sensitivities and categories; none where the policy has none.
    pub range: Option<String>,
}

impl FromStr for Context {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A range has colons of its own.
        let mut parts = text.splitn(4, ':').map(str::to_owned);
        let mut part = || parts.next().filter(|part| !part.is_empty());
        match (part(), part(), part(), part()) {
            (Some(user), Some(role), Some(kind), range) => Ok(Self {
                user,
                role,
                kind,
                range,
            }),
            _ => Err(format!("'{text}' is no context (user:role:type:range)")),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user, role, kind, ..
        } = self;
        write!(f, "{user}:{role}:{kind}")?;
        self.range
            .iter()
            .try_for_each(|range| write!(f, ":{range}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_and_back() {
        for text in [
            "system_u:system_r:container_t:s0:c1,c2",
            "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
            "user_u:user_r:user_t",
        ] {
            assert_eq!(text.parse::<Context>().unwrap().to_string(), text);
        }
        let context: Context = "u:r:t:s0:c1,c2".parse().unwrap();
        assert_eq!(context.range.as_deref(), Some("s0:c1,c2"));
        for wrong in ["", "nonsense", "u:r", "u::t:s0"] {
            assert!(wrong.parse::<Context>().is_err(), "{wrong}");
        }
    }
}
