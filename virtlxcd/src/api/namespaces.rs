//! Handing out a container's namespaces, so that its owner can run programs in it
//! (`virsh lxc-enter-namespace`).

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, openat};
use virt_driver::api::Session as _;
use virt_driver::off_thread;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::lxc::DomainOpenNamespace;
use virt_rpc::server::Router;

use super::session::Session;
use crate::guest::Live;

/// The kinds, in the order in which they are entered: users first, as that gives the right to enter
/// the others, files last, as `/proc` is another one from there on.
const KINDS: [&str; 6] = ["user", "ipc", "uts", "net", "pid", "mnt"];

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainOpenNamespace, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, 0, "DomainLxcOpenNamespace")?;
        let live = std::sync::Arc::clone(guest.snapshot().running()?);
        call.reply_fds(off_thread(move || open(&live)).await?);
        Ok(())
    });
}

/// Those that the container does not share with the host: to enter one's own user namespace is an
/// error, and to enter another of the host's changes nothing.
fn open(live: &Live) -> Result<Vec<OwnedFd>> {
    let gone = || {
        Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Lxc,
            "Init pid is not yet available",
        )
    };
    let init = live.container.init.as_ref().ok_or_else(gone)?;
    let mut all = Vec::with_capacity(KINDS.len());
    for kind in KINDS {
        let path = format!("/proc/{}/ns/{kind}", init.pid());
        let failed = |e: rustix::io::Errno| {
            Error::system(ErrorDomain::Lxc, format!("cannot open '{path}'"), &e.into())
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace = openat(CWD, &*path, flags, Mode::empty()).map_err(failed)?;
        let own = rustix::fs::stat(format!("/proc/self/ns/{kind}")).map_err(failed)?;
        let theirs = rustix::fs::fstat(&namespace).map_err(failed)?;
        if (own.st_dev, own.st_ino) != (theirs.st_dev, theirs.st_ino) {
            all.push(namespace);
        }
    }
    // What was opened by its number was init's if init still has it.
    match init.is_alive() {
        true => Ok(all),
        false => Err(gone()),
    }
}
