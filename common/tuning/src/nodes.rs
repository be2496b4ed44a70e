//! The host's nodes that memory has to come from.

use virt_domain::numatune::NumaMode;
use virt_domain::{Domain, NumberSet};

/// Those of a definition that a control group keeps.
pub fn strict(domain: &Domain) -> Option<&NumberSet> {
    let memory = domain.numatune.as_ref()?.memory.as_ref()?;
    let strictly = matches!(
        memory.mode.unwrap_or_default(),
        NumaMode::Strict | NumaMode::Restrictive
    );
    memory.nodeset.as_ref().filter(|_| strictly)
}
