//! Where the corpus is and what its cases are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::figures::{Checked, Expects, Figures};
use super::outputs;
use crate::keeper::sibling;
use crate::target::have;

/// The variable that names the corpus's folder: the one with `run.py`, or another of the same
/// layout.
pub const VARIABLE: &str = "VIRT_CONFORMANCE";

/// The corpus's folders.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// The folder with the runner.
    home: PathBuf,
    /// The folder with the cases.
    data: PathBuf,
    own: bool,
}

impl Corpus {
    /// The corpus, if this machine has it; a line that says so otherwise.
    pub fn find() -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        // A folder of cases alone is run by the runner beside the checkout.
        let home = match &named {
            Some(folder) if folder.join("run.py").is_file() => folder.clone(),
            _ => beside,
        };
        let own = named.is_none();
        let data = named.unwrap_or_else(|| home.clone());
        let runner = home.join("run.py");
        have(&[&runner.to_string_lossy(), &data.to_string_lossy()]).then_some(Self {
            home,
            data,
            own,
        })
    }

    /// Whether it is the one that the floor was taken from: nobody named another.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The folder with the cases.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A file of a data set, or of the corpus that has what this one lacks.
    pub fn file(&self, below: &str) -> PathBuf {
        let here = self.data.join(below);
        if here.exists() {
            here
        } else {
            self.home.join(below)
        }
    }

    /// Every case, in the order of its data set's file.
    ///
    /// # Panics
    /// When a file can't be read or is not what its README promises.
    pub fn cases(&self) -> Vec<Value> {
        let mut files: Vec<_> = fs::read_dir(&self.data)
            .expect("the corpus's folder")
            .flatten()
            .map(|entry| entry.path().join("cases.jsonl"))
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        let mut cases = Vec::new();
        for path in files {
            let set = path.parent().and_then(Path::file_name);
            let set = set.unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("the cases");
            cases.extend(text.lines().map(|line| {
                let mut case: Value = serde_json::from_str(line).expect("a case a line");
                case["dataset"] = set.clone().into();
                case
            }));
        }
        cases
    }

    /// Runs every check of both tiers and keeps in `folder` what the tool wrote. Takes a minute or
    /// so.
    ///
    /// # Panics
    /// When the runner itself fails.
    pub fn run(&self, folder: &Path) -> Figures {
        let table = folder.join("table.tsv");
        let mut runner = Command::new("python3");
        runner
            .arg(self.home.join("run.py"))
            .arg("--tool")
            .arg(sibling("conform"))
            .arg("--data")
            .arg(&self.data)
            .args(["--tier", "all", "--min", "0", "--quiet", "--tsv"])
            .arg(&table);
        outputs::keep(&mut runner, folder);
        let ran = runner.output().expect("python3 runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "run.py: {said}");
        self.read(&fs::read_to_string(table).expect("the runner's table"))
    }

    /// The runner's table, with what each case is about.
    fn read(&self, table: &str) -> Figures {
        let cases: std::collections::HashMap<_, _> = self
            .cases()
            .into_iter()
            .map(|case| {
                let key = (word(&case["dataset"]), word(&case["id"]));
                (key, case)
            })
            .collect();
        let mut figures = Figures::default();
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split('\t').collect();
            let [dataset, id, check, tier, _, _, outcome, ..] = fields[..] else {
                panic!("not a line of the table: {line}");
            };
            let case = &cases[&(dataset.to_owned(), id.to_owned())];
            let checks = case["checks"].as_array().expect("checks");
            let about = checks
                .iter()
                .find(|about| about["check"] == check)
                .expect("a check of the case");
            figures.add(Checked {
                dataset,
                check,
                expects: match about["expect"]["status"].as_str() {
                    Some("reject") => Expects::Rejection,
                    _ => Expects::Result,
                },
                primary: tier == "primary",
                passed: outcome == "pass",
                features: case["features"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(word)
                    .collect(),
            });
        }
        figures
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
