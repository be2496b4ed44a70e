//! What happens when a guest ends its run: `<on_poweroff>` and the others.

use virt_xml::Words;

/// What happens when the guest powers off or reboots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum LifecycleAction {
    /// It ends.
    Destroy,
    /// It starts again.
    Restart,
    /// It stays, stopped.
    Preserve,
    /// It starts again under another name.
    RenameRestart,
    /// Its memory is dumped, then it ends. After a crash only.
    CoredumpDestroy,
    /// Its memory is dumped, then it starts again. After a crash only.
    CoredumpRestart,
}

/// What happens when a lock is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum LockFailureAction {
    /// The guest ends.
    Poweroff,
    /// It starts again.
    Restart,
    /// It is paused.
    Pause,
    /// Nothing.
    Ignore,
}
