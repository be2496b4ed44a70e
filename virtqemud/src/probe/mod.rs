//! Learning what the QEMU binaries of this host can do, without anybody having to wait for it
//! who doesn't need to know.
//!
//! A binary is asked once ([`ask`]), the answer is kept on disk ([`cache`]) until something it
//! depends on changes ([`identity`]). Several binaries are asked at the same time; callers that
//! want the same one share one probe. The meaning of the answers is [`crate::caps`]'s part.

mod ask;
mod cache;
mod identity;
pub mod kvm;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use virt_error::{Error, ErrorDomain, Result};

use crate::caps::QemuCaps;
use identity::{BinaryIdentity, HostIdentity};

/// What is known of the binaries.
#[derive(Debug)]
pub struct Prober {
    cache: PathBuf,
    known: Mutex<HashMap<PathBuf, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    binary: BinaryIdentity,
    caps: Arc<OnceCell<Arc<QemuCaps>>>,
}

impl Prober {
    /// A prober that keeps its answers in `folder` (WIRE.md section 25: `capabilities` in the
    /// driver's cache), which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            cache: folder.into(),
            known: Mutex::default(),
        }
    }

    /// What a binary can do. The first caller has it looked up or probed (0.1 to 1 s), others
    /// wait with it; later ones get it at once, until the binary is replaced.
    ///
    /// # Errors
    /// SYSTEM_ERROR "Cannot check QEMU binary …" when it can't be executed, INTERNAL_ERROR with
    /// QEMU's own words when it can't be probed. Errors are not remembered.
    pub async fn caps(&self, binary: &Path) -> Result<Arc<QemuCaps>> {
        let cell = self.cell(binary)?;
        cell.get_or_try_init(|| self.look_up(binary))
            .await
            .map(Arc::clone)
    }

    /// The same of several binaries, which are asked at the same time; in their order.
    pub async fn all(&self, binaries: &[PathBuf]) -> Vec<Result<Arc<QemuCaps>>> {
        let mut asked: Vec<_> = binaries
            .iter()
            .map(|binary| Box::pin(self.caps(binary)))
            .collect();
        let mut answers: Vec<_> = binaries.iter().map(|_| None).collect();
        std::future::poll_fn(|context| {
            for (answer, caps) in answers.iter_mut().zip(&mut asked) {
                if answer.is_none()
                    && let std::task::Poll::Ready(caps) = caps.as_mut().poll(context)
                {
                    *answer = Some(caps);
                }
            }
            match answers.iter().all(Option::is_some) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
        answers.into_iter().flatten().collect()
    }

    /// The same without waiting: `None` when it isn't known yet.
    pub fn caps_now(&self, binary: &Path) -> Option<Arc<QemuCaps>> {
        self.cell(binary).ok()?.get().map(Arc::clone)
    }

    fn cell(&self, binary: &Path) -> Result<Arc<OnceCell<Arc<QemuCaps>>>> {
        let identity = BinaryIdentity::of(binary).map_err(|cause| {
            let what = format!("Cannot check QEMU binary {}", binary.display());
            Error::system(ErrorDomain::Qemu, &what, &cause)
        })?;
        // The map is whole between any two statements that hold the lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(binary).filter(|k| k.binary == identity) {
            return Ok(Arc::clone(&known.caps));
        }
        let caps = Arc::default();
        let fresh = Known {
            binary: identity,
            caps: Arc::clone(&caps),
        };
        known.insert(binary.to_owned(), fresh);
        Ok(caps)
    }

    async fn look_up(&self, binary: &Path) -> Result<Arc<QemuCaps>> {
        let (folder, path) = (self.cache.clone(), binary.to_owned());
        let found = tokio::task::spawn_blocking(move || {
            let host = HostIdentity::now();
            let identity = cache::Identity::new(&path, host);
            let cached = identity
                .as_ref()
                .ok()
                .and_then(|identity| cache::load(&folder, &path, identity));
            (cached, identity.ok())
        })
        .await;
        // A panic of the task above: probe as if nothing were cached.
        let (cached, identity) = found.unwrap_or_default();
        if let Some(caps) = cached {
            return Ok(Arc::new(caps));
        }
        let caps = Arc::new(ask::probe(binary).await?);
        if let Some(identity) = identity {
            let (folder, path, caps) = (self.cache.clone(), binary.to_owned(), Arc::clone(&caps));
            let stored = tokio::task::spawn_blocking(move || {
                let stored = cache::store(&folder, &path, identity, &caps);
                // QEMU's answers took many MiB and are of no more use.
                virt_daemon::memory::give_back();
                stored
            })
            .await;
            if let Ok(Err(error)) = stored {
                tracing::warn!(binary = %binary.display(), %error, "capabilities are not cached");
            }
        }
        Ok(caps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_error::ErrorCode;

    const QEMU: &str = "/usr/bin/qemu-system-x86_64";

    #[tokio::test]
    async fn a_missing_binary_is_named() {
        let prober = Prober::new("/nonexistent");
        let error = prober.caps(Path::new("/usr/bin/noqemu")).await.unwrap_err();
        assert_eq!(
            error.message(),
            "Cannot check QEMU binary /usr/bin/noqemu: No such file or directory"
        );
        assert!(error.is(ErrorCode::SystemError));
    }

    #[tokio::test]
    async fn a_binary_that_is_no_qemu_shows_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("qemu-system-none");
        std::fs::write(&binary, "#!/bin/sh\necho 'I am broken' >&2; exit 1\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&binary, mode).unwrap();
        let error = Prober::new(folder.path()).caps(&binary).await.unwrap_err();
        assert_eq!(
            error.message(),
            "internal error: Failed to probe QEMU binary with QMP: I am broken"
        );
    }

    #[tokio::test]
    async fn the_real_qemu_is_probed_once_and_then_cached() {
        if !Path::new(QEMU).exists() {
            eprintln!("SKIPPED: {QEMU} is not installed");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let prober = Prober::new(folder.path().join("capabilities"));
        let (first, second) =
            tokio::join!(prober.caps(Path::new(QEMU)), prober.caps(Path::new(QEMU)));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.arch, "x86_64");
        assert!(first.version >= crate::caps::OLDEST_VERSION);

        let later = Prober::new(folder.path().join("capabilities"));
        assert_eq!(later.caps_now(Path::new(QEMU)), None);
        let cached = cache::Identity::new(Path::new(QEMU), HostIdentity::now()).unwrap();
        assert!(
            cache::load(
                &folder.path().join("capabilities"),
                Path::new(QEMU),
                &cached
            )
            .is_some()
        );
        assert_eq!(*later.caps(Path::new(QEMU)).await.unwrap(), *first);
    }
}
