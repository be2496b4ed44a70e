//! sanlock's client: leases on storage that all hosts see, kept by sanlock's own daemon for the
//! guest's process. The process registers itself between fork and exec; whatever ends it ends what
//! it holds, and a host that loses its storage ends it.

mod conf;
mod files;
mod holders;
mod library;
mod names;

pub use conf::SanlockConf;

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use virt_domain::Domain;
use virt_domain::lifecycle::LockFailureAction;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::lock::Owner;

use super::resource::{Resource, wanted};
use files::Draft;
use library::{Code, HELPER_ROOM, Library, Lockspace, Version};
use names::SPACE;

/// How long everything that is asked for one guest may take. sanlock needs 140 seconds to be sure
/// that another host is dead, with its own timeout of 10 seconds for storage (sanlock(8)).
const PATIENCE: Duration = Duration::from_secs(300);

/// How often a lock space is tried that someone else may just be making, a second apart.
const TRIES: u32 = 10;

/// How long sanlock may take to free what a process held that has ended: some writes to storage.
const TAKING_BACK: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(50);

/// The way to sanlock.
#[derive(Debug)]
pub struct Sanlock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    library: Library,
    conf: SanlockConf,
    failure: FailureCommand,
    /// Held while files are made and the lock space is joined.
    making: Mutex<()>,
}

/// What sanlock runs when a guest's leases are lost: `PROGRAM lock-failure SOCKET UUID ACTION`.
#[derive(Debug, Clone)]
pub struct FailureCommand {
    /// The program.
    pub program: PathBuf,
    /// The daemon's socket, over which the program reaches the guest.
    pub socket: PathBuf,
}

/// How a guest's process makes itself known to sanlock between fork and exec.
#[derive(Debug)]
pub struct Registration {
    sanlock: Arc<Inner>,
    /// Program and arguments for lost leases; without them sanlock ends the process.
    on_failure: Option<(CString, CString)>,
}

impl Registration {
    /// Says it for the calling process, over a connection that stays open in the program it becomes.
    /// Only system calls, on memory that is there.
    ///
    /// # Errors
    /// The system's; CONNREFUSED also for sanlock's own.
    pub fn say(&self) -> io::Result<()> {
        let failed = |code: Code| match code.is_system() {
            true => io::Error::from_raw_os_error(-code.0),
            false => io::Error::from_raw_os_error(nix::libc::ECONNREFUSED),
        };
        let library = &self.sanlock.library;
        let connection = library.register().map_err(failed)?;
        if let Some((program, arguments)) = &self.on_failure {
            library
                .killpath(connection, program, arguments)
                .map_err(failed)?;
        }
        library.restrict(connection).map_err(failed)?;
        stay_open(connection)
    }
}

#[allow(unsafe_code, reason = "the library gives out a bare number")]
fn stay_open(connection: std::ffi::c_int) -> io::Result<()> {
    // SAFETY: the connection was just opened, and nobody closes it before the program ends.
    let connection = unsafe { BorrowedFd::borrow_raw(connection) };
    nix::fcntl::fcntl(
        connection,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
    )?;
    Ok(())
}

impl Sanlock {
    /// Loads sanlock's library. Its daemon need not run yet.
    ///
    /// # Errors
    /// INTERNAL_ERROR naming what is not installed.
    pub fn new(conf: SanlockConf, failure: FailureCommand) -> Result<Self> {
        let library = Library::load().map_err(internal)?;
        Ok(Self(Arc::new(Inner {
            library,
            conf,
            failure,
            making: Mutex::default(),
        })))
    }

    pub(super) fn registration(&self, owner: &Owner, domain: &Domain) -> Result<Registration> {
        Ok(Registration {
            sanlock: Arc::clone(&self.0),
            on_failure: self.0.failure.words(owner, domain)?,
        })
    }

    pub(super) fn wanted(&self, domain: &Domain) -> Result<Vec<Resource>> {
        let mut wanted = wanted(domain, self.0.conf.policy, &self.0.conf)?;
        // A process holds a lease once, however many of its disks are behind it.
        let mut known = std::collections::HashSet::new();
        wanted.retain(|resource| known.insert((resource.space.clone(), resource.name.clone())));
        Ok(wanted)
    }

