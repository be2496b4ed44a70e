//! libvirt's own cases, as far as this machine has them: nothing that passed may fail again, what we
//! write is what the installed schemas (package libvirt-common) say libvirt writes, and the real QEMU
//! takes our command lines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use virt_tests::conformance::{Corpus, Figures, Floor, real_qemu};
use virt_tests::differential::schema::FOLDER;
use virt_tests::target::{build_ours, have};

/// What one run over the corpus left, for all tests here.
struct Run {
    corpus: Corpus,
    figures: Figures,
    folder: TempDir,
}

/// The run, made by the test that comes first.
fn the_run() -> Option<&'static Run> {
    static RUN: OnceLock<Option<Run>> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let corpus = Corpus::find()?;
        build_ours();
        let folder = TempDir::with_prefix("virt-conformance-").unwrap();
        let figures = corpus.run(folder.path());
        Some(Run {
            corpus,
            figures,
            folder,
        })
    });
    run.as_ref()
}

#[test]
fn figures_do_not_fall() {
    let Some(Run {
        corpus, figures, ..
    }) = the_run()
    else {
        return;
    };
    // Around the harness, which would keep it for itself: the table is wanted when all is well.
    let (primary, secondary) = (&figures.primary, &figures.secondary);
    let tables = [primary, secondary].map(Figures::table).join("\n");
    writeln!(std::io::stdout(), "\n{tables}").unwrap();
    if !corpus.is_own() {
        println!("SKIPPED: another corpus was named, the floor is not its");
        return;
    }
    let floor = Floor::read(&std::fs::read_to_string(Floor::FILE).unwrap()).unwrap();
    let below = floor.below(&figures.primary);
    assert!(
        below.is_empty(),
        "below tests/conformance/floor.txt:\n{}",
        below.join("\n")
    );
}

const XMLLINT: &str = "/usr/bin/xmllint";

/// The schema of documents with that root; there is none for some that only a daemon reads.
fn schema(root: &str) -> Option<&'static str> {
    Some(match root {
        "domain" => "domain.rng",
        "domainsnapshot" => "domainsnapshot.rng",
        "domaincheckpoint" => "domaincheckpoint.rng",
        "domainbackup" => "domainbackup.rng",
        "domainCapabilities" => "domaincaps.rng",
        "capabilities" => "capability.rng",
        _ => return None,
    })
}

fn root(document: &Path) -> String {
    let text = std::fs::read_to_string(document).unwrap();
    virt_xml::parse(&text).map_or_else(|_| String::new(), |tree| tree.name)
}

/// The documents that are not valid, with what xmllint says of each. A schema is read once for all
/// of its documents.
fn invalid(documents: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut by_schema = BTreeMap::<_, Vec<_>>::new();
    for document in documents {
        if let Some(schema) = schema(&root(document)) {
            by_schema.entry(schema).or_default().push(document);
        }
    }
    let mut found = BTreeMap::new();
    for (schema, documents) in by_schema {
        let ran = Command::new(XMLLINT)
            .args(["--noout", "--relaxng"])
            .arg(Path::new(FOLDER).join(schema))
            .args(&documents)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        let lines: Vec<_> = said.lines().collect();
        let judged = lines.iter().filter(|line| line.ends_with("validates"));
        let judged = judged.count();
        let failed = |path: &Path| format!("{} fails to validate", path.display());
        let mut failures = 0;
        for document in &documents {
            if lines.contains(&failed(document).as_str()) {
                let about = format!("{}:", document.display());
                let why = lines.iter().find_map(|line| line.strip_prefix(&about));
                found.insert((*document).clone(), why.unwrap_or_default().to_owned());
                failures += 1;
            }
        }
        assert_eq!(judged + failures, documents.len(), "xmllint: {said}");
    }
    found
}

#[test]
fn documents_are_valid() {
    let Some(run) = the_run() else {
        return;
    };
    if !have(&[XMLLINT, FOLDER]) {
        return;
    }
    let outputs = run.corpus.documents(run.folder.path());
    let expected: HashSet<_> = outputs
        .iter()
        .map(|output| output.expected.clone())
        .collect();
    let ours: Vec<_> = outputs.iter().map(|output| output.ours.clone()).collect();
    let without_schema = ours.iter().filter(|path| schema(&root(path)).is_none());
    let without_schema = without_schema.count();
    // Some of what libvirt itself writes is not valid: nothing better is asked of us there.
    let theirs = invalid(&expected.into_iter().collect::<Vec<_>>());
    let invalid = invalid(&ours);
    let mut bad = Vec::new();
    let mut excused = 0;
    for output in &outputs {
        match invalid.get(&output.ours) {
            None => {}
            Some(_) if theirs.contains_key(&output.expected) => excused += 1,
            Some(why) => {
                let name = output.ours.file_name().unwrap_or_default();
                bad.push(format!("{}: {why}", name.to_string_lossy()));
            }
        }
    }
    let all = outputs.len();
    writeln!(
        std::io::stdout(),
        "\n{all} documents written: {without_schema} of a kind without a schema, {excused} invalid \
         where the expected one is too, {} invalid",
        bad.len()
    )
    .unwrap();
    assert!(all > 0, "nothing was written");
    assert!(bad.is_empty(), "not valid:\n{}", bad.join("\n"));
}

/// How many command lines are given to QEMU; all of them with `VIRT_QEMU_ALL`.
const TRIED: usize = 130;
/// How many of them QEMU must take at least.
const ACCEPTED: usize = 60;

#[test]
fn the_real_qemu_takes_command_lines() {
    let Some(run) = the_run() else {
        return;
    };
    if !have(&["/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-img"]) {
        return;
    }
    let lines = run.corpus.command_lines(run.folder.path());
    let most = match std::env::var_os("VIRT_QEMU_ALL") {
        Some(_) => lines.len(),
        None => TRIED,
    };
    let tried = real_qemu::try_some(&lines, most, 2);
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nQEMU: {}", tried.figures()).unwrap();
    for (reason, names) in &tried.not_taken {
        writeln!(out, "  {}: {reason} (such as {})", names.len(), names[0]).unwrap();
    }
    drop(out);
    assert!(tried.accepted >= ACCEPTED, "{} accepted", tried.accepted);
    let wrong: Vec<_> = tried.wrong().collect();
    assert!(wrong.is_empty(), "QEMU does not know: {wrong:?}");
}
