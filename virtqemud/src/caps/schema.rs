//! Looking a path up in the schema QEMU gives of its own monitor (`query-qmp-schema`).

use serde_json::Value;
use std::collections::HashMap;

/// The schema, by entity name.
pub(super) struct Schema<'a> {
    entities: HashMap<&'a str, &'a Value>,
}

impl<'a> Schema<'a> {
    pub(super) fn new(entities: &'a [Value]) -> Self {
        let entities = entities
            .iter()
            .filter_map(|e| Some((e.get("name")?.as_str()?, e)))
            .collect();
        Self { entities }
    }

    /// Whether the schema has the path: a command's name, then `arg` or `ret`, then names of
    /// members, `+CASE` for a variant of a union, `^VALUE` for a value of an enumeration, and
    /// `$FEATURE` for a feature flag of what came before.
    ///
    /// Arrays and alternates are looked through. A path is as long as the table that holds it, so
    /// a schema that refers to itself does no harm.
    pub(super) fn has(&self, path: &str) -> bool {
        let mut steps = path.split('/');
        let Some(command) = steps
            .next()
            .and_then(|name| self.entities.get(name).copied())
            .filter(|e| text(e, "meta-type") == Some("command"))
        else {
            return false;
        };
        let steps: Vec<_> = steps.collect();
        let (type_name, rest) = match steps.split_first() {
            None => return true,
            Some((&"arg", rest)) => (text(command, "arg-type"), rest),
            Some((&"ret", rest)) => (text(command, "ret-type"), rest),
            Some((step, rest)) => {
                return rest.is_empty()
                    && step.strip_prefix('$').is_some_and(|f| featured(command, f));
            }
        };
        type_name.is_some_and(|name| self.below(name, None, rest, 0))
    }

    /// Whether `steps` lead on from a type, reached through `member`.
    fn below(&self, name: &str, member: Option<&Value>, steps: &[&str], depth: usize) -> bool {
        let Some((step, rest)) = steps.split_first() else {
            return true;
        };
        let Some(entity) = self.entities.get(name).copied().filter(|_| depth < 64) else {
            return false;
        };
        if let Some(feature) = step.strip_prefix('$') {
            return rest.is_empty()
                && (featured(entity, feature) || member.is_some_and(|m| featured(m, feature)));
        }
        match text(entity, "meta-type") {
            Some("array") => text(entity, "element-type")
                .is_some_and(|inner| self.below(inner, member, steps, depth + 1)),
            Some("alternate") => list(entity, "members").iter().any(|m| {
                text(m, "type").is_some_and(|inner| self.below(inner, member, steps, depth + 1))
            }),
            Some("enum") => step.strip_prefix('^').is_some_and(|value| {
                rest.is_empty()
                    && (list(entity, "values")
                        .iter()
                        .any(|v| v.as_str() == Some(value))
                        || list(entity, "members")
                            .iter()
                            .any(|m| text(m, "name") == Some(value)))
            }),
            Some("object") => {
                let (key, among, wanted) = match step.strip_prefix('+') {
                    Some(case) => ("case", list(entity, "variants"), case),
                    None => ("name", list(entity, "members"), *step),
                };
                among
                    .iter()
                    .find(|m| text(m, key) == Some(wanted))
                    .is_some_and(|m| {
                        text(m, "type").is_some_and(|t| self.below(t, Some(m), rest, depth + 1))
                    })
            }
            _ => false,
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    super::source::array(value.get(key))
}

fn featured(value: &Value, feature: &str) -> bool {
    list(value, "features")
        .iter()
        .any(|f| f.as_str() == Some(feature) || text(f, "name") == Some(feature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_go_through_members_variants_arrays_and_values() {
        let entities = json!([
            {"name": "add", "meta-type": "command", "arg-type": "0", "ret-type": "1", "features": ["hot"]},
            {"name": "0", "meta-type": "object", "tag": "driver",
             "members": [{"name": "driver", "type": "2"}, {"name": "list", "type": "[3]"}],
             "variants": [{"case": "file", "type": "3"}]},
            {"name": "1", "meta-type": "object", "members": []},
            {"name": "2", "meta-type": "enum", "values": ["file", "nbd"]},
            {"name": "[3]", "meta-type": "array", "element-type": "3"},
            {"name": "3", "meta-type": "object",
             "members": [{"name": "path", "type": "str", "features": ["old"]}]},
            {"name": "str", "meta-type": "builtin"}
        ]);
        let schema = Schema::new(entities.as_array().unwrap());
        for path in [
            "add",
            "add/$hot",
            "add/arg/driver/^nbd",
            "add/arg/+file/path",
            "add/arg/list/path/$old",
            "add/ret",
        ] {
            assert!(schema.has(path), "{path}");
        }
        for path in [
            "del",
            "add/$cold",
            "add/arg/driver/^ssh",
            "add/arg/+nbd",
            "add/arg/path",
            "0",
        ] {
            assert!(!schema.has(path), "{path}");
        }
    }
}
