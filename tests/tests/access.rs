//! May this person do this to that guest: the driver, virtacld and stock clients of several users.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::process::Stdio;

use virt_tests::acld::Acld;
use virt_tests::host::eventually;
use virt_tests::keeper::sibling;
use virt_tests::logd::{self, query, texts};

/// Root may do everything; `games` may see "apache" and start it.
const POLICIES: &str = r#"
@id("root")
permit(principal == User::"root", action, resource);
@id("games-connects")
permit(
    principal == User::"games",
    action in [Action::"connect.getattr", Action::"connect.read", Action::"connect.search_domains"],
    resource
);
@id("games-starts-apache")
permit(
    principal == User::"games",
    action in [Action::"domain.getattr", Action::"domain.read", Action::"domain.start"],
    resource
)
when { resource.domain_name == "apache" };
"#;

const MORE: &str = r#"
@id("games-starts-everything")
permit(
    principal == User::"games",
    action in [Action::"domain.getattr", Action::"domain.read", Action::"domain.start"],
    resource
);
"#;

fn guest(name: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os>\
         <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>"
    )
}

#[test]
fn one_guest_may_be_started_and_nothing_else() {
    let Some(mut acld) = Acld::start(POLICIES) else {
        return;
    };
    acld.host.start_daemon();
    for name in ["apache", "nginx"] {
        acld.host.define(&guest(name));
    }
    let names = acld.virsh_as("games", &["list", "--all", "--name"]).ok();
    assert_eq!(names.trim(), "apache");
    acld.virsh_as("games", &["start", "apache"]).ok();
    let refused = acld.virsh_as("games", &["destroy", "apache"]).failed();
    assert!(
        refused.contains("access denied: 'QEMU' denied access: permission 'stop' is missing"),
        "{refused}"
    );
    // Who may not even see a guest doesn't get as far.
    let refused = acld.virsh_as("games", &["start", "nginx"]).failed();
    assert!(
        refused.contains("failed to get domain 'nginx'"),
        "{refused}"
    );
    let log = acld.log();
    assert!(
        log.contains("domain.stop on") && log.contains("nginx"),
        "{log}"
    );
    // A document is refused for its name, before anything else of it is looked at.
    let bad = acld.host.write(
        "bad.xml",
        "<domain type='qemu'><name>mine</name><x/></domain>",
    );
    let refused = acld.virsh_as("games", &["define", &bad]).failed();
    assert!(
        refused.contains("permission 'save' is missing"),
        "{refused}"
    );

    // A new policy is in force without a restart, and a broken one changes nothing.
    acld.write_policies(&format!("{POLICIES}{MORE}"));
    eventually("the new policy", || {
        acld.virsh_as("games", &["domstate", "nginx"]).code == 0
    });
    acld.virsh_as("games", &["start", "nginx"]).ok();
    acld.write_policies("permit(principal, action == Action::\"domain.fly\", resource);");
    eventually("the refusal of the broken policy", || {
        acld.log().contains("domain.fly")
    });
    acld.virsh_as("games", &["domstate", "nginx"]).ok();

    // Without virtacld the door is locked for everyone, and the guests run on.
    acld.kill();
    eventually("the locked door", || {
        let refused = acld.host.virsh(&["list"]);
        refused.code != 0 && refused.err.contains("virtacld")
    });
    assert_eq!(acld.host.qemus().len(), 2);
    acld.write_policies(POLICIES);
    acld.spawn();
    eventually("the open door", || acld.host.virsh(&["list"]).code == 0);
    let names = acld.virsh_as("games", &["list", "--all", "--name"]).ok();
    assert_eq!(names.trim(), "apache");
}

#[test]
fn events_of_guests_that_someone_may_not_see_are_not_told() {
    let Some(mut acld) = Acld::start(POLICIES) else {
        return;
    };
    acld.host.start_daemon();
    for name in ["apache", "nginx"] {
        acld.host.define(&guest(name));
    }
    let words = ["event", "--event", "lifecycle", "--loop", "--timeout", "20"];
    let mut command = acld.command_as("games", &words);
    let mut listening = command.stdout(Stdio::piped()).spawn().unwrap();
    while listening.try_wait().unwrap().is_none() {
        for name in ["nginx", "apache"] {
            acld.host.virsh(&["start", name]).ok();
            acld.host.virsh(&["destroy", name]).ok();
        }
    }
    let heard = listening.wait_with_output().unwrap();
    let heard = String::from_utf8_lossy(&heard.stdout).into_owned();
    assert!(heard.contains("apache"), "{heard}");
    assert!(!heard.contains("nginx"), "{heard}");
}

