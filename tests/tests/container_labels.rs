//! Labels of containers where no security module runs, or none is to be used: said as the stock driver
//! says it. Those of SELinux and AppArmor take a machine of their own (`units`).

#![allow(
    clippy::unwrap_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::target::{Target, skipped};

/// The host, of which `lxc.conf` says that no module is to be used, and more.
fn host(more: &str) -> Option<Containers> {
    let mut containers = Containers::start()?;
    containers.end(Signal::SIGTERM);
    let conf = containers.host.path("etc/libvirt/lxc.conf");
    let text = format!("security_driver = \"none\"\n{more}");
    fs::write(conf, text).unwrap();
    containers.again();
    Some(containers)
}

/// A container with that label.
fn labelled(containers: &Containers, name: &str, label: &str) -> String {
    let plain = containers.service(name);
    plain.replace("<devices>", &format!("{label}<devices>"))
}

#[test]
fn without_a_module_there_are_no_labels() {
    let Some(containers) = host("") else {
        return;
    };
    let capabilities = containers.virsh(&["capabilities"]).ok();
    assert!(
        capabilities.contains("<model>none</model>"),
        "{capabilities}"
    );
    for label in [
        "<seclabel type='static' model='selinux'><label>u:r:t:s0</label></seclabel>",
        "<seclabel type='dynamic' model='selinux'/>",
    ] {
        let file = containers
            .host
            .write("box.xml", &labelled(&containers, "box", label));
        let refused = containers.virsh(&["create", &file]).failed();
        assert!(
            refused.contains(
                "unsupported configuration: Security driver model 'selinux' is not available"
            ),
            "{refused}"
        );
    }
    // It need not name what there is not.
    let open = labelled(&containers, "box", "<seclabel type='dynamic'/>");
    let file = containers.host.write("box.xml", &open);
    containers.virsh(&["create", &file]).ok();
    let live = containers.virsh(&["dumpxml", "box"]).ok();
    assert!(
        live.contains("<seclabel type='none' model='none'/>"),
        "{live}"
    );
    let info = containers.virsh(&["dominfo", "box"]).ok();
    let model = info.lines().find(|line| line.starts_with("Security model"));
    assert!(model.is_some_and(|line| line.ends_with(" none")), "{info}");
    assert!(!info.contains("Security label"), "{info}");
    let said = containers
        .python("d = conn.lookupByName('box')\nprint(d.securityLabel(), conn.getSecurityModel())");
    assert_eq!(said.ok().trim(), "['', False] ['none', '0']");
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn a_host_that_wants_all_confined_starts_none_without_a_module() {
    if Target::chosen() == Target::Stock {
        skipped("the stock driver starts a container that says nothing of labels all the same");
        return;
    }
    let Some(containers) = host("security_require_confined = 1\n") else {
        return;
    };
    containers.define(&containers.service("box"));
    let refused = containers.virsh(&["start", "box"]).failed();
    assert!(
        refused.contains("Unconfined guests are not allowed on this host"),
        "{refused}"
    );
    assert_eq!(containers.state("box"), "shut off");
    assert_eq!(containers.left(), Vec::<String>::new());
}

#[test]
fn a_module_that_does_not_run_can_not_be_named() {
    if Target::chosen() == Target::Stock {
        skipped("the stock daemon goes on without its driver of containers");
        return;
    }
    let Some(mut containers) = host("") else {
        return;
    };
    containers.end(Signal::SIGTERM);
    let conf = containers.host.path("etc/libvirt/lxc.conf");
    fs::write(&conf, "security_driver = \"bogus\"\n").unwrap();
    let program = virt_tests::keeper::sibling("virtlxcd");
    let root = containers.host.root().to_string_lossy().into_owned();
    let mut daemon = containers.host.command(&program.to_string_lossy());
    let said = virt_tests::ran::run(daemon.args(["--root", &root])).failed();
    assert!(
        said.contains("lxc.conf:1: Security driver bogus not found"),
        "{said}"
    );
    fs::write(&conf, "").unwrap();
    containers.again();
}
