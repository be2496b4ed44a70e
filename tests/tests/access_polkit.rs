//! virtacld with the host's real polkitd, on a system bus and with users of the test's own: rules that
//! were written for libvirt decide, the examples of the README do what they say, and what happens to
//! polkitd is noticed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use virt_tests::host::{eventually, send};
use virt_tests::keeper::{Keeper, sibling};
use virt_tests::ran::{Ran, run};
use virt_tests::target::{build_ours, have, is_root, skipped};

const POLKITD: &str = "/usr/lib/polkit-1/polkitd";
const RULES: &str = "/etc/polkit-1/rules.d";
const ACTIONS: &str = "/usr/share/polkit-1/actions";

/// As libvirt's documentation has it: `berrange` may do what he likes to the container `demo`.
const BERRANGE: &str = r#"polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.libvirt.api.domain.") == 0 && subject.user == "berrange") {
        if (action.lookup("connect_driver") == "LXC" && action.lookup("domain_name") == "demo") {
            return polkit.Result.YES;
        }
        return polkit.Result.NO;
    }
});
"#;

/// A bus, a polkitd and a virtacld, in mounts of their own with users of their own.
struct Bus {
    keeper: Keeper,
    polkitd: u32,
    folder: TempDir,
}

impl Bus {
    /// Nothing, when this can't be done here; why not is told.
    fn start(rules: &[(&str, &str)]) -> Option<Self> {
        if !is_root() {
            skipped("needs root");
            return None;
        }
        if !have(&[POLKITD, "/usr/bin/dbus-daemon", RULES, ACTIONS]) {
            return None;
        }
        build_ours();
        let folder = TempDir::with_prefix("virt-test-").unwrap();
        let path = |below: &str| folder.path().join(below);
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        open(folder.path(), 0o755);
        for below in ["rules", "actions", "etc/libvirt/virtacld", "run/libvirt"] {
            fs::create_dir_all(path(below)).unwrap();
            open(&path(below), 0o755);
        }
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../virtaclD/polkit");
        for entry in fs::read_dir(ours).unwrap() {
            let file = entry.unwrap();
            fs::copy(file.path(), path("actions").join(file.file_name())).unwrap();
        }
        let mut users = fs::read_to_string("/etc/passwd").unwrap();
        for (number, name) in [
            (5001, "frank"),
            (5002, "berrange"),
            (5003, "emma"),
            (5004, "monitor"),
            (5005, "otto"),
        ] {
            users += &format!("{name}:x:{number}:{number}::/:/bin/sh\n");
        }
        fs::write(
            path("passwd"),
            users + "virtacld:x:5099:5099::/:/usr/sbin/nologin\n",
        )
        .unwrap();
        let mut groups = fs::read_to_string("/etc/group").unwrap();
        groups += "engineering:x:5101:emma\nauditors:x:5102:otto\nvirtacld:x:5099:\n";
        fs::write(path("group"), groups).unwrap();
        fs::write(
            path("etc/libvirt/virtacld.conf"),
            "access_drivers = [ \"polkit\" ]\n",
        )
        .unwrap();
        let bus = format!(
            "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>",
            path("bus").display()
        );
        fs::write(path("bus.conf"), bus).unwrap();
        for below in ["passwd", "group", "bus.conf", "etc/libvirt/virtacld.conf"] {
            open(&path(below), 0o644);
        }
        let binds = [
            (path("rules"), PathBuf::from(RULES)),
            (path("actions"), PathBuf::from(ACTIONS)),
            (path("passwd"), PathBuf::from("/etc/passwd")),
            (path("group"), PathBuf::from("/etc/group")),
        ];
        let mut this = Self {
            keeper: Keeper::start(true, &binds),
            polkitd: 0,
            folder,
        };
        for (name, text) in rules {
            this.rule(name, text);
        }
        let conf = format!("--config-file={}", this.path("bus.conf").display());
        this.spawn(&["dbus-daemon", &conf, "--nofork"]);
        let socket = this.path("bus");
        eventually("the bus", || UnixStream::connect(&socket).is_ok());
        this.start_polkitd();
        let program = sibling("virtacld").to_string_lossy().into_owned();
        let root = this.folder.path().to_string_lossy().into_owned();
        this.spawn(&[&program, "--root", &root, "--verbose"]);
        let socket = this.path("run/libvirt/virtacld-sock");
        eventually("virtacld", || UnixStream::connect(&socket).is_ok());
        Some(this)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.path("bus").display())
    }

    fn spawn(&self, words: &[&str]) -> u32 {
        let env = [("DBUS_SYSTEM_BUS_ADDRESS", self.address())];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.keeper.spawn(words, &env, &self.path("log"))
    }

    fn start_polkitd(&mut self) {
        self.polkitd = self.spawn(&[POLKITD, "--no-debug"]);
    }

    fn end_polkitd(&self) {
        send(self.polkitd, Signal::SIGKILL);
        self.keeper.wait(self.polkitd);
    }

    fn rule(&self, name: &str, text: &str) {
        // Written beside and moved, so that polkitd never reads half of it.
        let (new, file) = (self.path("new.rules"), self.path("rules").join(name));
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(new, file).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// `virtacld check`, among these users.
    fn check(&self, words: &[&str]) -> Ran {
        run(Command::new("nsenter")
            .args(["-t", &self.keeper.pid().to_string(), "-n", "-m", "--"])
            .arg(sibling("virtacld"))
            .args(["check", "--uuid", "c7a5fdbd-cdaf-9455-926a-d65c16db1809"])
            .arg("--root")
            .arg(self.folder.path())
            .args(words))
    }

    fn may(&self, user: &str, action: &str, guest: &str) -> bool {
        let words = ["--user", user, "--action", action, "--domain", guest];
        let ran = self.check(&words);
        match ran.code {
            0 => true,
            1 => false,
            _ => panic!("{ran:?}"),
        }
    }
}

