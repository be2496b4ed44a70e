//! `<cachetune>` and `<memorytune>`: parts of the host's caches and of its memory bandwidth that
//! groups of virtual CPUs have for themselves.
//!
//! One set of virtual CPUs is one group of the kernel's resctrl, whichever of the two elements name
//! it. Facts: formatdomain "CPU Tuning"; the stock library's answers to the same documents.

use crate::number_set::NumberSet;
use crate::refusal::{invalid_argument, xml};
use crate::scaled::{KIB, KiB, amount_attr, pretty};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// The only cache level whose use the kernel counts.
const MONITORED_LEVEL: u32 = 3;

/// `<cachetune>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Cachetune {
    /// The virtual CPUs it is for.
    #[xml(attr)]
    pub vcpus: NumberSet,
    /// Name of the group that was made for it.
    #[xml(attr)]
    pub id: Option<String>,
    /// What is set apart.
    #[xml(child = "cache")]
    pub caches: Vec<CachePart>,
    /// What is counted.
    #[xml(child = "monitor")]
    pub monitors: Vec<CacheMonitor>,
}

/// Part of a cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CachePart {
    /// The host's number of the cache.
    pub id: u32,
    /// Its level.
    pub level: u32,
    /// What is kept in it.
    pub kind: CacheKind,
    /// How much of it.
    pub size: KiB,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Words)]
pub enum CacheKind {
    /// Instructions and data.
    Both,
    /// Instructions.
    Code,
    /// Data.
    Data,
}

impl Element for CachePart {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            id: node.required("id")?,
            level: node.required("level")?,
            kind: node.required("type")?,
            size: match amount_attr(node, "size", KIB)? {
                Some(bytes) => KiB(bytes.div_ceil(KIB)),
                None => KiB(node.required("size")?),
            },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("id", &self.id);
        tag.attr("level", &self.level);
        tag.attr("type", &self.kind);
        let (size, unit) = pretty(self.size.bytes());
        tag.attr("size", &size);
        tag.text("unit", unit);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<monitor/>` of a cache.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct CacheMonitor {
    /// The cache's level.
    #[xml(attr)]
    pub level: u32,
    /// Whose use is counted.
    #[xml(attr)]
    pub vcpus: NumberSet,
}

/// `<memorytune>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Memorytune {
    /// The virtual CPUs it is for.
    #[xml(attr)]
    pub vcpus: NumberSet,
    /// Shares by host node.
    #[xml(child = "node")]
    pub nodes: Vec<BandwidthNode>,
    /// What is counted.
    #[xml(child = "monitor")]
    pub monitors: Vec<BandwidthMonitor>,
}

/// A share of a node's memory bandwidth.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BandwidthNode {
    /// The host's node.
    #[xml(attr)]
    pub id: u32,
    /// Percent.
    #[xml(attr)]
    pub bandwidth: u32,
}

/// `<monitor/>` of memory bandwidth.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BandwidthMonitor {
    /// Whose use is counted.
    #[xml(attr)]
    pub vcpus: NumberSet,
}

/// Sets of virtual CPUs that don't overlap: each CPU belongs to one.
#[derive(Default)]
struct Parts {
    sets: Vec<NumberSet>,
    owners: HashMap<u32, usize>,
}

impl Parts {
    /// The place of the set among those that were claimed, perhaps just now; nothing when it overlaps
    /// another one. Takes time for the numbers in it alone.
    fn claim(&mut self, set: &NumberSet) -> Option<usize> {
        let mut owners = set.iter().filter_map(|vcpu| self.owners.get(&vcpu));
        if let Some(owner) = owners.next() {
            return (self.sets[*owner] == *set).then_some(*owner);
        }
        let place = self.sets.len();
        self.owners.extend(set.iter().map(|vcpu| (vcpu, place)));
        self.sets.push(set.clone());
        Some(place)
    }
}

/// A group of virtual CPUs as both elements see it.
#[derive(Default)]
struct Group {
    cachetune: bool,
    /// Those whose use of the cache is counted.
    cache_monitors: HashSet<NumberSet>,
    /// Those whose use of memory bandwidth is counted.
    memory_monitors: HashSet<NumberSet>,
    /// What is counted by itself inside the group.
    parts: Parts,
}

impl Group {
    /// What is counted is the whole group or a part of it that no other part overlaps.
    fn monitor(&mut self, group: &NumberSet, monitored: &NumberSet, cache: bool) -> Result<()> {
        if !monitored.is_subset(group) {
            return Err(invalid_argument("Monitor vcpus conflicts with allocation"));
        }
        let same_type = if cache {
            &mut self.cache_monitors
        } else {
            &mut self.memory_monitors
        };
        if !same_type.insert(monitored.clone()) {
            return Err(invalid_argument(
                "Identical vcpus found in same type monitors",
            ));
        }
        if monitored != group && self.parts.claim(monitored).is_none() {
            return Err(invalid_argument("vcpus overlaps in resctrl groups"));
        }
        Ok(())
    }
}

