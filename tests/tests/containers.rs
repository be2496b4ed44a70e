//! Containers through the stock virsh and Python bindings: defined, started, used over their consoles,
//! ended, and found again by the next daemon. Nothing of them is left, whoever is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::groups::folder;
use virt_tests::host::{eventually, process_runs, send};
use virt_tests::target::{Target, have, skipped};

/// Runs a command in a container that is a shell, over its console.
const CONSOLE: &str = r#"
def say(name, text, until):
    dom = conn.lookupByName(name)
    stream = conn.newStream(0)
    dom.openConsole(None, stream, 0)
    stream.send((text + "\n").encode())
    heard = b""
    while until.encode() not in heard:
        heard += stream.recv(4096)
    stream.abort()
    return heard.decode()
"#;

#[test]
fn a_container_is_defined_started_and_ended() {
    let Some(containers) = Containers::start() else {
        return;
    };
    containers.define(&containers.service("box"));
    assert_eq!(containers.state("box"), "shut off");
    containers.virsh(&["start", "box"]).ok();
    assert_eq!(containers.state("box"), "running");
    let controller = containers.controller("box");
    let [init] = Containers::children(controller)[..] else {
        panic!("a controller has one child, the init");
    };
    let status = containers.virsh(&["dumpxml", "box"]).ok();
    assert!(
        status.contains(&format!("<domain type='lxc' id='{controller}'>")),
        "{status}"
    );
    assert!(status.contains("<target type='lxc' port='0'/>"), "{status}");
    let group = folder(init, "memory").expect("a group");
    assert!(
        group.to_string_lossy().contains("lxc-"),
        "{}",
        group.display()
    );
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(
        containers
            .virsh(&["domstate", "--reason", "box"])
            .ok()
            .trim(),
        "shut off (destroyed)"
    );
    assert!(!process_runs(controller) && !process_runs(init));
    assert!(!group.exists(), "{}", group.display());
    assert_eq!(containers.left(), Vec::<String>::new());
    containers.virsh(&["undefine", "box"]).ok();
    let missing = containers.virsh(&["domstate", "box"]).failed();
    assert!(missing.contains("failed to get domain 'box'"), "{missing}");
}

#[test]
fn a_container_has_its_own_world() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let shell = containers.xml(
        "box",
        "<init>/bin/sh</init><initenv name='COLOUR'>blue</initenv>",
        "",
    );
    containers.define(&shell);
    containers.virsh(&["start", "box"]).ok();
    let said = containers.python(&format!(
        "{CONSOLE}\nprint(say('box', 'echo pid=$$ $COLOUR $container; hostname; id -u; ps | grep -c [0-9]; \
         ls /proc/self/fd; ls /dev; echo x >/proc/sys/kernel/core_pattern; echo do\"\"ne', 'done\\r'))"
    ));
    let said = said.ok();
    assert!(said.contains("pid=1 blue lxc-libvirt"), "{said}");
    assert!(said.contains("\nbox\r\n0\r\n"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(!said.contains("vda") && !said.contains("kmsg"), "{said}");
    if containers.host.target == Target::Stock {
        skipped("the stock driver knows no VIR_DOMAIN_CONSOLE_FORCE");
        return;
    }
    // A second client is refused, then takes the console away.
    let refused = containers.python(&format!(
        "{CONSOLE}\nsay('box', 'echo one', 'one')\ns = conn.newStream(0)\n\
         d = conn.lookupByName('box')\nd.openConsole(None, s, 0)\nt = conn.newStream(0)\n\
         try: d.openConsole(None, t, 0)\nexcept libvirt.libvirtError as e: print(e.get_error_code())\n\
         d.openConsole(None, t, libvirt.VIR_DOMAIN_CONSOLE_FORCE)\nprint('taken')"
    ));
    assert!(refused.ok().ends_with("taken\n"));
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn the_last_words_on_a_console_arrive() {
    let Some(containers) = Containers::beyond_stock("the stock driver loses them at times") else {
        return;
    };
    let shell = containers.xml("box", "<init>/bin/sh</init>", "");
    let file = containers.host.write("box.xml", &shell);
    let heard = containers.python(&format!(
        "dom = conn.createXML(open({file:?}).read(), 0)\nstream = conn.newStream(0)\n\
         dom.openConsole(None, stream, 0)\nstream.send(b'echo la\"\"st; exit\\n')\nheard = b''\n\
         while True:\n    more = stream.recv(4096)\n    if not more: break\n    heard += more\n\
         print(heard)"
    ));
    let heard = heard.ok();
    assert!(heard.contains("last"), "{heard}");
    // The daemon cleans up behind whoever listened.
    eventually("nothing to be left", || containers.left().is_empty());
}

#[test]
fn a_configuration_of_the_lxc_tools_becomes_a_definition() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let config = "lxc.uts.name = web\nlxc.rootfs.path = /srv/web\nlxc.tty.max = 2\n\
                  lxc.mount.entry = tmpfs run tmpfs size=8m 0 0\nlxc.idmap = u 100000 0 65536\nlxc.idmap = g 100000 0 65536\n";
    let file = containers.host.write("web.conf", config);
    let xml = containers
        .virsh(&["domxml-from-native", "lxc-tools", &file])
        .ok();
    for part in [
        "<name>web</name>",
        "<source dir='/srv/web'/>",
        "usage='8192'",
        "port='1'",
    ] {
        assert!(xml.contains(part), "{part} is not in {xml}");
    }
    containers.define(&xml);
    assert_eq!(containers.state("web"), "shut off");
    let other = containers.virsh(&["domxml-from-native", "qemu-argv", &file]);
    assert!(other.failed().contains("unsupported config type qemu-argv"));
    let odd = containers
        .host
        .write("odd.conf", "lxc.net.0.type = tunnel\n");
    let refused = containers.virsh(&["domxml-from-native", "lxc-tools", &odd]);
    let refused = refused.failed();
    match containers.host.target {
        Target::Ours => assert!(refused.contains("lxc.net.0.type = tunnel"), "{refused}"),
        Target::Stock => skipped("the stock driver says that the cause is unknown"),
    }
}

#[test]
fn a_container_shuts_down_when_it_is_asked_to() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let file = containers.host.write("box.xml", &containers.service("box"));
    let told = containers.python(&format!(
        "libvirt.virEventRegisterDefaultImpl()\nconn.close()\nconn = libvirt.open(None)\nseen = []\n\
         conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, \
             lambda c, d, e, r, o: seen.append((d.name(), e, r)), None)\n\
         dom = conn.createXML(open({file:?}).read(), 0)\n\
         stream = conn.newStream(0)\ndom.openConsole(None, stream, 0)\nheard = b''\n\
         while b'started' not in heard: heard += stream.recv(100)\nstream.abort()\n\
         dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_SIGNAL)\n\
         while len(seen) < 2: libvirt.virEventRunDefaultImpl()\nprint(seen)"
    ));
    assert_eq!(told.ok(), "[('box', 2, 0), ('box', 5, 0)]\n");
    // It was transient.
    containers.virsh(&["domstate", "box"]).failed();
    assert_eq!(containers.left(), Vec::<String>::new());
}

