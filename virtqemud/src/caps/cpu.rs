//! CPU models of a QEMU binary and the CPU it can give a guest on this host.

use super::session::Session;
use super::source::array;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Whether a CPU model works on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usable {
    /// Every feature of it is there.
    Yes,
    /// Some features are missing, see the model's blockers.
    No,
    /// The binary can't tell.
    Unknown,
}

impl Usable {
    /// The word in capability documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// One model of `query-cpu-definitions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuModel {
    /// Its name for `-cpu`.
    pub name: String,
    /// The version of it that the name stands for on every machine that says nothing else.
    pub alias_of: Option<String>,
    /// Its type name in the object model.
    pub typename: Option<String>,
    /// Whether it works on this host.
    pub usable: Usable,
    /// Features of it that this host lacks.
    pub blockers: Vec<String>,
    /// Whether QEMU discourages its use.
    pub deprecated: bool,
}

/// Value of a CPU property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CpuValue {
    /// A feature flag.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// One property of the host's CPU as QEMU expanded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuProperty {
    /// QEMU's name.
    pub name: String,
    /// Its value.
    pub value: CpuValue,
    /// For flags: whether it also is there in a guest that can be migrated; unknown when the
    /// binary can't tell the two apart.
    pub migratable: Option<bool>,
}

/// The most a guest's CPU can have on this host (`query-cpu-model-expansion`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCpu {
    /// QEMU's model that the properties are relative to.
    pub model: String,
    /// Its properties, in QEMU's order.
    pub properties: Vec<CpuProperty>,
    /// Whether the binary told migratable features apart.
    pub migratability: bool,
}

/// The models of a reply to `query-cpu-definitions`.
pub(crate) fn models(reply: Option<&Value>) -> Vec<CpuModel> {
    array(reply).iter().filter_map(model).collect()
}

fn model(from: &Value) -> Option<CpuModel> {
    let text = |key: &str| from.get(key).and_then(Value::as_str).map(str::to_owned);
    let blockers = from.get("unavailable-features").map(|list| {
        array(Some(list))
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    });
    Some(CpuModel {
        name: text("name")?,
        alias_of: text("alias-of"),
        typename: text("typename"),
        usable: match &blockers {
            None => Usable::Unknown,
            Some(list) if list.is_empty() => Usable::Yes,
            Some(_) => Usable::No,
        },
        blockers: blockers.unwrap_or_default(),
        deprecated: from.get("deprecated") == Some(&Value::Bool(true)),
    })
}

/// What the session's expansions of `host` (or `max`, without an accelerator) say.
pub(super) fn host_cpu(session: &Session, accelerated: bool) -> Option<HostCpu> {
    let name = if accelerated { "host" } else { "max" };
    let expand = |props: Value| {
        let mut model = json!({ "name": name });
        if !props.is_null() {
            model["props"] = props;
        }
        let arguments = json!({ "type": "static", "model": model });
        let model = session
            .reply_to("query-cpu-model-expansion", &arguments)?
            .get("model")?;
        Some((
            model.get("name")?.as_str()?,
            model.get("props")?.as_object()?,
        ))
    };
    let (model, migratable) = expand(Value::Null)?;
    let all = expand(json!({ "migratable": false }));
    let migratability = all.is_some();
    let (model, properties) = match all {
        Some((model, all)) => (model, merged(all, Some(migratable))),
        None => (model, merged(migratable, None)),
    };
    Some(HostCpu {
        model: model.to_owned(),
        properties,
        migratability,
    })
}

/// The CPU of a single reply to `query-cpu-model-expansion`.
pub(crate) fn expanded(reply: &Value) -> Option<HostCpu> {
    let model = reply.get("model")?;
    Some(HostCpu {
        model: model.get("name")?.as_str()?.to_owned(),
        properties: merged(model.get("props")?.as_object()?, None),
        migratability: false,
    })
}

fn merged(all: &Map<String, Value>, migratable: Option<&Map<String, Value>>) -> Vec<CpuProperty> {
    all.iter()
        .filter_map(|(name, value)| {
            let value = match value {
                Value::Bool(flag) => CpuValue::Flag(*flag),
                Value::Number(number) => CpuValue::Number(number.as_i64()?),
                Value::String(text) => CpuValue::Text(text.clone()),
                _ => return None,
            };
            let migratable = match (&value, migratable) {
                (CpuValue::Flag(true), Some(subset)) => {
                    Some(subset.get(name) == Some(&Value::Bool(true)))
                }
                _ => None,
            };
            Some(CpuProperty {
                name: name.clone(),
                value,
                migratable,
            })
        })
        .collect()
}
