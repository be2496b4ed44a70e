//! What a small daemon may do to files and to the network (landlock(7)).

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

/// Allows below each folder what stands beside it, and refuses all else that `handled` names, as far
/// as the kernel can. Folders that are not there are passed over.
///
/// # Errors
/// The kernel refuses what it offers: a sentence. What it doesn't offer is told in the log.
pub fn allow<'a>(
    handled: impl FnOnce(Ruleset) -> Result<Ruleset, RulesetError>,
    folders: impl Iterator<Item = (&'a Path, BitFlags<AccessFs>)>,
) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("Landlock rules can't be set: {e}");
    let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let mut rules = handled(rules)
        .and_then(Ruleset::create)
        .map_err(|e| failed(&e))?;
    for (folder, access) in folders.filter(|(folder, _)| folder.is_dir()) {
        let folder = PathFd::new(folder).map_err(|e| failed(&e))?;
        rules = rules
            .add_rule(PathBeneath::new(folder, access))
            .map_err(|e| failed(&e))?;
    }
    let status = rules.restrict_self().map_err(|e| failed(&e))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        tracing::info!("this kernel has no Landlock: files are restricted by permissions alone");
    }
    Ok(())
}

/// The newest rules that are known to work; older kernels enforce those they know.
const KNOWN: ABI = ABI::V3;

/// Where programs are: the next version of a daemon that replaces itself, and the loader it needs.
const PROGRAMS: &[&str] = &["/usr", "/lib", "/lib64", "/opt"];

/// For a daemon whose files are anywhere and which replaces its own program: allows in every folder what
/// the table names, with what it is for, and programs to be started where programs are.
///
/// # Errors
/// As [`allow`].
pub fn allow_everywhere(table: &[(AccessFs, &str)]) -> Result<(), String> {
    let everywhere = table
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
