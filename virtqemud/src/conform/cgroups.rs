//! Operations about control groups: over the text of a host's files in `/proc`.

use serde_json::{Value, json};
use virt_cgroup::{Controller, Layout, names};

use super::Failure;
use super::host::{Arguments, text};

fn layout(arguments: &Arguments) -> Result<Layout, Failure> {
    let available = arguments.words("v2_available_controllers");
    let layout = Layout::detect(&text(arguments.option("mounts"))?, |_| {
        available.unwrap_or_default().join(" ")
    });
    layout.map_err(Failure::Refused)
}

/// Where each controller of version 1 and version 2 itself is mounted.
pub(super) fn detect(arguments: &Arguments) -> Result<String, Failure> {
    let layout = layout(arguments)?;
    let mut table = String::new();
    let mut line = |name: &str, mount: Option<&std::path::PathBuf>| {
        let mount = mount.map_or_else(|| "<null>".into(), |mount| mount.to_string_lossy());
        table.push_str(&format!("{name:<12} {mount}\n"));
    };
    for controller in Controller::ALL {
        let legacy = layout.legacy.get(&controller);
        line(controller.name(), legacy.map(|legacy| &legacy.mount));
    }
    let unified = layout.unified.as_ref();
    line("unified", unified.map(|unified| &unified.mount));
    Ok(table)
}

/// Where the calling process is.
pub(super) fn of_self(arguments: &Arguments) -> Result<String, Failure> {
    let layout = layout(arguments)?.of_process(&text(arguments.option("self"))?);
    let legacy: serde_json::Map<String, Value> = layout
        .legacy
        .iter()
        .map(|(controller, legacy)| {
            let place = json!({ "mount": legacy.mount, "placement": legacy.placement });
            (controller.name().to_owned(), place)
        })
        .collect();
    let unified = layout.unified.map(|unified| {
        let controllers = unified.controllers.iter().map(|one| one.name());
        json!({
            "mount": unified.mount,
            "placement": unified.placement,
            "controllers": controllers.collect::<Vec<_>>(),
        })
    });
    Ok(json!({ "legacy": legacy, "unified": unified }).to_string())
}

/// The path of a partition, or of a guest in it.
pub(super) fn partition_path(arguments: &Arguments) -> Result<String, Failure> {
    layout(arguments)?;
    let kernel = text(arguments.option("cgroups"))?;
    let kernel = names::kernel_controllers(&kernel);
    let setting = |value: &Value, key: &str| {
        let found = value.get(key).and_then(Value::as_str);
        found.map(str::to_owned)
    };
    let partition = setting(&arguments.settings, "partition").unwrap_or_default();
    names::check_partition(&partition).map_err(Failure::Refused)?;
    let guest = arguments.settings.get("domain").and_then(|domain| {
        let (driver, name) = (setting(domain, "driver")?, setting(domain, "name")?);
        Some(names::guest_path(&partition, &name, &driver, &kernel))
    });
    Ok(guest.unwrap_or_else(|| names::partition_path(&partition, &kernel)) + "\n")
}
