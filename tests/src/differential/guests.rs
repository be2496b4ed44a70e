//! Guests to start from: our own, and those of the corpus where there is one.

use virt_xml::Tree;

use super::mutate::settle;
use super::place::strip;
use crate::conformance::Corpus;

/// Own ones: what people have, by machine.
const OWN: &[&str] = &[
    include_str!("../../differential/server.xml"),
    include_str!("../../differential/desktop.xml"),
    include_str!("../../differential/old.xml"),
    include_str!("../../differential/bare.xml"),
];

/// Our own guests.
///
/// # Panics
/// When one is no XML.
pub fn own() -> Vec<Tree> {
    OWN.iter()
        .map(|text| read(text).expect("own guests are XML"))
        .collect()
}

/// A guest from its text, with the identity all of them share.
///
/// # Errors
/// When it is no XML.
pub fn read(text: &str) -> virt_error::Result<Tree> {
    let mut guest = virt_xml::parse(text)?;
    strip(&mut guest);
    settle(&mut guest);
    Ok(guest)
}

/// The corpus's guests for x86_64, as definitions.
pub fn of_corpus() -> Vec<Tree> {
    let Some(corpus) = Corpus::find() else {
        return Vec::new();
    };
    let mut guests = Vec::new();
    for case in corpus.cases() {
        if case["dataset"] != "qemuxmlconf" || case["tier"] != "primary" {
            continue;
        }
        let Some(input) = case["checks"][0]["args"]["xml"].as_str() else {
            continue;
        };
        let path = corpus.file("qemuxmlconf").join(input);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Ok(guest) = read(&text)
            && guest.name == "domain"
        {
            guests.push(guest);
        }
    }
    guests.dedup();
    guests
}
