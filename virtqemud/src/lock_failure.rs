//! `virtqemud lock-failure SOCKET UUID ACTION`: sanlock runs it, as root, when the leases of a guest
//! with `<on_lockfailure>` are lost. The guest has to be paused or gone when it ends; otherwise
//! sanlock kills the guest's process, and at last has the host reset.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use virt_domain::lifecycle::LockFailureAction;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::client::Connection;
use virt_rpc::protocol::remote::{
    DomainDestroy, DomainDestroyArgs, DomainLookupByUuid, DomainLookupByUuidArgs, DomainSuspend,
    DomainSuspendArgs,
};

/// sanlock waits 40 seconds before it kills (sanlock(8), `-g`).
const PATIENCE: Duration = Duration::from_secs(35);

/// Whether the first argument is this command rather than an option of the daemon.
pub fn is_meant(first: &OsStr) -> bool {
    first == "lock-failure"
}

/// Runs it; what went wrong is told on standard error.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match act(&arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("virtqemud: {text}");
            ExitCode::FAILURE
        }
    }
}

fn act(arguments: &[OsString]) -> Result<(), String> {
    let usage = || {
        "lock-failure is for sanlock, with a socket, a guest's UUID and \"poweroff\" or \"pause\""
            .to_owned()
    };
    let [socket, uuid, action] = arguments else {
        return Err(usage());
    };
    let uuid = uuid.to_str().and_then(|text| text.parse().ok());
    let action = action.to_str().and_then(LockFailureAction::from_word);
    let (Some(uuid), Some(action)) = (uuid, action) else {
        return Err(usage());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let acted = runtime.block_on(async {
        let acted = carry_out(Path::new(socket), uuid, action);
        tokio::time::timeout(PATIENCE, acted).await
    });
    match acted {
        Ok(acted) => acted.map_err(|e| e.to_string()),
        Err(_) => Err("the daemon does not answer".to_owned()),
    }
}

async fn carry_out(socket: &Path, uuid: uuid::Uuid, action: LockFailureAction) -> Result<()> {
    let connection = Connection::connect(socket).await?;
    // The daemon at a socket serves one of them and refuses the other.
    if connection.open("qemu:///system", false).await.is_err() {
        connection.open("qemu:///session", false).await?;
    }
    let wanted = DomainLookupByUuidArgs {
        uuid: uuid.into_bytes(),
    };
    let dom = connection.call::<DomainLookupByUuid>(&wanted).await?.dom;
    let done = match action {
        LockFailureAction::Poweroff => {
            let destroy = DomainDestroyArgs { dom };
            connection.call::<DomainDestroy>(&destroy).await
        }
        LockFailureAction::Pause => {
            let suspend = DomainSuspendArgs { dom };
            connection.call::<DomainSuspend>(&suspend).await
        }
        other => Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Locking,
            format!("unsupported failure action: '{}'", other.word()),
        )),
    };
    match done {
        // It is gone, or stands already.
        Err(error) if error.is(ErrorCode::OperationInvalid) => Ok(()),
        done => done,
    }
}