    /// Joins the lock space of automatic leases, so that the first guest need not wait for it.
    pub(super) async fn join(&self) -> Result<()> {
        match self.0.conf.policy.auto_disk_leases {
            true => self.ask(|sanlock| sanlock.join()).await,
            false => Ok(()),
        }
    }

    pub(super) async fn check(&self, resources: &[Resource]) -> Result<()> {
        let resources = resources.to_vec();
        self.ask(move |sanlock| sanlock.check(&resources)).await
    }

    pub(super) async fn acquire(
        &self,
        owner: &Owner,
        resources: &[Resource],
        state: Option<&str>,
    ) -> Result<()> {
        let (owner, resources) = (owner.clone(), resources.to_vec());
        let state = state.map(str::to_owned);
        self.ask(move |sanlock| sanlock.acquire(&owner, &resources, state.as_deref()))
            .await
    }

    pub(super) async fn release(
        &self,
        owner: &Owner,
        resources: &[Resource],
    ) -> Result<Option<String>> {
        let (pid, resources) = (pid_of(owner), resources.to_vec());
        self.ask(move |sanlock| sanlock.release(pid, &resources))
            .await
    }

    /// The library waits for sanlock, and sanlock for storage: on a thread of its own.
    async fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || what(&inner));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => Err(internal(
                "a question to sanlock ended by a fault".to_owned(),
            )),
            Err(_) => Err(Error::new(
                ErrorCode::OperationTimeout,
                ErrorDomain::Locking,
                format!(
                    "sanlock did not answer within {} seconds",
                    PATIENCE.as_secs()
                ),
            )),
        }
    }
}

impl FailureCommand {
    /// Program and arguments for the guest; `None` where sanlock ends its process by itself.
    fn words(&self, owner: &Owner, domain: &Domain) -> Result<Option<(CString, CString)>> {
        let action = match domain.on_lockfailure {
            None => return Ok(None),
            Some(action @ (LockFailureAction::Poweroff | LockFailureAction::Pause)) => {
                action.word()
            }
            Some(other) => {
                return Err(Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Locking,
                    format!(
                        "Failure action {} is not supported by sanlock",
                        other.word()
                    ),
                ));
            }
        };
        let uuid = uuid::Uuid::from_bytes(owner.uuid);
        let socket = escaped(&self.socket.to_string_lossy());
        let arguments = format!("lock-failure {socket} {uuid} {action}");
        let program = self.program.to_string_lossy().into_owned();
        for (what, text) in [("program", &program), ("arguments", &arguments)] {
            if text.len() >= HELPER_ROOM {
                return Err(internal(format!(
                    "Sanlock helper {what} are longer than {HELPER_ROOM}: '{text}'"
                )));
            }
        }
        let words = CString::new(program).and_then(|p| Ok((p, CString::new(arguments)?)));
        words.map(Some).map_err(|e| internal(e.to_string()))
    }
}

/// sanlock parts the arguments at blanks and takes a backslash off what it stands before.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(' ', "\\ ")
}

impl Inner {
    /// The lock space of automatic leases is there and joined.
    fn join(&self) -> Result<()> {
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.conf.disk_lease_dir.join(SPACE);
        let space = Lockspace {
            name: SPACE.to_owned(),
            host_id: self.conf.host_id,
            path: path.to_string_lossy().into_owned(),
        };
        let shown = &space.path;
        match self.library.inq_lockspace(&space, false) {
            Ok(()) => return Ok(()),
            Err(code) if code.is_unreachable() || code == Code::NOT_THERE && !daemon_there() => {
                return Err(self.unreachable(code));
            }
            Err(_) => {}
        }
        self.make(&path, |draft| {
            let space = Lockspace {
                path: draft,
                ..space.clone()
            };
            self.library.write_lockspace(&space, self.conf.io_timeout)
        })?;
        let mut left = TRIES;
        loop {
            left -= 1;
            let added = match self.library.add_lockspace(&space, self.conf.io_timeout) {
                Err(Code::THERE_ALREADY) => Ok(()),
                Err(Code::UNDER_WAY) => self.library.inq_lockspace(&space, true),
                added => added,
            };
            match added {
                Ok(()) => return Ok(()),
                // Others may be making it, or it is on its way out.
                Err(code) if left > 0 && may_pass(code) => {
                    std::thread::sleep(Duration::from_secs(1));
                }
                Err(code) => {
                    return Err(self.failed(&format!("Unable to add lockspace {shown}"), code));
                }
            }
        }
    }

