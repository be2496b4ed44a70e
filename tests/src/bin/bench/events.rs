//! What it costs to tell what happens: records on their way into virtlogd's outputs, sender and daemon with
//! a core each. The stock virtlogd takes none, so there is nothing beside it.

use std::time::Instant;

use tokio::runtime::Builder;
use virt_rpc::client::Connection;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::records::{Batch, Guest, Origin, Record, Source, Write, WriteArgs};
use virt_tests::host::Host;
use virt_tests::logd::Logd;
use virt_tests::measure::cpu_seconds;
use virt_tests::target::Target;

use crate::cores::{self, OnClientCore};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

/// Records of one batch.
const SIZE: u64 = 1024;
/// Batches under way, as of so many daemons.
const DAEMONS: u32 = 4;

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let Some(ours) = targets.iter().position(|target| *target == Target::Ours) else {
        return;
    };
    let _core = OnClientCore::new();
    let batches = if plan.quick { 20 } else { 400 };
    let host = Host::of(Target::Ours);
    let output = host.path("work/events.log");
    let conf = format!(
        "log_level = 1\nlog_outputs = \"1:file:{}\"\n",
        output.display()
    );
    let logd = Logd::start(host, &conf);
    if let Some((_, core)) = cores::pair() {
        cores::pin(logd.pid, core);
    }
    let mut from = 0;
    in_turn(plan.rounds, &mut [logd], |_, logd| {
        let cpu = cpu_seconds(logd.pid);
        let started = Instant::now();
        send(logd, from, batches);
        let taken = started.elapsed().as_secs_f64();
        let used = cpu_seconds(logd.pid) - cpu;
        from += batches;
        let records = (batches * SIZE * u64::from(DAEMONS)) as f64;
        let name = "Records into a file output and the store";
        table.add(
            ours,
            name,
            "per second",
            Better::Higher,
            Goal::AtLeast(200_000.0),
            records / taken,
        );
        let name = "virtlogd's CPU for a record";
        table.add(
            ours,
            name,
            "µs",
            Better::Lower,
            Goal::AtMost(5.0),
            used / records * 1e6,
        );
    });
}

fn send(logd: &Logd, from: u64, batches: u64) {
    let socket = logd.host.path("run/libvirt/virtlogd-records-sock");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut senders = tokio::task::JoinSet::new();
        for pid in 1..=DAEMONS {
            let connection = Connection::connect(&socket).await.expect("virtlogd");
            senders.spawn(async move {
                for batch in from..from + batches {
                    let args = batch_of(pid, batch * SIZE + 1);
                    connection.call::<Write>(&args).await.expect("an answer");
                }
            });
        }
        while let Some(ended) = senders.join_next().await {
            ended.expect("a sender");
        }
    });
}

fn batch_of(pid: u32, first: u64) -> WriteArgs {
    let record = |number: u64| Record {
        time: number,
        file: "common/driver/src/events/told.rs".into(),
        line: 25,
        function: "virt_driver::events::told".into(),
        thread: 1,
        guest: Some(Guest {
            uuid: [7; 16],
            name: "web".to_owned(),
        }),
        origin: Some(Origin {
            connection: 3,
            procedure: "REMOTE_PROC_DOMAIN_CREATE".into(),
        }),
        fields: vec![("event".into(), "started".to_owned())],
        ..Record::new("guest", "started (booted)")
    };
    WriteArgs {
        batch: Internal(Batch {
            source: Source {
                daemon: "virtqemud".into(),
                pid,
                since: 1,
            },
            first,
            lost: 0,
            records: (first..first + SIZE).map(record).collect(),
        }),
    }
}
