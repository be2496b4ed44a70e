//! Whether a question can be asked at all: its bounds, and that it says what policies rely on. What
//! is wrong is refused by name, before any policy sees it.

use virt_rpc::protocol::decisions::{
    BACK_ENDS_MAX, PERMISSIONS_MAX, Question, Subject, TARGETS_MAX, TEXT_MAX, Target,
};

use crate::kinds::Kind;
use crate::permissions::{Action, unknown};

/// Owners that one target may name, of each kind.
pub const OWNERS_MAX: usize = 1024;

/// What a question asks for, when it is one: the actions, none of which is missing from the table.
///
/// # Errors
/// What is wrong with the question: a sentence.
pub fn check(question: &Question) -> Result<Vec<Action>, String> {
    let Question {
        subject,
        driver,
        back_ends,
        readonly: _,
        purpose: _,
        call,
        permissions,
        targets,
    } = question;
    within("back ends", back_ends.len(), BACK_ENDS_MAX)?;
    within("permissions", permissions.len(), PERMISSIONS_MAX)?;
    within("targets", targets.len(), TARGETS_MAX)?;
    if permissions.is_empty() {
        return Err("a question without a permission".to_owned());
    }
    text("the driver's name", driver)?;
    text("the call's name", call)?;
    text("the SELinux context", context(subject))?;
    if driver.is_empty() {
        return Err("a question without a driver's name".to_owned());
    }
    let Some(first) = targets.first() else {
        return Ok(Vec::new());
    };
    let kind = Kind::of(first.object);
    for target in targets {
        if target.object != kind.object {
            return Err(format!(
                "targets of different kinds in one question: {} and {}",
                kind.object.name(),
                target.object.name()
            ));
        }
        described(target, kind)?;
    }
    permissions
        .iter()
        .map(|permission| {
            let missing = || unknown(&format!("{}.{}", kind.object.name(), permission.name()));
            Action::of(kind.object, *permission).ok_or_else(missing)
        })
        .collect()
}

fn described(target: &Target, kind: &Kind) -> Result<(), String> {
    let object = kind.object.name();
    let mut seen = 0;
    for (place, (key, value)) in target.details.iter().enumerate() {
        text("a detail", value)?;
        if !kind.keys().any(|known| known == key) {
            let known: Vec<_> = kind.keys().collect();
            let key = key.chars().take(100).collect::<String>();
            return Err(format!(
                "'{key}' is no detail of a {object}; it has {}",
                known.join(", ")
            ));
        }
        if target.details[..place]
            .iter()
            .any(|(other, _)| other == key)
        {
            return Err(format!("'{key}' is said twice of a {object}"));
        }
        seen += usize::from(kind.always.contains(&key.as_str()));
    }
    if seen < kind.always.len() {
        return Err(format!(
            "not all is said of a {object}; it has {}",
            kind.always.join(", ")
        ));
    }
    let (users, groups) = (&target.owner_users, &target.owner_groups);
    let owned = !users.is_empty() || !groups.is_empty();
    if owned && !kind.has_owners {
        return Err(format!("a {object} has no owners"));
    }
    within("owners", users.len(), OWNERS_MAX)?;
    within("owners", groups.len(), OWNERS_MAX)?;
    users
        .iter()
        .chain(groups)
        .try_for_each(|owner| text("an owner", owner))
}

fn context(subject: &Subject) -> &str {
    subject.selinux_context.as_deref().unwrap_or_default()
}

fn within(what: &str, count: usize, max: usize) -> Result<(), String> {
    match count <= max {
        true => Ok(()),
        false => Err(format!("{count} {what} in one question; {max} are allowed")),
    }
}

fn text(what: &str, text: &str) -> Result<(), String> {
    match text.len() <= TEXT_MAX {
        true => Ok(()),
        false => Err(format!(
            "{what} has {} bytes; {TEXT_MAX} are allowed",
            text.len()
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use virt_rpc::protocol::decisions::Purpose;
    use virt_rpc::protocol::{Object, Permission};

    use super::*;

    /// What a refusal names, and how the question comes to deserve it.
    type Case = (&'static str, fn(&mut Question));

    /// A question about guests of these names, from that user.
    pub(crate) fn guests(uid: u32, permission: Permission, names: &[&str]) -> Question {
        let targets = names.iter().enumerate().map(|(number, name)| Target {
            object: Object::Domain,
            details: vec![
                ("domain_name".to_owned(), (*name).to_owned()),
                (
                    "domain_uuid".to_owned(),
                    format!("c7a5fdbd-cdaf-9455-926a-{number:012x}"),
                ),
            ],
            owner_users: Vec::new(),
            owner_groups: Vec::new(),
        });
        Question {
            subject: Subject {
                pid: None,
                start_time: None,
                uid,
                gid: uid,
                selinux_context: None,
            },
            driver: "QEMU".to_owned(),
            back_ends: vec!["cedar".to_owned()],
            readonly: false,
            call: "REMOTE_PROC_DOMAIN_CREATE".to_owned(),
            purpose: Purpose::Call,
            permissions: vec![permission],
            targets: targets.collect(),
        }
    }

    #[test]
    fn what_is_beyond_the_bounds_is_named() {
        let good = guests(1, Permission::Start, &["a", "b"]);
        assert_eq!(check(&good).unwrap().len(), 1);
        let cases: &[Case] = &[
            ("17 permissions", |q| {
                q.permissions = vec![Permission::Start; 17]
            }),
            ("without a permission", |q| q.permissions.clear()),
            ("65537 targets", |q| {
                q.targets = vec![q.targets[0].clone(); TARGETS_MAX + 1]
            }),
            ("65537 bytes", |q| {
                q.targets[1].details[0].1 = "x".repeat(TEXT_MAX + 1)
            }),
            ("domain.data_read", |q| {
                q.permissions = vec![Permission::DataRead]
            }),
            ("'vol_key'", |q| {
                q.targets[0].details[0].0 = "vol_key".to_owned()
            }),
            ("said twice", |q| {
                q.targets[0].details[0].0 = "domain_uuid".to_owned()
            }),
            ("not all is said", |q| drop(q.targets[0].details.remove(0))),
            ("different kinds", |q| q.targets[1].object = Object::Network),
            ("owners", |q| {
                q.targets[0].owner_users = vec![String::new(); OWNERS_MAX + 1]
            }),
        ];
        for (expected, change) in cases {
            let mut question = good.clone();
            change(&mut question);
            let text = check(&question).unwrap_err();
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }
}
