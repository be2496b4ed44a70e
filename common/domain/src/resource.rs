//! `<resource>`, `<idmap>`, `<pm>` and `<perf>`.

use virt_xml::{Element, Words, YesNo};

/// `<resource>`: where the guest stands among the host's control groups.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Resource {
    /// Path of its partition.
    #[xml(child_text)]
    pub partition: Option<String>,
    /// Its name towards a Fibre Channel fabric.
    #[xml(child)]
    pub fibrechannel: Option<FibreChannel>,
}

/// `<fibrechannel/>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct FibreChannel {
    /// The name, up to 128 printable characters.
    #[xml(attr)]
    pub appid: String,
}

/// `<idmap>`: users and groups of a container.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Idmap {
    /// Users.
    #[xml(child = "uid")]
    pub uids: Vec<IdRange>,
    /// Groups.
    #[xml(child = "gid")]
    pub gids: Vec<IdRange>,
}

/// A range of ids.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct IdRange {
    /// First id inside.
    #[xml(attr)]
    pub start: u32,
    /// First id outside.
    #[xml(attr)]
    pub target: u32,
    /// How many.
    #[xml(attr)]
    pub count: u32,
}

/// `<pm>`: which sleep states the guest's firmware offers.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Pm {
    /// S3.
    #[xml(child = "suspend-to-mem")]
    pub suspend_to_mem: Option<PmState>,
    /// S4.
    #[xml(child = "suspend-to-disk")]
    pub suspend_to_disk: Option<PmState>,
}

impl Pm {
    /// A state that nothing is said of is not there.
    pub(crate) fn settle(&mut self) {
        let is_said = |state: &PmState| state.enabled.is_some();
        self.suspend_to_mem = self.suspend_to_mem.take().filter(is_said);
        self.suspend_to_disk = self.suspend_to_disk.take().filter(is_said);
    }
}

/// A sleep state.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct PmState {
    /// Whether it is offered.
    #[xml(attr)]
    pub enabled: Option<YesNo>,
}

/// `<perf>`: performance counters.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Perf {
    /// The counters.
    #[xml(child = "event")]
    pub events: Vec<PerfEvent>,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct PerfEvent {
    /// Which one.
    #[xml(attr)]
    pub name: PerfEventName,
    /// Whether it counts.
    #[xml(attr)]
    pub enabled: YesNo,
}

/// Names of counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
#[allow(missing_docs, reason = "the kernel's names")]
pub enum PerfEventName {
    Cmt,
    Mbmt,
    Mbml,
    #[word("cpu_cycles")]
    CpuCycles,
    Instructions,
    #[word("cache_references")]
    CacheReferences,
    #[word("cache_misses")]
    CacheMisses,
    #[word("branch_instructions")]
    BranchInstructions,
    #[word("branch_misses")]
    BranchMisses,
    #[word("bus_cycles")]
    BusCycles,
    #[word("stalled_cycles_frontend")]
    StalledCyclesFrontend,
    #[word("stalled_cycles_backend")]
    StalledCyclesBackend,
    #[word("ref_cpu_cycles")]
    RefCpuCycles,
    #[word("cpu_clock")]
    CpuClock,
    #[word("task_clock")]
    TaskClock,
    #[word("page_faults")]
    PageFaults,
    #[word("context_switches")]
    ContextSwitches,
    #[word("cpu_migrations")]
    CpuMigrations,
    #[word("page_faults_min")]
    PageFaultsMin,
    #[word("page_faults_maj")]
    PageFaultsMaj,
    #[word("alignment_faults")]
    AlignmentFaults,
    #[word("emulation_faults")]
    EmulationFaults,
}
