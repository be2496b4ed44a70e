//! Who holds a lease, for people: a guest of this host by name and process, another host by its
//! number.

use std::process::{Command, Stdio};

use super::super::resource::Resource;
use super::library::Library;

/// Whoever keeps the lease from us, as far as it can be found out; `None` for nobody known.
pub(super) fn of(library: &Library, resource: &Resource) -> Option<String> {
    let owners = library.owners(resource).ok()?;
    if owners.shared && resource.shared {
        return None;
    }
    let spaces = library.lockspaces().unwrap_or_default();
    let me = spaces
        .iter()
        .find(|(name, _)| *name == resource.space)
        .map(|(_, host_id)| *host_id);
    let mut holders = owners.hosts.into_iter();
    let owner = holders.find(|owner| library.may_live(&resource.space, *owner))?;
    if Some(owner.host_id) == me {
        return holder_here(&status()?, resource);
    }
    Some(format!(
        "host {} of lockspace '{}'",
        owner.host_id, resource.space
    ))
}

/// What sanlock's own program tells: the library has no call for it.
fn status() -> Option<String> {
    let mut command = Command::new("sanlock");
    command.args(["client", "status"]).stdin(Stdio::null());
    let output = command.stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()
}

/// Lines are `p PID NAME` for each process and `r SPACE:NAME:PATH:OFFSET:VERSION p PID` for each of
/// its leases, with a word behind it while it is taken (`ADD`) or given back (`REM`). What is being
/// given back is nobody's in a moment.
fn holder_here(status: &str, resource: &Resource) -> Option<String> {
    let lease = format!("{}:{}:", resource.space, resource.name);
    let mut held = status.lines().filter_map(|line| line.strip_prefix("r "));
    let wanted = |line: &&str| line.starts_with(&lease) && !line.ends_with(" REM");
    let (_, pid) = held.find(wanted)?.rsplit_once(" p ")?;
    let pid = pid.split(' ').next().unwrap_or_default();
    let mut processes = status.lines().filter_map(|line| line.strip_prefix("p "));
    let name = processes.find_map(|line| {
        let (number, name) = line.split_once(' ')?;
        (number == pid).then_some(name)
    });
    Some(match name {
        Some(name) => format!("guest '{name}' (process {pid} of this host)"),
        None => format!("process {pid} of this host"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_of_this_host_is_named() {
        // As sanlock 3.8.5 prints it.
        let status = "daemon 5b2f8e78-2d7d-44d4-acfa-c7a9421d4e2f.vm\np -1 helper\np 86 web\n\
            s S:1:/d/S:0\nr S:ab:/d/ab:0:1 p 86\nr S:cd:/d/cd:0:SH p 87\n\
            r S:ef:/d/ef:0:3 p 86 REM\n";
        let resource = |name: &str| Resource {
            space: "S".to_owned(),
            name: name.to_owned(),
            shared: false,
            transient: false,
            area: None,
            purpose: String::new(),
        };
        let holder = |name| holder_here(status, &resource(name));
        let web = "guest 'web' (process 86 of this host)";
        assert_eq!(holder("ab").as_deref(), Some(web));
        assert_eq!(holder("cd").as_deref(), Some("process 87 of this host"));
        assert_eq!((holder("a"), holder("ef")), (None, None));
    }
}
