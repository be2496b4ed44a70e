//! People, objects and questions as Cedar's values.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entity, EntityUid, RestrictedExpression};
use virt_rpc::protocol::decisions::{Question, Target};

use super::schema;
use crate::kinds::{DRIVER_KEY, Kind};
use crate::people::Person;
use crate::permissions::Action;

/// The attributes that name an object's owners.
pub(super) const OWNER_USERS: &str = "owner_users";
pub(super) const OWNER_GROUPS: &str = "owner_groups";

/// A person and the groups the person is in.
pub(super) fn person(principal: &EntityUid, person: &Person) -> Vec<Entity> {
    let groups: HashSet<_> = person
        .groups
        .iter()
        .map(|name| schema::group(name))
        .collect();
    let mut entities: Vec<_> = groups.iter().cloned().map(Entity::with_uid).collect();
    entities.push(Entity::new_no_attrs(principal.clone(), groups));
    entities
}

/// An action, in its groups.
pub(super) fn action(action: Action) -> Entity {
    let groups = schema::groups(action).map(schema::action);
    Entity::new_no_attrs(schema::action(&action.to_string()), groups.collect())
}

/// An object, by what it is known by.
pub(super) fn target(target: &Target, driver: &str) -> Result<(EntityUid, Entity), String> {
    let kind = Kind::of(target.object);
    let identity = kind.identity(target, driver).unwrap_or_default();
    let uid = schema::object(target.object, identity);
    let details = target.details.iter();
    let mut attributes: HashMap<_, _> = details
        .map(|(key, value)| (key.clone(), text(value)))
        .collect();
    if kind.has_owners {
        let users = target.owner_users.iter().map(|name| schema::user(name));
        let groups = target.owner_groups.iter().map(|name| schema::group(name));
        attributes.insert(OWNER_USERS.to_owned(), set(users));
        attributes.insert(OWNER_GROUPS.to_owned(), set(groups));
    }
    let entity = Entity::new(uid.clone(), attributes, HashSet::new()).map_err(|e| e.to_string())?;
    Ok((uid, entity))
}

/// What is known of the question itself.
pub(super) fn context(question: &Question) -> Result<Context, String> {
    let subject = &question.subject;
    let mut pairs = vec![
        (DRIVER_KEY, text(&question.driver)),
        (
            "readonly",
            RestrictedExpression::new_bool(question.readonly),
        ),
        ("uid", RestrictedExpression::new_long(subject.uid.into())),
        ("gid", RestrictedExpression::new_long(subject.gid.into())),
    ];
    if let Some(pid) = subject.pid {
        pairs.push(("pid", RestrictedExpression::new_long(pid.into())));
    }
    if let Some(context) = &subject.selinux_context {
        pairs.push(("selinux_context", text(context)));
    }
    let pairs = pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    Context::from_pairs(pairs).map_err(|e| e.to_string())
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn set(uids: impl Iterator<Item = EntityUid>) -> RestrictedExpression {
    RestrictedExpression::new_set(uids.map(RestrictedExpression::new_entity_uid))
}
