//! What may be done to files and to the network (landlock(7)).

use std::path::Path;

use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, RulesetAttr};
use virt_daemon::sandbox::files::allow;

/// The newest rules that are known to work; older kernels enforce those they know.
const KNOWN: ABI = ABI::V4;

/// What is read, with why.
const READ: &[(&str, &str)] = &[
    ("/etc", "users and groups, and how they are looked up"),
    ("/usr", "what looks them up"),
    ("/lib", "what looks them up"),
    ("/lib64", "what looks them up"),
    (
        "/run",
        "users that other services know (sssd, nscd, systemd)",
    ),
    ("/var/lib/sss", "users of a directory"),
    ("/proc", "when a process that asks was started"),
];

/// Reads below [`READ`] and the policies, removes its own sockets, and nothing else; no TCP at all.
pub(super) fn restrict(policies: &Path, sockets: &Path) -> Result<(), String> {
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let folders = READ.iter().map(|(path, _)| (Path::new(*path), reading));
    let own = [
        // A folder that is not there yet may come later.
        (there(policies), reading),
        (sockets, AccessFs::RemoveFile.into()),
    ];
    allow(
        |rules| {
            let rules = rules.handle_access(AccessFs::from_all(KNOWN))?;
            rules.handle_access(AccessNet::from_all(KNOWN))
        },
        folders.chain(own),
    )
}

/// The folder, or the nearest one above it that exists.
fn there(folder: &Path) -> &Path {
    let mut above = folder.ancestors();
    above.find(|folder| folder.is_dir()).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn policies_are_read_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (policies, other) = (folder.path().join("policies"), folder.path().join("other"));
        fs::create_dir(&policies).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(policies.join("a.cedar"), "").unwrap();
        fs::write(other.join("secret"), "").unwrap();
        // On a thread of its own: rules are a thread's and can't be taken back.
        let enforced = std::thread::spawn(move || {
            restrict(&policies, &policies).unwrap();
            fs::read(policies.join("a.cedar")).unwrap();
            fs::read("/proc/self/stat").unwrap();
            let refused = fs::write(policies.join("b.cedar"), "").is_err();
            assert_eq!(fs::read(other.join("secret")).is_err(), refused);
            refused
        });
        if !enforced.join().unwrap() {
            println!("SKIPPED: this kernel has no Landlock");
        }
    }
}
