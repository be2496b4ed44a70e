//! `<numatune>`: which host nodes a guest's memory comes from.

use crate::number_set::NumberSet;
use crate::vcpu::Placement;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<numatune>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Numatune {
    /// For the whole guest.
    #[xml(child)]
    pub memory: Option<NumaMemory>,
    /// For single guest nodes.
    #[xml(child = "memnode")]
    pub memnodes: Vec<Memnode>,
}

/// How strictly the nodes are kept to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum NumaMode {
    /// From there or not at all.
    #[default]
    Strict,
    /// From there if possible.
    Preferred,
    /// From each in turn.
    Interleave,
    /// As strict, by the control group alone.
    Restrictive,
}

/// `<memory mode= nodeset=/>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumaMemory {
    /// How strictly.
    pub mode: Option<NumaMode>,
    /// The host's nodes.
    pub nodeset: Option<NumberSet>,
    /// Who chooses them.
    pub placement: Option<Placement>,
}

impl Element for NumaMemory {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            mode: node.attr("mode")?,
            nodeset: nodeset(node)?,
            placement: node.attr("placement")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("mode", &self.mode);
        tag.maybe("nodeset", &self.nodeset);
        tag.maybe("placement", &self.placement);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `nodeset`, of which something has to be left.
fn nodeset(node: &mut Node<'_>) -> Result<Option<NumberSet>> {
    let text = node.tree().attribute("nodeset").unwrap_or_default();
    let set = crate::vcpu::cpuset(node, "nodeset")?;
    if set.as_ref().is_some_and(NumberSet::is_empty) {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            format!("Invalid value of 'nodeset': {text}"),
        ));
    }
    Ok(set)
}

/// `<memnode/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Memnode {
    /// The guest's node.
    #[xml(attr)]
    pub cellid: u32,
    /// How strictly.
    #[xml(attr)]
    pub mode: NumaMode,
    /// The host's nodes.
    #[xml(attr)]
    pub nodeset: NumberSet,
}
