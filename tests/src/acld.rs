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
use crate::ran::{Ran, run};
use crate::target::{Target, build_ours, is_root, skipped};

/// A host whose driver asks our virtacld about everything.
pub struct Acld {
    /// The host; its driver is not started.
    pub host: Host,
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
        let conf = "access_drivers = [ \"cedar\" ]\nauth_unix_rw = \"none\"\n\
                    unix_sock_rw_perms = \"0777\"\n";
        fs::write(host.path("etc/libvirt/virtqemud.conf"), conf).expect("virtqemud.conf");
        // A user that is everywhere stands for the daemon's own.
        fs::write(
            host.path("etc/libvirt/virtacld.conf"),
            "user = \"daemon\"\n",
        )
        .expect("conf");
        fs::create_dir(host.path("etc/libvirt/virtacld")).expect("the folder of policies");
        let mut this = Self { host, pid: 0 };
        this.write_policies(policies);
        this.spawn();
        Some(this)
    }

    /// Starts virtacld (again) and waits until it answers.
    pub fn spawn(&mut self) {
        let program = sibling("virtacld").to_string_lossy().into_owned();
        let root = self.host.root().to_string_lossy().into_owned();
        let words = [program.as_str(), "--root", &root, "--verbose"];
        let log = self.host.path("acld.log");
        self.pid = self.host.keeper().spawn(&words, &[], &log);
        let socket = self.host.path("run/libvirt/virtacld-sock");
        eventually("virtacld's socket", || UnixStream::connect(&socket).is_ok());
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
        let mut command = self.host.command("setpriv");
        command.args([
            "--reuid",
            user,
            "--regid",
            "nogroup",
            "--clear-groups",
            "virsh",
        ]);
        command.args(words);
        command
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
