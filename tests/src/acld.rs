//! A host where virtacld decides.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;

use virt_rpc::client::Connection;
use virt_rpc::protocol::decisions::Watch;

use crate::host::{Host, eventually, send};
use crate::keeper::sibling;
use crate::polkit::{self, Polkit};
use crate::ran::{Ran, run};
use crate::target::{Target, build_ours, is_root, skipped};

/// A host whose driver asks our virtacld about everything.
pub struct Acld {
    /// The host; its driver is not started.
    pub host: Host,
    /// The host's polkitd, where it has one.
    pub polkit: Option<Polkit>,
    pid: u32,
}

impl Acld {
    /// The host and its virtacld, with policies in Cedar's language; none where that can't be tried.
    pub fn start(policies: &str) -> Option<Self> {
        if Target::chosen() == Target::Stock || !is_root() {
            skipped("is about our virtacld and clients of several users: it takes root");
            return None;
        }
        build_ours();
        let host = Host::of(Target::Ours);
        // A user that is everywhere stands for the daemon's own.
        configure(&host, &["cedar"], "none", "daemon");
        let mut this = Self {
            host,
            polkit: None,
            pid: 0,
        };
        this.write_policies(policies);
        this.spawn();
        Some(this)
    }

    /// The host, a polkitd of its own with these files of rules, and virtacld; the driver asks polkit
    /// about everything and, as is its default, about who may connect. None where that can't be tried.
    pub fn with_polkit(rules: &[(&str, &str)]) -> Option<Self> {
        if Target::chosen() == Target::Stock {
            skipped("is about our virtacld");
            return None;
        }
        if !polkit::can_run() {
            return None;
        }
        build_ours();
        let host = Host::prepared(Target::Ours, polkit::prepare);
        configure(&host, &["polkit"], "polkit", "virtacld");
        for (name, text) in rules {
            polkit::rule(&host, name, text);
        }
        let polkit = Some(Polkit::start(&host));
        let mut this = Self {
            host,
            polkit,
            pid: 0,
        };
        this.spawn();
        Some(this)
    }

    /// Starts virtacld (again) and waits until it answers.
    pub fn spawn(&mut self) {
        let program = sibling("virtacld").to_string_lossy().into_owned();
        let root = self.host.root().to_string_lossy().into_owned();
        let words = [program.as_str(), "--root", &root, "--verbose"];
        let log = self.host.path("acld.log");
        let bus = self.polkit.as_ref().map(|_| polkit::address(&self.host));
        let bus = bus.iter().map(|(name, value)| (*name, value.as_str()));
        let bus: Vec<_> = bus.collect();
        self.pid = self.host.keeper().spawn(&words, &bus, &log);
        let socket = self.host.path("run/libvirt/virtacld-sock");
        eventually("virtacld's socket", || UnixStream::connect(&socket).is_ok());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it at once.
    pub fn kill(&self) {
        send(self.pid, Signal::SIGKILL);
        self.host.keeper().wait(self.pid);
    }

    /// Replaces the policies; they are in force soon.
    pub fn write_policies(&self, policies: &str) {
        let folder = self.host.path("etc/libvirt/virtacld");
        let new = folder.join("new");
        fs::write(&new, policies).expect("write policies");
        fs::rename(new, folder.join("all.cedar")).expect("put policies in place");
    }

    /// virsh of another user.
    pub fn virsh_as(&self, user: &str, words: &[&str]) -> Ran {
        run(&mut self.command_as(user, words))
    }

    /// The same, to be started.
    pub fn command_as(&self, user: &str, words: &[&str]) -> Command {
        self.inside_as(user, &[&["virsh"], words].concat())
    }

    /// Any command of another user.
    pub fn inside_as(&self, user: &str, words: &[&str]) -> Command {
        // In the host's mounts, which may have users of their own.
        let keeper = self.host.keeper().pid().to_string();
        let mut command = self.host.command("nsenter");
        command.args(["-t", &keeper, "-n", "-m", "--", "setpriv", "--reuid", user]);
        command.args(["--regid", "nogroup", "--clear-groups"]);
        command.args(words);
        command
    }

    /// A command of virtacld's own, such as `check`.
    pub fn ask(&self, command: &str, words: &[&str]) -> Ran {
        let (program, root) = (sibling("virtacld"), self.host.root());
        let (program, root) = (program.to_string_lossy(), root.to_string_lossy());
        let first = [&*program, command, "--root", &*root];
        self.host.inside(&[&first[..], words].concat())
    }

    /// The number of the policy in force.
    pub async fn generation(&self) -> u64 {
        let socket = self.host.path("run/libvirt/virtacld-sock");
        let connection = Connection::connect(&socket).await.expect("virtacld");
        let watched = connection.call::<Watch>(&()).await;
        watched.expect("the policy's number").generation
    }

    /// What virtacld has logged.
    pub fn log(&self) -> String {
        let path: PathBuf = self.host.path("acld.log");
        fs::read_to_string(path).unwrap_or_default()
    }
}

/// Writes the configuration of both drivers and of virtacld.
fn configure(host: &Host, back_ends: &[&str], auth: &str, user: &str) {
    let write = |name: &str, text: String| {
        fs::write(host.path("etc/libvirt").join(name), text).expect("a configuration");
    };
    for driver in ["virtqemud.conf", "virtlxcd.conf"] {
        write(
            driver,
            format!(
                "access_drivers = {back_ends:?}\nauth_unix_rw = {auth:?}\nauth_unix_ro = {auth:?}\n\
                 unix_sock_rw_perms = \"0777\"\n"
            ),
        );
    }
    write(
        "virtacld.conf",
        format!("access_drivers = {back_ends:?}\nuser = {user:?}\n"),
    );
    fs::create_dir(host.path("etc/libvirt/virtacld")).expect("the folder of policies");
}
