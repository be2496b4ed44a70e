//! The 28 kinds of events about guests, and their two forms on the wire (WIRE.md section 8).

use virt_rpc::protocol::remote::{self, NonnullDomain, TypedParam};
use virt_rpc::protocol::{EventMessage, Row};
use virt_rpc::xdr::{self, XdrError};

/// Something that happened to a guest. Numbers are those of `libvirt-domain.h`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the protocol's own")]
pub enum Event {
    /// Defined, undefined, started, suspended, resumed, stopped, shut down, crashed.
    Lifecycle { event: i32, detail: i32 },
    /// It restarts itself.
    Reboot,
    /// Its clock was set; seconds beside the host's.
    RtcChange { offset: i64 },
    /// Its watchdog rang.
    Watchdog { action: i32 },
    /// A disk failed.
    IoError {
        source: String,
        alias: String,
        action: i32,
    },
    /// A graphics client connected, authenticated or left.
    Graphics(Box<Graphics>),
    /// A disk failed, with the reason ("enospc" or "").
    IoErrorReason {
        source: String,
        alias: String,
        action: i32,
        reason: String,
    },
    /// Its monitor broke.
    ControlError,
    /// A block job on the disk of that source ended or changed.
    BlockJob {
        path: String,
        kind: i32,
        status: i32,
    },
    /// A disk's medium was changed or dropped by the daemon.
    DiskChange {
        old: Option<String>,
        new: Option<String>,
        alias: String,
        reason: i32,
    },
    /// A tray was opened or closed.
    TrayChange { alias: String, reason: i32 },
    /// It woke up.
    PmWakeup,
    /// It went to sleep, in memory.
    PmSuspend,
    /// Its balloon changed; KiB.
    BalloonChange { actual: u64 },
    /// It went to sleep, on disk.
    PmSuspendDisk,
    /// A device is gone.
    DeviceRemoved { alias: String },
    /// A block job on the disk of that target ended or changed.
    BlockJob2 {
        target: String,
        kind: i32,
        status: i32,
    },
    /// Something tunable changed.
    Tunable(Vec<TypedParam>),
    /// Its agent connected or left.
    AgentLifecycle { state: i32, reason: i32 },
    /// A device was added.
    DeviceAdded { alias: String },
    /// A migration begins to copy memory once more.
    MigrationIteration { iteration: i32 },
    /// A job ended; its statistics.
    JobCompleted(Vec<TypedParam>),
    /// The guest refused to give a device up.
    DeviceRemovalFailed { alias: String },
    /// Title, description or metadata changed.
    MetadataChange { kind: i32, uri: Option<String> },
    /// A disk was written beyond a threshold; bytes.
    BlockThreshold {
        device: String,
        path: Option<String>,
        threshold: u64,
        excess: u64,
    },
    /// The host found broken memory of the guest.
    MemoryFailure {
        recipient: i32,
        action: i32,
        flags: u32,
    },
    /// A memory device changed its size; KiB.
    MemoryDeviceSizeChange { alias: String, size: u64 },
    /// The guest changed an interface's address.
    NicMacChange {
        alias: String,
        old: String,
        new: String,
    },
}

/// A graphics client connected, authenticated or left.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are the protocol's own")]
pub struct Graphics {
    pub phase: i32,
    pub local: remote::DomainEventGraphicsAddress,
    pub remote: remote::DomainEventGraphicsAddress,
    pub auth_scheme: String,
    pub subject: Vec<remote::DomainEventGraphicsIdentity>,
}

/// Kinds of events, as clients number them.
pub const KINDS: usize = 28;

/// Kinds that the old style of registration knows.
pub const LEGACY_KINDS: usize = 16;

/// An event ready to be sent: encoded once however many clients want it.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The row of the message with a callback id.
    pub row: &'static Row,
    /// Its payload; the first four bytes are the callback id.
    pub payload: Vec<u8>,
    /// The row of the message without one and where its payload begins in `payload`.
    pub legacy: Option<(&'static Row, usize)>,
}

