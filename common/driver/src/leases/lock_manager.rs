//! Which lock manager a driver's configuration names.

use virt_daemon::conf::{ConfError, Document};

/// Who is asked for guests' leases (`lock_manager`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LockManager {
    /// Nobody.
    #[default]
    None,
    /// virtlockd.
    Lockd,
    /// sanlock.
    Sanlock,
}

impl LockManager {
    /// The one that the file names, of those that the driver knows; nobody where it names none.
    ///
    /// # Errors
    /// Names the line of any other.
    pub fn configured(file: &mut Document, known: &[Self]) -> Result<Self, ConfError> {
        let line = file.line("lock_manager");
        let Some(name) = file.text("lock_manager")? else {
            return Ok(Self::None);
        };
        let mut all = known.iter().chain([&Self::None]);
        all.find(|one| one.name() == name).copied().ok_or_else(|| {
            let names: Vec<_> = known
                .iter()
                .map(|one| format!("\"{}\"", one.name()))
                .collect();
            let names = names.join(", ");
            file.error(
                line,
                format!("'lock_manager': \"{name}\" is not supported; {names} and \"nop\" are"),
            )
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "nop",
            Self::Lockd => "lockd",
            Self::Sanlock => "sanlock",
        }
    }
}
