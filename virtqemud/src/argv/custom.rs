//! What a definition's `qemu:` elements change in the command line: forced capabilities and
//! replaced properties of devices.

use super::props::Props;
use crate::caps::{CapFlag, QemuCaps, is_retired};
use serde_json::Value;
use virt_domain::namespace::{
    OverriddenDevice, OverriddenProperty, OverrideType, QemuCapabilities,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

fn unsupported(text: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// The capabilities with those forced on and off.
///
/// # Errors
/// CONFIG_UNSUPPORTED for a name that is none.
pub(super) fn forced(caps: &QemuCaps, wanted: &QemuCapabilities) -> Result<QemuCaps> {
    let mut caps = caps.clone();
    for (list, present) in [(&wanted.add, true), (&wanted.del, false)] {
        for name in list.iter().map(|capability| capability.capability.as_str()) {
            match CapFlag::from_name(name) {
                Some(flag) => caps.flags.set(flag, present),
                None if is_retired(name) => {}
                None => {
                    return Err(unsupported(format!(
                        "invalid qemu namespace capability '{name}'"
                    )));
                }
            }
        }
    }
    Ok(caps)
}

/// Checks that every replaced property has a value of its kind.
///
/// # Errors
/// CONFIG_UNSUPPORTED that names the property.
pub(super) fn check(devices: &[OverriddenDevice]) -> Result<()> {
    for property in devices
        .iter()
        .filter_map(|device| device.frontend.as_ref())
        .flat_map(|frontend| &frontend.properties)
    {
        if property.kind != OverrideType::Remove && value(property).is_none() {
            return Err(unsupported(format!(
                "invalid value of property '{}' in <qemu:override>",
                property.name
            )));
        }
    }
    Ok(())
}

/// The properties of a device with those the definition replaces.
pub(super) fn replaced(props: &Props, devices: &[OverriddenDevice]) -> Option<Props> {
    let alias = props.get("id")?.as_str()?;
    let device = devices.iter().find(|device| device.alias == alias)?;
    let mut props = props.clone();
    for property in device.frontend.iter().flat_map(|f| &f.properties) {
        match value(property) {
            Some(value) => props.put(&property.name, value),
            None => props.remove(&property.name),
        }
    }
    Some(props)
}

fn value(property: &OverriddenProperty) -> Option<Value> {
    let text = property.value.as_deref()?;
    match property.kind {
        OverrideType::String => Some(Value::from(text)),
        OverrideType::Signed => text.trim().parse::<i64>().ok().map(Value::from),
        OverrideType::Unsigned => text.trim().parse::<u64>().ok().map(Value::from),
        OverrideType::Bool => match text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        OverrideType::Remove => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_domain::namespace::OverriddenFrontend;

    #[test]
    fn properties_of_the_named_device_are_replaced_added_and_removed() {
        let property = |name: &str, kind, value: Option<&str>| OverriddenProperty {
            name: name.to_owned(),
            kind,
            value: value.map(str::to_owned),
        };
        let devices = [OverriddenDevice {
            alias: "net0".to_owned(),
            frontend: Some(OverriddenFrontend {
                properties: vec![
                    property("mtu", OverrideType::Unsigned, Some("9000")),
                    property("x-new", OverrideType::Bool, Some("true")),
                    property("rom", OverrideType::Remove, None),
                ],
            }),
        }];
        let device = Props::device("virtio-net-pci")
            .with("id", "net0")
            .with("mtu", 1500)
            .with("rom", "x");
        let json = replaced(&device, &devices).unwrap().json();
        assert_eq!(
            json,
            r#"{"driver":"virtio-net-pci","id":"net0","mtu":9000,"x-new":true}"#
        );
        let other = Props::device("virtio-net-pci").with("id", "net1");
        assert!(replaced(&other, &devices).is_none());
    }
}
