//! A guest's main log, `NAME.log`: what was started, what its process said, why it ended. The lines are
//! those of the stock daemon, as observed.

use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;
use virt_error::{Error, ErrorDomain, Result};
use virt_rpc::protocol::log::LogFilePosition;

use super::logd::Trouble;
use super::route::fault;
use super::{Owner, Route, file, timestamp};

/// As much as is looked at for the process's last words, in bytes; what the stock daemon asks for.
const LOOKED_AT: u64 = 128 << 10;
/// As much of them as an error carries, in bytes.
const MAX_LAST_WORDS: usize = 4096;

/// The main log of one run of a guest.
#[derive(Debug, Clone)]
pub struct GuestLog {
    route: Route,
    owner: Owner,
    path: PathBuf,
    /// Where the process's own output begins, of a run that was started here.
    output: Option<LogFilePosition>,
}

impl GuestLog {
    pub(super) fn new(route: Route, owner: Owner, path: &Path) -> Self {
        Self {
            route,
            owner,
            path: path.to_owned(),
            output: None,
        }
    }

    /// Which way the guest's output goes.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Writes who starts what: `versions` are the daemon's and what else tells a reader where he is,
    /// `command_line` is the whole one. What follows is the process's own.
    ///
    /// # Errors
    /// The system's, or virtlogd's.
    pub async fn starting(&mut self, versions: &str, command_line: &str) -> Result<()> {
        let line = format!("{}: starting up {versions}\n{command_line}\n", timestamp());
        self.write(line).await?;
        self.output = Some(match &self.route {
            Route::Logd { logd, .. } => logd.position(&self.path).await?,
            Route::File => self.blocking(file::position).await?,
        });
        Ok(())
    }

    /// Writes one line with the time in front. Control characters are shown escaped: one line stays one.
    ///
    /// # Errors
    /// The system's, or virtlogd's.
    pub async fn note(&self, text: &str) -> Result<()> {
        let text: String = text.chars().flat_map(shown).collect();
        self.write(format!("{}: {text}\n", timestamp())).await
    }

    /// Writes why the guest ends: `shutdown`, `destroyed`, `crashed`, `saved`, `failed`, …
    ///
    /// # Errors
    /// The system's, or virtlogd's.
    pub async fn ending(&self, reason: &str) -> Result<()> {
        self.note(&format!("shutting down, reason={reason}")).await
    }

    /// What the process said since [`GuestLog::starting`], the end of it if it is long, without our own
    /// lines and without the notice about pseudo terminals. Nothing where that can't be had.
    pub async fn last_words(&self) -> String {
        let Some(from) = self.output.clone() else {
            return String::new();
        };
        let read = match &self.route {
            Route::Logd { logd, .. } => {
                // Has what is in the pipe written; a log that is closed is written already.
                let _ = logd.position(&self.path).await;
                let read = logd.read(&self.path, &from, LOOKED_AT).await;
                read.map_err(Error::from)
            }
            Route::File => {
                self.blocking(move |path| file::read(path, &from, LOOKED_AT))
                    .await
            }
        };
        match read {
            Ok(text) => last_of(&String::from_utf8_lossy(&text)),
            Err(error) => {
                tracing::warn!(guest = %self.owner.name, "what it said last can't be read: {error}");
                String::new()
            }
        }
    }

    async fn write(&self, text: String) -> Result<()> {
        if let Route::Logd { logd, owner } = &self.route {
            match logd.append(owner, &self.path, &text).await {
                // Nobody else writes the file then, and why a guest ended must not be lost.
                Err(Trouble::Away(error)) if error.is(virt_error::ErrorCode::SystemError) => {
                    tracing::debug!(guest = %owner.name, "virtlogd is away: {error}");
                }
                done => return Ok(done?),
            }
        }
        self.blocking(move |path| file::append(path, &text)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        let done = spawn_blocking(move || work(&path)).await;
        done.map_err(|_| fault())?.map_err(|cause| {
            let what = format!("guest's log {}", self.path.display());
            Error::system(ErrorDomain::None, what, &cause)
        })
    }
}

fn shown(character: char) -> Box<dyn Iterator<Item = char>> {
    match character.is_control() {
        true => Box::new(character.escape_default()),
        false => Box::new(std::iter::once(character)),
    }
}

fn last_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| is_the_process(line)).collect();
    let text = lines.join("\n");
    let mut from = text.len().saturating_sub(MAX_LAST_WORDS);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default().to_owned()
}

fn is_the_process(line: &str) -> bool {
    let ours = line.contains("+0000: Domain id=") || line.contains("+0000: shutting down, ");
    !ours && !line.starts_with("char device redirected to ") && !line.is_empty()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Existing, Handler, Logd, Logs};
    use super::*;

    fn owner() -> Owner {
        Owner {
            uuid: [7; 16],
            name: "g".to_owned(),
        }
    }

    #[tokio::test]
    async fn last_words_are_those_of_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        std::fs::write(&path, "old run: it failed\n").unwrap();
        let logd = Logd::new(folder.path().join("virtlogd-sock"), "qemu");
        let logs = Logs::new(Handler::LogdIfThere, logd);
        let (mut log, mut qemu) = logs.begin(&owner(), &path).await.unwrap();
        assert!(!log.route().is_logd());
        log.starting("a version", "qemu \\\n-S").await.unwrap();
        log.note("Domain id=3 is tainted: custom-argv")
            .await
            .unwrap();
        qemu.write_all(b"char device redirected to /dev/pts/0 (label charserial0)\n")
            .unwrap();
        qemu.write_all(b"qemu: -x: invalid option\n").unwrap();
        log.ending("failed").await.unwrap();
        assert_eq!(log.last_words().await, "qemu: -x: invalid option");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("old run: it failed\n"), "{text}");
        assert!(
            text.contains("+0000: starting up a version\nqemu \\\n-S\n"),
            "{text}"
        );
        assert!(text.ends_with(": shutting down, reason=failed\n"), "{text}");
    }

    #[tokio::test]
    async fn where_virtlogd_has_to_be_there_the_socket_and_the_remedy_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("virtlogd-sock");
        let logs = Logs::new(Handler::Logd, Logd::new(socket.clone(), "qemu"));
        let path = folder.path().join("g.log");
        let refused = logs.begin(&owner(), &path).await.unwrap_err();
        for words in [
            &*socket.to_string_lossy(),
            "virtlogd.socket",
            "stdio_handler",
        ] {
            assert!(refused.message().contains(words), "{refused}");
        }
        assert!(!path.exists());
        // A line of ours is not lost when virtlogd went away in the meantime.
        let log = logs.found(&owner(), &path, true);
        log.ending("crashed").await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.ends_with(": shutting down, reason=crashed\n"),
            "{text}"
        );
        assert_eq!(log.last_words().await, "");
        let refused = log.route().open(&path, Existing::GoesOn).await;
        assert!(refused.unwrap_err().is(virt_error::ErrorCode::SystemError));
    }

    #[tokio::test]
    async fn one_line_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        let logs = Logs::new(Handler::File, Logd::new("/nonexistent".into(), "qemu"));
        let log = logs.found(&owner(), &path, false);
        log.note("a\nb\u{1b}[2J\u{e4}").await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(": a\\nb\\u{1b}[2J\u{e4}\n"), "{text}");
    }

    #[test]
    fn long_last_words_are_cut_at_their_beginning() {
        let text = format!("{}the end", "ä".repeat(5000));
        let last = last_of(&text);
        assert!(last.len() <= MAX_LAST_WORDS && last.ends_with("äthe end"));
    }
}
