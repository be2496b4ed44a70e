//! One random change of a guest.

use virt_xml::{Content, Tree};

use super::generate::Generator;
use super::place::{at, at_mut, places, remove};
use super::random::Random;
use super::schema::{Part, Pattern, Schema};
use super::values;

/// The identity all guests share: every define finds the place of the last one free.
pub const NAME: &str = "differential";
/// Its UUID.
pub const UUID: [u8; 16] = [
    0xd1, 0xff, 0xe4, 0xe4, 0x11, 0x11, 0x42, 0x22, 0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66,
];
const UUID_TEXT: &str = "d1ffe4e4-1111-4222-8333-444455556666";

/// What never changes: how two daemons find the same guest and the same QEMU.
const KEPT: &[&str] = &["name", "uuid", "genid", "emulator", "type", "os"];

/// Changes guests.
pub struct Mutator<'s> {
    generator: Generator<'s>,
    devices: Vec<(&'s str, &'s Pattern)>,
    sections: Vec<(&'s str, &'s Pattern)>,
    /// Devices of other guests.
    pool: Vec<Tree>,
}

fn children<'s>(schema: &'s Schema, parent: &str, name: &str) -> Vec<(&'s str, &'s Pattern)> {
    let parts = schema.parts(parent, name).into_iter();
    let children = parts.filter_map(|part| match part {
        Part::Child(name, content) if !KEPT.contains(&name) && name != "devices" => {
            Some((name, content))
        }
        _ => None,
    });
    children.collect()
}

impl<'s> Mutator<'s> {
    /// With a schema, and guests whose devices may turn up in others.
    pub fn new(schema: &'s Schema, guests: &[Tree]) -> Self {
        let devices = guests.iter().filter_map(|guest| guest.element("devices"));
        let pool = devices.flat_map(Tree::elements);
        let pool = pool.filter(|device| device.name != "emulator");
        Self {
            generator: Generator {
                schema,
                generosity: 22,
            },
            devices: children(schema, "domain", "devices"),
            sections: children(schema, "", "domain"),
            pool: pool.cloned().collect(),
        }
    }

    /// Changes one thing. What can't be done where the dice fell is tried elsewhere.
    pub fn change(&self, guest: &mut Tree, random: &mut Random) {
        for _ in 0..20 {
            let before = guest.clone();
            match random.below(100) {
                0..18 => self.add_device(guest, random),
                18..24 => self.add_section(guest, random),
                24..34 => self.transplant(guest, random),
                34..68 => self.add_part(guest, random),
                68..80 => self.other_value(guest, random),
                80..84 => wrong_value(guest, random),
                84..94 => take_out(guest, random),
                94..97 => repeat(guest, random),
                _ => swap(guest, random),
            }
            settle(guest);
            if *guest != before {
                return;
            }
        }
    }

    fn add_device(&self, guest: &mut Tree, random: &mut Random) {
        // A family first: some are described in many ways.
        let mut families: Vec<&str> = self.devices.iter().map(|(name, _)| *name).collect();
        families.dedup();
        let family = *random.pick(&families);
        let ways = self.devices.iter().filter(|(name, _)| *name == family);
        let (_, content) = *random.pick(&ways.collect::<Vec<_>>());
        let device = self.generator.element(family, content, random);
        devices(guest).push(Content::Element(device));
    }

    fn add_section(&self, guest: &mut Tree, random: &mut Random) {
        let (name, content) = *random.pick(&self.sections);
        let section = self.generator.element(name, content, random);
        // Most may be there once.
        if random.chance(80) {
            guest.content.retain(|content| match content {
                Content::Element(tree) => tree.name != name,
                Content::Text(_) => true,
            });
        }
        guest.content.push(Content::Element(section));
    }

    fn transplant(&self, guest: &mut Tree, random: &mut Random) {
        if !self.pool.is_empty() {
            let mut device = random.pick(&self.pool).clone();
            if random.chance(60) {
                device.content.retain(
                    |content| !matches!(content, Content::Element(tree) if tree.name == "address"),
                );
            }
            devices(guest).push(Content::Element(device));
        }
    }

    /// An attribute or child more, as the schema has it there.
    fn add_part(&self, guest: &mut Tree, random: &mut Random) {
        let (place, parent) = random.pick(&places(guest)).clone();
        let Some(target) = at_mut(guest, &place) else {
            return;
        };
        let mut parts = self.generator.schema.parts(&parent, &target.name);
        parts.retain(|part| match part {
            Part::Attribute(name, _) => target.attribute(name).is_none(),
            Part::Child(name, _) => {
                !KEPT.contains(name)
                    && *name != "devices"
                    && (*name != "address" || random.chance(20))
            }
            Part::Text(_) => false,
        });
        if parts.is_empty() || (place.is_empty() && random.chance(80)) {
            return;
        }
        match *random.pick(&parts) {
            Part::Attribute(name, value) => {
                let value = self.generator.value(value, random);
                target.attributes.push((name.to_owned(), value));
            }
            Part::Child(name, content) => {
                let child = self.generator.element(name, content, random);
                target.content.push(Content::Element(child));
            }
            Part::Text(_) => {}
        }
    }

