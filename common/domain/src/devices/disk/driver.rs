//! `<driver>` of a disk: the options of its back end.

use virt_xml::{Element, OnOff, Words};

use crate::devices::storage::{MetadataCache, StorageFormat};
use crate::devices::virtio::VirtioOptions;

/// `<driver …>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct DiskDriver {
    /// `qemu`.
    #[xml(attr)]
    pub name: Option<String>,
    /// Format of the image.
    #[xml(attr = "type")]
    pub format: Option<StorageFormat>,
    /// Host cache.
    #[xml(attr)]
    pub cache: Option<DiskCache>,
    /// What happens when a write fails.
    #[xml(attr)]
    pub error_policy: Option<ErrorPolicy>,
    /// What happens when a read fails.
    #[xml(attr)]
    pub rerror_policy: Option<ErrorPolicy>,
    /// How the host does the I/O.
    #[xml(attr)]
    pub io: Option<DiskIo>,
    /// Notifications through the kernel.
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
    /// Fewer notifications.
    #[xml(attr)]
    pub event_idx: Option<OnOff>,
    /// What is read from the backing image is kept in this one.
    #[xml(attr)]
    pub copy_on_read: Option<OnOff>,
    /// What happens to discarded blocks.
    #[xml(attr)]
    pub discard: Option<Discard>,
    /// Number of the I/O thread.
    #[xml(attr)]
    pub iothread: Option<u32>,
    /// Whether zeroes are noticed.
    #[xml(attr)]
    pub detect_zeroes: Option<DetectZeroes>,
    /// Number of queues.
    #[xml(attr)]
    pub queues: Option<u32>,
    /// Length of each queue.
    #[xml(attr)]
    pub queue_size: Option<u32>,
    /// virtio transport.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// Discarded clusters of a qcow2 image stay allocated.
    #[xml(attr)]
    pub discard_no_unref: Option<OnOff>,
    /// Which queue is served by which I/O thread.
    #[xml(child)]
    pub iothreads: Option<IothreadMap>,
    /// Cache of a qcow2 image's tables.
    #[xml(child)]
    pub metadata_cache: Option<MetadataCache>,
}

/// `<iothreads>` of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct IothreadMap {
    /// Each thread.
    #[xml(child = "iothread")]
    pub threads: Vec<IothreadQueues>,
}

/// `<iothread id=…>` with its queues.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct IothreadQueues {
    /// Number of the I/O thread.
    #[xml(attr)]
    pub id: u32,
    /// Its queues; none at all: spread evenly.
    #[xml(child = "queue")]
    pub queues: Vec<QueueId>,
}

/// `<queue id=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct QueueId {
    /// From 0.
    #[xml(attr)]
    pub id: u32,
}

/// `cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum DiskCache {
    /// QEMU's own choice.
    Default,
    /// Not the host's page cache.
    None,
    /// Write to the disk before answering.
    Writethrough,
    /// The host's page cache.
    Writeback,
    /// Neither.
    Directsync,
    /// Flushes are ignored.
    Unsafe,
}

/// What happens when the host can't do an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ErrorPolicy {
    /// The guest is paused.
    Stop,
    /// The guest is told.
    Report,
    /// Nothing.
    Ignore,
    /// The guest is paused if the host's disk is full, else told. Not for reads.
    Enospace,
}

/// `io`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum DiskIo {
    /// Threads.
    Threads,
    /// The kernel's asynchronous I/O.
    Native,
    /// io_uring.
    #[word("io_uring")]
    IoUring,
}

/// `discard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Discard {
    /// Passed on.
    Unmap,
    /// Dropped.
    Ignore,
}

/// `detect_zeroes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum DetectZeroes {
    /// No.
    Off,
    /// Written efficiently.
    On,
    /// Discarded, if discards are passed on.
    Unmap,
}
