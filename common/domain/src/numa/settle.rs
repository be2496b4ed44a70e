//! What a definition says of its nodes among each other, checked and completed.
//!
//! Facts: formatdomain "Guest NUMA topology"; ACPI's SLIT: 10 is a node itself, 255 out of reach.

use std::collections::BTreeMap;

use super::{Distances, LOCAL_DISTANCE, Numa, NumaCell, Sibling};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The distance of nodes that nothing is said of.
const REMOTE: u32 = 20;

fn xml_error(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

impl Numa {
    /// Checks interconnects, and says the distances that were left out where any
    /// was given.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.check_interconnects()?;
        self.complete_distances();
        Ok(())
    }

    fn cell(&self, id: u32) -> Option<&NumaCell> {
        self.cells.iter().find(|cell| cell.id == Some(id))
    }

    /// A distance that one of two nodes gives holds both ways; a node that has any to another has
    /// one to itself.
    fn complete_distances(&mut self) {
        let mut found: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for cell in &self.cells {
            let own = cell.id.unwrap_or_default();
            for sibling in cell.distances.iter().flat_map(|d| &d.siblings) {
                found.insert((own, sibling.id), sibling.value);
            }
        }
        for ((from, to), value) in found.clone() {
            found.entry((to, from)).or_insert(value);
            found.entry((from, from)).or_insert(LOCAL_DISTANCE);
            found.entry((to, to)).or_insert(LOCAL_DISTANCE);
        }
        for cell in &mut self.cells {
            let own = cell.id.unwrap_or_default();
            let siblings: Vec<Sibling> = found
                .range((own, 0)..=(own, u32::MAX))
                .map(|((_, id), value)| Sibling {
                    id: *id,
                    value: *value,
                })
                .collect();
            cell.distances = (!siblings.is_empty()).then_some(Distances { siblings });
        }
    }

    /// How far memory of node `to` is from processors of node `from`; nothing where no distance is
    /// given at all, so that QEMU gives none either.
    pub fn distance(&self, from: u32, to: u32) -> Option<u32> {
        self.cells.iter().find(|cell| cell.distances.is_some())?;
        let siblings = self.cell(from)?.distances.iter().flat_map(|d| &d.siblings);
        let said = siblings.clone().find(|sibling| sibling.id == to);
        Some(match said {
            Some(sibling) => sibling.value,
            None if from == to => LOCAL_DISTANCE,
            None => REMOTE,
        })
    }

    fn check_interconnects(&self) -> Result<()> {
        let Some(interconnects) = &self.interconnects else {
            return Ok(());
        };
        let latencies = interconnects.latencies.iter();
        let latencies = latencies.map(|l| (l.initiator, l.target, l.cache, l.kind, true));
        let bandwidths = interconnects.bandwidths.iter();
        let bandwidths = bandwidths.map(|b| (b.initiator, b.target, b.cache, b.kind, false));
        let mut seen = Vec::new();
        for one in latencies.chain(bandwidths) {
            let (initiator, target, cache, ..) = one;
            let Some(from) = self.cell(initiator) else {
                return Err(xml_error("'initiator' refers to a non-existent NUMA node"));
            };
            let Some(to) = self.cell(target) else {
                return Err(xml_error("'target' refers to a non-existent NUMA node"));
            };
            let level = cache.filter(|level| *level > 0);
            if level.is_some_and(|level| to.caches.iter().all(|cache| cache.level != level)) {
                return Err(xml_error(
                    "'cache' refers to a non-existent NUMA node cache",
                ));
            }
            if from.cpus.as_ref().is_none_or(|cpus| cpus.is_empty()) {
                return Err(xml_error("NUMA nodes without CPUs can't be initiator"));
            }
            if seen.contains(&one) {
                return Err(xml_error("Duplicate info for NUMA latencies"));
            }
            seen.push(one);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cells: &str) -> Result<Numa> {
        let (mut numa, _) = virt_xml::read::<Numa>(&format!("<numa>{cells}</numa>"))?;
        numa.settle().map(|()| numa)
    }

    #[test]
    fn a_distance_holds_both_ways_and_the_rest_is_remote() {
        let numa = read(
            "<cell cpus='0' memory='1'><distances><sibling id='1' value='21'/></distances></cell>
             <cell cpus='1' memory='1'/><cell cpus='2' memory='1'/>",
        )
        .unwrap();
        let values: Vec<Vec<Option<u32>>> = (0..3)
            .map(|from| (0..3).map(|to| numa.distance(from, to)).collect())
            .collect();
        let expected = [[10, 21, 20], [21, 10, 20], [20, 20, 10]];
        assert_eq!(values, expected.map(|row| row.map(Some).to_vec()));
        assert_eq!(numa.cells[2].distances, None);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cell = |inner: &str| format!("<cell cpus='0' memory='1'>{inner}</cell>");
        let cache = |level: u32| {
            format!(
                "<cache level='{level}' associativity='none' policy='none'>
                   <size value='1'/><line value='1'/></cache>"
            )
        };
        read(&cell(&cache(3))).unwrap();
        for wrong in [
            cell("<distances><sibling id='0' value='20'/></distances>"),
            cell("<distances><sibling id='1' value='20'/></distances>"),
            cell(&cache(0)),
            cell(&cache(4)),
            cell(&(cache(1) + &cache(1))),
            cell("")
                + "<interconnects><latency initiator='1' target='0' type='read' value='1'/></interconnects>",
            cell("")
                + "<interconnects><latency initiator='0' target='0' cache='1' type='read' value='1'/></interconnects>",
        ] {
            read(&wrong).unwrap_err();
        }
    }
}
