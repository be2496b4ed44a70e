//! Guests as machines and scopes of systemd (org.freedesktop.machine1(5), org.freedesktop.systemd1(5)).
//!
//! Calls block, with a deadline.

use std::path::Path;
use std::time::Duration;

use cgroups_rs::systemd::SystemdClient;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::zvariant::{OwnedObjectPath, Value};

use crate::names;

/// The folder that says that systemd runs the host (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// How long a service may take to answer; machined may have to be started for it.
const PATIENCE: Duration = Duration::from_secs(30);

const SERVICE: &str = "org.freedesktop.machine1";
const OBJECT: &str = "/org/freedesktop/machine1";
const INTERFACE: &str = "org.freedesktop.machine1.Manager";

/// Errors that say that a service or a method is not there at all.
const ABSENT: [&str; 4] = [
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.systemd1.NoSuchUnit",
];

/// A guest to be registered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine<'a> {
    pub(crate) name: &'a str,
    pub(crate) uuid: [u8; 16],
    /// `libvirt-qemu` or `libvirt-lxc`.
    pub(crate) service: &'a str,
    /// `vm` or `container`.
    pub(crate) class: &'a str,
    pub(crate) leader: u32,
    /// Where a container's files are; `""` for none.
    pub(crate) root: &'a str,
    /// The host's numbers of its interfaces.
    pub(crate) interfaces: &'a [i32],
    pub(crate) partition: &'a str,
    /// Units it starts after.
    pub(crate) after: &'a [&'static str],
}

/// Whether systemd runs the host.
pub(crate) fn is_booted() -> bool {
    Path::new(BOOTED).is_dir()
}

fn connect() -> Result<Connection> {
    let builder = Builder::system().map(|builder| builder.method_timeout(PATIENCE));
    let connection = builder.and_then(Builder::build);
    connection.map_err(|error| failed("Cannot reach the system's D-Bus", &error))
}

fn failed(what: &str, error: &zbus::Error) -> Error {
    Error::new(
        ErrorCode::SystemError,
        ErrorDomain::Systemd,
        format!("{what}: {error}"),
    )
}

fn is_absent(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::MethodError(name, _, _) => ABSENT.contains(&name.as_str()),
        _ => false,
    }
}

/// Registers the guest; systemd puts its leader into a scope of its own. Where there is no machined,
/// systemd makes the scope without the registration.
///
/// # Errors
/// SYSTEM_ERROR with the service's own words.
pub(crate) fn create(machine: &Machine<'_>) -> Result<()> {
    let connection = connect()?;
    let slice = names::slice_unit(machine.partition);
    let properties = || {
        vec![
            ("Slice", Value::from(slice.clone())),
            ("After", Value::from(machine.after.to_vec())),
            ("Before", Value::from(vec!["virt-guest-shutdown.target"])),
        ]
    };
    let call = |method: &str, with_network: bool| {
        let uuid = machine.uuid.to_vec();
        let Machine {
            name,
            service,
            class,
            leader,
            root,
            interfaces,
            ..
        } = machine;
        let to = (Some(SERVICE), OBJECT, Some(INTERFACE));
        match with_network {
            true => {
                let body = (
                    name,
                    uuid,
                    service,
                    class,
                    leader,
                    root,
                    interfaces,
                    properties(),
                );
                connection.call_method(to.0, to.1, to.2, method, &body)
            }
            false => {
                let body = (name, uuid, service, class, leader, root, properties());
                connection.call_method(to.0, to.1, to.2, method, &body)
            }
        }
    };
    let mut made = call("CreateMachineWithNetwork", true);
    if made.as_ref().is_err_and(is_absent) {
        made = call("CreateMachine", false);
    }
    match made {
        Ok(_) => Ok(()),
        Err(error) if is_absent(&error) => {
            tracing::debug!(%error, "no machined; systemd makes the scope");
            scope(machine, properties())
        }
        Err(error) => Err(failed(
            &format!("Cannot register machine '{}'", machine.name),
            &error,
        )),
    }
}

/// A scope without a machine, delegated like machined's.
fn scope(machine: &Machine<'_>, mut properties: Vec<(&'static str, Value<'static>)>) -> Result<()> {
    let unit = names::scope_unit(machine.name);
    properties.push(("Delegate", Value::from(true)));
    properties.push(("PIDs", Value::from(vec![machine.leader])));
    let client = SystemdClient::new(&unit, properties);
    let started = client.and_then(|client| client.start());
    started.map_err(|error| unit_failed(&unit, &error))?;
    await_move(machine.leader, &unit)
}

/// The call answers when the job is queued: waits until it is done.
fn await_move(leader: u32, unit: &str) -> Result<()> {
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < deadline {
        let groups = std::fs::read_to_string(format!("/proc/{leader}/cgroup"));
        if groups.is_ok_and(|text| text.contains(unit)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(Error::new(
        ErrorCode::SystemError,
        ErrorDomain::Systemd,
        format!("systemd did not start '{unit}' in time"),
    ))
}

fn unit_failed(unit: &str, error: &impl std::fmt::Display) -> Error {
    Error::new(
        ErrorCode::SystemError,
        ErrorDomain::Systemd,
        format!("Cannot set up unit '{unit}': {error}"),
    )
}

/// Sets properties of a guest's scope, for as long as it lives.
///
/// # Errors
/// SYSTEM_ERROR with systemd's own words.
pub(crate) fn set(unit: &str, property: &'static str, value: Value<'static>) -> Result<()> {
    let client = SystemdClient::new(unit, Vec::new());
    let set = client.and_then(|mut client| client.set_properties(&[(property, value)]));
    set.map_err(|error| unit_failed(unit, &error))
}

/// Forgets a machine and ends what is left in its scope. One that is not known is fine.
pub(crate) fn terminate(name: &str) {
    let to = (Some(SERVICE), OBJECT, Some(INTERFACE));
    let ended = connect().map(|connection| {
        // Whether it is known is asked first: ending an unknown one is logged by the bus.
        let known = connection.call_method(to.0, to.1, to.2, "GetMachine", &(name,));
        let known = known.and_then(|reply| reply.body().deserialize::<OwnedObjectPath>());
        known.and_then(|_| connection.call_method(to.0, to.1, to.2, "TerminateMachine", &(name,)))
    });
    match ended {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(machine = %name, %error, "no machine to end"),
        Err(error) => tracing::warn!(machine = %name, %error, "the machine is not ended"),
    }
}
