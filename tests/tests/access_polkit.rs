//! virtacld with the host's real polkitd, on a system bus and with users of the test's own: rules that
//! were written for libvirt decide, the examples of the README do what they say, and what happens to
//! polkitd is noticed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use virt_tests::acld::Acld;
use virt_tests::host::eventually;
use virt_tests::polkit::{address, rule};

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

/// The guest that is asked about; there is no driver to ask for its UUID.
const UUID: [&str; 2] = ["--uuid", "c7a5fdbd-cdaf-9455-926a-d65c16db1809"];

/// What `virtacld check` says.
fn may(acld: &Acld, user: &str, action: &str, guest: &str) -> bool {
    let words = ["--user", user, "--action", action, "--domain", guest];
    let ran = acld.ask("check", &[&words[..], &UUID].concat());
    match ran.code {
        0 => true,
        1 => false,
        _ => panic!("{ran:?}"),
    }
}

#[test]
fn rules_written_for_libvirt_decide_and_their_changes_are_noticed() {
    let Some(mut acld) = Acld::with_polkit(&[("10.rules", BERRANGE)]) else {
        return;
    };
    // polkitd is asked again until it is on the bus.
    eventually("an answer of polkitd's", || {
        may(&acld, "frank", "domain.getattr", "demo")
    });
    let demo = [
        "--user",
        "berrange",
        "--action",
        "domain.start",
        "--domain",
        "demo",
    ];
    let text = acld
        .ask("check", &[&demo[..], &UUID, &["--connect", "LXC"]].concat())
        .ok();
    assert!(text.starts_with("allow\n"), "{text}");
    for line in [
        "action.id: org.libvirt.api.domain.start",
        "action.lookup(\"connect_driver\"): \"LXC\"",
        "action.lookup(\"domain_name\"): \"demo\"",
        "action.lookup(\"domain_uuid\"): \"c7a5fdbd-cdaf-9455-926a-d65c16db1809\"",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!may(&acld, "berrange", "domain.start", "demo"));
    assert!(!may(&acld, "frank", "domain.start", "demo"));
    assert!(may(&acld, "root", "domain.start", "demo"));

    rule(
        &acld.host,
        "20.rules",
        "polkit.addRule(function(a, s) { if (s.user == \"frank\") { return polkit.Result.YES; } });\n",
    );
    eventually("the new rule", || {
        may(&acld, "frank", "domain.start", "demo")
    });
    eventually("a new number", || {
        acld.log().contains("polkit's rules have changed")
    });

    // A rule that is no JavaScript is passed over by polkitd: the others decide.
    rule(
        &acld.host,
        "20.rules",
        "polkit.addRule(function(a, s) {{{\n",
    );
    eventually("the rule's end", || {
        !may(&acld, "frank", "domain.start", "demo")
    });

    // Without polkitd nothing is allowed, and with it again what was.
    let polkit = acld.polkit.as_mut().unwrap();
    polkit.kill(&acld.host);
    let words = [
        "--user",
        "frank",
        "--action",
        "domain.getattr",
        "--domain",
        "demo",
    ];
    let ran = acld.ask("check", &[&words[..], &UUID].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("polkitd"), "{ran:?}");
    acld.polkit.as_mut().unwrap().spawn(&acld.host);
    eventually("polkitd again", || {
        may(&acld, "frank", "domain.getattr", "demo")
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
    let Some(acld) = Acld::with_polkit(&rules) else {
        return;
    };
    eventually("an answer of polkitd's", || {
        may(&acld, "root", "domain.getattr", "demo")
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
            may(&acld, user, action, guest),
            allowed,
            "{user} {action} {guest}"
        );
    }
}

/// Who may connect: frank, by a rule; emma, once she has proved who she is; nobody else.
const DOOR: &str = r#"polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.libvirt.unix.") != 0) return polkit.Result.NOT_HANDLED;
    if (subject.user == "frank") return polkit.Result.YES;
    if (subject.user == "emma") return polkit.Result.AUTH_SELF;
    return polkit.Result.NO;
});
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.libvirt.api.") == 0) return polkit.Result.YES;
});
"#;

/// An authentication agent for one process, which takes the person's word: `agent PID`. It says "ready"
/// once polkit knows it, and "asked" when it was asked.
const AGENT: &str = r#"
import sys, dbus, dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
authority = dbus.Interface(
    bus.get_object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority"),
    "org.freedesktop.PolicyKit1.Authority")

class Agent(dbus.service.Object):
    @dbus.service.method("org.freedesktop.PolicyKit1.AuthenticationAgent",
                         in_signature="sssa{ss}sa(sa{sv})", async_callbacks=("done", "failed"))
    def BeginAuthentication(self, action, message, icon, details, cookie, identities, done, failed):
        print("asked", action, flush=True)
        authority.AuthenticationAgentResponse2(dbus.UInt32(0), cookie, identities[0],
            reply_handler=done, error_handler=failed)

    @dbus.service.method("org.freedesktop.PolicyKit1.AuthenticationAgent", in_signature="s")
    def CancelAuthentication(self, cookie):
        pass

agent = Agent(bus, "/agent")
pid = int(sys.argv[1])
started = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[19])
subject = ("unix-process", {"pid": dbus.UInt32(pid), "start-time": dbus.UInt64(started),
                            "uid": dbus.Int32(int(sys.argv[2]))})
authority.RegisterAuthenticationAgent(subject, "C", "/agent")
print("ready", flush=True)
GLib.MainLoop().run()
"#;

#[test]
fn polkit_says_who_may_connect_and_has_people_prove_who_they_are() {
    let Some(mut acld) = Acld::with_polkit(&[("10.rules", DOOR)]) else {
        return;
    };
    acld.host.start_daemon();
    let listed = ["list", "--all"];
    eventually("frank's connection", || {
        acld.virsh_as("frank", &listed).code == 0
    });
    acld.virsh_as("frank", &["-r", "list"]).ok();
    let refused = acld.virsh_as("otto", &listed).failed();
    assert!(refused.contains("authentication failed"), "{refused}");
    assert!(
        refused.contains("polkit refuses 'org.libvirt.unix.manage'"),
        "{refused}"
    );
    assert!(
        acld.log().contains("org.libvirt.unix.manage"),
        "{}",
        acld.log()
    );
    // Nobody is there to ask her.
    let refused = acld.virsh_as("emma", &listed).failed();
    assert!(refused.contains("polkit agent"), "{refused}");

    if !virt_tests::target::have(&[
        "/usr/lib/python3/dist-packages/dbus",
        "/usr/lib/python3/dist-packages/gi",
    ]) {
        return;
    }
    // The process is there first, as a shell is before the command that is typed into it.
    let script = "read go; exec virsh list --all";
    let mut command = acld.inside_as("emma", &["sh", "-c", script]);
    let emma = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut emma = emma.spawn().unwrap();
    let agent = acld.host.write("agent.py", AGENT);
    let (name, value) = address(&acld.host);
    let log = acld.host.path("agent.log");
    let (pid, uid) = (emma.id().to_string(), "5003");
    eventually("her process", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.contains("Uid:\t5003")
    });
    acld.host.keeper().spawn(
        &["/usr/bin/python3", &agent, &pid, uid],
        &[(name, &value)],
        &log,
    );
    let said = |word: &str| fs::read_to_string(&log).unwrap_or_default().contains(word);
    eventually("the agent", || said("ready"));
    emma.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let ended = emma.wait_with_output().unwrap();
    let log = fs::read_to_string(&log).unwrap();
    assert!(ended.status.success(), "{ended:?} {log}");
    assert!(log.contains("asked org.libvirt.unix.manage"), "{log}");
}
