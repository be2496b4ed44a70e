//! A guest's two descriptions, as it runs and as it will start: looking at them, and changing them
//! within its actor.

use std::future::Future;
use std::sync::Arc;

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::actor::{Body, HasActor};
use crate::api::flags::{self, Affects};
use crate::{Definition, Event, Guest, Summary};

/// A guest as it is described at one moment.
#[derive(Debug, Clone, Default)]
pub struct Described {
    /// As it runs; `None` while it is shut off.
    pub live: Option<Arc<Domain>>,
    /// As it will start; a transient one has none.
    pub definition: Option<Arc<Definition>>,
}

impl Described {
    /// What a change with these flags is made to, or a question about.
    ///
    /// # Errors
    /// As [`flags::affects`].
    pub fn affects(&self, flags: u32) -> Result<Affects> {
        flags::affects(flags, self.live.is_some(), self.definition.is_some())
    }

    /// The description that a question with these flags means.
    ///
    /// # Errors
    /// OPERATION_INVALID when there is no such; what is wrong with the definition.
    pub fn domain(&self, flags: u32) -> Result<Arc<Domain>> {
        let affects = self.affects(flags)?;
        match (&self.live, &self.definition) {
            (Some(live), _) if affects.live => Ok(Arc::clone(live)),
            (_, Some(definition)) => definition.domain(),
            // A guest that stopped and is gone meanwhile.
            _ => self.running().cloned(),
        }
    }

    /// The running guest's.
    ///
    /// # Errors
    /// OPERATION_INVALID "domain is not running".
    pub fn running(&self) -> Result<&Arc<Domain>> {
        self.live.as_ref().ok_or_else(not_running)
    }

    /// How large it is in the description that is meant.
    ///
    /// # Errors
    /// OPERATION_INVALID when there is no such.
    pub fn size_as(&self, affects: Affects) -> Result<Size> {
        match (&self.live, &self.definition) {
            (Some(live), _) if affects.live => Ok(Size::from(&**live)),
            (_, Some(definition)) => Ok(Size::from(definition.summary())),
            // A guest that stopped and is gone meanwhile.
            _ => self.running().map(|live| Size::from(&**live)),
        }
    }

    /// How large the guest is: as it runs, else as it will start.
    pub fn size(&self) -> Size {
        Size::of(self.live.as_deref(), self.definition.as_deref())
    }
}

/// "domain is not running".
pub fn not_running() -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Domain,
        "domain is not running",
    )
}

/// How large a guest is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Most memory, in KiB.
    pub memory: u64,
    /// What it may use of it, in KiB: what a balloon leaves.
    pub current_memory: u64,
    /// Most virtual processors.
    pub max_vcpus: u32,
    /// Virtual processors that are on.
    pub vcpus: u32,
}

impl Size {
    /// As the guest runs, else as it will start.
    pub fn of(live: Option<&Domain>, definition: Option<&Definition>) -> Self {
        match (live, definition) {
            (Some(live), _) => Self::from(live),
            (None, Some(definition)) => Self::from(definition.summary()),
            (None, None) => Self::default(),
        }
    }
}

impl From<&Domain> for Size {
    fn from(domain: &Domain) -> Self {
        Self {
            memory: domain.memory.size.0,
            current_memory: domain.current_memory.0,
            max_vcpus: domain.vcpu.max,
            vcpus: domain.vcpu.count(),
        }
    }
}

impl From<&Summary> for Size {
    fn from(summary: &Summary) -> Self {
        Self {
            memory: summary.memory,
            current_memory: summary.current_memory,
            max_vcpus: summary.max_vcpus,
            vcpus: summary.vcpus,
        }
    }
}

/// A guest whose descriptions shared code looks at.
pub trait Describe: Guest {
    /// Both, at this moment.
    fn described(&self) -> Described;
}

/// What an actor does to its guest's descriptions.
pub trait Edit: Body<Guest: Describe> {
    /// The guest's entry.
    fn entry(&self) -> &Arc<Self::Guest>;

    /// Writes a definition durably.
    ///
    /// # Errors
    /// SYSTEM_ERROR when it can't be written.
    fn write(&self, definition: &Arc<Definition>) -> impl Future<Output = Result<()>> + Send;

    /// Readers see this definition from now on.
    fn publish_definition(&mut self, definition: Arc<Definition>);

    /// Readers see the running guest described so from now on.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run.
    fn publish_live(&mut self, domain: Arc<Domain>) -> Result<()>;

    /// Tells clients of an event of this guest.
    fn emit(&self, event: Event);
}

/// A guest whose descriptions its actor changes.
pub trait Edited: Describe + HasActor<Self::Editor> {
    /// The actor.
    type Editor: Edit<Guest = Self>;
}

/// Edits the persistent definition: written first, published after that.
///
/// # Errors
/// OPERATION_INVALID for a transient guest, the edit's own, SYSTEM_ERROR when it can't be
/// written. On any the definition stays as it was.
pub async fn change<B: Edit>(
    body: &mut B,
    edit: impl FnOnce(&mut Domain) -> Result<()> + Send,
) -> Result<()> {
    let definition = body.entry().described().definition;
    let Some(definition) = definition else {
        return Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Domain,
            "transient domains do not have any persistent config",
        ));
    };
    let mut domain = Box::new(Domain::clone(&*definition.domain()?));
    edit(&mut domain)?;
    replace(body, domain).await
}

/// Makes `domain` the persistent definition: written first, published after that.
///
/// # Errors
/// SYSTEM_ERROR when it can't be written.
pub async fn replace<B: Edit>(body: &mut B, domain: Box<Domain>) -> Result<()> {
    let definition = Arc::new(Definition::new(*domain)?);
    body.write(&definition).await?;
    body.publish_definition(definition);
    Ok(())
}

/// Edits the running guest's own description, which lasts as long as it runs.
///
/// # Errors
/// OPERATION_INVALID when it does not run, the edit's own.
pub fn change_live<B: Edit>(
    body: &mut B,
    edit: impl FnOnce(&mut Domain) -> Result<()>,
) -> Result<()> {
    let described = body.entry().described();
    let mut domain = Domain::clone(described.running()?);
    edit(&mut domain)?;
    body.publish_live(Arc::new(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_as_large_as_it_runs() {
        let mut live = Domain::default();
        live.vcpu.max = 4;
        live.vcpu.current = Some(2);
        let described = Described {
            live: Some(Arc::new(live)),
            definition: None,
        };
        let size = described.size();
        assert_eq!((size.max_vcpus, size.vcpus), (4, 2));
        assert!(described.domain(0).is_ok() && described.domain(2).is_err());
        assert!(Described::default().domain(0).is_err());
        assert_eq!(Described::default().size(), Size::default());
    }
}