/// Brings both lists to what is kept of them, for a guest of `vcpus` virtual CPUs: virtual CPUs that
/// don't exist are left out, elements that say nothing are dropped, elements of one group are one.
///
/// # Errors
/// XML_ERROR and INVALID_ARG for parts of one cache that collide and groups that overlap.
pub(crate) fn settle(
    cachetunes: &mut Vec<Cachetune>,
    memorytunes: &mut Vec<Memorytune>,
    vcpus: u32,
) -> Result<()> {
    for tune in cachetunes.iter_mut() {
        tune.vcpus.keep_below(vcpus);
        tune.settle(vcpus)?;
    }
    cachetunes.retain(|t| !t.vcpus.is_empty());
    cachetunes.retain(|t| !t.caches.is_empty() || !t.monitors.is_empty());
    for tune in memorytunes.iter_mut() {
        tune.vcpus.keep_below(vcpus);
        tune.settle(vcpus)?;
    }
    memorytunes.retain(|t| !t.vcpus.is_empty());
    memorytunes.retain(|t| !t.nodes.is_empty() || !t.monitors.is_empty());
    let mut places = Parts::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut join = |vcpus: &NumberSet| {
        let place = places.claim(vcpus);
        let place = place.ok_or_else(|| xml("Overlapping vcpus in resctrls"))?;
        if place == groups.len() {
            groups.push(Group::default());
        }
        Ok(place)
    };
    let cache_places = cachetunes.iter().map(|t| join(&t.vcpus));
    let cache_places: Vec<usize> = cache_places.collect::<Result<_>>()?;
    let memory_places = memorytunes.iter().map(|t| join(&t.vcpus));
    let memory_places: Vec<usize> = memory_places.collect::<Result<_>>()?;
    for (tune, place) in cachetunes.iter().zip(cache_places) {
        let group = &mut groups[place];
        if std::mem::replace(&mut group.cachetune, true) {
            return Err(xml("Identical vcpus in cachetunes found"));
        }
        for monitor in &tune.monitors {
            group.monitor(&tune.vcpus, &monitor.vcpus, true)?;
        }
    }
    for (tune, place) in memorytunes.iter().zip(&memory_places) {
        for monitor in &tune.monitors {
            groups[*place].monitor(&tune.vcpus, &monitor.vcpus, false)?;
        }
    }
    merge(memorytunes, memory_places)
}

/// Several elements for one group are one, in the order of the groups.
fn merge(memorytunes: &mut Vec<Memorytune>, places: Vec<usize>) -> Result<()> {
    let mut merged: BTreeMap<usize, Memorytune> = BTreeMap::new();
    for (tune, place) in memorytunes.drain(..).zip(places) {
        match merged.entry(place) {
            Entry::Vacant(entry) => {
                entry.insert(tune);
            }
            Entry::Occupied(mut entry) => {
                let first = entry.get_mut();
                first.nodes.extend(tune.nodes);
                first.monitors.extend(tune.monitors);
            }
        }
    }
    memorytunes.extend(merged.into_values());
    memorytunes
        .iter_mut()
        .try_for_each(Memorytune::settle_nodes)
}

fn settle_monitored(monitored: &mut NumberSet, vcpus: u32) -> Result<()> {
    monitored.keep_below(vcpus);
    if monitored.is_empty() {
        return Err(invalid_argument("vcpus is empty"));
    }
    Ok(())
}

impl Cachetune {
    fn settle(&mut self, vcpus: u32) -> Result<()> {
        let mut taken: HashMap<(u32, u32), Vec<CacheKind>> = HashMap::new();
        for part in &self.caches {
            let kinds = taken.entry((part.level, part.id)).or_default();
            let both = part.kind == CacheKind::Both;
            let collides =
                |kind: &CacheKind| both || *kind == part.kind || *kind == CacheKind::Both;
            if kinds.iter().any(collides) {
                return Err(xml(format!(
                    "Colliding cache allocations for cache level '{}' id '{}', type '{}'",
                    part.level, part.id, part.kind
                )));
            }
            kinds.push(part.kind);
        }
        self.caches
            .sort_by_key(|part| (part.level, part.kind, part.id));
        for monitor in &mut self.monitors {
            if monitor.level != MONITORED_LEVEL {
                return Err(xml(format!(
                    "Invalid monitor cache level '{}'",
                    monitor.level
                )));
            }
            settle_monitored(&mut monitor.vcpus, vcpus)?;
        }
        // The kernel's name of a group that runs.
        self.id = None;
        Ok(())
    }
}

