//! Cedar's schema, made from the table of permissions: what a policy may name at all. A policy that
//! names anything else is refused when it is read.

use std::fmt::Write;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use virt_rpc::protocol::Object;

use crate::kinds::{KINDS, Kind};
use crate::permissions::{ACTIONS, Action, Unasked};

/// The group of the actions that polkit allows without a rule: to see an object, but no secret of
/// it.
pub const LOOK: &str = "look";

/// The schema in Cedar's own language.
pub fn text() -> String {
    let mut text = "type Question = {
  connect_driver: String,
  readonly: Bool,
  uid: Long,
  gid: Long,
  pid?: Long,
  selinux_context?: String,
};
entity User in [Group];
entity Group;
"
    .to_owned();
    for kind in KINDS {
        // Writing to a String does not fail.
        let _ = writeln!(text, "entity {} = {{", kind.entity);
        for key in kind.always {
            let _ = writeln!(text, "  {key}: String,");
        }
        for key in kind.sometimes {
            let _ = writeln!(text, "  {key}?: String,");
        }
        if kind.has_owners {
            text.push_str("  owner_users: Set<User>,\n  owner_groups: Set<Group>,\n");
        }
        text.push_str("};\n");
    }
    let _ = writeln!(text, "action \"{LOOK}\";");
    for object in Object::ALL {
        let _ = writeln!(text, "action \"{}\";", object.name());
    }
    for action in ACTIONS {
        let groups: Vec<_> = groups(*action)
            .map(|group| format!("\"{group}\""))
            .collect();
        let _ = writeln!(
            text,
            "action \"{action}\" in [{}] appliesTo {{\n  principal: [User], resource: [{}], \
             context: Question\n}};",
            groups.join(", "),
            Kind::of(action.object).entity
        );
    }
    text
}

/// The groups of actions that an action is in: its object's, and maybe [`LOOK`].
pub fn groups(action: Action) -> impl Iterator<Item = &'static str> {
    let look = (action.unasked == Unasked::Allowed).then_some(LOOK);
    std::iter::once(action.object.name()).chain(look)
}

/// The schema, read.
///
/// # Errors
/// The text is no schema: an error of this program.
pub fn read() -> Result<Schema, String> {
    let (schema, _) = Schema::from_cedarschema_str(&text()).map_err(|e| e.to_string())?;
    Ok(schema)
}

/// The names of the types, read once.
pub struct Names {
    user: EntityTypeName,
    group: EntityTypeName,
    action: EntityTypeName,
    /// In the order of [`KINDS`].
    objects: Vec<EntityTypeName>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    #[allow(
        clippy::expect_used,
        reason = "the words are identifiers, as the tests see"
    )]
    let name = |text: &str| text.parse().expect("an identifier");
    Names {
        user: name("User"),
        group: name("Group"),
        action: name("Action"),
        objects: KINDS.iter().map(|kind| name(kind.entity)).collect(),
    }
});

/// A user, by name.
pub fn user(name: &str) -> EntityUid {
    entity(&NAMES.user, name)
}

/// A group of users, by name.
pub fn group(name: &str) -> EntityUid {
    entity(&NAMES.group, name)
}

/// An action or a group of actions, by name.
pub fn action(name: &str) -> EntityUid {
    entity(&NAMES.action, name)
}

/// An object, by what tells it from others.
pub fn object(object: Object, identity: &str) -> EntityUid {
    entity(&NAMES.objects[object as usize], identity)
}

fn entity(kind: &EntityTypeName, name: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(name))
}

/// Whether that is the type of actions.
pub fn is_action(uid: &EntityUid) -> bool {
    uid.type_name() == &NAMES.action
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_one_and_has_every_action() {
        let schema = read().unwrap();
        for wanted in ACTIONS {
            let uid = action(&wanted.to_string());
            let resources: Vec<_> = schema.resources_for_action(&uid).unwrap().collect();
            assert_eq!(
                resources,
                [object(wanted.object, "x").type_name()],
                "{wanted}"
            );
        }
    }
}