#[test]
fn the_next_daemon_finds_a_container() {
    let Some(mut containers) = Containers::start() else {
        return;
    };
    containers.define(&containers.service("box"));
    containers.virsh(&["autostart", "box"]).ok();
    containers.virsh(&["start", "box"]).ok();
    let controller = containers.controller("box");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        containers.end(signal);
        containers.again();
        assert_eq!(containers.controller("box"), controller);
    }
    let info = containers.virsh(&["dominfo", "box"]).ok();
    assert!(info.contains("Autostart:      enable"), "{info}");
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(containers.state("box"), "shut off");
    assert!(!process_runs(controller));
}

#[test]
fn nothing_is_left_whoever_is_killed() {
    let Some(mut containers) = Containers::start() else {
        return;
    };
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    let controller = containers.controller("box");
    let init = Containers::children(controller)[0];
    let group = folder(init, "memory").expect("a group");
    send(controller, Signal::SIGKILL);
    eventually("the container's end is noticed", || {
        containers.state("box") == "shut off"
    });
    assert!(!process_runs(init) && !group.exists());
    assert_eq!(containers.left(), Vec::<String>::new());

    if containers.host.target == Target::Stock {
        skipped("an init of the stock driver outlives its controller when the daemon is dead too");
        return;
    }
    containers.virsh(&["start", "box"]).ok();
    let controller = containers.controller("box");
    let init = Containers::children(controller)[0];
    let group = folder(init, "memory").expect("a group");
    containers.end(Signal::SIGKILL);
    send(controller, Signal::SIGKILL);
    eventually("init ends with its controller", || !process_runs(init));
    containers.again();
    assert_eq!(containers.state("box"), "shut off");
    eventually("its group is gone", || !group.exists());
    assert_eq!(containers.left(), Vec::<String>::new());
}

