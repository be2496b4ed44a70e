//! A guest's log file: what was started, what QEMU said, why it ended. The lines are those of
//! the stock daemon, as observed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// As much of QEMU's last words as an error carries, in bytes.
const MAX_LAST_WORDS: u64 = 4096;

/// An open log.
#[derive(Debug)]
pub struct GuestLog {
    file: File,
    path: PathBuf,
    /// Where QEMU's own output begins.
    own_output: u64,
}

impl GuestLog {
    /// Opens `NAME.log` for appending (0600) and creates it if needed.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            own_output: 0,
        })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes who starts which QEMU and the whole command line. What follows in the file is
    /// QEMU's.
    ///
    /// # Errors
    /// The system's.
    pub fn starting(&mut self, versions: &Versions<'_>, command_line: &str) -> io::Result<()> {
        let text = format!(
            "{}: starting up {}, qemu version: {}, kernel: {}, hostname: {}\n{command_line}\n",
            timestamp(),
            versions.daemon,
            versions.qemu,
            versions.kernel,
            versions.hostname
        );
        self.file.write_all(text.as_bytes())?;
        self.own_output = self.file.metadata()?.size();
        Ok(())
    }

    /// Writes one line with the time in front.
    ///
    /// # Errors
    /// The system's.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{}: {text}\n", timestamp());
        self.file.write_all(line.as_bytes())
    }

    /// Writes why the guest ends: `shutdown`, `destroyed`, `crashed`, `saved`, `failed`, …
    ///
    /// # Errors
    /// The system's.
    pub fn ending(&mut self, reason: &str) -> io::Result<()> {
        self.note(&format!("shutting down, reason={reason}"))
    }

    /// Another descriptor for QEMU's output.
    ///
    /// # Errors
    /// The system's, at a limit.
    pub fn output(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// What QEMU said since [`GuestLog::starting`], the end of it if it is long, without our
    /// own lines and without the notice about pseudo terminals.
    pub fn last_words(&self) -> String {
        let end = self.file.metadata().map(|data| data.size()).unwrap_or(0);
        let from = self.own_output.max(end.saturating_sub(MAX_LAST_WORDS));
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(from)).unwrap_or(0)];
        let count = self.file.read_at(&mut bytes, from).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..count]);
        let lines: Vec<&str> = text.lines().filter(|line| is_qemus(line)).collect();
        lines.join("\n")
    }
}

fn is_qemus(line: &str) -> bool {
    let ours = line.contains("+0000: Domain id=") || line.contains("+0000: shutting down, ");
    !ours && !line.starts_with("char device redirected to ") && !line.is_empty()
}

/// Versions for the first line.
#[derive(Debug, Clone, Copy)]
pub struct Versions<'a> {
    /// Name and version of this daemon.
    pub daemon: &'a str,
    /// Version of QEMU with the distributor's words.
    pub qemu: &'a str,
    /// The host's kernel.
    pub kernel: &'a str,
    /// The host's name.
    pub hostname: &'a str,
}

/// The time as libvirt writes it: `2026-11-24 04:48:45.683+0000`.
pub fn timestamp() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    format_time(now.as_secs(), now.subsec_millis())
}

fn format_time(seconds: u64, millis: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{millis:03}+0000",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Year, month and day of so many days after 1970-01-01, by counting 400-year eras that begin
/// in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const VERSIONS: Versions<'_> = Versions {
        daemon: "virtqemud version: 0.1.0",
        qemu: "10.0.2",
        kernel: "6",
        hostname: "h",
    };

    #[test]
    fn times_are_utc() {
        assert_eq!(
            format_time(1_795_495_725, 683),
            "2026-11-24 04:48:45.683+0000"
        );
        assert_eq!(format_time(951_782_400, 0), "2000-02-29 00:00:00.000+0000");
        assert_eq!(format_time(0, 7), "1970-01-01 00:00:00.007+0000");
    }

    #[test]
    fn last_words_are_qemus_of_this_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        std::fs::write(&path, "old run: it failed\n").unwrap();
        let mut log = GuestLog::open(&path).unwrap();
        log.starting(&VERSIONS, "qemu \\\n-S").unwrap();
        log.note("Domain id=3 is tainted: custom-argv").unwrap();
        let mut qemu = log.output().unwrap();
        qemu.write_all(b"char device redirected to /dev/pts/0 (label charserial0)\n")
            .unwrap();
        qemu.write_all(b"qemu: -x: invalid option\n").unwrap();
        log.ending("failed").unwrap();
        assert_eq!(log.last_words(), "qemu: -x: invalid option");
    }

    #[test]
    fn the_log_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        drop(GuestLog::open(&path).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
