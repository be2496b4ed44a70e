//! One of the daemons compared, on a host of its own.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use virt_rpc::protocol::remote::{
    ConnectGetCapabilities, ConnectListAllDomains, ConnectListAllDomainsArgs, NonnullDomain,
};
use virt_tests::host::Host;
use virt_tests::measure::{Resident, resident};
use virt_tests::target::Target;
use virt_tests::wire::Wire;

use crate::cores;
use crate::table::{Better, Goal, Table};

/// A daemon to measure.
pub struct Side {
    /// Its folder and its processes.
    pub host: Host,
    pinned: bool,
}

impl Side {
    /// Starts it; with `pinned` it has the daemon's core and no other.
    pub fn start(target: Target, pinned: bool) -> Self {
        Self::start_on(Host::of(target), pinned)
    }

    /// The same on a host that is there.
    pub fn start_on(host: Host, pinned: bool) -> Self {
        let mut side = Side { host, pinned };
        side.spawn();
        // QEMU has been asked what it can do, whatever comes first afterwards.
        side.open()
            .call::<ConnectGetCapabilities>(&())
            .expect("capabilities");
        side
    }

    /// A connection that is opened.
    pub fn open(&self) -> Wire {
        self.host.wire()
    }

    /// Starts the daemon; how long it took until all guests were listed for the first time.
    pub fn spawn(&mut self) -> Duration {
        let core = cores::pair().map(|(_, daemon)| daemon.to_string());
        let before: &[&str] = match &core {
            Some(core) if self.pinned => &["taskset", "-c", core],
            _ => &[],
        };
        let started = Instant::now();
        self.host.spawn_daemon_by(before, &[]);
        let mut wire = loop {
            assert!(
                self.host.daemon_runs(),
                "the daemon ended:\n{}",
                self.host.log()
            );
            match Wire::open(&self.host.socket(), self.host.served()) {
                Ok(wire) => break wire,
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
        };
        list(&mut wire, 0);
        started.elapsed()
    }

    /// Stops the daemon as an administrator would.
    pub fn stop(&mut self) {
        self.host.end_daemon(Signal::SIGTERM);
    }
}

/// Adds what memory a daemon has now to the table.
pub fn memory(side: &Side, index: usize, table: &mut Table, what: &str) {
    let Resident { all, anonymous } = resident(side.host.daemon_pid());
    let mut add = |name: &str, goal, kib: u64| {
        let name = format!("{name}, {what}");
        table.add(
            index,
            &name,
            "MiB",
            Better::Lower,
            goal,
            kib as f64 / 1024.0,
        );
    };
    add("Resident memory", Goal::Times(3.0), all);
    add("Of it heap and stacks", Goal::None, anonymous);
}

/// All guests that `flags` choose.
pub fn list(wire: &mut Wire, flags: u32) -> Vec<NonnullDomain> {
    wire.call::<ConnectListAllDomains>(&ConnectListAllDomainsArgs {
        need_results: 1,
        flags,
    })
    .expect("list")
    .domains
}

/// Milliseconds that `work` takes.
pub fn milliseconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e3
}

/// The list flag for running guests alone (`virConnectListAllDomainsFlags`).
pub const ACTIVE: u32 = 1;