impl Encoded {
    fn new<E: EventMessage>(message: &E::Msg) -> Result<Self, XdrError> {
        Ok(Self {
            row: E::ROW,
            payload: xdr::to_bytes(message)?,
            legacy: None,
        })
    }

    /// `L` is the same after `skip` bytes: the callback id and, for three kinds, a reason.
    fn with<L: EventMessage>(mut self, skip: usize) -> Self {
        self.legacy = Some((L::ROW, skip));
        self
    }
}

impl Event {
    /// The kind's number in registrations.
    pub const fn kind(&self) -> usize {
        match self {
            Self::Lifecycle { .. } => 0,
            Self::Reboot => 1,
            Self::RtcChange { .. } => 2,
            Self::Watchdog { .. } => 3,
            Self::IoError { .. } => 4,
            Self::Graphics(_) => 5,
            Self::IoErrorReason { .. } => 6,
            Self::ControlError => 7,
            Self::BlockJob { .. } => 8,
            Self::DiskChange { .. } => 9,
            Self::TrayChange { .. } => 10,
            Self::PmWakeup => 11,
            Self::PmSuspend => 12,
            Self::BalloonChange { .. } => 13,
            Self::PmSuspendDisk => 14,
            Self::DeviceRemoved { .. } => 15,
            Self::BlockJob2 { .. } => 16,
            Self::Tunable(_) => 17,
            Self::AgentLifecycle { .. } => 18,
            Self::DeviceAdded { .. } => 19,
            Self::MigrationIteration { .. } => 20,
            Self::JobCompleted(_) => 21,
            Self::DeviceRemovalFailed { .. } => 22,
            Self::MetadataChange { .. } => 23,
            Self::BlockThreshold { .. } => 24,
            Self::MemoryFailure { .. } => 25,
            Self::MemoryDeviceSizeChange { .. } => 26,
            Self::NicMacChange { .. } => 27,
        }
    }

