//! Prints the figures of the conformance corpus; `--raise` also writes them down, as the floor that
//! tests compare with and as the page of the documentation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a developer's tool: failing loudly is its way to report"
)]

use std::fs;
use std::process::ExitCode;

use virt_tests::conformance::{Corpus, Figures, Floor, PAGE, page};

fn main() -> ExitCode {
    let raise = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [word] if word == "--raise" => true,
        _ => panic!("conformance [--raise]"),
    };
    let Some(corpus) = Corpus::find() else {
        return ExitCode::FAILURE;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let figures = corpus.run(folder.path());
    println!("{}", Figures::table(&figures.primary));
    println!("{}", Figures::table(&figures.secondary));
    let kept = fs::read_to_string(Floor::FILE).unwrap_or_default();
    let floor = Floor::read(&kept).expect("the floor");
    if corpus.is_own() {
        for line in floor.below(&figures.primary) {
            println!("BELOW: {line}");
        }
    }
    if raise {
        assert!(corpus.is_own(), "the floor is that of the corpus beside us");
        fs::write(Floor::FILE, floor.raised(&figures.primary).write()).expect("write the floor");
        fs::write(PAGE, page(&figures)).expect("write the page");
    }
    ExitCode::SUCCESS
}
