//! A guest whose limits are kept, as this crate sees it.

use std::sync::Arc;

use virt_cgroup::{Controller, Group, Placed};
use virt_domain::Domain;
use virt_driver::{Described, Edited};
use virt_error::{Error, ErrorCode, Result};

use crate::scheduled::{Of, Scheduled};

/// Name of the group of the threads that have none of their own.
pub const EMULATOR: &str = "emulator";

/// Name of the group of a virtual processor.
pub fn of_vcpu(vcpu: u32) -> String {
    format!("vcpu{vcpu}")
}

/// Name of the group of an I/O thread.
pub fn of_iothread(iothread: u32) -> String {
    format!("iothread{iothread}")
}

/// Threads that have groups of their own, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Threads {
    /// Virtual processors.
    pub vcpus: Vec<u32>,
    /// I/O threads.
    pub iothreads: Vec<u32>,
}

/// A guest's limits at one moment.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What it is and shall be.
    pub described: Described,
    /// Its groups, while it runs and where it is in some.
    pub placed: Option<Arc<Placed>>,
    /// Its process, while it runs.
    pub process: Option<i32>,
    /// The threads whose groups are below the guest's; `None` where there are no such, as with a
    /// container.
    pub threads: Option<Threads>,
}

impl Limits {
    /// The running guest's groups, if the controller acts on them; `absent` says that it does not.
    ///
    /// # Errors
    /// OPERATION_INVALID.
    pub fn groups<G: Limited>(&self, controller: Controller, absent: &str) -> Result<&Arc<Placed>> {
        let there = self.placed.as_ref();
        let there = there.filter(|placed| placed.group().has(controller));
        there.ok_or_else(|| Error::new(ErrorCode::OperationInvalid, G::DOMAIN, absent))
    }

    /// The groups below `placed` that limit such threads.
    pub fn of(&self, placed: &Placed, of: Of) -> Vec<Group> {
        let group = placed.group();
        let Some(threads) = &self.threads else {
            return vec![group.clone()];
        };
        let named = |name: String| group.threads(&name);
        match of {
            Of::Guest => vec![group.clone()],
            Of::Emulator => vec![named(EMULATOR.to_owned())],
            Of::Vcpus => threads.vcpus.iter().map(|n| named(of_vcpu(*n))).collect(),
            Of::Iothreads => {
                let all = threads.iothreads.iter();
                all.map(|n| named(of_iothread(*n))).collect()
            }
        }
    }

    /// All groups below `placed` that have threads in them.
    pub fn all(&self, placed: &Placed) -> Vec<Group> {
        match self.threads {
            None => vec![placed.group().clone()],
            Some(_) => [Of::Emulator, Of::Vcpus, Of::Iothreads]
                .into_iter()
                .flat_map(|of| self.of(placed, of))
                .collect(),
        }
    }
}

/// A guest whose limits the host's control groups keep.
pub trait Limited: Edited {
    /// The parameters of its processor time.
    const SCHEDULED: &'static [Scheduled];

    /// Its limits as they are now.
    fn limits(&self) -> Limits;

    /// Why no running guest's size itself can be changed.
    const SIZE_IS_FIXED: &'static str;

    /// Why no guest can use more memory than it has.
    const TOO_MUCH_MEMORY: &'static str;

    /// Refuses to change how much memory a running guest uses, where that can't be done.
    ///
    /// # Errors
    /// OPERATION_INVALID.
    fn check_resize(domain: &Domain) -> Result<()>;

    /// Has the running guest use no more memory than so many KiB, and no less of what it has.
    ///
    /// # Errors
    /// What keeps it from that.
    fn resize(body: &mut Self::Editor, kib: u64) -> impl Future<Output = Result<()>> + Send;

    /// Refuses tuning, `Memory` or the like, where the guest's daemon has no groups at all.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED.
    fn check_tunable(&self, what: &str) -> Result<()>;
}