    /// Another value that the schema allows there.
    fn other_value(&self, guest: &mut Tree, random: &mut Random) {
        let Some((place, parent)) = changeable(guest, random) else {
            return;
        };
        let Some(target) = at_mut(guest, &place) else {
            return;
        };
        let parts = self.generator.schema.parts(&parent, &target.name);
        let present = parts.iter().filter(|part| match part {
            Part::Attribute(name, _) => target.attribute(name).is_some(),
            Part::Text(_) => !target.text().trim().is_empty(),
            Part::Child(..) => false,
        });
        let present: Vec<_> = present.copied().collect();
        if present.is_empty() {
            return;
        }
        match *random.pick(&present) {
            Part::Attribute(name, value) => {
                let value = self.generator.value(value, random);
                set(target, name, value);
            }
            Part::Text(pattern) => {
                let value = self.generator.value(pattern, random);
                target.content = vec![Content::Text(value)];
            }
            Part::Child(..) => {}
        }
    }
}

/// A value that is probably wrong.
fn wrong_value(guest: &mut Tree, random: &mut Random) {
    let Some((place, _)) = changeable(guest, random) else {
        return;
    };
    let Some(target) = at_mut(guest, &place) else {
        return;
    };
    if target.attributes.is_empty() {
        if target.elements().next().is_none() {
            target.content = vec![Content::Text(values::wrong(random))];
        }
    } else {
        let at = random.below(target.attributes.len());
        target.attributes[at].1 = values::wrong(random);
    }
}

fn take_out(guest: &mut Tree, random: &mut Random) {
    let Some((place, _)) = changeable(guest, random) else {
        return;
    };
    match at_mut(guest, &place) {
        Some(target) if !target.attributes.is_empty() && random.chance(50) => {
            let at = random.below(target.attributes.len());
            target.attributes.remove(at);
        }
        _ => {
            remove(guest, &place);
        }
    }
}

/// The same element again behind the others.
fn repeat(guest: &mut Tree, random: &mut Random) {
    let Some((place, _)) = changeable(guest, random) else {
        return;
    };
    let copy = at(guest, &place).cloned();
    let parent = place
        .split_last()
        .and_then(|(_, parent)| at_mut(guest, parent));
    if let (Some(copy), Some(parent)) = (copy, parent) {
        parent.content.push(Content::Element(copy));
    }
}

/// Two elements the other way round.
fn swap(guest: &mut Tree, random: &mut Random) {
    let Some((place, _)) = changeable(guest, random) else {
        return;
    };
    if let Some(parent) = place
        .split_last()
        .and_then(|(_, parent)| at_mut(guest, parent))
    {
        let count = parent.content.len();
        let (one, other) = (random.below(count), random.below(count));
        parent.content.swap(one, other);
    }
}

/// An element that is not the guest's identity.
fn changeable(guest: &Tree, random: &mut Random) -> Option<(Vec<usize>, String)> {
    let mut all = places(guest);
    all.retain(|(place, parent)| {
        let name = at(guest, place).map_or("", |tree| tree.name.as_str());
        let identity = match parent.as_str() {
            "domain" => KEPT.contains(&name) || name == "devices",
            "devices" => name == "emulator",
            _ => false,
        };
        !place.is_empty() && !identity
    });
    (!all.is_empty()).then(|| random.pick(&all).clone())
}

fn devices(guest: &mut Tree) -> &mut Vec<Content> {
    if guest.element("devices").is_none() {
        let content = &mut guest.content;
        content.push(Content::Element(Tree::new("devices")));
    }
    child_mut(guest, "devices")
        .map_or_else(|| unreachable!("was just made"), |tree| &mut tree.content)
}

fn child_mut<'t>(tree: &'t mut Tree, name: &str) -> Option<&'t mut Tree> {
    tree.content.iter_mut().find_map(|content| match content {
        Content::Element(child) if child.name == name => Some(child),
        _ => None,
    })
}

fn set(tree: &mut Tree, name: &str, value: String) {
    match tree.attributes.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value,
        None => tree.attributes.push((name.to_owned(), value)),
    }
}

/// Gives the guest its identity and says what a daemon would choose by chance.
pub fn settle(guest: &mut Tree) {
    for (name, text) in [("name", NAME), ("uuid", UUID_TEXT)] {
        let content = vec![Content::Text(text.to_owned())];
        match child_mut(guest, name) {
            Some(child) => child.content = content,
            None => {
                let tree = Tree {
                    content,
                    ..Tree::new(name)
                };
                guest.content.insert(0, Content::Element(tree));
            }
        }
    }
    if let Some(genid) = child_mut(guest, "genid")
        && genid.text().trim().is_empty()
    {
        genid.content = vec![Content::Text(
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned(),
        )];
    }
    let devices = child_mut(guest, "devices");
    let content = devices.map(|tree| tree.content.iter_mut());
    for (at, device) in content.into_iter().flatten().enumerate() {
        if let Content::Element(tree) = device
            && tree.name == "interface"
            && tree
                .element("mac")
                .is_none_or(|mac| mac.attribute("address").is_none())
        {
            let mut mac = Tree::new("mac");
            set(
                &mut mac,
                "address",
                format!("52:54:00:00:00:{:02x}", at % 256),
            );
            tree.content.insert(0, Content::Element(mac));
        }
    }
}
