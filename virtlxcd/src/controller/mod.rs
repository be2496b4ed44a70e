//! The process that owns one container: it makes its namespaces and consoles, waits for its init and
//! tells virtlxcd of its end. It has one thread, needs no virtlxcd once the container runs, and the
//! container ends with it.

mod console;
mod container;
pub(crate) mod devices;
mod file_systems;
mod first;
mod monitor;
mod mounts;
mod serve;
mod shared;
mod terminals;

use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use crate::plan::{self, Answer, Go, Plan};
use container::Container;

/// Makes the container that virtlxcd asks for and stays until its end.
pub fn main() -> ExitCode {
    // The kernel's would be the number of a descriptor; it has 15 bytes. That it is not set harms nobody.
    let _ = rustix::thread::set_name(c"virtlxc-control");
    match run() {
        Ok(ended) => ended,
        Err(what) => {
            log(&what);
            ExitCode::FAILURE
        }
    }
}

#[allow(unsafe_code, reason = "descriptors arrive as numbers")]
fn socket() -> Result<UnixStream, String> {
    let fd = plan::DESCRIPTOR;
    if nix::fcntl::fcntl(
        // SAFETY: the number is only looked at; where nothing is open under it the call says so.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) },
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )
    .is_err()
    {
        return Err("this program is started by virtlxcd and by nobody else".into());
    }
    // SAFETY: it is open, as the line above found, and nothing else in this process uses it.
    Ok(unsafe { UnixStream::from_raw_fd(fd) })
}

/// Writes to standard error, which is the container's log and may be gone with virtlogd.
fn log(what: &str) {
    let _ = writeln!(io::stderr(), "virtlxc-controller: {what}");
}

fn run() -> Result<ExitCode, String> {
    let driver = socket()?;
    let told = |error: io::Error| format!("virtlxcd is gone: {error}");
    let plan: Plan = plan::read(&driver).map_err(told)?;
    match start(&plan, &driver) {
        Ok((container, monitor)) => {
            drop(driver);
            let served = serve::serve(container, monitor);
            served.map_err(|e| e.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(what) => {
            // First: who hears the answer ends this process.
            log(&what);
            // It may be gone; the log has it.
            let _ = plan::write(&driver, &Answer::Failed(what));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Makes the container and has its init run once virtlxcd says so.
fn start(plan: &Plan, driver: &UnixStream) -> Result<(Container, monitor::Monitor), String> {
    let told = |error: io::Error| format!("virtlxcd is gone: {error}");
    let monitor = monitor::Monitor::listen(&plan.socket)
        .map_err(|e| format!("cannot listen on '{}': {e}", plan.socket))?;
    shared::enter(plan)?;
    let container = Container::make(plan)?;
    let ready = Answer::Ready {
        init: container.init(),
        terminals: container.terminals(),
    };
    plan::write(driver, &ready).map_err(told)?;
    let Go = plan::read(driver).map_err(told)?;
    let container = container.run(plan)?;
    plan::write(driver, &Answer::Started).map_err(told)?;
    Ok((container, monitor))
}