    /// Makes the file of a lock space or lease with what `write` puts into it, where there is none.
    /// Whether there was none.
    fn make(&self, path: &Path, write: impl FnOnce(String) -> Result<(), Code>) -> Result<bool> {
        // Something that is there is left alone, whatever it is.
        if path.symlink_metadata().is_ok() {
            return Ok(false);
        }
        let shown = path.display();
        let system = |e: &io::Error| {
            let what = format!("Unable to allocate lease {shown}");
            Error::system(ErrorDomain::Locking, &what, e)
        };
        if let Some(folder) = path.parent()
            && !folder.is_dir()
        {
            return Err(internal(format!(
                "Unable to create lockspace {}: parent directory does not exist or is not a directory",
                folder.display()
            )));
        }
        let mut draft = Draft::new(path, &self.conf).map_err(|e| system(&e))?;
        let name = draft.path().to_string_lossy().into_owned();
        let size = self.library.align(&name).map_err(|code| {
            let hint = "can sanlock's daemon get there? (user and group in qemu-sanlock.conf)";
            self.failed(
                &format!("Unable to query sector size {shown} ({hint})"),
                code,
            )
        })?;
        draft.fill(size).map_err(|e| system(&e))?;
        write(name)
            .map_err(|code| self.failed(&format!("Unable to initialize lease {shown}"), code))?;
        draft.finish(path).map_err(|e| system(&e))?;
        Ok(true)
    }

    /// The automatic lease's lock space and file are there. Whether the file is new.
    fn prepare(&self, resource: &Resource) -> Result<bool> {
        let Some(area) = resource.area.as_ref().filter(|_| resource.transient) else {
            return Ok(false);
        };
        self.join()?;
        let _alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.make(Path::new(&area.path), |draft| {
            let mut resource = resource.clone();
            resource.area = Some(super::Area {
                path: draft,
                offset: 0,
            });
            self.library.write_resource(&resource)
        })
    }

    fn check(&self, resources: &[Resource]) -> Result<()> {
        for resource in resources {
            if self.prepare(resource)? {
                continue;
            }
            if let Some(holder) = holders::of(&self.library, resource) {
                return Err(busy(format!(
                    "Failed to acquire lock: {} is locked by {holder}",
                    resource.purpose
                )));
            }
        }
        Ok(())
    }

