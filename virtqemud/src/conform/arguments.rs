//! The tool's arguments.

use std::path::PathBuf;

pub(super) struct Arguments {
    pub(super) op: String,
    pub(super) caps: Option<PathBuf>,
    pub(super) arch: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) settings: Option<PathBuf>,
    pub(super) fixtures: Option<PathBuf>,
    pub(super) input: PathBuf,
}

impl Arguments {
    /// No arguments at all.
    pub(super) fn none() -> Self {
        Self {
            op: String::new(),
            caps: None,
            arch: None,
            mode: None,
            settings: None,
            fixtures: None,
            input: PathBuf::new(),
        }
    }

    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments;
        let op = arguments.next().ok_or("say what to do")?;
        let mut parsed = Self { op, ..Self::none() };
        let mut input = None;
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") {
                input = Some(PathBuf::from(argument));
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--caps" => parsed.caps = Some(value.into()),
                "--arch" => parsed.arch = Some(value),
                "--mode" => parsed.mode = Some(value),
                "--settings" => parsed.settings = Some(value.into()),
                "--fixtures" => parsed.fixtures = Some(value.into()),
                _ => {}
            }
        }
        parsed.input = input.ok_or("name the definition's file")?;
        Ok(parsed)
    }
}
