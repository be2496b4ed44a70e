//! Slots that virtual processors are plugged into (`query-hotpluggable-cpus`).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::monitor::{Monitor, Pending};

/// A slot.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Slot {
    /// Name of the device that fits.
    #[serde(rename = "type")]
    pub driver: String,
    /// How many processors it brings.
    pub vcpus_count: u32,
    /// Where it is.
    pub props: Map<String, Value>,
    /// What sits in it.
    pub qom_path: Option<String>,
}

/// The slots in the order of the processors' numbers: QEMU lists them backwards on some machines.
pub fn ordered(mut slots: Vec<Slot>) -> Vec<Slot> {
    let place = |slot: &Slot| {
        let at = |key: &str| slot.props.get(key).and_then(Value::as_i64).unwrap_or(0);
        [
            "drawer-id",
            "book-id",
            "socket-id",
            "die-id",
            "cluster-id",
            "module-id",
            "core-id",
            "thread-id",
        ]
        .map(at)
    };
    slots.sort_by_key(place);
    slots
}

/// The slot of a processor and the number of its first one.
pub fn slot_of(slots: &[Slot], vcpu: u32) -> Option<(u32, &Slot)> {
    let mut first = 0u32;
    for slot in slots {
        let behind = first.saturating_add(slot.vcpus_count);
        if vcpu < behind {
            return Some((first, slot));
        }
        first = behind;
    }
    None
}

impl Slot {
    /// Arguments of the `device_add` that fills it.
    pub fn arguments(&self, alias: &str) -> Value {
        let mut arguments = Map::new();
        arguments.insert("driver".to_owned(), self.driver.clone().into());
        arguments.insert("id".to_owned(), alias.into());
        for (key, value) in &self.props {
            arguments.insert(key.clone(), value.clone());
        }
        Value::Object(arguments)
    }
}

impl Monitor {
    /// `query-hotpluggable-cpus` ([`Slot`]), without awaiting.
    pub fn processor_slots(&self) -> Pending {
        self.send("query-hotpluggable-cpus", None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn slots_are_found_by_the_processors_number() {
        let slot = |socket: u32| {
            json!({"props": {"core-id": 0, "thread-id": 0, "socket-id": socket},
                   "vcpus-count": 1, "type": "x-cpu"})
        };
        let slots: Vec<Slot> = serde_json::from_value(json!([slot(1), slot(0)])).unwrap();
        let slots = ordered(slots);
        let (first, slot) = slot_of(&slots, 1).unwrap();
        assert_eq!((first, &slot.props["socket-id"]), (1, &json!(1)));
        assert!(slot_of(&slots, 2).is_none());
        assert_eq!(
            slot.arguments("vcpu1").to_string(),
            r#"{"driver":"x-cpu","id":"vcpu1","core-id":0,"thread-id":0,"socket-id":1}"#
        );
    }
}