    fn acquire(&self, owner: &Owner, resources: &[Resource], state: Option<&str>) -> Result<()> {
        let pid = pid_of(owner);
        // What can't be read says nothing about what was held.
        let held = state.and_then(|state| self.library.versions(state).ok());
        let held = held.unwrap_or_default();
        for (place, resource) in resources.iter().enumerate() {
            let taken = self.prepare(resource).and_then(|new| {
                let version = version_of(&held, resource).filter(|_| !new);
                self.take(pid, resource, version, &owner.name)
                    .map_err(|code| self.refusal(resource, code))
            });
            if let Err(refused) = taken {
                for taken in resources.get(..place).unwrap_or_default().iter().rev() {
                    // The refusal is what the caller has to know.
                    let _ = self.library.release(pid, taken);
                }
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Takes one lease. Of a process that has just ended sanlock takes them back in a moment.
    fn take(
        &self,
        pid: std::ffi::c_int,
        resource: &Resource,
        version: Option<u64>,
        owner: &str,
    ) -> Result<(), Code> {
        let deadline = Instant::now() + TAKING_BACK;
        loop {
            let taken = self.library.acquire(pid, resource, version, owner);
            if taken != Err(Code::IN_A_MOMENT) || Instant::now() >= deadline {
                return taken;
            }
            std::thread::sleep(BETWEEN);
        }
    }

    /// What it held, to be asked for again.
    fn release(&self, pid: std::ffi::c_int, resources: &[Resource]) -> Result<Option<String>> {
        let asked = self.library.inquire(pid);
        let state = asked.map_err(|code| self.failed("Failed to inquire lock", code))?;
        let mut outcome = Ok(());
        for resource in resources {
            match self.library.release(pid, resource) {
                // It was lost, or is another's by now.
                Ok(()) | Err(Code::NOT_THERE) => {}
                Err(code) => {
                    outcome = outcome.and(Err(self.failed("Failed to release lock", code)));
                }
            }
        }
        outcome.map(|()| Some(state).filter(|state| !state.is_empty()))
    }

    /// Why a lease was not given, with who has it.
    fn refusal(&self, resource: &Resource, code: Code) -> Error {
        let what = "Failed to acquire lock";
        let purpose = &resource.purpose;
        if code.is_unreachable() {
            return self.unreachable(code);
        }
        let text = self.library.describe(code);
        match code {
            Code::OTHER_VERSION => busy(format!(
                "{what}: {text}: {purpose} was in another's use since the guest was paused; what \
                 the guest remembers of it may be wrong, and it can only be destroyed"
            )),
            Code::NO_PROCESS => internal(format!(
                "{what}: {text}: sanlock does not know the guest's process {purpose} is for; was \
                 sanlock restarted after the guest was started?"
            )),
            Code::NO_SPACE => self.failed(
                &format!(
                    "{what}: {purpose}: this host is not in sanlock's lockspace '{}'",
                    resource.space
                ),
                code,
            ),
            code => match holders::of(&self.library, resource) {
                Some(holder) => busy(format!("{what}: {text}: {purpose} is locked by {holder}")),
                None => self.failed(&format!("{what}: {purpose}"), code),
            },
        }
    }

    fn unreachable(&self, code: Code) -> Error {
        self.failed(
            "Failed to open socket to sanlock daemon: no guest's disks can be locked without it; \
             start it, or set another lock_manager in qemu.conf",
            code,
        )
    }

    /// The system's errors are SYSTEM_ERROR, sanlock's own RESOURCE_BUSY, as libvirt's.
    fn failed(&self, what: &str, code: Code) -> Error {
        if code.is_system() {
            let cause = io::Error::from_raw_os_error(-code.0);
            return Error::system(ErrorDomain::Locking, what, &cause);
        }
        busy(format!("{what}: {}", self.library.describe(code)))
    }
}

/// Whether the failure to join may be over in a moment: the space is being made (no or half a
/// record), or left.
fn may_pass(code: Code) -> bool {
    code == Code::IN_A_MOMENT || matches!(code.0, -229..=-220)
}

/// A missing socket and a lock space that isn't joined are one error number.
fn daemon_there() -> bool {
    let folder = std::env::var_os("SANLOCK_RUN_DIR").unwrap_or_else(|| "/run/sanlock".into());
    Path::new(&folder).join("sanlock.sock").exists()
}

fn version_of(held: &[Version], resource: &Resource) -> Option<u64> {
    let same = |held: &&Version| held.space == resource.space && held.name == resource.name;
    held.iter().find(same)?.version
}

/// Processes' numbers are no larger than the system's type for them.
fn pid_of(owner: &Owner) -> std::ffi::c_int {
    std::ffi::c_int::try_from(owner.pid).unwrap_or(0)
}

fn busy(detail: String) -> Error {
    Error::new(ErrorCode::ResourceBusy, ErrorDomain::Locking, detail)
}

fn internal(detail: String) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Locking, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(action: &str, root: &str) -> Result<Option<(CString, CString)>> {
        let owner = Owner {
            uuid: [0; 16],
            name: "g".to_owned(),
            id: 1,
            pid: 1,
        };
        let domain = Domain::read(&format!(
            "<domain type='qemu'><name>g</name><memory>1</memory>{action}\
             <os><type arch='x86_64'>hvm</type></os></domain>"
        ))
        .unwrap();
        let command = FailureCommand {
            program: PathBuf::from("/usr/sbin/virtqemud"),
            socket: Path::new(root).join("virtqemud-sock"),
        };
        command.words(&owner, &domain)
    }

    #[test]
    fn lost_leases_end_or_pause_the_guest() {
        assert_eq!(words("", "/run/libvirt").unwrap(), None);
        let action = "<on_lockfailure>pause</on_lockfailure>";
        let (program, arguments) = words(action, "/r un").unwrap().unwrap();
        assert_eq!(program.to_str(), Ok("/usr/sbin/virtqemud"));
        assert_eq!(
            arguments.to_str(),
            Ok("lock-failure /r\\ un/virtqemud-sock 00000000-0000-0000-0000-000000000000 pause")
        );
        assert!(words(action, &"x".repeat(128)).is_err());
        let refused = words("<on_lockfailure>restart</on_lockfailure>", "/run").unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("Failure action restart is not supported by sanlock"),
            "{refused}"
        );
    }
}
