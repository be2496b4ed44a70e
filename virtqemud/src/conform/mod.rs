//! The developer tool `conform`: runs the daemon's own code on one definition and prints the result,
//! with made-up answers where a daemon would ask the host.
//!
//! `conform OP --caps FILE --arch ARCH --settings FILE --fixtures DIR FILE`; exit status 0 done,
//! 1 refused while reading or checking, 3 refused later, 2 wrong use.

mod arguments;
mod cgroups;
mod descriptors;
mod guest_cpu;
mod host;
mod moments;
mod prepare;
mod qemucaps;
mod rig;
mod settings;
mod storage;
mod transcript;

pub use rig::Rig;

use crate::aliases;
use crate::argv::{self, HostNode, Incoming, StartContext};
use crate::define::{self, Context, Origin};
use crate::secrets::{MasterKey, Secrets};
use crate::status::Status;
use crate::storage::volumes;
use arguments::Arguments;
use settings::Settings;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use virt_domain::{Arch, Domain, View};
use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_host::cpu::map::CpuMap;

/// Why there is no result.
enum Failure {
    /// The tool was used wrongly or its inputs can't be read.
    Usage(String),
    /// The definition is refused.
    Refused(Error),
    /// A later stage refuses it.
    Later(Error),
}

/// Runs the tool with the process's arguments.
pub fn main() -> ExitCode {
    let op = std::env::args().nth(1).unwrap_or_default();
    if op.starts_with("lxc-") {
        return containers();
    }
    if let Some(result) = host::run(&op, std::env::args().skip(2)) {
        return finished(result);
    }
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => return failed(Failure::Usage(text)),
    };
    finished(run(&arguments))
}

/// Containers are the other driver's, which has a tool of its own beside this one.
fn containers() -> ExitCode {
    let own = std::env::current_exe().unwrap_or_default();
    let arguments = std::env::args_os().skip(1);
    let error = std::process::Command::new(own.with_file_name("conform-lxc"))
        .args(arguments)
        .exec();
    failed(Failure::Usage(format!("conform-lxc: {error}")))
}

fn finished(result: Result<String, Failure>) -> ExitCode {
    match result {
        Ok(output) => {
            print!("{output}");
            ExitCode::SUCCESS
        }
        Err(failure) => failed(failure),
    }
}

fn failed(failure: Failure) -> ExitCode {
    let (text, status) = match failure {
        Failure::Usage(text) => (text, 2),
        Failure::Refused(error) => (error.message().to_owned(), 1),
        Failure::Later(error) => (error.message().to_owned(), 3),
    };
    eprintln!("{text}");
    ExitCode::from(status)
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    let xml = std::fs::read_to_string(&arguments.input)
        .map_err(|e| Failure::Usage(format!("{}: {e}", arguments.input.display())))?;
    let settings = Settings::load(arguments).map_err(Failure::Usage)?;
    match arguments.op.as_str() {
        "generic-domxml-normalise" => {
            let mut domain = Domain::read_with(&xml, counting).map_err(Failure::Refused)?;
            domain.complete(settings.host_arch, counting);
            domain.os.kind.arch.get_or_insert(settings.host_arch);
            if settings.inactive {
                domain.inactive();
            }
            let view = View {
                // A guest without a number does not run.
                inactive: settings.inactive || domain.id.is_none(),
                secure: true,
                migratable: false,
            };
            Ok(domain.to_xml(view))
        }
        "status-normalise" => {
            let mut status = Status::read(&xml).map_err(Failure::Refused)?;
            status.fill_in(&settings.config);
            Ok(status.to_xml())
        }
        "domxml-normalise" => defined(&xml, arguments, &settings, |domain, _| {
            Ok(domain.to_xml(View {
                inactive: false,
                secure: true,
                migratable: false,
            }))
        }),
        "domxml-active" => running(&xml, arguments, &settings, |domain, _| {
            Ok(domain.to_xml(View {
                inactive: arguments.mode.as_deref() == Some("inactive"),
                secure: true,
                migratable: false,
            }))
        }),
        "domxml2argv" => defined(&xml, arguments, &settings, |mut domain, context| {
            command_line(&mut domain, context, &settings).map_err(Failure::Later)
        }),
        "snapshot-normalise" => moments::snapshot(&xml, arguments, &settings),
        "checkpoint-normalise" => moments::checkpoint(&xml, arguments, &settings),
        "backup-normalise" => moments::backup(&xml, &settings),
        other => Err(Failure::Usage(format!("unknown operation '{other}'"))),
    }
}

