//! Writing a guest's memory to a file: for inspection, not for going on from.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use virt_driver::{Paused, Running as RunReason, Shutoff, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;
use super::entry::Guest;
use crate::definitions::off_thread;
use crate::qmp::QmpError;

/// The name QEMU knows the descriptor by.
const NAME: &str = "dump";

/// QEMU is asked how far it is that often, in case its event was lost.
const LOOK: Duration = Duration::from_secs(5);

/// How memory alone is written (`virDomainCoreDumpFormat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpFormat {
    /// An ELF core.
    Raw,
    /// kdump, compressed by zlib.
    KdumpZlib,
    /// kdump, compressed by LZO.
    KdumpLzo,
    /// kdump, compressed by snappy.
    KdumpSnappy,
    /// A Windows crash dump.
    WinDmp,
}

impl DumpFormat {
    const ALL: [Self; 5] = [
        Self::Raw,
        Self::KdumpZlib,
        Self::KdumpLzo,
        Self::KdumpSnappy,
        Self::WinDmp,
    ];

    /// The format of libvirt's number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// QEMU's word for it.
    const fn word(self) -> &'static str {
        match self {
            Self::Raw => "elf",
            Self::KdumpZlib => "kdump-zlib",
            Self::KdumpLzo => "kdump-lzo",
            Self::KdumpSnappy => "kdump-snappy",
            Self::WinDmp => "win-dmp",
        }
    }
}

/// How a guest is dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpOptions {
    /// The format of memory alone.
    pub format: DumpFormat,
    /// Memory alone, instead of QEMU's whole state.
    pub memory_only: bool,
    /// The guest ends as crashed.
    pub crash: bool,
    /// Its processors run on meanwhile.
    pub live: bool,
    /// It is reset after that.
    pub reset: bool,
    /// What is written does not stay in the host's cache.
    pub bypass_cache: bool,
}

/// Reply of `query-dump-guest-memory-capability`.
#[derive(Debug, Deserialize)]
struct Capability {
    formats: Vec<String>,
}

/// Reply of `query-dump`.
#[derive(Debug, Deserialize)]
struct Progress {
    status: String,
}

impl Guest {
    /// Writes the guest's memory to a file.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run, INVALID_ARG for a format its QEMU lacks,
    /// SYSTEM_ERROR that names the file, OPERATION_FAILED with QEMU's reason.
    pub async fn dump(self: &Arc<Self>, path: String, options: DumpOptions) -> Result<()> {
        self.snapshot().running()?;
        self.run("dump", move |body| {
            Box::pin(async move { body.dump(&path, options).await })
        })
        .await
    }
}

impl Body {
    pub(super) async fn dump(&mut self, path: &str, options: DumpOptions) -> Result<()> {
        self.live()?;
        let ran = matches!(self.guest().snapshot().state, State::Running(_));
        if ran && !options.live {
            self.stop_cpus(Paused::Dump).await?;
        }
        let written = match options.memory_only {
            true => self.dump_memory(path, options.format).await,
            false => self.dump_state(path, options.bypass_cache).await,
        };
        if written.is_ok() && options.crash {
            self.end_qemu(Shutoff::Crashed);
            self.await_end().await;
            return Ok(());
        }
        let reset = match written.is_ok() && options.reset {
            true => self.ask(|monitor| monitor.system_reset()).await,
            false => Ok(()),
        };
        let stands = matches!(self.guest().snapshot().state, State::Paused(Paused::Dump));
        if ran && stands {
            let on = self.start_cpus(RunReason::Unpaused).await;
            return written.and(reset).and(on);
        }
        written.and(reset)
    }

    async fn dump_state(&mut self, path: &str, bypass_cache: bool) -> Result<()> {
        let file = create(path).await?;
        let kept = file.try_clone();
        let written = self.write_state(file.into()).await;
        finish(path, written, kept, bypass_cache).await
    }

