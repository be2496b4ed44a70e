//! What this process can do at all, once it serves: beside what no small daemon may (seccomp(2)), what
//! may be done to files (landlock(7)). Images and lock spaces are anywhere, so reading, writing
//! and lock files are allowed everywhere, and nothing else.

use landlock::AccessFs;
use virt_daemon::sandbox;

/// What is allowed everywhere, with what it is for. All else that the kernel can refuse is refused:
/// making devices, sockets, links and pipes, removing folders, renaming across folders.
const EVERYWHERE: &[(AccessFs, &str)] = &[
    (AccessFs::ReadFile, "open images; read /proc of guests"),
    (
        AccessFs::ReadDir,
        "look through the notes of a daemon that died",
    ),
    (
        AccessFs::WriteFile,
        "a lock to write with needs a descriptor to write with",
    ),
    (AccessFs::MakeReg, "make lock files and notes"),
    (AccessFs::MakeDir, "make lock spaces"),
    (
        AccessFs::RemoveFile,
        "remove lock files, notes, the PID file, sockets",
    ),
    (AccessFs::Truncate, "write notes and the log anew"),
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
    fn locks_work_and_the_rest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        // On a thread of its own: rules are a thread's and can't be taken back.
        let enforced = std::thread::spawn(move || {
            enter().unwrap();
            fs::write(path.join("lease"), "x").unwrap();
            fs::remove_file(path.join("lease")).unwrap();
            fs::create_dir(path.join("space")).unwrap();
            std::os::unix::fs::symlink("x", path.join("link")).is_err()
        });
        if !enforced.join().unwrap() {
            println!("SKIPPED: this kernel has no Landlock");
        }
    }
}
