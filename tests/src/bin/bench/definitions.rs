//! What a definition costs: reading, completing, checking and showing it.
//!
//! In processor time of the daemon: on the clock both mostly wait for the disk, which has a row of its
//! own in the group `defined`.

use virt_rpc::protocol::remote::{
    DomainDefineXml, DomainDefineXmlArgs, DomainGetXmlDesc, DomainGetXmlDescArgs,
};
use virt_tests::differential::guests;
use virt_tests::fuzz::pipeline::rig;
use virt_tests::guest;
use virt_tests::measure::cpu_nanoseconds;
use virt_tests::target::Target;
use virt_tests::wire::Wire;

use crate::cores::OnClientCore;
use crate::defined::DEVICES;
use crate::side::{Side, milliseconds};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let _core = OnClientCore::new();
    let mut sides: Vec<Side> = targets
        .iter()
        .map(|target| Side::start(*target, true))
        .collect();
    let guests = known_guests(&sides);
    let name = format!("Define and show {} guests of libvirt's tests", guests.len());
    in_turn(plan.rounds, &mut sides, |index, side| {
        row(table, side, index, &name, &guests);
    });
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
    let count = if plan.quick { 500 } else { 10_000 };
    let names = (0..count).map(|number| format!("guest-{number:05}"));
    let guests: Vec<String> = names
        .map(|name| guest::firmware_only(&name, DEVICES))
        .collect();
    // Once: afterwards they are there.
    let name = format!("Define and show {count} guests");
    in_turn(1, &mut sides, |index, side| {
        row(table, side, index, &name, &guests);
    });
}

/// The corpus's guests that every side takes; our own where there is no corpus.
fn known_guests(sides: &[Side]) -> Vec<String> {
    let mut all = guests::of_corpus();
    if all.is_empty() {
        all = guests::own();
    }
    let mut texts: Vec<String> = all.iter().map(|guest| guest.to_xml(0)).collect();
    for side in sides {
        let mut wire = side.open();
        texts.retain(|text| define_and_show(&mut wire, text));
    }
    texts
}

fn row(table: &mut Table, side: &Side, index: usize, name: &str, guests: &[String]) {
    let mut wire = side.open();
    let pid = side.host.daemon_pid();
    let before = cpu_nanoseconds(pid);
    let taken = milliseconds(|| {
        for guest in guests {
            assert!(define_and_show(&mut wire, guest), "refused:\n{guest}");
        }
    });
    let spent = (cpu_nanoseconds(pid) - before) as f64 / 1e6;
    let cpu = format!("{name}: processor time");
    table.add(index, &cpu, "ms", Better::Lower, Goal::Times(5.0), spent);
    table.add(index, name, "ms", Better::Lower, Goal::None, taken);
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
