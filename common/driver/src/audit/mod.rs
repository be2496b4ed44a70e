//! Records of the kernel's audit trail about guests (WIRE.md section 20): who started and stopped, and
//! what of the host each has. Values only; `virtlogd` alone may write to the trail.

mod auditor;
mod confined;
mod devices;

use std::borrow::Cow;

use uuid::Uuid;
use virt_domain::Domain;
use virt_domain::arch::OsKind;
use virt_domain::seclabel::Seclabel;
use virt_rpc::protocol::audit::{Audit, Type, Value};

pub use auditor::{Auditor, check};
pub use confined::Devices;
pub use devices::NetNode;

/// What stands for what is not there.
const MISSING: &str = "?";

/// A device that is something of the host's.
pub trait Audited {
    /// What of the host's; most are one thing, and none when it is the guest's alone.
    fn audited(&self) -> Vec<Resource>;
}

/// Something of the host's that a guest can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// Something with a name, which replaces what was there before.
    Named {
        /// `disk`, `net` and so on.
        kind: &'static str,
        /// Its name.
        name: Option<String>,
    },
    /// Something with fields of its own.
    Described {
        /// `dev`, `tpm` and so on.
        kind: &'static str,
        /// Its fields.
        fields: Vec<(&'static str, Value)>,
    },
}

/// A number that a guest has of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Memory in KiB.
    Memory,
    /// Virtual CPUs.
    Vcpus,
    /// I/O threads.
    Iothreads,
}

/// Why a resource is the guest's now, or no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The host's node of it was opened for the guest.
    Open,
    /// It had it when it started.
    Start,
    /// It was plugged in.
    Attach,
    /// It was taken out.
    Detach,
    /// It is another one, or there is more or less of it.
    Update,
    /// Its group lets it use it.
    Allow,
    /// Its group does not.
    Deny,
}

/// The guest that records are about.
#[derive(Debug, Clone)]
pub struct Subject {
    virt: &'static str,
    name: String,
    uuid: Uuid,
}

impl Reason {
    const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Start => "start",
            Self::Attach => "attach",
            Self::Detach => "detach",
            Self::Update => "update",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl Amount {
    const fn word(self) -> &'static str {
        match self {
            Self::Memory => "mem",
            Self::Vcpus => "vcpu",
            Self::Iothreads => "iothread",
        }
    }
}

impl From<&Domain> for Subject {
    fn from(domain: &Domain) -> Self {
        Self {
            virt: domain.virt_type.word(),
            name: domain.name.clone(),
            uuid: domain.uuid,
        }
    }
}

impl Subject {
    /// It started or could not; `pid` is that of its process.
    pub fn started(&self, reason: &str, pid: Option<i32>, success: bool) -> Audit {
        self.control("start", reason, pid, success)
    }

    /// It stopped.
    pub fn stopped(&self, reason: &str) -> Audit {
        self.control("stop", reason, None, true)
    }

    fn control(&self, op: &str, reason: &str, pid: Option<i32>, success: bool) -> Audit {
        let mut fields = vec![
            ("virt", bare(self.virt)),
            ("op", bare(op)),
            ("reason", bare(reason)),
        ];
        fields.extend(self.own());
        fields.push(("vm-pid", bare(pid.unwrap_or(0).to_string())));
        audit(Type::VirtControl, fields, success)
    }

    /// One of its labels.
    pub fn labelled(&self, label: &Seclabel) -> Audit {
        let said = |text: &Option<String>| bare(text.as_deref().unwrap_or(MISSING));
        let mut fields = vec![("virt", bare(self.virt))];
        fields.extend(self.own());
        fields.extend([
            ("vm-ctx", said(&label.label)),
            ("img-ctx", said(&label.imagelabel)),
            ("model", said(&label.model)),
        ]);
        audit(Type::VirtMachineId, fields, true)
    }

    /// It got a device, or was refused it.
    pub fn gained(&self, device: &impl Audited, reason: Reason, success: bool) -> Vec<Audit> {
        let resources = device.audited().into_iter();
        resources
            .filter_map(|resource| self.changed(None, Some(resource), reason, success))
            .collect()
    }

    /// It lost a device, or would have.
    pub fn lost(&self, device: &impl Audited, success: bool) -> Vec<Audit> {
        let resources = device.audited().into_iter();
        resources
            .filter_map(|resource| self.changed(Some(resource), None, Reason::Detach, success))
            .collect()
    }

