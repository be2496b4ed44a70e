//! What the tool writes for the cases, kept as files beside what is expected.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::corpus::Corpus;
use crate::keeper::sibling;

/// One result of the tool.
#[derive(Debug, Clone)]
pub struct Output {
    /// The case.
    pub case: Value,
    /// The check, by its name.
    pub check: String,
    /// What the tool printed.
    pub ours: PathBuf,
    /// What is expected.
    pub expected: PathBuf,
}

/// Operations that print documents of libvirt, with their command lines (the corpus's README).
const DOCUMENTS: &[(&str, &str)] = &[
    ("domxml-normalise", "--caps {caps} --arch {arch} C {xml}"),
    (
        "domxml-active",
        "--caps {caps} --arch {arch} --mode {mode} C {xml}",
    ),
    ("snapshot-normalise", "--caps {caps} --arch {arch} C {xml}"),
    (
        "checkpoint-normalise",
        "--caps {caps} --arch {arch} C {xml}",
    ),
    ("backup-normalise", "C {xml}"),
    ("generic-domxml-normalise", "C {xml}"),
    ("lxc-domxml-normalise", "C {xml}"),
    ("lxc-conf2xml", "C {config}"),
    ("hostcaps", "--sysroot {sysroot} --arch {arch} C"),
    (
        "qemucaps2caps",
        "--caps {caps} --arch {arch} --emulator {emulator} C",
    ),
    (
        "domcaps",
        "--caps {caps} --arch {arch} --virttype {virttype} --machine {machine} --emulator {emulator} C",
    ),
];

/// The operation that prints command lines.
const COMMAND_LINES: &[(&str, &str)] = &[("domxml2argv", "--caps {caps} --arch {arch} C {xml}")];

/// Puts what the tool printed into a file and prints it, if it succeeded; ends as the tool did.
const KEEP: &str = r#"#!/bin/sh
to=$1; shift
"$@" >"$to.new" || exit
mv "$to.new" "$to"
cat "$to"
"#;

/// Has the runner keep in a folder what the tool writes.
pub(super) fn keep(runner: &mut Command, folder: &Path) {
    let script = folder.join("keep");
    fs::write(&script, KEEP).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("chmod");
    let tool = sibling("conform");
    for (operation, line) in [DOCUMENTS, COMMAND_LINES].concat() {
        let line = line.replace('C', "--settings {settings} --fixtures {fixtures}");
        let to = folder.join("{dataset}_{check}_{id}");
        runner.arg("--cmd").arg(format!(
            "{operation}={} {} {} {operation} {line}",
            script.display(),
            to.display(),
            tool.display()
        ));
    }
}

impl Corpus {
    /// Every document that [`Corpus::run`] left in a folder for the primary cases that expect one.
    pub fn documents(&self, folder: &Path) -> Vec<Output> {
        self.found(folder, DOCUMENTS)
    }

    /// The same for command lines.
    pub fn command_lines(&self, folder: &Path) -> Vec<Output> {
        self.found(folder, COMMAND_LINES)
    }

    fn found(&self, folder: &Path, operations: &[(&str, &str)]) -> Vec<Output> {
        let known = |name: &str| operations.iter().any(|(known, _)| *known == name);
        let mut outputs = Vec::new();
        for case in self.cases() {
            for check in case["checks"].as_array().into_iter().flatten() {
                let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let set = word(&case["dataset"]);
                let name = format!("{set}_{}_{}", word(&check["check"]), word(&case["id"]));
                let ours = folder.join(name);
                let expected = word(&check["expect"]["file"]);
                if known(&word(&check["op"]))
                    && case["tier"] == "primary"
                    && check["expect"]["status"] == "ok"
                    && ours.is_file()
                {
                    outputs.push(Output {
                        check: word(&check["check"]),
                        ours,
                        expected: self.file(&set).join(expected),
                        case: case.clone(),
                    });
                }
            }
        }
        outputs
    }
}
