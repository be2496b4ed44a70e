//! The daemon's listening sockets: those systemd handed over, else bound by path.

use std::os::fd::OwnedFd;

use virt_rpc::server::{BindOptions, Listener, Role};

use crate::drivers_conf::DaemonConf;
use crate::make_folder;

/// All sockets of `daemon`: those that systemd has `handed` over if any, else as its configuration
/// says, and those `also` that not every daemon has.
///
/// # Errors
/// A sentence that names the socket and what to do.
pub fn open(
    daemon: &str,
    conf: &DaemonConf,
    system: bool,
    handed: Vec<(Role, OwnedFd)>,
    also: &[Role],
) -> Result<Vec<Listener>, String> {
    if !handed.is_empty() {
        let own = |(role, fd)| {
            Listener::inherit(fd, role, None).map_err(|e| format!("a socket handed over: {e}"))
        };
        return handed.into_iter().map(own).collect();
    }
    let mut wanted = vec![(
        Role::Main,
        "-sock",
        conf.rw_perms,
        conf.server.max_queued_clients,
    )];
    if let Some(perms) = conf.ro_perms.filter(|_| system) {
        let queue = conf.server.max_queued_clients;
        wanted.push((Role::ReadOnly, "-sock-ro", perms, queue));
    }
    wanted.push((
        Role::Admin,
        "-admin-sock",
        conf.admin_perms,
        conf.admin.max_queued_clients,
    ));
    for role in also {
        match role {
            // Who may send is looked at when they connect: daemons have users of their own.
            Role::Records => wanted.push((*role, "-records-sock", 0o666, 0)),
            Role::Metrics => wanted.push((*role, "-metrics-sock", conf.admin_perms, 0)),
            Role::Main | Role::ReadOnly | Role::Admin => {}
        }
    }
    let group = match &conf.socket_group {
        Some(name) if system => Some(group_id(name)?),
        _ => None,
    };
    let mode = if system { 0o755 } else { 0o700 };
    make_folder(&conf.socket_dir, mode)
        .map_err(|e| format!("socket folder '{}': {e}", conf.socket_dir.display()))?;
    wanted
        .into_iter()
        .map(|(role, suffix, perms, queue)| {
            let path = conf.socket_dir.join(format!("{daemon}{suffix}"));
            let options = BindOptions {
                mode: perms,
                // The admin socket is its owner's alone.
                group: group.filter(|_| matches!(role, Role::Main | Role::ReadOnly)),
                // As the stock daemon, 0 is the C library's customary queue.
                backlog: if queue == 0 { 30 } else { queue },
            };
            Listener::bind(&path, role, options)
                .map_err(|e| format!("can't listen on '{}': {e}", path.display()))
        })
        .collect()
}

fn group_id(name: &str) -> Result<u32, String> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!(
            "'unix_sock_group': there is no group '{name}' on this host"
        )),
        Err(e) => Err(format!("'unix_sock_group': group '{name}': {e}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::Path;

    use super::*;
    use crate::conf::Document;
    use crate::paths::Paths;

    fn conf(root: &Path, text: &str) -> DaemonConf {
        let document = Document::parse(Path::new("x.conf"), text).unwrap();
        DaemonConf::read(document, &Paths::system(Some(root))).unwrap()
    }

    #[test]
    fn sockets_are_bound_with_their_permissions_and_go_with_the_value() {
        let root = tempfile::tempdir().unwrap();
        let conf = conf(root.path(), "unix_sock_rw_perms = \"0770\"\n");
        std::fs::create_dir_all(root.path().join("run/libvirt")).unwrap();
        let main = root.path().join("run/libvirt/virtd-sock");
        drop(std::os::unix::net::UnixListener::bind(&main).unwrap());
        let listeners = open("virtd", &conf, true, Vec::new(), &[]).unwrap();
        assert_eq!(listeners.len(), 3);
        UnixStream::connect(&main).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&main), 0o770);
        assert_eq!(mode(&main.with_file_name("virtd-admin-sock")), 0o700);
        drop(listeners);
        assert!(!main.exists());
    }

    #[test]
    fn a_group_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let conf = conf(root.path(), "unix_sock_group = \"no-such-group\"\n");
        let text = open("virtd", &conf, true, Vec::new(), &[]).unwrap_err();
        assert!(text.contains("no-such-group"), "{text}");
    }

    #[test]
    fn a_path_longer_than_sockets_allow_is_named() {
        let root = tempfile::tempdir().unwrap();
        let mut conf = conf(root.path(), "");
        conf.socket_dir = root.path().join("x".repeat(120));
        let text = open("virtd", &conf, false, Vec::new(), &[]).unwrap_err();
        assert!(text.contains("xxx/virtd-sock"), "{text}");
    }
}
