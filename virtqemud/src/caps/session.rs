//! The record of a probe session: what was asked and what came back.

use serde::Serialize;
use serde_json::Value;

/// One command and its reply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exchange {
    /// The command's name.
    pub command: String,
    /// Its arguments; `Null` when there were none.
    pub arguments: Value,
    /// `return` of the reply, or its `error`.
    pub reply: Result<Value, Value>,
}

/// What was asked of one running QEMU and what it answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session(Vec<Exchange>);

impl Session {
    /// A session of these exchanges, in any order.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        Self(exchanges)
    }

    /// Appends what was asked next.
    pub fn push(&mut self, exchange: Exchange) {
        self.0.push(exchange);
    }

    /// Everything that was asked.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.0
    }

    /// The answer to a command that takes no arguments; nothing when it failed or wasn't asked.
    pub fn reply(&self, command: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|e| e.command == command)
            .and_then(|e| e.reply.as_ref().ok())
    }

    /// The answer to a command with exactly these arguments.
    pub fn reply_to(&self, command: &str, arguments: &Value) -> Option<&Value> {
        self.0
            .iter()
            .find(|e| e.command == command && e.arguments == *arguments)
            .and_then(|e| e.reply.as_ref().ok())
    }

    /// Whether this QEMU runs with a working KVM.
    pub fn kvm_enabled(&self) -> bool {
        self.reply("query-kvm")
            .is_some_and(|r| r.get("enabled") == Some(&Value::Bool(true)))
    }

    /// The architecture it emulates, by QEMU's name.
    pub fn target(&self) -> Option<&str> {
        self.reply("query-target")?.get("arch")?.as_str()
    }
}
