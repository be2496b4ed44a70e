//! How the host can be sent to sleep.

use virt_xml::Element;

use crate::sysfs::Tree;

/// The ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct PowerManagement {
    /// To memory.
    #[xml(flag)]
    pub suspend_mem: bool,
    /// To disk.
    #[xml(flag)]
    pub suspend_disk: bool,
    /// To both.
    #[xml(flag)]
    pub suspend_hybrid: bool,
}

impl PowerManagement {
    /// What the kernel offers (its `Documentation/admin-guide/pm/sleep-states.rst`).
    pub fn read(tree: &Tree) -> Self {
        let words = |path: &str| tree.line(path).unwrap_or_default();
        let states = words("/sys/power/state");
        let offers = |state: &str| states.split_ascii_whitespace().any(|word| word == state);
        let (suspend_mem, suspend_disk) = (offers("mem"), offers("disk"));
        let hybrid = words("/sys/power/disk")
            .split_ascii_whitespace()
            .any(|word| word.trim_matches(['[', ']']) == "suspend");
        Self {
            suspend_mem,
            suspend_disk,
            suspend_hybrid: suspend_mem && suspend_disk && hybrid,
        }
    }
}