#[test]
fn what_can_not_be_started_says_why_and_leaves_nothing() {
    let Some(containers) = Containers::start() else {
        return;
    };
    if containers.host.target == Target::Stock {
        // Its sentences are others.
        return;
    }
    let missing = containers.host.path("nowhere");
    let bad = [
        (
            containers.xml("box", "<init>/bin/nothing</init>", ""),
            "cannot run init '/bin/nothing': No such file or directory".to_owned(),
        ),
        (
            containers.service("box").replace(
                &*containers.root().to_string_lossy(),
                &missing.to_string_lossy(),
            ),
            format!(
                "cannot open '{}': No such file or directory",
                missing.display()
            ),
        ),
        (
            containers.xml(
                "box",
                "",
                "<interface type='bridge'><source bridge='none'/></interface>",
            ),
            "Cannot get interface MTU on 'none': No such device".to_owned(),
        ),
        (
            containers.xml("box", "<initdir>/nowhere</initdir><init>/bin/sh</init>", ""),
            "cannot go to its folder '/nowhere'".to_owned(),
        ),
    ];
    for (xml, why) in bad {
        containers.define(&xml);
        let said = containers.virsh(&["start", "box"]).failed();
        assert!(said.contains(&why), "{said}\n{why}");
        assert_eq!(containers.state("box"), "shut off");
        assert_eq!(containers.left(), Vec::<String>::new());
        containers.virsh(&["undefine", "box"]).ok();
    }
    assert_eq!(Containers::children(containers.daemon()), Vec::<u32>::new());
}

