//! `<cputune>`: which host CPUs run what, with how much time.

use crate::number_set::NumberSet;
use crate::resctrl::{Cachetune, Memorytune};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<cputune>`. Periods and quotas are microseconds.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Cputune {
    /// Weight against other guests.
    #[xml(child_text)]
    pub shares: Option<u64>,
    /// Period of a virtual CPU.
    #[xml(child_text)]
    pub period: Option<u64>,
    /// Its time in each.
    #[xml(child_text)]
    pub quota: Option<i64>,
    /// Period of the whole guest.
    #[xml(child_text)]
    pub global_period: Option<u64>,
    /// Its time in each.
    #[xml(child_text)]
    pub global_quota: Option<i64>,
    /// Period of the threads that are neither virtual CPU nor I/O thread.
    #[xml(child_text)]
    pub emulator_period: Option<u64>,
    /// Their time in each.
    #[xml(child_text)]
    pub emulator_quota: Option<i64>,
    /// Period of an I/O thread.
    #[xml(child_text)]
    pub iothread_period: Option<u64>,
    /// Its time in each.
    #[xml(child_text)]
    pub iothread_quota: Option<i64>,
    /// Host CPUs of virtual CPUs.
    #[xml(child = "vcpupin")]
    pub vcpupins: Vec<Vcpupin>,
    /// Host CPUs of the emulator.
    #[xml(child)]
    pub emulatorpin: Option<Emulatorpin>,
    /// Host CPUs of I/O threads.
    #[xml(child = "iothreadpin")]
    pub iothreadpins: Vec<Iothreadpin>,
    /// How the emulator is scheduled.
    #[xml(child)]
    pub emulatorsched: Option<Scheduling>,
    /// How virtual CPUs are scheduled.
    #[xml(child = "vcpusched")]
    pub vcpuscheds: Vec<Vcpusched>,
    /// How I/O threads are scheduled.
    #[xml(child = "iothreadsched")]
    pub iothreadscheds: Vec<Iothreadsched>,
    /// Parts of the caches.
    #[xml(child = "cachetune")]
    pub cachetunes: Vec<Cachetune>,
    /// Shares of the memory's bandwidth.
    #[xml(child = "memorytune")]
    pub memorytunes: Vec<Memorytune>,
}

/// `<vcpupin/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Vcpupin {
    /// The virtual CPU.
    #[xml(attr)]
    pub vcpu: u32,
    /// Its host CPUs.
    #[xml(attr)]
    pub cpuset: NumberSet,
}

/// `<emulatorpin/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Emulatorpin {
    /// The host CPUs.
    #[xml(attr)]
    pub cpuset: NumberSet,
}

/// `<iothreadpin/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Iothreadpin {
    /// The I/O thread.
    #[xml(attr)]
    pub iothread: u32,
    /// Its host CPUs.
    #[xml(attr)]
    pub cpuset: NumberSet,
}

/// A scheduler's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum Scheduler {
    /// SCHED_BATCH
    Batch,
    /// SCHED_IDLE
    Idle,
    /// SCHED_FIFO
    Fifo,
    /// SCHED_RR
    Rr,
}

/// How threads are scheduled.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduling {
    /// By which scheduler.
    pub scheduler: Scheduler,
    /// With which priority, for those that have one.
    pub priority: Option<u16>,
}

impl Element for Scheduling {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let scheduler = node.required("scheduler")?;
        let priority = match scheduler {
            Scheduler::Fifo | Scheduler::Rr => Some(node.required("priority")?),
            // It says nothing to the others.
            Scheduler::Batch | Scheduler::Idle => {
                node.attr_text("priority");
                None
            }
        };
        Ok(Self {
            scheduler,
            priority,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("scheduler", &self.scheduler);
        tag.maybe("priority", &self.priority);
    }

    fn content(&self, _: &mut Writer) {}
}

/// `<vcpusched/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Vcpusched {
    /// The virtual CPUs.
    #[xml(attr)]
    pub vcpus: Option<NumberSet>,
    /// How.
    #[xml(flatten)]
    pub scheduling: Scheduling,
}

/// `<iothreadsched/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Iothreadsched {
    /// The I/O threads.
    #[xml(attr)]
    pub iothreads: Option<NumberSet>,
    /// How.
    #[xml(flatten)]
    pub scheduling: Scheduling,
}