fn read(xml: &str, host_arch: Arch) -> Result<Box<Domain>, Failure> {
    define::read_with(xml, host_arch, counting).map_err(Failure::Refused)
}

/// Random bytes that count up from zero.
fn counting(buffer: &mut [u8]) {
    for (byte, number) in buffer.iter_mut().zip(0u8..) {
        *byte = number;
    }
}

fn defined(
    xml: &str,
    arguments: &Arguments,
    settings: &Settings,
    then: impl FnOnce(Domain, &Context) -> Result<String, Failure>,
) -> Result<String, Failure> {
    let mut domain = read(xml, settings.host_arch)?;
    let emulator = domain.devices.emulator.clone();
    with_context(emulator.as_deref(), arguments, settings, |context| {
        define::complete(&mut domain, context).map_err(Failure::Refused)?;
        then(*domain, context)
    })
}

/// Completes a definition that came inside something else.
fn completed(
    domain: &mut Domain,
    arguments: &Arguments,
    settings: &Settings,
) -> Result<(), Failure> {
    define::with_emulator(domain, settings.host_arch);
    let emulator = domain.devices.emulator.clone();
    with_context(emulator.as_deref(), arguments, settings, |context| {
        define::complete(domain, context).map_err(Failure::Refused)
    })
}

fn with_context<T>(
    emulator: Option<&str>,
    arguments: &Arguments,
    settings: &Settings,
    then: impl FnOnce(&Context) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let caps = settings.caps(arguments, emulator).map_err(Failure::Usage)?;
    then(&Context {
        caps: &caps,
        config: &settings.config,
        origin: if settings.abi_update {
            Origin::New
        } else {
            Origin::Stored
        },
        random: counting,
    })
}

/// The guest of that number where the definition names none.
const ID: i32 = 1337;

/// As [`defined`], for what is said of a running guest.
fn running(
    xml: &str,
    arguments: &Arguments,
    settings: &Settings,
    then: impl FnOnce(Domain, &Context) -> Result<String, Failure>,
) -> Result<String, Failure> {
    let mut domain = Domain::read_with(xml, counting).map_err(Failure::Refused)?;
    domain.id.get_or_insert(ID);
    define::with_emulator(&mut domain, settings.host_arch);
    let emulator = domain.devices.emulator.clone();
    with_context(emulator.as_deref(), arguments, settings, |context| {
        define::complete(&mut domain, context).map_err(Failure::Refused)?;
        then(domain, context)
    })
}

fn command_line(
    domain: &mut Domain,
    context: &Context,
    settings: &Settings,
) -> Result<String, Error> {
    define::resolve(domain, context, &|| {
        let folder = std::path::Path::new(CpuMap::FOLDER);
        CpuMap::load(folder).ok().map(std::sync::Arc::new)
    })?;
    let pools = storage::Pools::of(&settings.fixtures);
    let find = &mut |pool: &str, volume: &str| pools.find(pool, volume);
    volumes::resolve(domain, true, find)?;
    prepare::networks(domain, settings)?;
    aliases::assign(domain)?;
    prepare::prepare(domain, settings)?;
    let mut descriptors = descriptors::Invented::of(domain, settings);
    let mut lookup = storage::Secrets;
    let short_name = argv::short_name(-1, &domain.name);
    let mut start = StartContext {
        guest_dir: settings.config.lib_dir.join(format!("domain-{short_name}")),
        short_name,
        config: &settings.config,
        environment: settings.environment.clone(),
        monitor_fd: 1729,
        master_key: true,
        incoming: settings
            .incoming
            .clone()
            .map_or(Incoming::None, Incoming::Uri),
        node_index: 0,
        now: 1_234_567_890,
        utc_offset: -1_800,
        host_nodes: (0..4)
            .map(|id| HostNode {
                id,
                cpus: (4 * id..4 * (id + 1)).collect(),
            })
            .collect(),
        auto_nodes: Some((0..4).collect()),
        host_smbios: None,
        descriptors: &mut descriptors,
        secrets: Secrets::new(&mut lookup, MasterKey::made_with(counting), counting),
    };
    let line = argv::build(domain, context.caps, &mut start)?;
    let mut argv = vec![line.program];
    argv.extend(line.args);
    let env: serde_json::Map<_, _> = line
        .env
        .into_iter()
        .map(|(key, value)| (key, serde_json::Value::String(value)))
        .collect();
    serde_json::to_string(&serde_json::json!({ "env": env, "argv": argv })).map_err(|e| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!("cannot print the command line: {e}"),
        )
    })
}
