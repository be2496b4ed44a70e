//! An ordered set of properties and its two renderings: JSON and `key=value`.
//!
//! This is the one place that knows QEMU's syntax; everything else says what it wants by type.
//! Facts: qemu-system(1); WIRE.md section 30.

use serde_json::{Map, Value};

/// Properties of one device, object, node or back end, in the order they were put in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Props(Map<String, Value>);

impl Props {
    /// No properties yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Properties that start with the one that says what it is, such as `driver` or `qom-type`.
    pub fn of(key: &str, kind: impl Into<Value>) -> Self {
        Self::new().with(key, kind)
    }

    /// A device of that type.
    pub fn device(driver: impl Into<String>) -> Self {
        Self::of("driver", driver.into())
    }

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.put(key, value);
        self
    }

    /// Adds a property that may not be wanted.
    #[must_use]
    pub fn maybe(mut self, key: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    /// Adds a property of the kind that has a third state besides on and off.
    #[must_use]
    pub fn switch(self, key: &str, value: Option<bool>) -> Self {
        self.maybe(key, value.map(on_off))
    }

    /// Adds a property.
    pub fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// The value of a property.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Takes a property out; the others keep their order.
    pub fn remove(&mut self, key: &str) {
        self.0.shift_remove(key);
    }

    /// Appends all of `other`.
    pub fn extend(&mut self, other: Props) {
        self.0.extend(other.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As one line of JSON.
    pub fn json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// As `KIND,key=value,…`: the first property gives its value alone. Commas in values are
    /// doubled, members of nested objects and lists are written as `outer.inner`.
    pub fn key_values(&self) -> String {
        let mut out = String::new();
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index == 0 {
                out.push_str(&escape(&plain(value)));
            } else {
                append(&mut out, key, value);
            }
        }
        out
    }
}

impl Props {
    /// As `key=value,…`, all of them; members of nested objects and lists are written as
    /// `outer.inner`.
    pub fn flattened(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.0 {
            append(&mut out, key, value);
        }
        out.trim_start_matches(',').to_owned()
    }
}

impl From<Props> for Value {
    fn from(props: Props) -> Self {
        Self::Object(props.0)
    }
}

/// QEMU's words of a switch.
pub fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// A value as it stands in an option list: commas end it, so they are doubled.
pub fn escape(value: &str) -> String {
    value.replace(',', ",,")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(on) => on_off(*on).to_owned(),
        other => other.to_string(),
    }
}

fn append(out: &mut String, key: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (inner, value) in members {
                append(out, &format!("{key}.{inner}"), value);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                append(out, &format!("{key}.{index}"), value);
            }
        }
        value => {
            out.push(',');
            out.push_str(key);
            out.push('=');
            out.push_str(&escape(&plain(value)));
        }
    }
}

/// An option list written piece by piece, for options that only know `key=value`.
#[derive(Debug, Clone, Default)]
pub struct OptionList(String);

impl OptionList {
    /// Starts with a word that has no key.
    pub fn starting(word: &str) -> Self {
        Self(escape(word))
    }

    /// Adds `key=value`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.put(key, value);
        self
    }

    /// Adds `key=value` where there is a value.
    #[must_use]
    pub fn maybe(mut self, key: &str, value: Option<impl std::fmt::Display>) -> Self {
        if let Some(value) = value {
            self.put(key, value);
        }
        self
    }

    /// Adds `key=on` or `key=off` where it was said.
    #[must_use]
    pub fn switch(self, key: &str, value: Option<bool>) -> Self {
        self.maybe(key, value.map(on_off))
    }

    /// Adds `key=value`.
    pub fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        self.word(&format!("{key}={}", escape(&value.to_string())));
    }

    /// Adds a word as it is.
    pub fn word(&mut self, word: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(word);
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The argument.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_renderings_say_the_same() {
        let props = Props::device("virtio-blk-pci")
            .with("id", "a,b")
            .with("queues", 4)
            .with("packed", true)
            .switch("ats", Some(false))
            .switch("iommu", None)
            .with("map", json!([{"iothread": "io1"}]));
        assert_eq!(
            props.json(),
            r#"{"driver":"virtio-blk-pci","id":"a,b","queues":4,"packed":true,"ats":"off","map":[{"iothread":"io1"}]}"#
        );
        assert_eq!(
            props.key_values(),
            "virtio-blk-pci,id=a,,b,queues=4,packed=on,ats=off,map.0.iothread=io1"
        );
    }

    #[test]
    fn an_option_list_doubles_commas_of_values_only() {
        let list = OptionList::starting("pc")
            .with("name", "a,b")
            .switch("usb", Some(false));
        assert_eq!(list.finish(), "pc,name=a,,b,usb=off");
    }
}