#[test]
fn a_group_owns_the_guests_whose_metadata_name_it() {
    let owners = POLICIES.to_owned()
        + "permit(principal, action in Action::\"domain\", resource)\n\
           when { principal in resource.owner_groups };";
    let Some(mut acld) = Acld::start(&owners) else {
        return;
    };
    acld.host.start_daemon();
    acld.host.define(&guest("nginx"));
    let names = ["list", "--all", "--name"];
    assert_eq!(acld.virsh_as("games", &names).ok().trim(), "");
    let set = "<owners><group>games</group></owners>";
    let mut words = vec!["metadata", "nginx", "urn:virtacld:owners", "--key", "own"];
    words.extend(["--set", set, "--config"]);
    acld.host.virsh(&words).ok();
    assert_eq!(acld.virsh_as("games", &names).ok().trim(), "nginx");
    acld.virsh_as("games", &["start", "nginx"]).ok();
    acld.virsh_as("games", &["destroy", "nginx"]).ok();
    // The person who writes rules is shown what the driver says of the guest, and a group's members.
    let words = [
        "--user",
        "games",
        "--action",
        "domain.stop",
        "--domain",
        "nginx",
    ];
    let shown = acld.ask("check", &words).ok();
    assert!(
        shown.contains("resource.owner_groups: [Group::\"games\"]"),
        "{shown}"
    );
    let shown = acld
        .ask("who-can", &["domain.stop", "--domain", "nginx"])
        .ok();
    let who: Vec<_> = shown
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(who, ["games", "root"], "{shown}");
    let words = [
        "--user",
        "games",
        "--action",
        "domain.stop",
        "--domain",
        "none",
    ];
    let shown = acld.ask("check", &words);
    assert!(shown.err.contains("no owners (--owner-user"), "{shown:?}");
    // What is written is in force once a reload is over, whoever asked before.
    acld.write_policies(POLICIES);
    acld.ask("reload", &[]).ok();
    assert_eq!(acld.virsh_as("games", &names).ok().trim(), "");
    acld.write_policies(&owners);
    acld.ask("reload", &[]).ok();
    assert_eq!(acld.virsh_as("games", &names).ok().trim(), "nginx");
    // They hear of its end, when it has no metadata any more.
    let owned = "<metadata><o:owners xmlns:o='urn:virtacld:owners'><group>games</group></o:owners>\
                 </metadata><memory";
    let theirs = guest("theirs").replace("<memory", owned);
    let words = ["event", "--event", "lifecycle", "--loop", "--timeout", "10"];
    let mut command = acld.command_as("games", &words);
    let mut listening = command.stdout(Stdio::piped()).spawn().unwrap();
    while listening.try_wait().unwrap().is_none() {
        acld.host.define(&theirs);
        acld.host.virsh(&["undefine", "theirs"]).ok();
    }
    let heard = listening.wait_with_output().unwrap();
    let heard = String::from_utf8_lossy(&heard.stdout).into_owned();
    assert!(heard.contains("'theirs': Undefined"), "{heard}");
    // A document can't make its author the owner of what is not there yet.
    let mine = guest("mine").replace("<memory", owned);
    let mine = acld.host.write("mine.xml", &mine);
    let refused = acld.virsh_as("games", &["define", &mine]).failed();
    assert!(refused.contains("'QEMU' denied access"), "{refused}");
}

#[test]
fn what_is_refused_is_in_virtlogds_records_and_in_the_guests_story() {
    let policies = POLICIES.to_owned()
        + "@id(\"nobody-stops-nginx\")\n\
           forbid(principal, action == Action::\"domain.stop\", resource)\n\
           when { resource.domain_name == \"nginx\" };";
    let Some(mut acld) = Acld::start(&policies) else {
        return;
    };
    // The user that virtacld is here may send records, as its own may by default.
    let conf = acld.host.path("etc/libvirt/virtlogd.conf");
    fs::write(conf, "records_users = [ \"daemon\" ]\n").unwrap();
    let root = acld.host.root().to_string_lossy().into_owned();
    let words = logd::ours(&root);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let log = acld.host.path("logd.log");
    acld.host.keeper().spawn(&words, &[], &log);
    acld.host.start_daemon();
    for name in ["apache", "nginx"] {
        acld.host.define(&guest(name));
        acld.host.virsh(&["start", name]).ok();
    }
    acld.virsh_as("games", &["destroy", "apache"]).failed();
    acld.host.virsh(&["destroy", "nginx"]).failed();
    let games = nix::unistd::User::from_name("games").unwrap().unwrap();
    let cases = [
        ("apache", games.uid.as_raw(), "no policy permits it"),
        ("nginx", 0, "forbidden by policy \"nobody-stops-nginx\" (/"),
    ];
    for (name, uid, rule) in cases {
        let refusals = || query(&acld.host, &["--guest", name, "--field", "category=access"]);
        eventually("the refusal", || !refusals().is_empty());
        let all = refusals();
        assert_eq!(texts(&all, "daemon"), ["virtacld"], "{all:?}");
        assert_eq!(texts(&all, "permission"), ["domain.stop"]);
        assert_eq!(texts(&all, "back_end"), ["cedar"]);
        assert_eq!(texts(&all, "uid"), [uid.to_string()], "{all:?}");
        let object = format!("connect_driver=\"QEMU\" domain_name=\"{name}\" domain_uuid=");
        assert!(texts(&all, "object")[0].starts_with(&object), "{all:?}");
        assert!(texts(&all, "rule")[0].starts_with(rule), "{all:?}");
        // The same for the kernel's audit trail.
        let audit = || {
            let words = ["--guest", name, "--field", "category=audit"];
            let told = texts(&query(&acld.host, &words), "message");
            let refused = format!("success=no op=domain.stop subj-uid={uid} subj-pid=");
            told.into_iter().any(|text| text.starts_with(&refused))
        };
        eventually("the audit record", audit);
        let program = sibling("virtlogd").to_string_lossy().into_owned();
        let story = acld.host.inside(&[&program, "tail", "--root", &root, name]);
        let line = format!("refused: user {uid}, process ");
        assert!(story.ok().contains(&line), "{name}");
    }
    // What a list left out is no refusal; who then asks for it by name is refused, over the same
    // connection and however soon.
    let hidden = ["--guest", "nginx", "--field", "permission=domain.getattr"];
    assert!(query(&acld.host, &hidden).is_empty());
    let script = "list --all; domstate nginx";
    acld.virsh_as("games", &[script]).failed();
    eventually("the refusal after the list", || {
        query(&acld.host, &hidden).len() == 1
    });
}
