//! Who a guest's QEMU runs as, and its files given to that user while it runs.

mod files;

use std::path::{Path, PathBuf};

use virt_confinement::{Account, Remember, can_reach};
use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::qemu_conf::QemuConf;
use files::files;

/// Users that distributions make for QEMU, with their groups: Debian's and Ubuntu's, Fedora's.
const USUAL: &[(&str, &str)] = &[("libvirt-qemu", "libvirt-qemu"), ("qemu", "qemu")];

/// Who QEMU runs as and whether its files are given to that user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    account: Account,
    dynamic: bool,
}

impl Ownership {
    /// What `qemu.conf` says, for the system's daemon; a session's guests run as its user.
    ///
    /// # Errors
    /// A sentence that names the user or group there is not.
    pub fn of(conf: &QemuConf) -> std::result::Result<Option<Self>, String> {
        let found = |user: &str, group: &str| {
            Account::find(user, group).map_err(|e| format!("qemu.conf: 'user' or 'group': {e}"))
        };
        let account = match (&conf.user, &conf.group) {
            (None, None) => USUAL.iter().find_map(|(u, g)| Account::find(u, g).ok()),
            (Some(user), Some(group)) => Some(found(user, group)?),
            (Some(user), None) => Some(found(user, user)?),
            (None, Some(group)) => Some(found("root", group)?),
        };
        let Some(account) = account else {
            tracing::warn!(
                "guests run as root: there is no user 'libvirt-qemu' or 'qemu' on this host; make \
                 one, or name one by 'user' and 'group' in qemu.conf"
            );
            return Ok(None);
        };
        Ok(Some(Self {
            account,
            dynamic: conf.dynamic_ownership,
        }))
    }

    /// Who QEMU runs as.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Gives the guest's files to QEMU's user, all or none. Blocks.
    ///
    /// # Errors
    /// The first file that can't be reached by or given to that user.
    pub fn give(&self, domain: &Domain) -> Result<Given> {
        let given = self.given(domain);
        if self.account.is_root() {
            return Ok(given);
        }
        for file in files(domain) {
            can_reach(&self.account, Path::new(file.path)).map_err(|refused| {
                let what = refused.to_string();
                Error::new(ErrorCode::OperationFailed, ErrorDomain::Qemu, what)
            })?;
        }
        let owner = self.account.owner;
        for (index, (path, remember)) in given.0.iter().enumerate() {
            if let Err(error) = virt_confinement::give(path, owner, *remember) {
                Given(given.0.get(..index).unwrap_or_default().to_vec()).give_back();
                return Err(error);
            }
        }
        Ok(given)
    }

    /// The files that were given to a guest that runs already.
    pub fn given(&self, domain: &Domain) -> Given {
        if self.account.is_root() || !self.dynamic {
            return Given::default();
        }
        let files = files(domain).into_iter();
        Given(
            files
                .map(|file| (file.path.into(), file.remember))
                .collect(),
        )
    }

    /// Makes a file or folder of the daemon's own QEMU's; it needs no owner remembered.
    ///
    /// # Errors
    /// SYSTEM_ERROR that names the file.
    pub fn hand_over(&self, path: &Path) -> Result<()> {
        virt_confinement::give(path, self.account.owner, Remember::No)
    }
}

/// Files that are QEMU's user's while a guest runs.
#[derive(Debug, Default)]
#[must_use = "they have to be given back"]
pub struct Given(Vec<(PathBuf, Remember)>);

impl Given {
    /// These as well.
    pub fn add(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }

    /// Those of `which` that are among these, which are not any more.
    pub fn take_out(&mut self, which: Self) -> Self {
        let mut out = Vec::new();
        for file in which.0 {
            if let Some(place) = self.0.iter().rposition(|own| *own == file) {
                out.push(self.0.remove(place));
            }
        }
        Self(out)
    }

    /// Gives them back. What can't be given back is logged. Blocks.
    pub fn give_back(self) {
        for (path, remember) in self.0.iter().rev() {
            if let Err(error) = virt_confinement::give_back(path, *remember) {
                tracing::warn!("a file stays QEMU's: {error}");
            }
        }
    }
}
