//! What policies look at of an object. Of a long list many objects are alike in that, and what is alike
//! is decided once.

use std::collections::BTreeSet;

use cedar_policy::{Policy, ResourceConstraint};
use serde_json::Value;
use virt_rpc::protocol::decisions::Target;

use crate::kinds::detail;

/// What the outcome of some policies can depend on, of the object that they are asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attention {
    /// These attributes of its, and its kind, which is the same for all objects of a question.
    Attributes(BTreeSet<String>),
    /// Which one it is, or something that is not understood here.
    Whole,
}

/// One thing that a policy may see of an object.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum Seen<'a> {
    /// A detail, or that it has none such.
    Detail(Option<&'a str>),
    /// Its owners.
    Names(&'a [String]),
}

impl Attention {
    /// To nothing.
    pub const fn none() -> Self {
        Self::Attributes(BTreeSet::new())
    }

    /// What a policy looks at.
    pub fn of(policy: &Policy) -> Self {
        let mut attributes = BTreeSet::new();
        let by_kind = matches!(
            policy.resource_constraint(),
            ResourceConstraint::Any | ResourceConstraint::Is(_)
        );
        // The policy as a tree, in Cedar's own form for programs.
        let tree = policy.to_json().unwrap_or_default();
        let conditions = tree.get("conditions").filter(|_| by_kind);
        match conditions.is_some_and(|conditions| collect(conditions, &mut attributes)) {
            true => Self::Attributes(attributes),
            false => Self::Whole,
        }
    }

    /// What both look at together.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Attributes(mut all), Self::Attributes(more)) => {
                all.extend(more.iter().cloned());
                Self::Attributes(all)
            }
            _ => Self::Whole,
        }
    }

    /// What is looked at of a target; none when that is all of it.
    pub fn view<'a>(&self, target: &'a Target) -> Option<Vec<Seen<'a>>> {
        let Self::Attributes(attributes) = self else {
            return None;
        };
        let seen = |name: &String| match name.as_str() {
            super::entities::OWNER_USERS => Seen::Names(&target.owner_users),
            super::entities::OWNER_GROUPS => Seen::Names(&target.owner_groups),
            name => Seen::Detail(detail(target, name)),
        };
        Some(attributes.iter().map(seen).collect())
    }
}

/// Collects the attributes of the resource that an expression names; false when it uses the resource
/// in any other way.
fn collect(tree: &Value, attributes: &mut BTreeSet<String>) -> bool {
    match tree {
        Value::Object(fields) => {
            if fields.get("Var").is_some_and(|name| name == "resource") {
                return false;
            }
            for access in [".", "has"].iter().filter_map(|way| fields.get(*way)) {
                let of_resource = access.pointer("/left/Var").is_some_and(|v| v == "resource");
                if let (true, Some(Value::String(name))) = (of_resource, access.get("attr")) {
                    attributes.insert(name.clone());
                    return true;
                }
            }
            fields.values().all(|tree| collect(tree, attributes))
        }
        Value::Array(trees) => trees.iter().all(|tree| collect(tree, attributes)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Attention {
        Attention::of(&Policy::parse(None, text).unwrap())
    }

    fn attributes(names: &[&str]) -> Attention {
        Attention::Attributes(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn what_a_policy_looks_at_is_known_or_it_is_everything() {
        for (text, names) in [
            ("permit(principal, action, resource);", &[][..]),
            (
                "permit(principal == User::\"resource\", action, resource is Domain);",
                &[],
            ),
            (
                "permit(principal, action, resource) when { resource.domain_name like \"a*\" } \
                 unless { principal in resource.owner_groups };",
                &["domain_name", "owner_groups"],
            ),
            (
                "permit(principal, action, resource) when { resource has domain_uuid && \
                 {\"Var\": \"resource\"}.Var == resource.domain_uuid };",
                &["domain_uuid"],
            ),
        ] {
            assert_eq!(of(text), attributes(names), "{text}");
        }
        for text in [
            "permit(principal, action, resource == Domain::\"x\");",
            "permit(principal, action, resource in Domain::\"x\");",
            "permit(principal, action, resource) when { resource == Domain::\"x\" };",
            "permit(principal, action, resource) when { [resource].contains(principal) };",
            "permit(principal, action, resource) when { {a: resource}.a.domain_name == \"x\" };",
        ] {
            assert_eq!(of(text), Attention::Whole, "{text}");
        }
    }
}
