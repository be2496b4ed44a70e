//! What a guest must hold while its processors may run, so that no two write one disk, and the
//! service that says whether it may have it (WIRE.md section 16).

mod elsewhere;
mod lockd;
mod lockd_conf;
mod lockd_names;
mod resource;

pub use lockd::{Lockd, Registration};
pub use lockd_conf::LockdConf;
pub use resource::{Area, Policy, Resource};

use virt_error::Result;
use virt_rpc::protocol::lock::Owner;

/// Who is asked for leases.
#[derive(Debug)]
pub enum Leases {
    /// Nobody: any guest may write any disk.
    None,
    /// virtlockd, ours or libvirt's.
    Lockd(Lockd),
}

impl Leases {
    /// What the guest's process has to say before it becomes QEMU; nothing when nobody asks.
    ///
    /// # Errors
    /// A name that is longer than the protocol takes.
    pub fn registration(&self, owner: &Owner) -> Result<Option<Registration>> {
        match self {
            Self::None => Ok(None),
            Self::Lockd(lockd) => lockd.registration(owner).map(Some),
        }
    }

    /// What the guest must hold.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED when the configuration wants leases that the guest doesn't name.
    pub async fn of(&self, domain: &virt_domain::Domain) -> Result<Vec<Resource>> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Lockd(lockd) => lockd.wanted(domain).await,
        }
    }

    /// Whether it could be had now, as far as that can be asked without taking it: QEMU locks images
    /// itself while it starts, and knows less of who is in the way.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn check(&self, resources: &[Resource]) -> Result<()> {
        match self {
            Self::Lockd(lockd) if !resources.is_empty() => lockd.check(resources).await,
            _ => Ok(()),
        }
    }

    /// Takes all of it for the guest, or nothing.
    ///
    /// # Errors
    /// RESOURCE_BUSY with who has it; SYSTEM_ERROR naming the socket of a service that is not there;
    /// OPERATION_TIMEOUT for one that does not answer.
    pub async fn acquire(&self, owner: &Owner, resources: &[Resource]) -> Result<()> {
        match self {
            Self::Lockd(lockd) if !resources.is_empty() => lockd.acquire(owner, resources).await,
            _ => Ok(()),
        }
    }

    /// Gives it back, as far as it is held.
    ///
    /// # Errors
    /// As [`Self::acquire`]; the first one, when all were tried.
    pub async fn release(&self, owner: &Owner, resources: &[Resource]) -> Result<()> {
        match self {
            Self::Lockd(lockd) if !resources.is_empty() => lockd.release(owner, resources).await,
            _ => Ok(()),
        }
    }
}