    async fn dump_memory(&mut self, path: &str, format: DumpFormat) -> Result<()> {
        let name = self.name();
        let told = |error: QmpError| error.about(&name);
        let monitor = self.running()?.qemu.monitor.clone();
        if format != DumpFormat::Raw {
            let capability =
                monitor.query::<Capability>("query-dump-guest-memory-capability", None);
            let capability = self.attend(capability).await.map_err(told)?;
            if !capability
                .formats
                .iter()
                .any(|known| known == format.word())
            {
                return Err(Error::new(
                    ErrorCode::InvalidArg,
                    ErrorDomain::Qemu,
                    format!(
                        "unsupported dumpformat '{}' for this QEMU binary",
                        format.word()
                    ),
                ));
            }
        }
        let file = create(path).await?;
        let kept = file.try_clone();
        let mut arguments = json!({
            "paging": false,
            "protocol": format!("fd:{NAME}"),
            "detach": true,
        });
        if format != DumpFormat::Raw {
            arguments["format"] = format.word().into();
        }
        self.running()?.dumped = None;
        let (given, begun) = (
            monitor.give_fd(NAME, file.into()),
            monitor.send("dump-guest-memory", Some(arguments)),
        );
        let begun = self.attend(async { given.await.and(begun.await) }).await;
        let written = match begun {
            Ok(_) => self.until_dumped().await,
            Err(error) => Err(told(error)),
        };
        finish(path, written, kept, false).await
    }

    /// Waits until QEMU says that all is written. There is no deadline: memory may be large and a
    /// disk slow.
    async fn until_dumped(&mut self) -> Result<()> {
        loop {
            if let Some(outcome) = self.running()?.dumped.take() {
                return outcome.map_err(|reason| {
                    Error::new(
                        ErrorCode::OperationFailed,
                        ErrorDomain::Qemu,
                        format!("memory-only dump failed: {reason}"),
                    )
                });
            }
            match tokio::time::timeout(LOOK, self.news()).await {
                Ok(news) => self.hear(news).await,
                Err(_) => {
                    let monitor = self.running()?.qemu.monitor.clone();
                    let name = self.name();
                    let now = self
                        .attend(async move { monitor.query::<Progress>("query-dump", None).await })
                        .await
                        .map_err(|error| error.about(&name))?;
                    let running = self.running()?;
                    match now.status.as_str() {
                        "completed" => running.dumped = Some(Ok(())),
                        "failed" => running.dumped = Some(Err("unknown reason".to_owned())),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// What a `DUMP_COMPLETED` event says: the reason, where it failed.
pub(super) fn outcome(data: &serde_json::Map<String, Value>) -> std::result::Result<(), String> {
    match data.get("error").and_then(Value::as_str) {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(()),
    }
}

/// Makes the file, which nobody but the daemon's user may read.
async fn create(path: &str) -> Result<File> {
    let path = path.to_owned();
    off_thread(move || {
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(|cause| {
                let what = format!("failed to create file '{path}'");
                Error::system(ErrorDomain::Qemu, what, &cause)
            })
    })
    .await
}

/// Sees that a whole dump is on the disk; half of one is of no use.
async fn finish(
    path: &str,
    written: Result<()>,
    kept: std::io::Result<File>,
    bypass_cache: bool,
) -> Result<()> {
    let path = path.to_owned();
    off_thread(move || {
        if let Err(error) = written {
            if Path::new(&path).is_file() {
                // The first failure is the one to tell.
                let _ = std::fs::remove_file(&path);
            }
            return Err(error);
        }
        let synced = kept.and_then(|file| {
            file.sync_all()?;
            if bypass_cache {
                // Only advice: the dump is whole either way.
                let advice = rustix::fs::Advice::DontNeed;
                let _ = rustix::fs::fadvise(&file, 0, None, advice);
            }
            Ok(())
        });
        synced.map_err(|cause| {
            let what = format!("unable to close file '{path}'");
            Error::system(ErrorDomain::Qemu, what, &cause)
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_says_why_a_dump_failed() {
        let Value::Object(failed) = json!({"error": "no space", "result": {}}) else {
            panic!("an object")
        };
        assert_eq!(outcome(&failed), Err("no space".to_owned()));
        assert_eq!(outcome(&serde_json::Map::new()), Ok(()));
        assert_eq!(DumpFormat::from_number(4), Some(DumpFormat::WinDmp));
        assert_eq!(DumpFormat::from_number(5), None);
    }
}