    /// A device of it is connected to something else.
    pub fn replaced(&self, old: &impl Audited, new: &impl Audited, success: bool) -> Vec<Audit> {
        let (mut old, mut new) = (old.audited().into_iter(), new.audited().into_iter());
        let pairs = std::iter::from_fn(|| match (old.next(), new.next()) {
            (None, None) => None,
            pair => Some(pair),
        });
        pairs
            .filter_map(|(old, new)| self.changed(old, new, Reason::Update, success))
            .collect()
    }

    /// It has another amount of something.
    pub fn amount(&self, of: Amount, old: u64, new: u64, reason: Reason, success: bool) -> Audit {
        let sides = [bare(old.to_string()), bare(new.to_string())];
        self.sides(of.word(), sides, reason, success)
    }

    /// All that it has of the host's, in the order of libvirt's records.
    pub fn at_start(&self, domain: &Domain) -> Vec<Audit> {
        let devices = &domain.devices;
        // The first console of a whole machine is its first serial port.
        let twice = domain.os.kind.kind == OsKind::Hvm && !devices.serials.is_empty();
        let consoles = devices.consoles.get(usize::from(twice)..);
        let mut all = Vec::new();
        self.each(&devices.disks, &mut all);
        self.each(&devices.filesystems, &mut all);
        self.each(&devices.interfaces, &mut all);
        self.each(&devices.hostdevs, &mut all);
        self.each(&devices.redirdevs, &mut all);
        self.each(&devices.serials, &mut all);
        self.each(&devices.parallels, &mut all);
        self.each(&devices.channels, &mut all);
        self.each(consoles.unwrap_or_default(), &mut all);
        self.each(&devices.smartcards, &mut all);
        self.each(&devices.rngs, &mut all);
        self.each(&devices.tpms, &mut all);
        self.each(&devices.shmems, &mut all);
        self.each(&devices.inputs, &mut all);
        let threads = domain.iothread_ids().len() as u64;
        let amounts = [
            (Amount::Memory, domain.memory.size.0),
            (Amount::Vcpus, domain.vcpu.count().into()),
            (Amount::Iothreads, threads),
        ];
        let amounts = amounts
            .into_iter()
            .filter(|(of, new)| *of != Amount::Iothreads || *new > 0);
        all.extend(amounts.map(|(of, new)| self.amount(of, 0, new, Reason::Start, true)));
        all
    }

    fn each(&self, devices: &[impl Audited], all: &mut Vec<Audit>) {
        let each = devices.iter();
        all.extend(each.flat_map(|device| self.gained(device, Reason::Start, true)));
    }

    fn changed(
        &self,
        old: Option<Resource>,
        new: Option<Resource>,
        reason: Reason,
        success: bool,
    ) -> Option<Audit> {
        let mut kind = None;
        let mut names = [None, None];
        for (place, side) in [old, new].into_iter().enumerate() {
            match side {
                None => {}
                Some(Resource::Named { kind: named, name }) => {
                    kind = Some(named);
                    names[place] = name;
                }
                Some(Resource::Described { kind, fields }) => {
                    let mut all = self.resource(kind, reason);
                    all.extend(fields);
                    return Some(audit(Type::VirtResource, all, success));
                }
            }
        }
        // A drive that was empty and is.
        let kind = kind.filter(|_| names.iter().any(Option::is_some))?;
        let sides = names.map(|name| Value::Text(name.unwrap_or_else(|| MISSING.to_owned())));
        Some(self.sides(kind, sides, reason, success))
    }

    /// What there was of a kind, and what there is.
    fn sides(&self, kind: &str, sides: [Value; 2], reason: Reason, success: bool) -> Audit {
        let mut record = audit(Type::VirtResource, self.resource(kind, reason), success);
        for (side, value) in ["old", "new"].into_iter().zip(sides) {
            record
                .fields
                .push((Cow::Owned(format!("{side}-{kind}")), value));
        }
        record
    }

    fn resource(&self, kind: &str, reason: Reason) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("virt", bare(self.virt)),
            ("resrc", bare(kind)),
            ("reason", bare(reason.word())),
        ];
        fields.extend(self.own());
        fields
    }

    fn own(&self) -> [(&'static str, Value); 2] {
        [
            ("vm", Value::Text(self.name.clone())),
            ("uuid", bare(self.uuid.to_string())),
        ]
    }
}

fn bare(text: impl Into<String>) -> Value {
    Value::Bare(text.into())
}

fn audit(kind: Type, fields: Vec<(&'static str, Value)>, success: bool) -> Audit {
    let fields = fields.into_iter();
    Audit {
        kind,
        fields: fields
            .map(|(key, value)| (Cow::Borrowed(key), value))
            .collect(),
        success,
    }
}

#[cfg(test)]
mod tests;