#[test]
fn rules_written_for_libvirt_decide_and_their_changes_are_noticed() {
    let Some(mut bus) = Bus::start(&[("10.rules", BERRANGE)]) else {
        return;
    };
    // polkitd is asked again until it is on the bus.
    eventually("an answer of polkitd's", || {
        bus.may("frank", "domain.getattr", "demo")
    });
    let demo = [
        "--user",
        "berrange",
        "--action",
        "domain.start",
        "--domain",
        "demo",
    ];
    let text = bus.check(&[&demo[..], &["--connect", "LXC"]].concat()).ok();
    assert!(text.starts_with("allow\n"), "{text}");
    for line in [
        "action.id: org.libvirt.api.domain.start",
        "action.lookup(\"connect_driver\"): \"LXC\"",
        "action.lookup(\"domain_name\"): \"demo\"",
        "action.lookup(\"domain_uuid\"): \"c7a5fdbd-cdaf-9455-926a-d65c16db1809\"",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!bus.may("berrange", "domain.start", "demo"));
    assert!(!bus.may("frank", "domain.start", "demo"));
    assert!(bus.may("root", "domain.start", "demo"));

    bus.rule("20.rules", "polkit.addRule(function(a, s) { if (s.user == \"frank\") { return polkit.Result.YES; } });\n");
    eventually("the new rule", || bus.may("frank", "domain.start", "demo"));
    eventually("a new number", || {
        bus.log().contains("polkit's rules have changed")
    });

    // A rule that is no JavaScript is passed over by polkitd: the others decide.
    bus.rule("20.rules", "polkit.addRule(function(a, s) {{{\n");
    eventually("the rule's end", || {
        !bus.may("frank", "domain.start", "demo")
    });

    // Without polkitd nothing is allowed, and with it again what was.
    bus.end_polkitd();
    let words = [
        "--user",
        "frank",
        "--action",
        "domain.getattr",
        "--domain",
        "demo",
    ];
    let ran = bus.check(&words);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("polkitd"), "{ran:?}");
    bus.start_polkitd();
    eventually("polkitd again", || {
        bus.may("frank", "domain.getattr", "demo")
    });
}

#[test]
fn the_examples_do_what_they_say() {
    let examples = ["frank", "engineering", "monitor", "auditor"].map(|name| {
        let file = format!("../virtaclD/examples/{name}.rules");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        (format!("50-{name}.rules"), text)
    });
    let rules = examples
        .each_ref()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let Some(bus) = Bus::start(&rules) else {
        return;
    };
    eventually("an answer of polkitd's", || {
        bus.may("root", "domain.getattr", "demo")
    });
    let cases = [
        ("frank", "domain.start", "apache", true),
        ("frank", "domain.getattr", "apache", true),
        ("frank", "domain.stop", "apache", false),
        ("frank", "domain.getattr", "db", false),
        ("emma", "domain.stop", "eng-build", true),
        ("emma", "domain.getattr", "db", false),
        ("monitor", "domain.read", "db", true),
        ("monitor", "domain.read_secure", "db", false),
        ("monitor", "domain.start", "db", false),
        ("otto", "domain.getattr", "db", true),
        ("otto", "domain.read", "db", false),
    ];
    for (user, action, guest, allowed) in cases {
        assert_eq!(
            bus.may(user, action, guest),
            allowed,
            "{user} {action} {guest}"
        );
    }
}
