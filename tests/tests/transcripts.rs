//! What virsh prints, text for text: each file of `transcripts/` is one test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use virt_tests::transcript::play;

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play(stringify!($name));
        })*

        /// A transcript nobody plays tests nothing.
        #[test]
        fn every_transcript_is_played() {
            let played = [$(stringify!($name)),*];
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts");
            for entry in std::fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
                assert!(played.contains(&name.as_str()), "transcripts/{name}.txt is not played");
            }
        }
    };
}

transcripts! {
    define lists lifecycle live_xml vcpus stats texts rename autostart save monitor native errors host
}
