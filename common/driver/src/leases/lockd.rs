//! virtlockd's client: the driver asks for leases in the name of a guest's process.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use virt_daemon::Paths;
use virt_daemon::conf::{ConfError, Document};
use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::client::Connection;
use virt_rpc::framing::{self, Header, MessageKind, Status};
use virt_rpc::protocol::leases::{Check, CheckArgs};
use virt_rpc::protocol::lock::*;
use virt_rpc::protocol::{Procedure, Program};
use virt_rpc::xdr::Encode;

use super::lockd_names::{Behind, LockdNames};
use super::resource::{Resource, images, wanted};
use super::{LockdConf, elsewhere};

/// How long everything that is asked for one guest may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a look at one file may take.
const GLANCE: Duration = Duration::from_secs(2);

/// Bits of ACQUIRE_RESOURCE's flags.
const SHARED: u32 = 1;
const AUTOCREATE: u32 = 2;

/// The way to virtlockd.
#[derive(Debug)]
pub struct Lockd {
    socket: PathBuf,
    conf: LockdConf,
}

/// What a guest's process says on a connection of its own between fork and exec, with plain system
/// calls: that it is the guest's, and that it will say no more. The connection stays open in the
/// program that it becomes, and its end tells virtlockd of the guest's (WIRE.md section 16).
#[derive(Debug, Clone)]
pub struct Registration {
    /// virtlockd's socket.
    pub socket: PathBuf,
    /// The whole REGISTER message; the process's number is to be put in.
    pub register: Vec<u8>,
    /// Where in it the number is to be, as four bytes, the most significant first, and that again where a
    /// guest's id is its process's number.
    pub numbers: std::ops::Range<usize>,
    /// The whole RESTRICT message.
    pub restrict: Vec<u8>,
}

impl Lockd {
    /// The one of the daemon's folders, with the lock manager's file of that name.
    ///
    /// # Errors
    /// What is wrong in the file, with the line.
    pub fn configured(paths: &Paths, file: &str) -> Result<Self, ConfError> {
        let file = Document::read(&paths.config.join(file), false)?;
        let socket = paths.run.join("virtlockd-sock");
        Ok(Self::new(socket, LockdConf::read(file)?))
    }

    /// The service at that socket.
    pub fn new(socket: PathBuf, conf: LockdConf) -> Self {
        Self { socket, conf }
    }

    pub(super) fn registration(&self, owner: &Owner) -> Result<Registration> {
        let failed = |e: &dyn std::fmt::Display| {
            let detail = format!("the guest can't be registered for its leases: {e}");
            Error::new(ErrorCode::InternalError, ErrorDomain::Locking, detail)
        };
        let register = RegisterArgs {
            owner: owner.clone(),
            flags: 0,
        };
        let restrict = RestrictArgs { flags: 0 };
        let register = message::<Register>(0, &register).map_err(|e| failed(&e))?;
        // The process's number is the last but one of four bytes each, after the id and before the flags.
        let end = register.len().saturating_sub(4);
        let count = if owner.id == 0 { 2 } else { 1 };
        Ok(Registration {
            socket: self.socket.clone(),
            numbers: end.saturating_sub(4 * count)..end,
            register,
            restrict: message::<Restrict>(1, &restrict).map_err(|e| failed(&e))?,
        })
    }

    pub(super) async fn wanted(&self, domain: &Domain) -> Result<Vec<Resource>> {
        let asked = self.conf.lvm_space.is_some() || self.conf.scsi_space.is_some();
        let mut found = Vec::new();
        if asked {
            for path in devices_of(domain) {
                let behind = look_up(&path, &self.conf).await;
                found.push((path, behind));
            }
        }
        let behind = |path: &str| {
            let mut found = found.iter();
            found
                .find(|(known, _)| known == path)
                .map(|(_, behind)| behind.clone())
                .unwrap_or_default()
        };
        let conf = &self.conf;
        wanted(domain, conf.policy, &LockdNames { conf, behind })
    }

