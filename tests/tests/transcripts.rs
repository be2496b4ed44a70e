//! What virsh prints, text for text: each file of `transcripts/` is one test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use virt_tests::target::{is_root, skipped};
use virt_tests::transcript::play;

macro_rules! transcripts {
    (anyone { $($name:ident)* } root { $($roots:ident)* }) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        $(#[test]
        fn $roots() {
            match is_root() {
                true => play(stringify!($roots)),
                false => skipped("the text is of root's daemon"),
            }
        })*

        /// A transcript nobody plays tests nothing.
        #[test]
        fn every_transcript_is_played() {
            let played = [$(stringify!($name),)* $(stringify!($roots),)*];
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts");
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
                assert!(played.contains(&name.as_str()), "transcripts/{name}.txt is not played");
            }
        }
    };
}

transcripts! {
    anyone { define live_changes lists lifecycle vcpus stats texts rename autostart save monitor errors }
    root { host live_xml native devices }
}