#[test]
fn users_are_mapped_and_file_systems_mounted() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let shared = containers.host.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("file"), "shared\n").unwrap();
    let devices = format!(
        "<filesystem type='mount'><source dir='{}'/><target dir='/mnt/shared'/><readonly/>\
         </filesystem><filesystem type='ram'><source usage='1' units='MiB'/>\
         <target dir='/tmp'/></filesystem>",
        shared.display()
    );
    // The mount points are made by whom the container's root is on the host.
    fs::create_dir_all(containers.root().join("mnt/shared")).unwrap();
    for folder in ["tmp", "proc", "sys", "dev"] {
        fs::create_dir_all(containers.root().join(folder)).unwrap();
    }
    let idmap = "<idmap><uid start='0' target='100000' count='65536'/>\
                 <gid start='0' target='100000' count='65536'/></idmap><devices>";
    let xml = containers.xml("box", "<init>/bin/sh</init>", &devices);
    containers.define(&xml.replace("<devices>", idmap));
    let open = std::process::Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(containers.root())
        .status();
    assert!(open.unwrap().success());
    if containers.host.target == Target::Stock {
        skipped(
            "the stock driver makes a folder in the root, as the root of the map, which it may not here",
        );
        return;
    }
    containers.virsh(&["start", "box"]).ok();
    let init = Containers::children(containers.controller("box"))[0];
    let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
    assert!(status.contains("Uid:\t100000\t100000"), "{status}");
    let said = containers.python(&format!(
        "{CONSOLE}\nprint(say('box', 'id -u; cat /mnt/shared/file; touch /mnt/shared/new; touch /tmp/new; \
         ls /tmp; echo x > /dev/null && echo nu\"\"ll; echo do\"\"ne', 'done\\r'))"
    ));
    let said = said.ok();
    assert!(said.contains("\n0\r\nshared\r\n"), "{said}");
    assert!(
        said.contains("/mnt/shared/new: Read-only file system"),
        "{said}"
    );
    assert!(
        said.contains("\nnew\r\n") && said.contains("\nnull\r\n"),
        "{said}"
    );
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn planted_links_lead_nowhere() {
    let Some(containers) = Containers::start() else {
        return;
    };
    // The container's own files point at the host's: what is mounted there stays inside.
    let outside = containers.host.path("outside");
    fs::create_dir(&outside).unwrap();
    let root = containers.root();
    std::os::unix::fs::symlink(&outside, root.join("trap")).unwrap();
    let devices = "<filesystem type='ram'><source usage='1' units='MiB'/>\
                   <target dir='/trap/deep'/></filesystem>";
    containers.define(&containers.xml("box", "<init>/bin/service</init>", devices));
    // There is no such folder inside, so one may be made there, or the start refused.
    let _ = containers.virsh(&["start", "box"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let _ = containers.virsh(&["destroy", "box"]);
}

#[test]
fn a_container_is_entered() {
    let Some(containers) = Containers::start() else {
        return;
    };
    containers.define(&containers.service("box"));
    let off = containers.virsh(&["lxc-enter-namespace", "box", "--noseclabel", "/bin/id"]);
    assert!(off.failed().contains("domain is not running"));
    containers.virsh(&["start", "box"]).ok();
    let script = "echo $(hostname) $(id -u); ps; touch /entered";
    let enter = [
        "lxc-enter-namespace",
        "box",
        "--noseclabel",
        "/bin/sh",
        "-c",
        script,
    ];
    let said = containers.virsh(&enter).ok();
    assert!(said.contains("box 0\n"), "{said}");
    assert!(said.contains("/bin/service"), "{said}");
    assert!(containers.root().join("entered").exists());
    // The label that it asks for when nobody says otherwise is none here.
    let said = containers.virsh(&["lxc-enter-namespace", "box", "/bin/hostname"]);
    assert_eq!(said.ok(), "box\n");
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn the_first_process_of_a_container_gets_signals() {
    let Some(containers) = Containers::start() else {
        return;
    };
    containers.define(&containers.service("box"));
    let send = |pid, signal| containers.virsh(&["send-process-signal", "box", pid, signal]);
    assert!(send("1", "term").failed().contains("domain is not running"));
    containers.virsh(&["start", "box"]).ok();
    send("1", "nop").ok();
    for (pid, signal, expected) in [
        ("2", "term", "Only the init process may be killed"),
        ("1", "99", "signum value 99 is out of range"),
    ] {
        let refused = send(pid, signal).failed();
        assert!(refused.contains(expected), "{refused}");
    }
    send("1", "term").ok();
    eventually("its end", || containers.state("box") == "shut off");
}

#[test]
fn a_container_is_described_and_gets_another_name() {
    let Some(containers) = Containers::start() else {
        return;
    };
    containers.define(&containers.service("box"));
    containers
        .virsh(&["desc", "box", "--title", "--new-desc", "A box"])
        .ok();
    containers.virsh(&["start", "box"]).ok();
    let set = [
        "metadata", "box", "urn:x", "--key", "x", "--set", "<a>1</a>",
    ];
    containers
        .virsh(&[&set[..], &["--live", "--config"]].concat())
        .ok();
    let said = containers.virsh(&["metadata", "box", "urn:x"]).ok();
    assert!(said.contains("<a>1</a>"), "{said}");
    assert_eq!(
        containers.virsh(&["desc", "box", "--title"]).ok().trim(),
        "A box"
    );
    let rename = |to| containers.virsh(&["domrename", "box", to]);
    if containers.host.target == Target::Stock {
        // The stock driver has no such call.
        assert!(rename("crate").failed().contains("not supported"));
        containers.virsh(&["destroy", "box"]).ok();
        return;
    }
    assert!(
        rename("crate")
            .failed()
            .contains("cannot rename active domain")
    );
    containers.virsh(&["destroy", "box"]).ok();
    containers.virsh(&["autostart", "box"]).ok();
    rename("crate").ok();
    let info = containers.virsh(&["dominfo", "crate"]).ok();
    assert!(info.contains("Autostart:      enable"), "{info}");
    let xml = containers.virsh(&["dumpxml", "crate"]).ok();
    assert!(
        xml.contains("<title>A box</title>") && xml.contains("<name>crate</name>"),
        "{xml}"
    );
}

#[test]
fn a_container_sees_its_own_limits() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let (lxcfs, folder) = ("/usr/bin/lxcfs", "/var/lib/lxcfs");
    if !have(&[lxcfs, folder, "/dev/fuse"]) {
        return;
    }
    // In the test's own mounts.
    let keeper = containers.host.keeper();
    let (log, number) = (
        containers.host.path("lxcfs.log"),
        containers.host.path("lxcfs.pid"),
    );
    let number = number.to_string_lossy();
    let pid = keeper.spawn(&[lxcfs, "-f", "-p", &number, folder], &[], &log);
    let served = format!("/proc/{pid}/root{folder}/proc/meminfo");
    eventually("lxcfs serves", || fs::metadata(&served).is_ok());
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    let enter = ["lxc-enter-namespace", "box", "--noseclabel", "/bin/grep"];
    let said = containers.virsh(&[&enter[..], &["MemTotal", "/proc/meminfo"]].concat());
    let said = said.ok();
    assert!(
        said.contains(" 65536 kB"),
        "{said}\n{}",
        fs::read_to_string(&log).unwrap()
    );
    containers.virsh(&["destroy", "box"]).ok();
    send(pid, Signal::SIGTERM);
    keeper.wait(pid);
}

#[test]
fn a_connection_and_a_container_say_what_they_have() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let host = containers.virsh(&["capabilities"]).ok();
    for part in [
        "<os_type>exe</os_type>",
        "<domain type='lxc'/>",
        "<cells num=",
    ] {
        assert!(host.contains(part), "{host}");
    }
    if containers.host.target == Target::Stock {
        return;
    }
    let memory =
        "<filesystem type='ram'><source usage='1' units='MiB'/><target dir='/tmp'/></filesystem>";
    containers.define(&containers.xml("box", "<init>/bin/service</init>", memory));
    containers.virsh(&["start", "box"]).ok();
    let said = containers.virsh(&["domfsinfo", "box"]).ok();
    let lines: Vec<Vec<_>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(
        lines.iter().any(|line| line.first() == Some(&"/")),
        "{said}"
    );
    assert!(
        lines.contains(&vec!["/tmp", "tmpfs", "tmpfs", "fs1"]),
        "{said}"
    );
    containers.virsh(&["destroy", "box"]).ok();
}
