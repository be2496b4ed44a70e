//! What may be done to files (landlock(7)). Images and lock spaces are anywhere, so reading, writing
//! and lock files are allowed everywhere, and nothing else.

use std::path::Path;

use landlock::{ABI, Access, AccessFs, BitFlags, RulesetAttr};
use virt_daemon::sandbox::files::allow;

/// The newest rules that are known to work; older kernels enforce those they know.
const KNOWN: ABI = ABI::V3;

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

/// Where programs are: the next version of this one, and the loader it needs.
const PROGRAMS: &[&str] = &["/usr", "/lib", "/lib64", "/opt"];

pub(super) fn restrict() -> Result<(), String> {
    let everywhere = EVERYWHERE
        .iter()
        .fold(BitFlags::empty(), |all, (access, _)| all | *access);
    let own = std::env::current_exe().ok();
    let own = own.as_deref().and_then(Path::parent);
    let programs = PROGRAMS.iter().map(Path::new).chain(own);
    let programs = programs.map(|folder| (folder, AccessFs::Execute.into()));
    allow(
        |rules| rules.handle_access(AccessFs::from_all(KNOWN)),
        std::iter::once((Path::new("/"), everywhere)).chain(programs),
    )
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
            restrict().unwrap();
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