    /// Whether anyone is in the way: a guest that virtlockd knows (only our own can be asked), or
    /// whoever has the lock on the file. The answer is for people, the lock itself is taken later.
    pub(super) async fn check(&self, resources: &[Resource]) -> Result<()> {
        within(async {
            let connection = self.reach().await?;
            for resource in resources {
                let check = CheckArgs {
                    space: resource.space.clone(),
                    name: resource.name.clone(),
                    shared: i32::from(resource.shared),
                };
                match connection.call::<Check>(&check).await {
                    Err(busy) if busy.is(ErrorCode::ResourceBusy) => {
                        return Err(elsewhere::named(busy, resource));
                    }
                    Err(unknown) if unknown.is(ErrorCode::Rpc) => break,
                    answered => answered?,
                }
            }
            Ok(())
        })
        .await?;
        for resource in resources {
            let resource = resource.clone();
            // A file system that hangs costs its own guest a moment, and then virtlockd says so.
            let looked = tokio::task::spawn_blocking(move || elsewhere::check(&resource));
            match tokio::time::timeout(GLANCE, looked).await {
                Ok(Ok(looked)) => looked?,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) async fn acquire(&self, owner: &Owner, resources: &[Resource]) -> Result<()> {
        let taken = within(async {
            let connection = self.connect(owner, resources).await?;
            for (place, resource) in resources.iter().enumerate() {
                if let Err(refused) = acquire_one(&connection, resource).await {
                    let before = resources.get(..place).unwrap_or_default();
                    for taken in before.iter().rev() {
                        // The refusal is what the caller has to know.
                        let _ = release_one(&connection, taken).await;
                    }
                    return Err(elsewhere::named(refused, resource));
                }
            }
            Ok(())
        })
        .await;
        match taken {
            // Who that is may be known better from here.
            Err(busy) if busy.is(ErrorCode::ResourceBusy) => {
                return self.check(resources).await.and(Err(busy));
            }
            taken => taken?,
        }
        let (owner, resources) = (owner.clone(), resources.to_vec());
        // Nobody waits for the notes.
        tokio::task::spawn_blocking(move || {
            for resource in &resources {
                elsewhere::write_note(resource, &owner);
            }
        });
        Ok(())
    }

    pub(super) async fn release(&self, owner: &Owner, resources: &[Resource]) -> Result<()> {
        within(async {
            let connection = self.connect(owner, resources).await?;
            let mut outcome = Ok(());
            for resource in resources {
                outcome = outcome.and(release_one(&connection, resource).await);
            }
            outcome
        })
        .await
    }

    async fn reach(&self) -> Result<Connection> {
        Connection::connect(&self.socket).await.map_err(|e| {
            // SYSTEM_ERROR has no phrase before its detail.
            Error::new(
                ErrorCode::SystemError,
                ErrorDomain::Locking,
                format!(
                    "{e}: no guest's disks can be locked without virtlockd; start it, or set \
                     lock_manager = \"nop\" in qemu.conf to do without locks"
                ),
            )
        })
    }

    /// A connection for the guest's process. The lock spaces are there, those of the configuration and
    /// those that guests name for folders that are there: they are asked for each
    /// time, for virtlockd may be a new one that knows none.
    async fn connect(&self, owner: &Owner, resources: &[Resource]) -> Result<Connection> {
        let connection = self.reach().await?;
        let mut spaces: Vec<&str> = self.conf.spaces().collect();
        for resource in resources {
            let space = resource.space.as_str();
            let is_known = space.is_empty() || spaces.contains(&space);
            // A folder that is misspelt is not to be made.
            if !is_known && is_folder(space.to_owned()).await {
                spaces.push(space);
            }
        }
        for space in spaces {
            let path = space.to_owned();
            let create = CreateLockspaceArgs { path };
            connection.call::<CreateLockspace>(&create).await?;
        }
        let register = RegisterArgs {
            owner: owner.clone(),
            flags: 0,
        };
        connection.call::<Register>(&register).await?;
        Ok(connection)
    }
}

async fn is_folder(path: String) -> bool {
    let looked = tokio::task::spawn_blocking(move || std::path::Path::new(&path).is_dir());
    looked.await.unwrap_or(false)
}

async fn acquire_one(connection: &Connection, resource: &Resource) -> Result<()> {
    let mut flags = 0;
    if resource.shared {
        flags |= SHARED;
    }
    if resource.transient {
        flags |= AUTOCREATE;
    }
    let acquire = AcquireResourceArgs {
        path: resource.space.clone(),
        name: resource.name.clone(),
        flags,
    };
    connection.call::<AcquireResource>(&acquire).await
}

async fn release_one(connection: &Connection, resource: &Resource) -> Result<()> {
    let release = ReleaseResourceArgs {
        path: resource.space.clone(),
        name: resource.name.clone(),
        flags: 0,
    };
    connection.call::<ReleaseResource>(&release).await
}

fn message<P: Procedure>(serial: u32, args: &P::Args) -> Result<Vec<u8>, virt_rpc::xdr::XdrError>
where
    P::Args: Encode,
{
    let header = Header {
        prog: Program::Lock.number(),
        vers: Program::VERSION,
        proc: P::ROW.number,
        kind: MessageKind::Call,
        serial,
        status: Status::Ok,
    };
    let mut bytes = Vec::new();
    framing::append_with(&mut bytes, &header, 0, |encoder| args.encode(encoder))?;
    Ok(bytes)
}

fn devices_of(domain: &Domain) -> Vec<String> {
    let paths = images(domain).map(|image| image.path);
    let devices = paths.filter(|path| path.starts_with("/dev"));
    devices.map(str::to_owned).collect()
}

/// What libvirt's plugin asks of the host (WIRE.md section 16). A tool that is missing, fails or
/// hangs is as one that knows nothing.
async fn look_up(path: &str, conf: &LockdConf) -> Behind {
    let mut behind = Behind::default();
    if conf.lvm_space.is_some() {
        let words = [
            "--noheadings",
            "--unbuffered",
            "--nosuffix",
            "--options",
            "uuid",
            path,
        ];
        behind.volume = output("lvs", &words).await;
    }
    if behind.volume.is_none() && conf.scsi_space.is_some() {
        let words = ["--replace-whitespace", "--whitelisted", "--device", path];
        behind.scsi = output("/lib/udev/scsi_id", &words).await;
    }
    behind
}

async fn output(program: &'static str, words: &[&str]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
    let run = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(program);
        command.args(words).env("LC_ALL", "C");
        command.stdin(std::process::Stdio::null()).output()
    });
    let output = tokio::time::timeout(PATIENCE, run).await.ok()?.ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

async fn within<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(Error::new(
            ErrorCode::OperationTimeout,
            ErrorDomain::Locking,
            format!(
                "virtlockd did not answer within {} seconds",
                PATIENCE.as_secs()
            ),
        )),
    }
}
