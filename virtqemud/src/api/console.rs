//! A guest's terminals and channels as streams, both ways.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::chardev::{CharBackend, CharSource};
use virt_driver::consoles::{open_terminal, relay, watched};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainOpenChannel, DomainOpenConsole};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::definitions::off_thread;
use crate::guest::{Console, Live};

/// `VIR_DOMAIN_CONSOLE_FORCE`, and the same of channels: whoever has it is disconnected.
const FORCE: u32 = 1;
/// `VIR_DOMAIN_CONSOLE_SAFE`: only where nobody else can have it. Always so here.
const SAFE: u32 = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainOpenConsole, _, _>(console);
    router.task::<DomainOpenChannel, _, _>(channel);
}

fn internal(text: String) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, text)
}

async fn console(call: Call<DomainOpenConsole, Session>) -> Result<()> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, FORCE | SAFE, "qemuDomainOpenConsole")?;
    let live = Arc::clone(guest.snapshot().running()?);
    let path = terminal(&live.domain, call.args.dev_name.as_deref())?;
    let claim = claim(&live, &path, call.args.flags & FORCE != 0)?;
    let opened = path.clone();
    let peer = off_thread(move || {
        open_terminal(&opened).map_err(|cause| {
            let what = format!("unable to open tty {opened}");
            Error::system(ErrorDomain::None, what, &cause)
        })
    })
    .await?;
    let peer = watched(peer)?;
    call.serve_stream(|stream| relay(stream, peer, claim));
    Ok(())
}

async fn channel(call: Call<DomainOpenChannel, Session>) -> Result<()> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, FORCE, "qemuDomainOpenChannel")?;
    let live = Arc::clone(guest.snapshot().running()?);
    let path = socket(&live.domain, call.args.name.as_deref())?;
    let claim = claim(&live, &path, call.args.flags & FORCE != 0)?;
    let socket = tokio::net::UnixStream::connect(&path)
        .await
        .and_then(tokio::net::UnixStream::into_std)
        .map_err(|cause| {
            let what = format!("Failed to connect socket to '{path}'");
            Error::system(ErrorDomain::Qemu, what, &cause)
        })?;
    let peer = watched(std::fs::File::from(std::os::fd::OwnedFd::from(socket)))?;
    call.serve_stream(|stream| relay(stream, peer, claim));
    Ok(())
}

fn claim(live: &Arc<Live>, path: &str, force: bool) -> Result<Console> {
    live.qemu.consoles.claim(path, force).ok_or_else(|| {
        Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Qemu,
            "Active console session exists for this domain",
        )
    })
}

/// The pseudo terminal of the device of that alias; of the first console or serial port when none
/// is named.
fn terminal(domain: &Domain, alias: Option<&str>) -> Result<String> {
    let devices = &domain.devices;
    let consoles = devices.consoles.iter().map(|d| (&d.info, &d.source));
    let serials = devices.serials.iter().map(|d| (&d.info, &d.source));
    let parallels = devices.parallels.iter().map(|d| (&d.info, &d.source));
    let mut all = consoles.chain(serials).chain(parallels);
    let found = match alias {
        Some(alias) => all.find(|(info, _)| info.alias() == Some(alias)),
        None => all.next(),
    };
    let (info, source) = found.ok_or_else(|| match alias {
        Some(alias) => internal(format!("cannot find character device {alias}")),
        None => internal("cannot find character device <null>".to_owned()),
    })?;
    match &source.backend {
        CharBackend::Pty { path: Some(path) } => Ok(path.clone()),
        _ => Err(internal(format!(
            "character device {} is not using a PTY",
            info.alias().unwrap_or_default()
        ))),
    }
}

/// The socket of the channel of that name; of the first one when none is named.
fn socket(domain: &Domain, name: Option<&str>) -> Result<String> {
    let mut channels = domain.devices.channels.iter();
    let found = match name {
        Some(name) => channels.find(|channel| {
            channel.target.name() == Some(name) || channel.info.alias() == Some(name)
        }),
        None => channels.next(),
    };
    let channel = found
        .ok_or_else(|| internal(format!("cannot find channel {}", name.unwrap_or("<null>"))))?;
    match &channel.source {
        CharSource {
            backend: CharBackend::Unix {
                path: Some(path), ..
            },
            ..
        } => Ok(path.clone()),
        _ => Err(internal(format!(
            "channel {} is not using a UNIX socket",
            name.or(channel.target.name()).unwrap_or_default()
        ))),
    }
}
