//! Statistics of guests in bulk: `virConnectGetAllDomainStats`.
//!
//! A guest that is off is answered from its definition's summary at once. Each running guest is
//! asked in a task of its own and with a deadline, so that one whose QEMU does not answer delays
//! nobody but those who asked for all: they wait for the deadline once, and not at all when that
//! QEMU is known to be silent.

mod balloon;
mod block;
mod cpu;
mod dirty_rate;
mod iothread;
mod vcpu;

use std::sync::Arc;
use std::time::Duration;

use virt_driver::api::stats::{Counted, Figures, Groups, Options};
use virt_rpc::protocol::remote::TypedParam;
use virt_tuning::figures;

use crate::guest::{Guest, Live, Snapshot};
use crate::qmp::Monitor;
use virt_net::counters::Table;

pub use balloon::memory_stats;
pub use block::{DiskCounters, counters, disk_counters};

/// How long one running guest's QEMU may take in a bulk call.
const PATIENCE: Duration = Duration::from_millis(700);

/// The same when the caller does not want to wait: as long as one that is well may take.
const HASTE: Duration = Duration::from_millis(100);

/// What one call needs once for all guests.
#[derive(Debug)]
pub struct Shared {
    /// What is asked for.
    pub groups: Groups,
    /// How.
    pub options: Options,
    /// The host's interfaces.
    interfaces: Table,
}

impl Counted for Guest {
    type Shared = Shared;

    const GROUPS: Groups = Groups::all();

    const ITSELF: &'static str = "this daemon or QEMU";

    fn share(groups: Groups, options: Options) -> Shared {
        Shared::new(groups, options)
    }

    fn figures(&self, shared: &Arc<Shared>) -> Figures {
        let (snapshot, shared) = (self.current(), Arc::clone(shared));
        match snapshot.live.clone() {
            Some(live) => {
                let asked = async move { shared.active(&snapshot, &live).await };
                Figures::Later(Box::pin(asked))
            }
            None if shared.groups.contains(Groups::BLOCK) && has_files(&snapshot) => {
                Figures::Blocking(Box::new(move || shared.inactive(&snapshot)))
            }
            None => Figures::Now(shared.inactive(&snapshot)),
        }
    }
}

fn has_files(snapshot: &Snapshot) -> bool {
    let definition = snapshot.definition.as_ref();
    definition.is_some_and(|d| d.summary().disks.iter().any(|disk| disk.path.is_some()))
}

impl Shared {
    /// Looks at the host.
    fn new(groups: Groups, options: Options) -> Self {
        let wanted = groups.contains(Groups::INTERFACE);
        // Without /proc there are no counters; the rest is told all the same.
        let interfaces = wanted.then(|| Table::read().ok()).flatten();
        Self {
            groups,
            options,
            interfaces: interfaces.unwrap_or_default(),
        }
    }

    /// Statistics of a guest that is off. Looks at the files of its disks: blocks when it has
    /// some.
    pub fn inactive(&self, snapshot: &Snapshot) -> Vec<TypedParam> {
        let mut params = Vec::with_capacity(10);
        self.common(snapshot, &mut params);
        if let Some(definition) = &snapshot.definition
            && self.groups.contains(Groups::BLOCK)
        {
            block::of_files(definition.summary(), &mut params);
        }
        params
    }

    /// What needs nothing but the snapshot, in the order in which the groups are told.
    fn common(&self, snapshot: &Snapshot, params: &mut Vec<TypedParam>) {
        if self.groups.contains(Groups::STATE) {
            params.push(TypedParam::int("state.state", snapshot.state.number()));
            params.push(TypedParam::int("state.reason", snapshot.state.reason()));
        }
        let size = snapshot.size();
        if self.groups.contains(Groups::CPU_TOTAL) {
            cpu::push(snapshot.live.as_deref(), params);
        }
        if self.groups.contains(Groups::BALLOON) {
            figures::memory(size, params);
        }
        if snapshot.live.is_none() && self.groups.contains(Groups::VCPU) {
            figures::vcpus(size, params);
        }
    }

    /// Statistics of a running guest.
    pub async fn active(&self, snapshot: &Snapshot, live: &Live) -> Vec<TypedParam> {
        let mut params = Vec::with_capacity(40);
        self.common(snapshot, &mut params);
        let monitor = self.monitor(live);
        let groups = self.groups;
        // All questions are sent before the first answer is awaited.
        let (balloon, blocks, iothreads, dirty_rate) = tokio::join!(
            balloon::ask(
                monitor
                    .as_ref()
                    .filter(|_| groups.contains(Groups::BALLOON)),
                live
            ),
            block::ask(monitor.as_ref().filter(|_| groups.contains(Groups::BLOCK))),
            iothread::ask(
                monitor
                    .as_ref()
                    .filter(|_| groups.contains(Groups::IOTHREAD) && iothread::has_any(live))
            ),
            dirty_rate::ask(
                monitor
                    .as_ref()
                    .filter(|_| groups.contains(Groups::DIRTYRATE))
            ),
        );
        if groups.contains(Groups::BALLOON) {
            balloon::push(balloon.as_ref(), live, &mut params);
        }
        if groups.contains(Groups::VCPU) {
            vcpu::push(snapshot.size(), live, &mut params);
        }
        if groups.contains(Groups::INTERFACE) {
            virt_net::figures::push(&live.domain, &self.interfaces, &mut params);
        }
        if groups.contains(Groups::BLOCK) {
            block::push(live, blocks.as_ref(), self.options.backing, &mut params);
        }
        if let Some(threads) = iothreads {
            iothread::push(&threads, &mut params);
        }
        if let Some(rate) = dirty_rate {
            dirty_rate::push(&rate, &mut params);
        }
        params
    }

    /// The guest's monitor, if it may be waited for.
    fn monitor(&self, live: &Live) -> Option<Monitor> {
        let monitor = &live.qemu.monitor;
        if monitor.is_closed() || monitor.is_silent() {
            return None;
        }
        Some(monitor.within(match self.options.nowait {
            true => HASTE,
            false => PATIENCE,
        }))
    }
}
