//! Which capabilities a container has (capabilities(7); drvlxc, "Altering the available
//! capabilities").

use caps::{CapSet, Capability};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::Tree;

use crate::privileges::{DROPPED, KEPT};

/// What becomes of those that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// Those that could change the host are dropped.
    Default,
    /// All are kept that virtlxcd has itself.
    Allow,
    /// All are dropped.
    Deny,
}

impl Policy {
    fn drops(self, capability: Capability) -> bool {
        match self {
            Self::Default => DROPPED.iter().any(|(dropped, _)| *dropped == capability),
            Self::Allow => false,
            Self::Deny => true,
        }
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Lxc, what)
}

/// Numbers of those that a container with this `<capabilities>` can't have.
///
/// # Errors
/// CONFIG_UNSUPPORTED naming what is no capability, or one that virtlxcd has not to give.
pub fn dropped(features: Option<&Tree>) -> Result<Vec<u8>> {
    let policy = match features.and_then(|one| one.attribute("policy")) {
        None | Some("default") => Policy::Default,
        Some("allow") => Policy::Allow,
        Some("deny") => Policy::Deny,
        Some(other) => {
            return Err(wrong(format!(
                "<capabilities>: policy '{other}' is none of 'default', 'allow', 'deny'"
            )));
        }
    };
    let mut dropped: Vec<Capability> = caps::all().into_iter().collect();
    dropped.retain(|capability| policy.drops(*capability));
    for element in features.into_iter().flat_map(Tree::elements) {
        let capability = named(&element.name)?;
        match element.attribute("state") {
            Some("on") if KEPT.iter().any(|(kept, _)| *kept == capability) => {
                dropped.retain(|one| *one != capability);
            }
            Some("on") => {
                return Err(wrong(format!(
                    "<capabilities>: virtlxcd does not have '{}' itself, and can't give it",
                    element.name
                )));
            }
            Some("off") => dropped.push(capability),
            _ => {
                return Err(wrong(format!(
                    "<capabilities>: <{}> has state='on' or state='off'",
                    element.name
                )));
            }
        }
    }
    let mut numbers: Vec<u8> = dropped.iter().map(Capability::index).collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Numbers of those that a `<capabilities>` names as to be had, whatever its policy.
///
/// # Errors
/// CONFIG_UNSUPPORTED naming what is no capability.
pub fn granted(features: Option<&Tree>) -> Result<Vec<u8>> {
    let elements = features.into_iter().flat_map(Tree::elements);
    let on = elements.filter(|element| element.attribute("state") == Some("on"));
    on.map(|element| Ok(named(&element.name)?.index()))
        .collect()
}

/// A capability by its name in a definition, `sys_admin`.
fn named(name: &str) -> Result<Capability> {
    let full = format!("CAP_{}", name.to_ascii_uppercase());
    full.parse()
        .map_err(|_| wrong(format!("<capabilities>: there is no capability '{name}'")))
}

/// Takes them from this process and all that come from it.
///
/// # Errors
/// A sentence.
pub fn drop(numbers: &[u8]) -> std::result::Result<(), String> {
    let failed = |e: caps::errors::CapsError| format!("capabilities: {e}");
    for capability in caps::all() {
        if numbers.contains(&capability.index())
            && caps::has_cap(None, CapSet::Bounding, capability).map_err(failed)?
        {
            caps::drop(None, CapSet::Bounding, capability).map_err(failed)?;
        }
    }
    caps::clear(None, CapSet::Inheritable).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xml: &str) -> Result<Vec<u8>> {
        dropped(Some(&virt_xml::parse(xml).unwrap()))
    }

    #[test]
    fn a_policy_says_what_becomes_of_those_that_are_not_named() {
        let (mknod, chroot) = (
            Capability::CAP_MKNOD.index(),
            Capability::CAP_SYS_CHROOT.index(),
        );
        let usual = dropped(None).unwrap();
        assert!(usual.contains(&mknod) && !usual.contains(&chroot));
        let changed = of(
            "<capabilities policy='default'><mknod state='on'/><sys_chroot state='off'/></capabilities>",
        );
        let changed = changed.unwrap();
        assert!(!changed.contains(&mknod) && changed.contains(&chroot));
        let none = of("<capabilities policy='allow'/>").unwrap();
        assert!(none.is_empty(), "{none:?}");
        let all = of("<capabilities policy='deny'><mknod state='on'/></capabilities>").unwrap();
        assert_eq!(all.len(), caps::all().len() - 1);
        assert!(!all.contains(&mknod));
    }

    #[test]
    fn what_can_not_be_given_is_refused_by_name() {
        for (xml, named) in [
            ("<capabilities policy='some'/>", "'some'"),
            ("<capabilities><fly state='on'/></capabilities>", "'fly'"),
            (
                "<capabilities><sys_module state='on'/></capabilities>",
                "'sys_module'",
            ),
            ("<capabilities><mknod/></capabilities>", "<mknod>"),
        ] {
            let error = of(xml).unwrap_err();
            assert!(error.message().contains(named), "{error}");
        }
    }
}