    pub(super) fn encode(self, dom: NonnullDomain) -> Result<Encoded, XdrError> {
        /// Where the old message begins: after the callback id.
        const ID: usize = 4;
        /// After the callback id and the reason.
        const ID_REASON: usize = 8;
        use remote::*;

        macro_rules! nested {
            ($callback:ident, $legacy:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {{
                type Message = <$callback as EventMessage>::Msg;
                type Old = <$legacy as EventMessage>::Msg;
                let msg = Old { dom, $($field $(: $value)?),* };
                Encoded::new::<$callback>(&Message { callbackID: 0, msg })?.with::<$legacy>(ID)
            }};
        }
        macro_rules! sleep {
            ($callback:ident, $legacy:ident) => {{
                type Message = <$callback as EventMessage>::Msg;
                type Old = <$legacy as EventMessage>::Msg;
                let (reason, msg) = (0, Old { dom });
                Encoded::new::<$callback>(&Message {
                    callbackID: 0,
                    reason,
                    msg,
                })?
                .with::<$legacy>(ID_REASON)
            }};
        }
        macro_rules! flat {
            ($event:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {{
                type Message = <$event as EventMessage>::Msg;
                Encoded::new::<$event>(&Message { callbackID: 0, dom, $($field $(: $value)?),* })?
            }};
        }
        Ok(match self {
            Self::Lifecycle { event, detail } => {
                nested!(
                    DomainEventCallbackLifecycle,
                    DomainEventLifecycle { event, detail }
                )
            }
            Self::Reboot => nested!(DomainEventCallbackReboot, DomainEventReboot {}),
            Self::RtcChange { offset } => {
                nested!(
                    DomainEventCallbackRtcChange,
                    DomainEventRtcChange { offset }
                )
            }
            Self::Watchdog { action } => {
                nested!(DomainEventCallbackWatchdog, DomainEventWatchdog { action })
            }
            Self::IoError {
                source,
                alias,
                action,
            } => nested!(
                DomainEventCallbackIoError,
                DomainEventIoError {
                    srcPath: source,
                    devAlias: alias,
                    action,
                }
            ),
            Self::Graphics(graphics) => nested!(
                DomainEventCallbackGraphics,
                DomainEventGraphics {
                    phase: graphics.phase,
                    local: graphics.local,
                    remote: graphics.remote,
                    authScheme: graphics.auth_scheme,
                    subject: graphics.subject,
                }
            ),
            Self::IoErrorReason {
                source,
                alias,
                action,
                reason,
            } => nested!(
                DomainEventCallbackIoErrorReason,
                DomainEventIoErrorReason {
                    srcPath: source,
                    devAlias: alias,
                    action,
                    reason,
                }
            ),
            Self::ControlError => {
                nested!(DomainEventCallbackControlError, DomainEventControlError {})
            }
            Self::BlockJob { path, kind, status } => {
                nested!(
                    DomainEventCallbackBlockJob,
                    DomainEventBlockJob {
                        path,
                        r#type: kind,
                        status,
                    }
                )
            }
            Self::DiskChange {
                old,
                new,
                alias,
                reason,
            } => nested!(
                DomainEventCallbackDiskChange,
                DomainEventDiskChange {
                    oldSrcPath: old,
                    newSrcPath: new,
                    devAlias: alias,
                    reason,
                }
            ),
            Self::TrayChange { alias, reason } => {
                nested!(
                    DomainEventCallbackTrayChange,
                    DomainEventTrayChange {
                        devAlias: alias,
                        reason,
                    }
                )
            }
            Self::PmWakeup => sleep!(DomainEventCallbackPmwakeup, DomainEventPmwakeup),
            Self::PmSuspend => sleep!(DomainEventCallbackPmsuspend, DomainEventPmsuspend),
            Self::BalloonChange { actual } => {
                nested!(
                    DomainEventCallbackBalloonChange,
                    DomainEventBalloonChange { actual }
                )
            }
            Self::PmSuspendDisk => {
                sleep!(DomainEventCallbackPmsuspendDisk, DomainEventPmsuspendDisk)
            }
            Self::DeviceRemoved { alias } => {
                nested!(
                    DomainEventCallbackDeviceRemoved,
                    DomainEventDeviceRemoved { devAlias: alias }
                )
            }
            Self::BlockJob2 {
                target,
                kind,
                status,
            } => flat!(DomainEventBlockJob2 {
                dst: target,
                r#type: kind,
                status,
            }),
            Self::Tunable(params) => flat!(DomainEventCallbackTunable { params }),
            Self::AgentLifecycle { state, reason } => {
                flat!(DomainEventCallbackAgentLifecycle { state, reason })
            }
            Self::DeviceAdded { alias } => {
                flat!(DomainEventCallbackDeviceAdded { devAlias: alias })
            }
            Self::MigrationIteration { iteration } => {
                flat!(DomainEventCallbackMigrationIteration { iteration })
            }
            Self::JobCompleted(params) => flat!(DomainEventCallbackJobCompleted { params }),
            Self::DeviceRemovalFailed { alias } => {
                flat!(DomainEventCallbackDeviceRemovalFailed { devAlias: alias })
            }
            Self::MetadataChange { kind, uri } => flat!(DomainEventCallbackMetadataChange {
                r#type: kind,
                nsuri: uri,
            }),
            Self::BlockThreshold {
                device,
                path,
                threshold,
                excess,
            } => flat!(DomainEventBlockThreshold {
                dev: device,
                path,
                threshold,
                excess,
            }),
            Self::MemoryFailure {
                recipient,
                action,
                flags,
            } => flat!(DomainEventMemoryFailure {
                recipient,
                action,
                flags,
            }),
            Self::MemoryDeviceSizeChange { alias, size } => {
                flat!(DomainEventMemoryDeviceSizeChange { alias, size })
            }
            Self::NicMacChange { alias, old, new } => flat!(DomainEventNicMacChange {
                alias,
                oldMAC: old,
                newMAC: new,
            }),
        })
    }
}
