//! What this process can do at all, once it serves: beside what no small daemon may (seccomp(2)), what
//! may be done to files (landlock(7)). A guest's definition says where its character devices
//! write, so plain files may be written everywhere; nothing else may be made or changed.

use landlock::AccessFs;
use virt_daemon::sandbox;

/// What is allowed everywhere, with what it is for. All else that the kernel can refuse is refused:
/// making devices, sockets, folders, links and pipes, removing folders.
const EVERYWHERE: &[(AccessFs, &str)] = &[
    (AccessFs::ReadFile, "read logs to those who ask"),
    (AccessFs::ReadDir, "look for old logs"),
    (AccessFs::WriteFile, "write logs"),
    (AccessFs::MakeReg, "make logs; a full log gets another name"),
    (
        AccessFs::RemoveFile,
        "remove the oldest logs, the PID file, sockets",
    ),
    (AccessFs::Truncate, "write the daemon's own log anew"),
];

/// Gives up the rest, for good.
///
/// # Errors
/// The kernel refuses what it offers: a sentence. What it doesn't offer is told in the log.
pub fn enter() -> Result<(), String> {
    sandbox::enter(EVERYWHERE)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn logs_work_and_the_rest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        // On a thread of its own: rules are a thread's and can't be taken back.
        let enforced = std::thread::spawn(move || {
            enter().unwrap();
            fs::write(path.join("log"), "x").unwrap();
            fs::rename(path.join("log"), path.join("log.0")).unwrap();
            fs::remove_file(path.join("log.0")).unwrap();
            fs::create_dir(path.join("folder")).is_err()
        });
        if !enforced.join().unwrap() {
            println!("SKIPPED: this kernel has no Landlock");
        }
    }
}
