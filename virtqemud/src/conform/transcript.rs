//! A recorded probe session: JSON documents, each command followed by its reply.

use crate::caps::{Exchange, Session};
use serde_json::Value;

/// The sessions of a transcript: the second one starts where `qmp_capabilities` is sent again.
pub(super) fn sessions(text: &str) -> Result<Vec<Session>, String> {
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut sessions: Vec<Session> = Vec::new();
    while let Some(command) = documents.next() {
        let command = command.map_err(|e| e.to_string())?;
        let reply = documents
            .next()
            .ok_or("the last command has no reply")?
            .map_err(|e| e.to_string())?;
        let name = command
            .get("execute")
            .and_then(Value::as_str)
            .ok_or("a document is no command")?;
        if name == "qmp_capabilities" || sessions.is_empty() {
            sessions.push(Session::default());
        }
        let reply = match reply.get("return") {
            Some(value) => Ok(value.clone()),
            None => Err(reply.get("error").cloned().unwrap_or(Value::Null)),
        };
        if let Some(session) = sessions.last_mut() {
            session.push(Exchange {
                command: name.to_owned(),
                arguments: command.get("arguments").cloned().unwrap_or(Value::Null),
                reply,
            });
        }
    }
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_greeting_starts_a_second_session() {
        let text = r#"{"execute":"qmp_capabilities"} {"return":{}}
            {"execute":"query-kvm"} {"return":{"enabled":true}}
            {"execute":"qmp_capabilities"} {"return":{}}
            {"execute":"x"} {"error":{"class":"GenericError"}}"#;
        let sessions = sessions(text).unwrap();
        assert_eq!(sessions.len(), 2);
        assert!(sessions[0].kvm_enabled());
        assert!(sessions[1].reply("x").is_none());
    }
}
