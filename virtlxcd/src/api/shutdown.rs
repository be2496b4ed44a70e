//! Asking a container to shut down or to boot again: through its init's control pipe, or by a signal.

use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::process::Signal;
use virt_driver::api::Session as _;
use virt_driver::off_thread;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainReboot, DomainShutdown, DomainShutdownFlags};
use virt_rpc::server::Router;

use super::session::Session;
use crate::guest::{Guest, Live, no_init};

/// `VIR_DOMAIN_SHUTDOWN_INITCTL` and the same of reboots.
const INITCTL: u32 = 1 << 2;
/// `VIR_DOMAIN_SHUTDOWN_SIGNAL` and the same of reboots.
const SIGNAL: u32 = 1 << 3;

/// Where inits have their pipe.
const PIPES: [&str; 2] = ["run/initctl", "dev/initctl"];

/// A request on it: magic, command "change of run level", the level, and nothing else (initreq.h of
/// sysvinit), 384 bytes.
const REQUEST_SIZE: usize = 384;
const REQUEST_MAGIC: i32 = 0x0309_1969;
const CHANGE_LEVEL: i32 = 1;

#[derive(Debug, Clone, Copy)]
enum Wish {
    Halt,
    Reboot,
}

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainShutdown, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        ask(guest.guest(), Wish::Halt, 0).await
    });
    router.task::<DomainShutdownFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, INITCTL | SIGNAL, "DomainShutdownFlags")?;
        ask(guest.guest(), Wish::Halt, call.args.flags).await
    });
    router.task::<DomainReboot, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, INITCTL | SIGNAL, "DomainReboot")?;
        ask(guest.guest(), Wish::Reboot, call.args.flags).await
    });
}

/// Without a bit both ways may be tried, the pipe first.
async fn ask(guest: &Arc<Guest>, wish: Wish, flags: u32) -> Result<()> {
    let live = Arc::clone(guest.snapshot().running()?);
    if flags == 0 || flags & INITCTL != 0 {
        let asked = Arc::clone(&live);
        let told = off_thread(move || tell(&asked, wish)).await?;
        if told {
            return Ok(());
        }
        if flags == INITCTL {
            return Err(Error::new(
                ErrorCode::OperationUnsupported,
                ErrorDomain::Lxc,
                "Container does not provide an initctl pipe",
            ));
        }
    }
    let signal = match wish {
        Wish::Halt => Signal::TERM,
        Wish::Reboot => Signal::HUP,
    };
    let init = live.container.init()?;
    init.signal(signal)
        .map_err(|e| Error::system(ErrorDomain::Lxc, "Unable to send SIGTERM to init pid", &e))
}

/// Writes to init's pipe; `false` where there is none. The path is the container's to choose: it is
/// followed within its root only, and what is no pipe is left alone.
fn tell(live: &Live, wish: Wish) -> Result<bool> {
    let init = live.container.init()?;
    let failed = |e: rustix::io::Errno| {
        Error::system(
            ErrorDomain::Lxc,
            "Unable to open the container's initctl",
            &e.into(),
        )
    };
    let root = format!("/proc/{}/root", init.pid());
    let root =
        openat(CWD, &*root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    if !init.is_alive() {
        return Err(no_init());
    }
    for path in PIPES {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // A pipe without a reader is ENXIO: nobody would hear.
        let Ok(pipe) = openat2(&root, path, flags, Mode::empty(), resolve) else {
            continue;
        };
        let is_pipe =
            fstat(&pipe).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if is_pipe && rustix::io::write(&pipe, &request(wish)) == Ok(REQUEST_SIZE) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn request(wish: Wish) -> [u8; REQUEST_SIZE] {
    let level = match wish {
        Wish::Halt => b'0',
        Wish::Reboot => b'6',
    };
    let mut request = [0; REQUEST_SIZE];
    let words = [REQUEST_MAGIC, CHANGE_LEVEL, i32::from(level)];
    for (place, word) in request.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    request
}
