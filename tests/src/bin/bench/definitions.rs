//! What a definition costs: reading, completing, checking and showing it.
//!
//! A command line for a definition (`domxml-to-native`) is all of that without the disk. Defining writes
//! a file, as durably by either daemon; what that alone takes has rows of its own.

use std::path::Path;

use virt_rpc::protocol::remote::{
    ConnectDomainXmlToNative, ConnectDomainXmlToNativeArgs, DomainDefineXml, DomainDefineXmlArgs,
    DomainGetXmlDesc, DomainGetXmlDescArgs,
};
use virt_tests::differential::guests;
use virt_tests::fuzz::pipeline::rig;
use virt_tests::guest;
use virt_tests::host::Host;
use virt_tests::measure::cpu_nanoseconds;
use virt_tests::target::Target;
use virt_tests::wire::Wire;
use virt_xml::Content;

use crate::cores::OnClientCore;
use crate::defined::{DEVICES, write_files};
use crate::side::{Side, milliseconds};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let _core = OnClientCore::new();
    let mut sides: Vec<Side> = targets
        .iter()
        .map(|target| Side::start(*target, true))
        .collect();
    let all = all_guests();
    let guests = accepted(&sides, &all, to_native);
    let name = format!(
        "Command lines of {} guests of libvirt's tests",
        guests.len()
    );
    in_turn(plan.rounds, &mut sides, |index, side| {
        row(table, side, index, &name, &guests, to_native);
    });
    let guests = define(plan, &mut sides, &all, table, "");
    if let Some(index) = targets.iter().position(|target| *target == Target::Ours) {
        let rig = rig();
        let name = format!("Read and complete {} guests in one process", guests.len());
        for _ in 0..plan.rounds {
            let taken = milliseconds(|| {
                for guest in &guests {
                    // What the daemon takes may be more than the made-up host does.
                    let _ = rig.normalise(guest);
                }
            });
            table.add(index, &name, "ms", Better::Lower, Goal::None, taken);
        }
    }
    define_many(plan, &mut sides, table, "");
    drop(sides);
    // What the daemons themselves take, whatever disk they are on.
    let mut sides: Vec<Side> = targets
        .iter()
        .map(|target| Side::start_on(Host::below(*target, Path::new(MEMORY)), true))
        .collect();
    define(plan, &mut sides, &all, table, IN_MEMORY);
    define_many(plan, &mut sides, table, IN_MEMORY);
}

/// A file system in memory, which every Linux has.
const MEMORY: &str = "/dev/shm";

/// What rows about daemons there have behind their names.
const IN_MEMORY: &str = ", files in memory";

/// Defines and shows guests that every side takes, which are given back. They are new ones in each round:
/// one guest that is defined over and over removes a file each time, and what that does to the file system
/// ([`write_files`]) would be most of what is seen.
fn define(
    plan: &Plan,
    sides: &mut [Side],
    all: &[String],
    table: &mut Table,
    place: &str,
) -> Vec<String> {
    let mut guests = all.to_vec();
    for round in ["first", "second"] {
        let mut number = 0..;
        // Some have a UUID at another place as well and can't be there twice.
        guests.retain(|guest| {
            let name = format!("{round}-{}", number.next().unwrap_or(0));
            let guest = renamed(guest, &name);
            let mut wires = sides.iter().map(Side::open);
            wires.all(|mut wire| define_and_show(&mut wire, &guest))
        });
    }
    let name = format!(
        "Define and show {} guests of libvirt's tests{place}",
        guests.len()
    );
    let mut round = 0;
    in_turn(plan.rounds, sides, |index, side| {
        round += 1;
        let number = guests.iter().zip(0..);
        let new = number.map(|(guest, number)| renamed(guest, &format!("{round}-{number}")));
        let new: Vec<String> = new.collect();
        row(table, side, index, &name, &new, define_and_show);
    });
    guests
}

/// The guest under another name, and with a UUID that the daemon will give it.
fn renamed(guest: &str, name: &str) -> String {
    let mut guest = virt_xml::parse(guest).expect("a guest is XML");
    guest
        .content
        .retain(|part| !matches!(part, Content::Element(tree) if tree.name == "uuid"));
    for part in &mut guest.content {
        if let Content::Element(tree) = part
            && tree.name == "name"
        {
            tree.content = vec![Content::Text(name.to_owned())];
        }
    }
    guest.to_xml(0)
}

/// Defines and shows many new guests, and writes as many files without a daemon.
fn define_many(plan: &Plan, sides: &mut [Side], table: &mut Table, place: &str) {
    let count = if plan.quick { 500 } else { 10_000 };
    let names = (0..count).map(|number| format!("guest-{number:05}"));
    let guests: Vec<String> = names
        .map(|name| guest::firmware_only(&name, DEVICES))
        .collect();
    // Once: afterwards they are there.
    in_turn(1, sides, |index, side| {
        let below = side.host.path("etc/libvirt");
        let part = format!("The disk's part of it: write, sync and rename {count} files{place}");
        let before = cpu_nanoseconds(std::process::id());
        let taken = write_files(&below, count);
        let spent = (cpu_nanoseconds(std::process::id()) - before) as f64 / 1e6;
        let cpu = format!("{part}: processor time");
        table.add(index, &cpu, "ms", Better::Lower, Goal::None, spent);
        table.add(index, &part, "ms", Better::Lower, Goal::None, taken);
        let name = format!("Define and show {count} guests{place}");
        row(table, side, index, &name, &guests, define_and_show);
    });
}

/// The corpus's guests; our own where there is no corpus.
fn all_guests() -> Vec<String> {
    let mut all = guests::of_corpus();
    if all.is_empty() {
        all = guests::own();
    }
    all.iter().map(|guest| guest.to_xml(0)).collect()
}

/// Those of which every side makes something.
fn accepted(sides: &[Side], all: &[String], ask: fn(&mut Wire, &str) -> bool) -> Vec<String> {
    let mut texts = all.to_vec();
    for side in sides {
        let mut wire = side.open();
        texts.retain(|text| ask(&mut wire, text));
    }
    texts
}

/// The same on the clock and by the daemon's processor time.
fn row(
    table: &mut Table,
    side: &Side,
    index: usize,
    name: &str,
    guests: &[String],
    ask: fn(&mut Wire, &str) -> bool,
) {
    let mut wire = side.open();
    let pid = side.host.daemon_pid();
    let before = cpu_nanoseconds(pid);
    let taken = milliseconds(|| {
        for guest in guests {
            assert!(ask(&mut wire, guest), "refused:\n{guest}");
        }
    });
    let spent = (cpu_nanoseconds(pid) - before) as f64 / 1e6;
    let cpu = format!("{name}: processor time");
    table.add(index, &cpu, "ms", Better::Lower, Goal::Times(5.0), spent);
    table.add(index, name, "ms", Better::Lower, Goal::Times(5.0), taken);
}

fn to_native(wire: &mut Wire, text: &str) -> bool {
    wire.call::<ConnectDomainXmlToNative>(&ConnectDomainXmlToNativeArgs {
        nativeFormat: "qemu-argv".to_owned(),
        domainXml: text.to_owned(),
        flags: 0,
    })
    .is_ok()
}

fn define_and_show(wire: &mut Wire, text: &str) -> bool {
    let defined = wire.call::<DomainDefineXml>(&DomainDefineXmlArgs {
        xml: text.to_owned(),
    });
    let Ok(defined) = defined else {
        return false;
    };
    wire.call::<DomainGetXmlDesc>(&DomainGetXmlDescArgs {
        dom: defined.dom,
        flags: 0,
    })
    .is_ok()
}
