//! What readers see of a container.

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::consoles::Consoles;
use virt_driver::description::not_running;
use virt_driver::process::Process;
use virt_driver::{Definition, Described, Ending, Owners, Shutoff, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_label::Reserved;
use virt_net::Namespace;

/// A container at one moment. Replaced whole on every change.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its number while it is active: its controller's.
    pub id: Option<i32>,
    /// Its state and why.
    pub state: State,
    /// Its persistent definition; a transient one has none.
    pub definition: Option<Arc<Definition>>,
    /// The running container; `None` while it is shut off.
    pub live: Option<Arc<Live>>,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// Whether its definition was changed since it was made.
    pub updated: bool,
    /// Who owned it before it was gone.
    pub last_owners: Option<Arc<Owners>>,
}

impl Snapshot {
    /// A container that was just defined and is shut off.
    pub fn inactive(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            id: None,
            state: State::Shutoff(Shutoff::Unknown),
            definition: None,
            live: None,
            autostart: false,
            updated: false,
            last_owners: None,
        }
    }

    /// Who its metadata name as its owners: as it runs, else as it will start, else as it last was.
    pub fn owners(&self) -> Owners {
        let owners = match (&self.live, &self.definition) {
            (Some(live), _) => live.domain.metadata.as_ref().map(Owners::of),
            (None, Some(definition)) => definition.summary().owners.as_deref().cloned(),
            (None, None) => self.last_owners.as_deref().cloned(),
        };
        owners.unwrap_or_default()
    }

    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.live.is_some()
    }

    /// The container as shared code looks at it.
    pub fn described(&self) -> Described {
        Described {
            live: self.live.as_ref().map(|live| Arc::clone(&live.domain)),
            definition: self.definition.clone(),
        }
    }

    /// The running container.
    ///
    /// # Errors
    /// OPERATION_INVALID "domain is not running".
    pub fn running(&self) -> Result<&Arc<Live>> {
        self.live.as_ref().ok_or_else(not_running)
    }
}

/// A running container as it is now.
#[derive(Debug, Clone)]
pub struct Live {
    /// What it is made of, with everything that its start added.
    pub domain: Arc<Domain>,
    /// Its processes.
    pub container: Arc<Container>,
}

/// What stays the same as long as a container runs.
#[derive(Debug)]
pub struct Container {
    /// The process that owns it.
    pub controller: Process,
    /// Its first process; none when that ended before it could be held.
    pub init: Option<Process>,
    /// The network namespace of its first process.
    network: Option<Namespace>,
    /// Its control groups, where it is in some.
    pub groups: Option<Arc<virt_cgroup::Placed>>,
    /// Who has its terminals open.
    pub consoles: Consoles,
    /// Its end.
    pub ending: Ending,
    /// What keeps its label from being another's.
    _held: Option<Reserved>,
}

impl Container {
    /// One that nobody wants to end yet.
    pub fn new(
        controller: Process,
        init: Option<Process>,
        groups: Option<Arc<virt_cgroup::Placed>>,
        held: Option<Reserved>,
    ) -> Self {
        let network = init.as_ref().and_then(|init| {
            let namespace = Namespace::of(init.pid()).ok()?;
            // As long as it lives its number is nobody else's.
            init.is_alive().then_some(namespace)
        });
        Self {
            controller,
            init,
            network,
            groups,
            consoles: Consoles::default(),
            ending: Ending::default(),
            _held: held,
        }
    }

    /// Its first process.
    ///
    /// # Errors
    /// OPERATION_INVALID when that ended before it could be held.
    pub fn init(&self) -> Result<&Process> {
        self.init.as_ref().ok_or_else(no_init)
    }

    /// The network namespace of its init, also when that has ended.
    ///
    /// # Errors
    /// OPERATION_INVALID when it ended before that could be held.
    pub fn network(&self) -> Result<&Namespace> {
        self.network.as_ref().ok_or_else(not_running)
    }
}

/// The refusal of what takes a container's first process, which is not there.
pub fn no_init() -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Lxc,
        "Init process ID is not yet known",
    )
}
