//! The daemon is killed without warning and started again: every guest is found as it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use nix::sys::signal::Signal;
use virt_tests::guest;
use virt_tests::host::{Host, eventually, process_runs, send};
use virt_tests::target::Target;

/// A disk, a NIC and a channel, so that there is something to find again.
fn furnished(host: &Host, name: &str) -> String {
    let disk = host.path(&format!("{name}.img"));
    fs::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
    guest::firmware_only(
        name,
        &format!(
            "<disk type='file' device='disk'><driver name='qemu' type='raw'/>\
             <source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <interface type='user'><model type='virtio'/></interface>\
             <serial type='pty'/>\
             <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
            disk.display()
        ),
    )
}

const USB_NONE: &str = "<controller type='usb' index='0' model='none'>
      <alias name='usb'/>
    </controller>";

fn kill_and_start(host: &mut Host) {
    let how = host.end_daemon(Signal::SIGKILL);
    assert_eq!(how, "signal 9");
    host.start_daemon();
}

#[test]
fn running_guests_are_found_as_they_were() {
    let mut host = Host::start();
    host.define(&furnished(&host, "persistent"));
    host.virsh(&["start", "persistent"]).ok();
    host.create(&furnished(&host, "transient"));
    host.create(&guest::firmware_only("paused", ""));
    host.virsh(&["suspend", "paused"]).ok();
    host.define(&guest::firmware_only("off", ""));
    let guests = ["persistent", "transient", "paused"];
    let look = |host: &Host| {
        let mut seen = vec![host.virsh(&["list", "--all"]).ok()];
        for name in guests {
            for command in ["domid", "domuuid", "domstate", "dumpxml", "ttyconsole"] {
                let said = host.virsh(&[command, name]).out;
                // The stock daemon does not find this one's alias again.
                seen.push(
                    said.replace(USB_NONE, "<controller type='usb' index='0' model='none'/>"),
                );
            }
        }
        seen.push(host.virsh(&["dumpxml", "--inactive", "persistent"]).ok());
        seen
    };
    let before = look(&host);
    let processes: Vec<u32> = guests.iter().map(|name| host.qemu_pid(name)).collect();

    kill_and_start(&mut host);

    for (before, after) in before.iter().zip(look(&host)) {
        for (before, after) in before.lines().zip(after.lines()) {
            assert_eq!(before, after);
        }
        assert_eq!(before.len(), after.len());
    }
    let found: Vec<u32> = guests.iter().map(|name| host.qemu_pid(name)).collect();
    assert_eq!(processes, found);

    // They are under control, not only known.
    host.virsh(&["resume", "paused"]).ok();
    assert_eq!(host.state("paused"), "running");
    host.virsh(&[
        "qemu-monitor-command",
        "transient",
        r#"{"execute":"query-status"}"#,
    ])
    .ok();
    for name in guests {
        host.virsh(&["destroy", name]).ok();
    }
    eventually("their ends", || {
        !processes.iter().any(|pid| process_runs(*pid))
    });
    let left = host.virsh(&["list", "--all", "--name"]).ok();
    assert_eq!(
        left.split_whitespace().collect::<Vec<_>>(),
        ["off", "persistent"]
    );
}

#[test]
fn their_events_arrive_afterwards() {
    let mut host = Host::start();
    host.create(&guest::firmware_only("loud", ""));
    kill_and_start(&mut host);
    let heard = host.shell(
        "virsh event --domain loud --event lifecycle --loop --timeout 60 >heard 2>&1 &
         listener=$!
         n=0; until [ -s heard ] || [ $n -ge 600 ]; do
             virsh -q suspend loud; virsh -q resume loud; sleep 0.1; n=$((n+1))
         done
         # The first thing heard may be the second half of a pair.
         virsh -q suspend loud; virsh -q resume loud
         virsh -q destroy loud
         n=0; until grep -q Stopped heard || [ $n -ge 600 ]; do sleep 0.1; n=$((n+1)); done
         kill $listener; cat heard",
    );
    for event in ["Suspended Paused", "Resumed Unpaused", "Stopped Destroyed"] {
        assert!(
            heard
                .out
                .contains(&format!("event 'lifecycle' for domain 'loud': {event}")),
            "{heard:?}"
        );
    }
}

#[test]
fn guests_that_ended_in_between_are_off() {
    let mut host = Host::start();
    host.define(&furnished(&host, "persistent"));
    host.virsh(&["start", "persistent"]).ok();
    host.create(&furnished(&host, "transient"));
    host.define(&guest::firmware_only("alive", ""));
    host.virsh(&["start", "alive"]).ok();
    host.end_daemon(Signal::SIGKILL);
    for name in ["persistent", "transient"] {
        let pid = host.qemu_pid(name);
        send(pid, Signal::SIGKILL);
        host.keeper().wait(pid);
    }
    host.start_daemon();

    let state = host.virsh(&["domstate", "persistent", "--reason"]).ok();
    assert!(
        ["shut off (crashed)", "shut off (unknown)"].contains(&state.trim()),
        "{state}"
    );
    let error = host.virsh(&["domstate", "transient"]).failed();
    assert!(
        error.contains("failed to get domain 'transient'"),
        "{error}"
    );
    assert_eq!(host.state("alive"), "running");

    let left: Vec<String> = fs::read_dir(host.path("run/libvirt/qemu"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("persistent") || name.contains("transient"))
        .collect();
    assert_eq!(left, [""; 0], "files of guests that are no more");
    host.virsh(&["start", "persistent"]).ok();
}

#[test]
fn a_status_file_cut_short_costs_only_its_own_guest() {
    let mut host = Host::start();
    for name in ["torn", "whole"] {
        host.define(&guest::firmware_only(name, ""));
        host.virsh(&["start", name]).ok();
    }
    host.end_daemon(Signal::SIGKILL);
    let status = host.path("run/libvirt/qemu/torn.xml");
    let text = fs::read_to_string(&status).unwrap();
    fs::write(&status, &text[..text.len() / 2]).unwrap();
    host.start_daemon();
    assert_eq!(host.state("whole"), "running");
    host.virsh(&["domstate", "torn"]).ok();
}

#[test]
fn killed_in_the_middle_of_much_work() {
    let mut host = Host::start();
    fs::write(host.path("guest.xml"), guest::firmware_only("NAME", "")).unwrap();
    for round in 0..5 {
        let work = host.command("sh").arg("-c").arg(
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
                 sed s/NAME/g$i/ ../guest.xml >g$i.xml
                 virsh -q define g$i.xml; virsh -q start g$i; virsh -q suspend g$i; virsh -q destroy g$i
             done >/dev/null 2>&1",
        ).spawn();
        let mut work = work.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150 + 170 * round));
        host.end_daemon(Signal::SIGKILL);
        work.wait().unwrap();
        host.start_daemon();
        // Whatever was going on: the list is told, and each guest is on or off and can be removed.
        let names = host.virsh(&["list", "--all", "--name"]).ok();
        for name in names.split_whitespace() {
            let _ = host.virsh(&["destroy", name]);
            host.virsh(&["undefine", name]).ok();
        }
        // The stock daemon forgets a guest it was just starting.
        if host.target == Target::Ours {
            eventually("no QEMU left behind", || host.qemus().is_empty());
        }
    }
}
