//! `<blockjobs>`: what QEMU does to disks at length.

use virt_xml::{Element, Tree, YesNo};

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct BlockJobs {
    /// Whether there are any.
    #[xml(attr, default)]
    pub active: YesNo,
    /// Each one.
    #[xml(child = "blockjob")]
    pub list: Vec<BlockJob>,
}

/// One.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BlockJob {
    /// QEMU's name of it.
    #[xml(attr)]
    pub name: String,
    /// `pull`, `copy`, `commit`, `active-commit`, `backup`, `create`, …
    #[xml(attr = "type")]
    pub kind: String,
    /// `new`, `running`, `ready`, `completed`, `failed`, `cancelled`, `aborting`, `pivoting`, …
    #[xml(attr)]
    pub state: String,
    /// What it becomes.
    #[xml(attr)]
    pub newstate: Option<String>,
    /// Flags of the call, hexadecimal.
    #[xml(attr)]
    pub jobflags: Option<String>,
    /// Whether it is not followed up any more.
    #[xml(attr)]
    pub brokentype: Option<String>,
    /// Why it failed.
    #[xml(child_text)]
    pub errmsg: Option<String>,
    /// Its disk.
    #[xml(child)]
    pub disk: Option<BlockJobDisk>,
    /// Images and bitmaps it works on, by kind of job.
    #[xml(rest)]
    pub parts: Vec<Tree>,
}

/// The disk of a block job.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BlockJobDisk {
    /// Its name.
    #[xml(attr)]
    pub dst: Option<String>,
    /// Whether the job works on the disk's mirror.
    #[xml(attr)]
    pub mirror: Option<YesNo>,
    /// Images that nothing refers to any more.
    #[xml(rest)]
    pub parts: Vec<Tree>,
}
