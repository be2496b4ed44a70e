//! Options about the process itself: its name, secrets' key, monitor, sandbox, environment.

use super::block::managed_reservations_object;
use super::command_line::Builder;
use super::context::{DriverConfig, Incoming, StartContext};
use super::props::{OptionList, Props};
use crate::caps::CapFlag;
use serde_json::json;
use virt_domain::Domain;
use virt_domain::clock::Offset;
use virt_domain::lifecycle::LifecycleAction;

/// The options in front of all others.
pub(super) fn begin(b: &mut Builder, domain: &Domain, context: &StartContext) {
    let mut name = OptionList::default();
    name.put("guest", &domain.name);
    if context.config.set_process_name {
        name.put("process", format!("qemu:{}", domain.name));
    }
    b.option("-name", name.with("debug-threads", "on").finish());
    if let Some(behavior) = deprecation(domain, context.config) {
        let input = match behavior {
            "omit" => None,
            "reject" => Some("reject"),
            _ => Some("crash"),
        };
        let compat = Props::of("deprecated-output", "hide").maybe("deprecated-input", input);
        b.option("-compat", compat.json());
    }
    // It waits until everything is set up and the monitor says `cont`.
    b.flag("-S");
    if context.master_key {
        let key = Props::of("qom-type", "secret")
            .with("id", "masterKey0")
            .with("format", "raw")
            .with(
                "file",
                context
                    .guest_dir
                    .join("master-key.aes")
                    .to_string_lossy()
                    .into_owned(),
            );
        b.object(&key);
    }
    if let Some(helper) = managed_reservations_object(domain, context) {
        b.object(&helper);
    }
}

fn deprecation<'a>(domain: &'a Domain, config: &'a DriverConfig) -> Option<&'a str> {
    domain
        .qemu
        .deprecation
        .as_ref()
        .map(|d| d.behavior.as_str())
        .or(config.deprecation_behavior.as_deref())
        .filter(|behavior| *behavior != "none")
}

/// No devices but those asked for, and the monitor.
pub(super) fn monitor(b: &mut Builder, context: &StartContext) {
    b.flag("-no-user-config");
    b.flag("-nodefaults");
    let socket = OptionList::starting("socket")
        .with("id", "charmonitor")
        .with("fd", context.monitor_fd)
        .with("server", "on")
        .with("wait", "off");
    if b.caps.has(CapFlag::ChardevJson) {
        let address = json!({ "type": "fd", "data": { "str": context.monitor_fd.to_string() } });
        let data = json!({ "addr": address, "server": true, "wait": false });
        let backend = json!({ "type": "socket", "data": data });
        let whole = Props::of("id", "charmonitor").with("backend", backend);
        b.option("-chardev", whole.json());
    } else {
        b.option("-chardev", socket.finish());
    }
    let monitor = OptionList::default()
        .with("chardev", "charmonitor")
        .with("id", "monitor")
        .with("mode", "control");
    b.option("-mon", monitor.finish());
}

/// Whether QEMU stays when the guest powers off or resets.
pub(super) fn shutdown(b: &mut Builder, domain: &Domain) {
    // With `set-action` the driver says it over the monitor; without, an end that is an end
    // either way can be QEMU's own.
    let same = LifecycleAction::Destroy;
    let all_end = domain.on_poweroff.unwrap_or(same) == same
        && domain.on_reboot.unwrap_or(LifecycleAction::Restart) == same
        && domain.on_crash.unwrap_or(same) == same;
    if all_end && !b.caps.has(CapFlag::SetAction) {
        b.flag("-no-reboot");
    } else {
        b.flag("-no-shutdown");
    }
}

/// Where the guest's state comes from.
pub(super) fn incoming(b: &mut Builder, context: &StartContext) {
    match &context.incoming {
        Incoming::None => {}
        Incoming::Defer => b.option("-incoming", "defer"),
        Incoming::Uri(uri) => b.option("-incoming", uri.as_str()),
    }
}

/// What the definition hands to QEMU unseen.
pub(super) fn custom(b: &mut Builder, domain: &Domain) {
    for arg in domain.qemu.commandline.iter().flat_map(|c| &c.args) {
        b.flag(&arg.value);
    }
}

/// QEMU's own filter of system calls.
pub(super) fn sandbox(b: &mut Builder, config: &DriverConfig) {
    if config.seccomp_sandbox == Some(false) {
        b.option("-sandbox", "off");
    } else if b.caps.has(CapFlag::SeccompSandbox) {
        b.option(
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        );
    }
}

/// The options behind all others.
pub(super) fn end(b: &mut Builder, domain: &Domain, config: &DriverConfig) {
    let features = domain.features.as_ref();
    let teardown = features
        .and_then(|f| f.async_teardown)
        .map(|teardown| teardown.enabled.is_yes());
    if let Some(on) = teardown.filter(|_| b.caps.has(CapFlag::RunWithAsyncTeardown)) {
        let run_with = OptionList::default().switch("async-teardown", Some(on));
        b.option("-run-with", run_with.finish());
    }
    if config.log_timestamp {
        b.option("-msg", "timestamp=on");
    }
}

/// The environment QEMU gets: a few of the daemon's variables, folders of its own in system mode,
/// and what the definition adds.
pub(super) fn environment(domain: &Domain, context: &StartContext) -> Vec<(String, String)> {
    let inherited = |name: &str| {
        let found = context.environment.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone())
    };
    let mut env = vec![("LC_ALL".to_owned(), "C".to_owned())];
    let mut put = |key: &str, value: String| env.push((key.to_owned(), value));
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH"] {
        if let Some(value) = inherited(name) {
            put(name, value);
        }
    }
    put(
        "PATH",
        inherited("PATH").unwrap_or_else(|| "/bin:/usr/bin".to_owned()),
    );
    if context.config.privileged {
        put("HOME", context.guest_dir.to_string_lossy().into_owned());
    } else if let Some(home) = inherited("HOME") {
        put("HOME", home);
    }
    for name in ["USER", "LOGNAME", "TMPDIR"] {
        if let Some(value) = inherited(name) {
            put(name, value);
        }
    }
    for (name, folder) in [
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_CONFIG_HOME", ".config"),
    ] {
        if context.config.privileged {
            let path = context.guest_dir.join(folder);
            put(name, path.to_string_lossy().into_owned());
        } else if let Some(value) = inherited(name) {
            put(name, value);
        }
    }
    if let Offset::Timezone(Some(zone)) = &domain.clock.offset {
        put("TZ", zone.clone());
    }
    env.extend(super::audio::environment(domain, inherited));
    env.extend(super::graphics::environment(domain, context.config));
    for variable in domain.qemu.commandline.iter().flat_map(|c| &c.env) {
        let value = variable.value.clone().unwrap_or_default();
        env.push((variable.name.clone(), value));
    }
    env
}

/// Whether the memory is kept in RAM.
pub(super) fn overcommit(b: &mut Builder, domain: &Domain) {
    let locked = domain.memory_backing.as_ref().is_some_and(|m| m.locked);
    let list = OptionList::default().switch("mem-lock", Some(locked));
    b.option("-overcommit", list.finish());
}
