//! Every row and every type of the eight programs, compared with the tables of the wire's facts.
//!
//! The tables are beside the workspace (`../shared/wire`) or where `VIRT_FACTS` says; without
//! them there is nothing to compare with, and this test says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use virt_rpc::protocol::{
    AclRule, Condition, Connection, Priority, Program, ReadOnlyRule, Row, RowKind, StreamDirection,
};
use virt_rpc::xdr::Shape;

const PROGRAMS: [(&str, Program); 8] = [
    ("remote", Program::Remote),
    ("qemu", Program::Qemu),
    ("lxc", Program::Lxc),
    ("admin", Program::Admin),
    ("lock", Program::Lock),
    ("log", Program::Log),
    ("keepalive", Program::Keepalive),
    ("lxc_monitor", Program::LxcMonitor),
];

/// The tables of one program, and of the one it takes types from.
struct Tables {
    own: Value,
    imported: Option<Value>,
}

fn facts() -> Option<PathBuf> {
    let folder = match std::env::var_os("VIRT_FACTS") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let wire = folder.join("wire");
    wire.join("remote.json").exists().then_some(wire)
}

#[test]
fn every_row_is_as_the_tables_say() {
    let Some(wire) = facts() else {
        eprintln!("SKIPPED: no tables at ../shared/wire; set VIRT_FACTS to their folder's parent");
        return;
    };
    let read = |name: &str| -> Value {
        let path = wire.join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let mut differences = Vec::new();
    let mut compared = 0;
    for (name, program) in PROGRAMS {
        let own = read(name);
        let imported = own["imports"][0].as_str().map(read);
        let tables = Tables { own, imported };
        compared += tables.compare(program, &mut differences);
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    let rows: usize = PROGRAMS.iter().map(|(_, p)| p.table().len()).sum();
    assert_eq!(compared, rows);
}

impl Tables {
    fn compare(&self, program: Program, differences: &mut Vec<String>) -> usize {
        let number = self.own["program"]["number"].as_u64();
        if number != Some(u64::from(program.number())) {
            differences.push(format!("{program:?}: number {number:?}"));
        }
        let procedures = self.own["procedures"].as_array().expect("procedures");
        if procedures.len() != program.table().len() {
            differences.push(format!("{program:?}: {} rows", program.table().len()));
        }
        for fact in procedures {
            let number = fact["number"].as_i64().expect("number");
            let number = i32::try_from(number).expect("a small number");
            match program.row(number) {
                Some(row) => self.compare_row(row, fact, differences),
                None => differences.push(format!("{} is missing", fact["name"])),
            }
        }
        procedures.len()
    }

    fn compare_row(&self, row: &Row, fact: &Value, differences: &mut Vec<String>) {
        let mut differ = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                differences.push(format!("{}: {what} {ours}, table {theirs}", row.name));
            }
        };
        differ("name", row.name.to_owned(), text(&fact["name"]));
        let kind = match row.kind {
            RowKind::Call => "call",
            RowKind::Event => "event",
        };
        differ("kind", kind.to_owned(), text(&fact["kind"]));
        let message = if kind == "event" { "msg" } else { "args" };
        let theirs = self.describe_named(&fact[message]);
        differ("args", describe(row.args), theirs);
        differ("ret", describe(row.ret), self.describe_named(&fact["ret"]));
        if row.kind == RowKind::Event {
            return;
        }
        differ("api", row.api.unwrap_or("").to_owned(), text(&fact["api"]));
        let priority = match row.priority {
            Priority::High => "high",
            Priority::Low => "low",
        };
        differ("priority", priority.to_owned(), text(&fact["priority"]));
        let stream = match row.stream {
            None => "",
            Some(StreamDirection::Read) => "readstream",
            Some(StreamDirection::Write) => "writestream",
        };
        differ("stream", stream.to_owned(), text(&fact["stream"]));
        differ(
            "sparse flag",
            format!("{:?}", row.sparse_flag.map(i64::from)),
            format!("{:?}", fact["sparse_flag"].as_str().map(|f| self.flag(f))),
        );
        let pre_auth = fact["pre_auth"].as_bool().unwrap_or(false);
        differ("pre_auth", row.pre_auth.to_string(), pre_auth.to_string());
        differ("conn", connection(row).to_owned(), text(&fact["conn"]));
        differ("read-only", readonly(row), self.readonly(fact));
        differ("acl", acl(row.acl), self.acl(&fact["acl"]));
        differ("filter", acl(row.acl_filter), self.acl(&fact["aclfilter"]));
    }

    /// The value of a named flag, from the table that has it.
    fn flag(&self, name: &str) -> i64 {
        self.tables()
            .find_map(|tables| tables["flag_values"][name].as_i64())
            .unwrap_or_else(|| panic!("flag {name} has no value"))
    }

    fn bits(&self, names: &Value) -> i64 {
        let names = names.as_array().expect("names of flags");
        names.iter().fold(0, |bits, name| {
            bits | self.flag(name.as_str().expect("a name"))
        })
    }

    fn readonly(&self, fact: &Value) -> String {
        let condition = &fact["deny_if"];
        match fact["readonly"].as_str().unwrap_or("allow") {
            "deny-if" if condition["any_of"].is_array() => {
                format!("deny if any of {:#x}", self.bits(&condition["any_of"]))
            }
            "deny-if" => format!(
                "deny if {} is {}",
                text(&condition["param"]),
                self.flag(&text(&condition["equals"]))
            ),
            other => other.to_owned(),
        }
    }

    fn acl(&self, rules: &Value) -> String {
        let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
        let rule = |rule: &Value| {
            let mut line = format!("{}.{}", text(&rule["object"]), text(&rule["perm"]));
            if rule["if_flags_all_of"].is_array() {
                line += &format!(" if all of {:#x}", self.bits(&rule["if_flags_all_of"]));
            }
            if rule["if_flags_none_of"].is_array() {
                line += &format!(" if none of {:#x}", self.bits(&rule["if_flags_none_of"]));
            }
            if let Some(name) = rule["if_param"].as_str() {
                line += &format!(" if {name} is {}", self.flag(&text(&rule["equals"])));
            }
            line
        };
        rules.iter().map(rule).collect::<Vec<_>>().join(", ")
    }

    fn describe_named(&self, name: &Value) -> String {
        match name.as_str() {
            Some(name) => self.describe_ref(name),
            None => "void".to_owned(),
        }
    }

    fn describe_ref(&self, name: &str) -> String {
        let found = |kind: &str| {
            self.tables()
                .find_map(|tables| tables[kind].get(name))
                .cloned()
        };
        if let Some(of) = found("typedefs") {
            return self.describe_type(&of);
        }
        if let Some(fields) = found("structs") {
            let fields = fields.as_array().expect("fields").iter();
            return list(
                fields
                    .map(|field| format!("{} {}", text(&field["name"]), self.describe_type(field))),
            );
        }
        if let Some(union) = found("unions") {
            let cases = union["cases"].as_array().expect("cases").iter();
            let cases = cases.map(|case| {
                let kind = self.describe_type(case);
                format!("{} {} {kind}", case["case"], text(&case["name"]))
            });
            return format!("union {}", list(cases));
        }
        if let Some(values) = found("enums") {
            let values = values.as_object().expect("values").iter();
            let values = values.map(|(name, value)| format!("{} {value}", short(name)));
            return format!("enum {}", list(values));
        }
        panic!("type {name} is nowhere");
    }

    fn describe_type(&self, of: &Value) -> String {
        let inner = |key: &str| self.describe_type(&of[key]);
        match of["type"].as_str().expect("a type") {
            "ref" => self.describe_ref(of["to"].as_str().expect("a name")),
            "optional" => format!("optional {}", inner("of")),
            "array" => format!("array of at most {} {}", of["max"], inner("elem")),
            "fixed_array" => format!("array of {} {}", of["len"], inner("elem")),
            "string" => format!("string of at most {}", of["max"]),
            "opaque" => format!("opaque of at most {}", of["max"]),
            "opaque_fixed" => format!("opaque of {}", of["len"]),
            plain => plain.to_owned(),
        }
    }

    fn tables(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(&self.own).chain(&self.imported)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(parts: impl Iterator<Item = String>) -> String {
    format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
}

/// `REMOTE_AUTH_NONE` as we name it.
fn short(name: &str) -> &str {
    name.rsplit('_').next().unwrap_or(name)
}

fn connection(row: &Row) -> &'static str {
    match row.conn {
        Connection::Own => "",
        Connection::Hypervisor => "hypervisor",
        Connection::Network => "network",
        Connection::Storage => "storage",
        Connection::Nodedev => "nodedev",
        Connection::Secret => "secret",
        Connection::Nwfilter => "nwfilter",
        Connection::Interface => "interface",
    }
}

fn readonly(row: &Row) -> String {
    match &row.readonly {
        ReadOnlyRule::Allow => "allow".to_owned(),
        ReadOnlyRule::Deny => "deny".to_owned(),
        ReadOnlyRule::DenyIf(condition) => match condition {
            Condition::FlagsAny(bits) => format!("deny if any of {bits:#x}"),
            Condition::Parameter { name, equals } => format!("deny if {name} is {equals}"),
            other => format!("deny if {other:?}"),
        },
    }
}

fn acl(rules: &[AclRule]) -> String {
    let rule = |rule: &AclRule| {
        let line = format!("{}.{}", rule.object.name(), rule.permission.name());
        match &rule.condition {
            None => line,
            Some(Condition::FlagsAll(bits)) => format!("{line} if all of {bits:#x}"),
            Some(Condition::FlagsNone(bits)) => format!("{line} if none of {bits:#x}"),
            Some(Condition::Parameter { name, equals }) => format!("{line} if {name} is {equals}"),
            Some(Condition::FlagsAny(bits)) => format!("{line} if any of {bits:#x}"),
        }
    };
    rules.iter().map(rule).collect::<Vec<_>>().join(", ")
}

fn describe(shape: &Shape) -> String {
    match shape {
        Shape::Void => "void".to_owned(),
        Shape::Int => "int".to_owned(),
        Shape::Unsigned => "unsigned".to_owned(),
        Shape::Hyper => "hyper".to_owned(),
        Shape::Uhyper => "uhyper".to_owned(),
        Shape::Double => "double".to_owned(),
        Shape::Char => "char".to_owned(),
        Shape::Uchar => "uchar".to_owned(),
        Shape::Ushort => "ushort".to_owned(),
        Shape::String { max } => format!("string of at most {max}"),
        Shape::Opaque { max } => format!("opaque of at most {max}"),
        Shape::OpaqueFixed { len } => format!("opaque of {len}"),
        Shape::Array { elem, max } => format!("array of at most {max} {}", describe(elem)),
        Shape::FixedArray { elem, len } => format!("array of {len} {}", describe(elem)),
        Shape::Optional(of) => format!("optional {}", describe(of)),
        Shape::Struct { fields, .. } => list(
            fields
                .iter()
                .map(|field| format!("{} {}", field.name, describe(field.shape))),
        ),
        Shape::Union { arms, .. } => {
            let arms = arms
                .iter()
                .map(|arm| format!("{} {} {}", arm.case, arm.name, describe(arm.shape)));
            format!("union {}", list(arms))
        }
        Shape::Enum { values, .. } => {
            let values = values.iter().map(|(name, value)| format!("{name} {value}"));
            format!("enum {}", list(values))
        }
    }
}
