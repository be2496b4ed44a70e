//! What a guest must hold while its processors may run, so that no two write one disk, and the
//! service that says whether it may have it: virtlockd (WIRE.md section 16) or sanlock (sanlock(8)).

mod elsewhere;
mod lock_manager;
mod lockd;
mod lockd_conf;
mod lockd_names;
mod resource;
mod sanlock;

pub use lock_manager::LockManager;
pub use lockd::{Lockd, Registration as LockdRegistration};
pub use lockd_conf::LockdConf;
pub use resource::{Area, Policy, Resource};
pub use sanlock::{FailureCommand, Registration as SanlockRegistration, Sanlock, SanlockConf};

use virt_domain::Domain;
use virt_error::Result;
use virt_rpc::protocol::lock::Owner;

/// As lock managers know a guest: by the number of its process, which is 0 where that registers itself, and
/// by its id, which is 0 where it is to be that number.
pub fn owner(domain: &Domain, id: i32, pid: i32) -> Owner {
    Owner {
        uuid: domain.uuid.into_bytes(),
        name: domain.name.clone(),
        // The ids and processes of running guests are 1 and above.
        id: u32::try_from(id).unwrap_or_default(),
        pid: u32::try_from(pid).unwrap_or_default(),
    }
}

/// Who is asked for leases.
#[derive(Debug)]
pub enum Leases {
    /// Nobody: any guest may write any disk.
    None,
    /// virtlockd, ours or libvirt's.
    Lockd(Lockd),
    /// sanlock's daemon.
    Sanlock(Sanlock),
}

/// What the guest's process has to say before it becomes QEMU.
#[derive(Debug)]
pub enum Registration {
    /// To virtlockd.
    Lockd(LockdRegistration),
    /// To sanlock.
    Sanlock(SanlockRegistration),
}

impl Leases {
    /// What the guest's process has to say before it becomes QEMU; nothing when nobody asks.
    ///
    /// # Errors
    /// A name that is longer than the protocol takes; CONFIG_UNSUPPORTED for an `on_lockfailure` that
    /// the lock manager has not.
    pub fn registration(&self, owner: &Owner, domain: &Domain) -> Result<Option<Registration>> {
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::Lockd(lockd) => Registration::Lockd(lockd.registration(owner)?),
            Self::Sanlock(sanlock) => Registration::Sanlock(sanlock.registration(owner, domain)?),
        }))
    }

    /// Gets ready for guests that are started later; each start does it, too, where it has to.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn get_ready(&self) -> Result<()> {
        match self {
            Self::None | Self::Lockd(_) => Ok(()),
            Self::Sanlock(sanlock) => sanlock.join().await,
        }
    }

    /// What the guest must hold.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED when the configuration wants leases that the guest doesn't name.
    pub async fn of(&self, domain: &Domain) -> Result<Vec<Resource>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Lockd(lockd) => lockd.wanted(domain).await,
            Self::Sanlock(sanlock) => sanlock.wanted(domain),
        }
    }

    /// What a guest must hold as `one` and not, or less of it, as `other`.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn beside(&self, one: &Domain, other: &Domain) -> Result<Vec<Resource>> {
        let mut wanted = self.of(one).await?;
        for held in self.of(other).await? {
            if let Some(place) = wanted.iter().position(|resource| *resource == held) {
                wanted.remove(place);
            }
        }
        Ok(wanted)
    }

    /// Whether it could be had now, as far as that can be asked without taking it: QEMU locks images
    /// itself while it starts, and knows less of who is in the way.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn check(&self, resources: &[Resource]) -> Result<()> {
        match self {
            _ if resources.is_empty() => Ok(()),
            Self::None => Ok(()),
            Self::Lockd(lockd) => lockd.check(resources).await,
            Self::Sanlock(sanlock) => sanlock.check(resources).await,
        }
    }

    /// Takes all of it for the guest, or nothing. `state` is what it held last, if it did.
    ///
    /// # Errors
    /// RESOURCE_BUSY with who has it, or had it since; SYSTEM_ERROR naming the socket of a service
    /// that is not there; OPERATION_TIMEOUT for one that does not answer.
    pub async fn acquire(
        &self,
        owner: &Owner,
        resources: &[Resource],
        state: Option<&str>,
    ) -> Result<()> {
        match self {
            _ if resources.is_empty() => Ok(()),
            Self::None => Ok(()),
            Self::Lockd(lockd) => lockd.acquire(owner, resources).await,
            Self::Sanlock(sanlock) => sanlock.acquire(owner, resources, state).await,
        }
    }

    /// Gives it back, as far as it is held. What comes back is the state of all that the guest held,
    /// for the next [`Self::acquire`]; virtlockd has none.
    ///
    /// # Errors
    /// As [`Self::acquire`]; the first one, when all were tried.
    pub async fn release(&self, owner: &Owner, resources: &[Resource]) -> Result<Option<String>> {
        match self {
            _ if resources.is_empty() => Ok(None),
            Self::None => Ok(None),
            Self::Lockd(lockd) => lockd.release(owner, resources).await.map(|()| None),
            Self::Sanlock(sanlock) => sanlock.release(owner, resources).await,
        }
    }
}
