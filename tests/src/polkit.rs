//! The host's real polkitd on a system bus of the test's own, with rules, actions and users of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::host::{Host, eventually, send};
use crate::target::{have, is_root, skipped};

const POLKITD: &str = "/usr/lib/polkit-1/polkitd";
const RULES: &str = "/etc/polkit-1/rules.d";
const ACTIONS: &str = "/usr/share/polkit-1/actions";

/// Users beside the machine's: number and name.
pub const USERS: &[(u32, &str)] = &[
    (5001, "frank"),
    (5002, "berrange"),
    (5003, "emma"),
    (5004, "monitor"),
    (5005, "otto"),
    (5099, "virtacld"),
];

/// Groups beside the machine's, as lines of group(5).
const GROUPS: &str = "engineering:x:5101:emma\nauditors:x:5102:otto\nvirtacld:x:5099:\n";

/// Whether it can be run here; why not is told.
pub fn can_run() -> bool {
    if !is_root() {
        skipped("needs root");
        return false;
    }
    have(&[POLKITD, "/usr/bin/dbus-daemon", RULES, ACTIONS])
}

/// Writes what it needs below a host's folder; what is to be laid over the machine's own.
pub fn prepare(root: &Path) -> Vec<(PathBuf, PathBuf)> {
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    };
    for below in ["rules", "actions"] {
        fs::create_dir(root.join(below)).expect("mkdir");
        open(&root.join(below), 0o755);
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../virtaclD/polkit");
    for entry in fs::read_dir(ours).expect("our actions") {
        let file = entry.expect("a file");
        fs::copy(file.path(), root.join("actions").join(file.file_name())).expect("copy");
    }
    let mut users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    for (number, name) in USERS {
        users += &format!("{name}:x:{number}:{number}::/:/bin/sh\n");
    }
    let groups = fs::read_to_string("/etc/group").expect("/etc/group") + GROUPS;
    let bus = format!(
        "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
         <allow eavesdrop=\"true\"/><allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>",
        socket(root).display()
    );
    for (name, text) in [("passwd", users), ("group", groups), ("bus.conf", bus)] {
        fs::write(root.join(name), text).expect("write");
        open(&root.join(name), 0o644);
    }
    vec![
        (root.join("rules"), PathBuf::from(RULES)),
        (root.join("actions"), PathBuf::from(ACTIONS)),
        (root.join("passwd"), PathBuf::from("/etc/passwd")),
        (root.join("group"), PathBuf::from("/etc/group")),
    ]
}

fn socket(root: &Path) -> PathBuf {
    root.join("bus")
}

/// How a program on that host is told where the system bus is: a variable and its value.
pub fn address(host: &Host) -> (&'static str, String) {
    let path = socket(host.root());
    (
        "DBUS_SYSTEM_BUS_ADDRESS",
        format!("unix:path={}", path.display()),
    )
}

/// A polkitd that runs.
#[derive(Debug)]
pub struct Polkit {
    bus: u32,
    pid: u32,
}

impl Polkit {
    /// Starts it and its bus on a host that was [prepared](prepare).
    pub fn start(host: &Host) -> Self {
        let conf = format!("--config-file={}", host.path("bus.conf").display());
        let bus = host.keeper().spawn(
            &["dbus-daemon", &conf, "--nofork"],
            &[],
            &host.path("bus.log"),
        );
        let socket = socket(host.root());
        eventually("the bus", || UnixStream::connect(&socket).is_ok());
        let mut this = Self { bus, pid: 0 };
        this.spawn(host);
        this
    }

    /// Starts polkitd (again); it may not answer yet when this returns.
    pub fn spawn(&mut self, host: &Host) {
        let (name, value) = address(host);
        self.pid = host.keeper().spawn(
            &[POLKITD, "--no-debug"],
            &[(name, &value)],
            &host.path("polkitd.log"),
        );
    }

    /// Ends polkitd at once; its bus goes on.
    pub fn kill(&self, host: &Host) {
        send(self.pid, Signal::SIGKILL);
        host.keeper().wait(self.pid);
    }

    /// The processes that an answer takes: polkitd and the bus.
    pub fn processes(&self) -> [u32; 2] {
        [self.pid, self.bus]
    }
}

/// Puts a file of rules in place; polkitd notices it soon.
pub fn rule(host: &Host, name: &str, text: &str) {
    // Written beside and moved, so that polkitd never reads half of it.
    let (new, file) = (host.path("new.rules"), host.path("rules").join(name));
    fs::write(&new, text).expect("write");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("chmod");
    fs::rename(new, file).expect("rename");
}
