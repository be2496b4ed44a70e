//! The capabilities a daemon keeps (capabilities(7)): a table with a reason a line; all others are
//! given up for good before the first client is served, for the daemon and what it starts.

use caps::{CapSet, Capability, CapsHashSet};

/// A capability that is kept, and what for.
pub type Kept = (Capability, &'static str);

/// Gives up everything that is not in `kept`. What the process doesn't have it doesn't get. To be
/// called before the process has a second thread: capabilities are a thread's own.
///
/// # Errors
/// A sentence that names the capability and the system's reason.
pub fn keep_only(kept: &[Kept]) -> Result<(), String> {
    let failed = |what: &str, e: caps::errors::CapsError| format!("capabilities: {what}: {e}");
    let held = caps::read(None, CapSet::Permitted).map_err(|e| failed("can't be read", e))?;
    if held.is_empty() {
        // An unprivileged process has nothing to give up.
        return Ok(());
    }
    let kept: CapsHashSet = kept.iter().map(|(capability, _)| *capability).collect();
    if held.contains(&Capability::CAP_SETPCAP) {
        let bounding =
            caps::read(None, CapSet::Bounding).map_err(|e| failed("can't be read", e))?;
        for capability in bounding.difference(&kept) {
            caps::drop(None, CapSet::Bounding, *capability)
                .map_err(|e| failed(&format!("{capability} can't be given up"), e))?;
        }
    }
    let rest: CapsHashSet = held.intersection(&kept).copied().collect();
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let wanted = match set {
            CapSet::Inheritable => &CapsHashSet::new(),
            _ => &rest,
        };
        caps::set(None, set, wanted).map_err(|e| failed("can't be given up", e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_gone() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: needs root to have anything to give up");
            return;
        }
        // On a thread of its own: the other tests go on with what they have.
        std::thread::spawn(|| {
            keep_only(&[(Capability::CAP_CHOWN, "test")]).unwrap();
            let now = |set| caps::read(None, set).unwrap();
            let only = CapsHashSet::from([Capability::CAP_CHOWN]);
            assert_eq!(now(CapSet::Effective), only);
            assert_eq!(now(CapSet::Permitted), only);
            assert_eq!(now(CapSet::Bounding), only);
        })
        .join()
        .unwrap();
    }
}