impl Memorytune {
    fn settle(&mut self, vcpus: u32) -> Result<()> {
        self.settle_nodes()?;
        for monitor in &mut self.monitors {
            settle_monitored(&mut monitor.vcpus, vcpus)?;
        }
        Ok(())
    }

    fn settle_nodes(&mut self) -> Result<()> {
        self.nodes.sort_by_key(|node| node.id);
        let twice = self.nodes.windows(2).find(|pair| pair[0].id == pair[1].id);
        match twice {
            Some(pair) => Err(xml(format!(
                "Memory Bandwidth already defined for node {}",
                pair[0].id
            ))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cputune::Cputune;

    fn settled(inner: &str) -> Result<String> {
        let text = format!("<cputune>{inner}</cputune>");
        let (mut tune, _) = virt_xml::read_named::<Cputune>("cputune", &text)?;
        settle(&mut tune.cachetunes, &mut tune.memorytunes, 4)?;
        Ok(virt_xml::write("cputune", &tune))
    }

    fn cachetune(vcpus: &str, inner: &str) -> String {
        let part = "<cache id='0' level='3' type='both' size='12' unit='KiB'/>";
        format!("<cachetune vcpus='{vcpus}'>{part}{inner}</cachetune>")
    }

    #[test]
    fn what_is_beyond_the_guest_is_left_out_and_parts_are_ordered() {
        let text = "<cachetune vcpus='2-9'><cache id='1' level='3' type='code' size='1'/>\
                    <cache id='0' level='3' type='data' size='1'/>\
                    <cache id='0' level='2' type='code' size='1'/></cachetune>\
                    <cachetune vcpus='100'><cache id='0' level='3' type='both' size='1'/></cachetune>\
                    <memorytune vcpus='0'><node id='1' bandwidth='5'/></memorytune>\
                    <memorytune vcpus='2-3'><node id='1' bandwidth='5'/></memorytune>\
                    <memorytune vcpus='0'><node id='0' bandwidth='6'/></memorytune>";
        let expected = "<cputune>
  <cachetune vcpus='2-3'>
    <cache id='0' level='2' type='code' size='1' unit='KiB'/>
    <cache id='1' level='3' type='code' size='1' unit='KiB'/>
    <cache id='0' level='3' type='data' size='1' unit='KiB'/>
  </cachetune>
  <memorytune vcpus='2-3'>
    <node id='1' bandwidth='5'/>
  </memorytune>
  <memorytune vcpus='0'>
    <node id='0' bandwidth='6'/>
    <node id='1' bandwidth='5'/>
  </memorytune>
</cputune>
";
        assert_eq!(settled(text).unwrap(), expected);
    }

    #[test]
    fn groups_and_parts_keep_apart() {
        let code = "<cache id='0' level='3' type='code' size='1'/>";
        let monitor = |vcpus: &str| format!("<monitor level='3' vcpus='{vcpus}'/>");
        let two = |a: &str, b: &str| monitor(a) + &monitor(b);
        for (text, message) in [
            (
                cachetune("0", code),
                "Colliding cache allocations for cache level '3' id '0', type 'code'",
            ),
            (
                cachetune("0-1", "") + &cachetune("0-1", ""),
                "Identical vcpus in cachetunes found",
            ),
            (
                cachetune("0-1", "") + &cachetune("1-2", ""),
                "Overlapping vcpus in resctrls",
            ),
            (
                cachetune("0-1", &monitor("2")),
                "Monitor vcpus conflicts with allocation",
            ),
            (
                cachetune("0-1", &two("0", "0")),
                "Identical vcpus found in same type monitors",
            ),
            (
                cachetune("0-3", &two("0-1", "1-2")),
                "vcpus overlaps in resctrl groups",
            ),
            (
                cachetune("0-3", "<monitor level='2' vcpus='0'/>"),
                "Invalid monitor cache level '2'",
            ),
            (
                "<memorytune vcpus='0'><node id='0' bandwidth='5'/><node id='0' bandwidth='5'/>\
                 </memorytune>"
                    .to_owned(),
                "Memory Bandwidth already defined for node 0",
            ),
        ] {
            let refused = settled(&text).unwrap_err();
            assert!(
                refused.message().ends_with(message),
                "{}",
                refused.message()
            );
        }
        assert!(settled(&cachetune("0-3", &two("0-3", "1-2"))).is_ok());
    }
}
