//! What defined guests cost: defining, listing, statistics, starting, memory.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use virt_rpc::protocol::remote::{
    ConnectGetAllDomainStats, ConnectGetAllDomainStatsArgs, DomainDefineXml, DomainDefineXmlArgs,
};
use virt_tests::guest;
use virt_tests::target::Target;
use virt_tests::wire::Wire;

use crate::cores::OnClientCore;
use crate::side::{Side, list, memory, milliseconds};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let _core = OnClientCore::new();
    let mut sides: Vec<Side> = targets
        .iter()
        .map(|target| Side::start(*target, true))
        .collect();

    start_until_listed(plan, &mut sides, table, "none", Goal::AtMost(10.0));
    let counts = if plan.quick {
        [1, 100, 1000]
    } else {
        [1, 1000, 10_000]
    };
    let mut defined = 0;
    for count in counts {
        for (index, side) in sides.iter().enumerate() {
            define(side, index, defined..count, table);
        }
        defined = count;
        let goal = if count == counts[2] {
            Goal::Times(4.0)
        } else {
            Goal::None
        };
        in_turn(plan.rounds, &mut sides, |index, side| {
            let mut wire = side.open();
            let listed = milliseconds(|| assert_eq!(list(&mut wire, 0).len(), count));
            let name = format!("List of {count} defined");
            table.add(index, &name, "ms", Better::Lower, goal, listed);
            let told = milliseconds(|| assert_eq!(bulk_stats(&mut wire), count));
            let name = format!("Bulk stats of {count} defined");
            table.add(index, &name, "ms", Better::Lower, goal, told);
        });
        for (index, side) in sides.iter().enumerate() {
            memory(side, index, table, &format!("{count} defined"));
        }
    }
    start_until_listed(
        plan,
        &mut sides,
        table,
        &format!("{defined}"),
        Goal::Times(8.0),
    );
    for (index, side) in sides.iter().enumerate() {
        memory(
            side,
            index,
            table,
            &format!("{defined} defined, after a start"),
        );
    }
}

/// Defines guests one after the other, by one client.
fn define(side: &Side, index: usize, numbers: std::ops::Range<usize>, table: &mut Table) {
    let mut wire = side.open();
    let count = numbers.len();
    let xmls: Vec<String> = numbers
        .map(|number| guest::firmware_only(&format!("guest-{number:05}"), DEVICES))
        .collect();
    let taken = milliseconds(|| {
        for xml in xmls {
            wire.call::<DomainDefineXml>(&DomainDefineXmlArgs { xml })
                .expect("define");
        }
    });
    if count >= 99 {
        table.add(
            index,
            "The disk's part of it: write, sync and rename 1,000 files",
            "ms",
            Better::Lower,
            Goal::None,
            write_files(&side.host.path("etc/libvirt"), count) * 1000.0 / count as f64,
        );
        table.add(
            index,
            "Define 1,000 guests",
            "ms",
            Better::Lower,
            Goal::Times(3.0),
            taken * 1000.0 / count as f64,
        );
    }
}

/// Milliseconds to write so many files of a definition's size as durably as either daemon does.
///
/// They stay there: where many files were removed, making one was seen to take twenty times as long for
/// the next minutes (`tests/BENCHMARK.md`), which would count as what is measured next.
pub fn write_files(below: &Path, count: usize) -> f64 {
    let folder = below.join(format!("written-{count}"));
    fs::create_dir(&folder).expect("a folder");
    milliseconds(|| {
        for number in 0..count {
            let path = folder.join(format!("{number}.xml"));
            let new = path.with_extension("xml.new");
            let mut file = File::create(&new).expect("a file");
            file.write_all(&[b'x'; 2000]).expect("write");
            file.sync_all().expect("sync");
            fs::rename(new, path).expect("rename");
        }
    })
}

/// A guest as people have them.
pub const DEVICES: &str = "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
    <source file='/var/lib/libvirt/images/none.qcow2'/><target dev='vda' bus='virtio'/></disk>\
    <interface type='user'><model type='virtio'/></interface><serial type='pty'/>\
    <graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>";

/// All statistics of all guests; how many guests they are about.
pub fn bulk_stats(wire: &mut Wire) -> usize {
    wire.call::<ConnectGetAllDomainStats>(&ConnectGetAllDomainStatsArgs {
        doms: Vec::new(),
        stats: 0,
        flags: 0,
    })
    .expect("statistics")
    .retStats
    .len()
}

fn start_until_listed(plan: &Plan, sides: &mut [Side], table: &mut Table, what: &str, goal: Goal) {
    in_turn(plan.rounds, sides, |index, side| {
        side.stop();
        let taken = side.spawn().as_secs_f64() * 1e3;
        let name = format!("Start until the first list with {what} defined");
        table.add(index, &name, "ms", Better::Lower, goal, taken);
    });
}
