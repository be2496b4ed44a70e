//! What a capability flag can follow from, and the facts of a probe session it is looked up in.

use super::schema::Schema;
use super::session::Session;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Where in the replies a flag comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A type of the object model (`qom-list-types`).
    Type(&'static str),
    /// A type of a host that can use it, which that command tells by answering.
    TypeWith(&'static str, &'static str),
    /// A property of a type (`device-list-properties`, `qom-list-properties`).
    Property(&'static str, &'static str),
    /// A property of a machine type, by the alias of its latest version or by the type all its
    /// versions share.
    MachineProperty(&'static str, &'static str),
    /// A boolean property which is off unless asked for.
    DefaultOff(&'static str, &'static str),
    /// A path in the schema (`query-qmp-schema`), see [`Schema::has`].
    Schema(&'static str),
    /// An option of the command line (`query-command-line-options`).
    CommandLineOption(&'static str),
    /// A parameter of such an option.
    OptionParameter(&'static str, &'static str),
    /// A model of `query-cpu-definitions`.
    CpuModel(&'static str),
    /// A model of `query-tpm-models`.
    TpmModel(&'static str),
    /// A back end of `query-tpm-types`.
    TpmBackend(&'static str),
    /// The command was answered without an error.
    Answered(&'static str),
    /// `query-kvm` says that KVM works.
    KvmEnabled,
    /// Not known from replies: set from what the prober knows of the host, or by a test.
    Never,
}

/// The replies of one session, indexed.
pub(super) struct Facts<'a> {
    session: &'a Session,
    types: HashSet<&'a str>,
    properties: HashMap<&'a str, &'a [Value]>,
    options: HashMap<&'a str, HashSet<&'a str>>,
    schema: Schema<'a>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        let types = names(session.reply("qom-list-types"), "name").collect();
        let properties = session
            .exchanges()
            .iter()
            .filter(|e| e.command == "device-list-properties" || e.command == "qom-list-properties")
            .filter_map(|e| {
                let typename = e.arguments.get("typename")?.as_str()?;
                Some((typename, e.reply.as_ref().ok()?.as_array()?.as_slice()))
            })
            .collect();
        let options = array(session.reply("query-command-line-options"))
            .iter()
            .filter_map(|o| {
                let parameters = names(o.get("parameters"), "name").collect();
                Some((o.get("option")?.as_str()?, parameters))
            })
            .collect();
        Self {
            session,
            types,
            properties,
            options,
            schema: Schema::new(array(session.reply("query-qmp-schema"))),
        }
    }

    /// Whether the session shows it.
    pub(super) fn show(&self, source: Source) -> bool {
        match source {
            Source::Type(name) => self.types.contains(name),
            Source::TypeWith(name, command) => {
                self.types.contains(name) && self.session.reply(command).is_some()
            }
            Source::Property(of, name) => self.property(of, name).is_some(),
            Source::MachineProperty(machine, name) => {
                let reply = self.session.reply("query-machines");
                let latest = array(reply)
                    .iter()
                    .find(|m| m.get("alias").and_then(Value::as_str) == Some(machine))
                    .and_then(|m| m.get("name")?.as_str());
                [latest, Some(machine)]
                    .into_iter()
                    .flatten()
                    .any(|machine| self.property(&format!("{machine}-machine"), name).is_some())
            }
            Source::DefaultOff(of, name) => self
                .property(of, name)
                .is_some_and(|p| p.get("default-value") == Some(&Value::Bool(false))),
            Source::Schema(path) => self.schema.has(path),
            Source::CommandLineOption(name) => self.options.contains_key(name),
            Source::OptionParameter(option, name) => {
                self.options.get(option).is_some_and(|p| p.contains(name))
            }
            Source::CpuModel(name) => {
                names(self.session.reply("query-cpu-definitions"), "name").any(|n| n == name)
            }
            Source::TpmModel(name) => self.listed("query-tpm-models", name),
            Source::TpmBackend(name) => self.listed("query-tpm-types", name),
            Source::Answered(command) => self.session.reply(command).is_some(),
            Source::KvmEnabled => self.session.kvm_enabled(),
            Source::Never => false,
        }
    }

    fn property(&self, of: &str, name: &str) -> Option<&'a Value> {
        self.properties
            .get(of)?
            .iter()
            .find(|p| p.get("name").and_then(Value::as_str) == Some(name))
    }

    fn listed(&self, command: &str, name: &str) -> bool {
        array(self.session.reply(command))
            .iter()
            .any(|v| v.as_str() == Some(name))
    }
}

/// The elements of a reply that is a list; an absent one has none.
pub(super) fn array(reply: Option<&Value>) -> &[Value] {
    reply.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn names<'a>(reply: Option<&'a Value>, key: &'static str) -> impl Iterator<Item = &'a str> {
    array(reply)
        .iter()
        .filter_map(move |v| v.get(key)?.as_str())
}
