//! What one line from QEMU means.

use serde_json::{Map, Value};

/// The first line of every connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Version of QEMU as major, minor, micro.
    pub version: (u32, u32, u32),
    /// The distributor's words, such as `Debian 1:10.0.2+ds-2`; may be empty.
    pub package: String,
}

/// Why QEMU refused a command, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct CommandError {
    /// `GenericError`, `CommandNotFound`, `DeviceNotFound`, …
    pub class: String,
    /// A sentence for people.
    pub description: String,
}

/// Something that happened, told without being asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Name in capitals, such as `SHUTDOWN`.
    pub name: String,
    /// The event's members; empty when it has none.
    pub data: Map<String, Value>,
    /// Seconds since the epoch on QEMU's clock.
    pub seconds: i64,
    /// Microseconds within the second.
    pub microseconds: u32,
}

/// One line of QEMU.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Start of the conversation.
    Greeting(Greeting),
    /// Answer to the command with this number. QEMU leaves the number out when it could not
    /// even read the command.
    Reply {
        /// Number given with the command.
        id: Option<u64>,
        /// What it returned.
        outcome: Result<Value, CommandError>,
    },
    /// News.
    Event(Event),
}

/// The line is not QMP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a QMP message: {0}")]
pub struct Malformed(pub String);

impl Message {
    /// Reads one line.
    ///
    /// # Errors
    /// [`Malformed`] when it is no JSON object of a kind that QMP knows.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_slice(line).map_err(|e| Malformed(e.to_string()))?;
        let Value::Object(mut object) = value else {
            return Err(Malformed("a value that is no object".into()));
        };
        if let Some(outcome) = outcome(&mut object) {
            let id = object.get("id").and_then(Value::as_u64);
            return Ok(Self::Reply { id, outcome });
        }
        if let Some(Value::String(name)) = object.remove("event") {
            return Ok(Self::Event(event(name, &mut object)));
        }
        match object.get("QMP") {
            Some(greeting) => Ok(Self::Greeting(parse_greeting(greeting))),
            None => Err(Malformed(
                "neither greeting, reply, error nor event".to_owned(),
            )),
        }
    }
}

fn outcome(object: &mut Map<String, Value>) -> Option<Result<Value, CommandError>> {
    if let Some(value) = object.remove("return") {
        return Some(Ok(value));
    }
    let error = object.remove("error")?;
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    Some(Err(CommandError {
        class: text("class"),
        description: text("desc"),
    }))
}

fn event(name: String, object: &mut Map<String, Value>) -> Event {
    let data = match object.remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    let time = object.get("timestamp");
    let part = |key: &str| time.and_then(|t| t[key].as_i64()).unwrap_or(0);
    Event {
        name,
        data,
        seconds: part("seconds"),
        microseconds: u32::try_from(part("microseconds")).unwrap_or(0),
    }
}

fn parse_greeting(value: &Value) -> Greeting {
    let qemu = &value["version"]["qemu"];
    let part = |key: &str| qemu[key].as_u64().and_then(|n| n.try_into().ok());
    Greeting {
        version: (
            part("major").unwrap_or(0),
            part("minor").unwrap_or(0),
            part("micro").unwrap_or(0),
        ),
        package: value["version"]["package"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// The line that asks QEMU to run a command.
pub fn command_line(id: u64, name: &str, arguments: Option<&Value>) -> Vec<u8> {
    let mut object = Map::new();
    object.insert("execute".into(), name.into());
    if let Some(arguments) = arguments {
        object.insert("arguments".into(), arguments.clone());
    }
    object.insert("id".into(), id.into());
    let mut line = Value::Object(object).to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_greeting_tells_the_version() {
        let line = br#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": "Debian 1:10.0.2+ds-2"}, "capabilities": ["oob"]}}"#;
        assert_eq!(
            Message::parse(line),
            Ok(Message::Greeting(Greeting {
                version: (10, 0, 2),
                package: "Debian 1:10.0.2+ds-2".into()
            }))
        );
    }

    #[test]
    fn replies_carry_their_number() {
        assert_eq!(
            Message::parse(br#"{"return": {"a": 1}, "id": 7}"#),
            Ok(Message::Reply {
                id: Some(7),
                outcome: Ok(json!({"a": 1}))
            })
        );
        assert_eq!(
            Message::parse(br#"{"error": {"class": "GenericError", "desc": "no"}}"#),
            Ok(Message::Reply {
                id: None,
                outcome: Err(CommandError {
                    class: "GenericError".into(),
                    description: "no".into()
                })
            })
        );
    }

    #[test]
    fn events_carry_their_time() {
        let line = br#"{"timestamp": {"seconds": 5, "microseconds": 6}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#;
        let Ok(Message::Event(event)) = Message::parse(line) else {
            panic!("an event");
        };
        assert_eq!(
            (event.name.as_str(), event.seconds, event.microseconds),
            ("SHUTDOWN", 5, 6)
        );
        assert_eq!(event.data["guest"], json!(true));
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            &b""[..],
            b"[]",
            b"{}",
            b"{\"id\": 3}",
            b"\xff",
            b"{\"event\": 3}",
        ] {
            assert!(Message::parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_command_is_one_line() {
        let line = command_line(3, "human-monitor-command", Some(&json!({"a": "x\ny"})));
        assert_eq!(
            line,
            b"{\"execute\":\"human-monitor-command\",\"arguments\":{\"a\":\"x\\ny\"},\"id\":3}\n"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::parse(&line);
        }
    }
}
