//! Starts a QEMU that has no machine and asks it the questions (WIRE.md section 28). It talks
//! over a socket pair, so that nothing is left in any folder whatever happens.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::caps::questions::{self, Question};
use crate::caps::{QemuCaps, Session};
use crate::process::{Process, Program, Stdio};
use crate::qmp::{Monitor, QmpError};

/// For each command; a busy host may take long to load QEMU.
const DEADLINE: Duration = Duration::from_secs(60);

/// As much of a failed QEMU's words as an error carries, in bytes.
const MAX_WORDS: usize = 4096;

/// Asks a binary everything.
pub(super) async fn probe(binary: &Path) -> Result<QemuCaps> {
    // The second session is only needed when the first has an accelerator: started together,
    // and dropped when not needed.
    let accelerated = super::kvm::state().can_open();
    let main = session(binary, "kvm:tcg", |_| None);
    let (main, plain) = if accelerated {
        let plain = session(binary, "tcg", |_| Some(questions::accelerator(false)));
        let (main, plain) = tokio::join!(main, plain);
        (main?, Some(plain?))
    } else {
        (main.await?, None)
    };
    let plain = plain.as_ref().filter(|_| main.kvm_enabled());
    QemuCaps::from_sessions(&binary.to_string_lossy(), &main, plain, false)
}

/// One QEMU from start to end. `only` gives the questions instead of the whole list.
async fn session(
    binary: &Path,
    accelerators: &str,
    only: impl Fn(&Session) -> Option<Vec<Question>>,
) -> Result<Session> {
    let failed = |words: String| {
        let detail = format!("Failed to probe QEMU binary with QMP: {words}");
        Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, detail)
    };
    let broken = |e: std::io::Error| failed(format!("{}: {e}", binary.display()));
    let (ours, theirs) = UnixStream::pair().map_err(broken)?;
    let words = rustix::fs::memfd_create("words", rustix::fs::MemfdFlags::CLOEXEC)
        .map(File::from)
        .map_err(|e| broken(e.into()))?;
    let mut program = Program::new(binary).args([
        "-S",
        "-no-user-config",
        "-nodefaults",
        "-nographic",
        "-machine",
        &format!("none,accel={accelerators}"),
        "-chardev",
        "socket,id=monitor,fd=3",
        "-mon",
        "chardev=monitor,mode=control",
    ]);
    program.descriptors = vec![(3, OwnedFd::from(theirs))];
    program.ends_with_us = true;
    program.output = Stdio::File(words.try_clone().map_err(broken)?);
    let process = KillOnDrop(program.start().map_err(broken)?);
    let connected = Monitor::start(ours).map_err(broken)?;
    let monitor = connected.monitor.within(DEADLINE);

    let mut session = Session::default();
    let outcome = async {
        match only(&session) {
            Some(list) => ask(&monitor, list, &mut session).await,
            None => {
                ask(&monitor, questions::identity(), &mut session).await?;
                let details = questions::details(&session);
                ask(&monitor, details, &mut session).await
            }
        }
    }
    .await;
    match outcome {
        Ok(()) => {
            process.0.kill().map_err(broken)?;
            process.0.ended().await;
            Ok(session)
        }
        Err(error) => {
            process.0.kill().map_err(broken)?;
            process.0.ended().await;
            Err(failed(match last_words(&words) {
                said if said.is_empty() => error.to_string(),
                said => said,
            }))
        }
    }
}

/// Sends a whole list at once; QEMU's refusals are answers as well.
async fn ask(
    monitor: &Monitor,
    list: Vec<Question>,
    session: &mut Session,
) -> Result<(), QmpError> {
    let pending: Vec<_> = list
        .into_iter()
        .map(|question| {
            let arguments = Some(question.arguments.clone()).filter(|a| *a != Value::Null);
            (monitor.send(question.command, arguments), question)
        })
        .collect();
    for (reply, question) in pending {
        let reply = match reply.await {
            Ok(value) => Ok(value),
            Err(QmpError::Refused { error, .. }) => Err(json!({
                "class": error.class, "desc": error.description
            })),
            Err(other) => return Err(other),
        };
        session.push(question.answered(reply));
    }
    Ok(())
}

fn last_words(file: &File) -> String {
    let size = file.metadata().map(|m| m.len()).unwrap_or(0);
    let from = size.saturating_sub(MAX_WORDS as u64);
    let mut bytes = [0u8; MAX_WORDS];
    let count = file.read_at(&mut bytes, from).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..count]).trim().to_owned()
}

/// A probe that is given up leaves no QEMU behind.
struct KillOnDrop(Process);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Ended already in every ordinary case.
        drop(self.0.kill());
    }
}
