//! Developer tool, called by `conform` for what is a container's: one document or configuration in, the
//! daemon's document out (`tests/CONFORMANCE.md`).

use std::process::ExitCode;

use virt_domain::{Domain, View};
use virtlxcd::{define, lxc_tools};

/// What the corpus was made with.
const EMULATOR: &str = "/usr/libexec/libvirt_lxc";

fn main() -> ExitCode {
    match run() {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let mut arguments = std::env::args().skip(1);
    let op = arguments.next().ok_or("say what to do")?;
    let (mut settings, mut input) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--settings" => settings = arguments.next(),
            other if other.starts_with("--") => drop(arguments.next()),
            _ => input = Some(argument),
        }
    }
    let file = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let text = file(&input.ok_or("name the file")?)?;
    let refused = |error: virt_error::Error| error.to_string();
    let mut domain: Box<Domain> = match op.as_str() {
        "lxc-conf2xml" => lxc_tools::domain(&text).map_err(refused)?,
        "lxc-domxml-normalise" => {
            let mut domain = Box::new(Domain::read(&text).map_err(refused)?);
            domain.inactive();
            domain.devices.emulator.get_or_insert(EMULATOR.to_owned());
            define::complete(&mut domain).map_err(refused)?;
            domain
        }
        other => return Err(format!("unknown operation '{other}'")),
    };
    if op == "lxc-conf2xml" {
        domain.devices.emulator = Some(EMULATOR.to_owned());
    }
    let settings: serde_json::Value = match settings {
        Some(path) => serde_json::from_str(&file(&path)?).map_err(|e| e.to_string())?,
        None => serde_json::Value::Null,
    };
    if let Some(uuid) = settings["force_uuid"].as_str() {
        domain.uuid = uuid.parse().map_err(|_| "force_uuid is no UUID")?;
    }
    let view = View {
        inactive: true,
        secure: true,
        migratable: false,
    };
    Ok(domain.to_xml(view))
}
