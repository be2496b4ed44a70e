//! From XML to a definition that says all of what the guest gets.
//!
//! [`read`] gives the guest as it was written, with architecture and emulator filled in; the caller
//! looks up the capabilities of `domain.devices.emulator`; [`complete`] does the rest.

use crate::argv::DriverConfig;
use crate::caps::{Accel, QemuCaps};
use crate::guest_cpu::{self, Models};
use crate::{addresses, defaults, validate};
use std::path::Path;
use virt_domain::{Arch, Domain, VirtType};
use virt_error::Result;

/// Where a definition comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client sent it: what it leaves open gets today's best choice.
    New,
    /// It was stored, saved or migrated: what it leaves open is what it always was, so that the
    /// guest sees the same machine.
    Stored,
}

/// What completing and checking a definition looks at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What the guest's emulator can do.
    pub caps: &'a QemuCaps,
    /// The driver's configuration.
    pub config: &'a DriverConfig,
    /// Where the definition comes from.
    pub origin: Origin,
    /// Fills a buffer with random bytes.
    pub random: fn(&mut [u8]),
}

impl Context<'_> {
    /// Whether what the definition leaves open may be chosen anew.
    pub fn is_new(&self) -> bool {
        self.origin == Origin::New
    }
}

/// What runs the CPUs of a guest of that type.
pub fn accel(virt_type: VirtType) -> Accel {
    match virt_type {
        VirtType::Kvm => Accel::Kvm,
        VirtType::Hvf => Accel::Hvf,
        _ => Accel::Tcg,
    }
}

/// Reads a definition and fills in what choosing its emulator needs: the architecture and the
/// emulator itself.
///
/// # Errors
/// As [`Domain::read`]; CONFIG_UNSUPPORTED for a guest that isn't QEMU's.
pub fn read(xml: &str, config: &DriverConfig) -> Result<Box<Domain>> {
    read_with(xml, config.host_arch, virt_domain::random)
}

/// As [`read`], for another host and with other random bytes.
///
/// # Errors
/// As [`read`].
pub fn read_with(xml: &str, host_arch: Arch, random: fn(&mut [u8])) -> Result<Box<Domain>> {
    let mut domain = Box::new(Domain::read_with(xml, random)?);
    domain.inactive();
    with_emulator(&mut domain, host_arch);
    Ok(domain)
}

/// Fills in architecture and emulator.
pub fn with_emulator(domain: &mut Domain, host_arch: Arch) {
    let arch = *domain.os.kind.arch.get_or_insert(host_arch);
    if domain.devices.emulator.is_none() {
        domain.devices.emulator = Some(emulator(arch));
    }
}

/// The emulator of an architecture: the first that is installed, else where it would be.
fn emulator(arch: Arch) -> String {
    let usual = format!("/usr/bin/qemu-system-{}", arch.qemu_name());
    let elsewhere = [
        format!("/usr/local/bin/qemu-system-{}", arch.qemu_name()),
        "/usr/libexec/qemu-kvm".to_owned(),
    ];
    let installed = |path: &&String| Path::new(path.as_str()).exists();
    if installed(&&usual) {
        return usual;
    }
    elsewhere.iter().find(installed).cloned().unwrap_or(usual)
}

/// Fills in defaults, gives addresses and checks.
///
/// # Errors
/// XML_ERROR, CONFIG_UNSUPPORTED and others; the text names the element and the reason.
pub fn complete(domain: &mut Domain, context: &Context) -> Result<()> {
    defaults::fill(domain, context)?;
    addresses::assign(domain, context)?;
    validate::check(domain, context)
}

/// Turns a copy of a definition into what is started: sizes are rounded up, what was left to the
/// host is decided. Comes before [`crate::aliases::assign`] and [`crate::argv::build`]; the result is
/// the live definition.
///
/// # Errors
/// CONFIG_UNSUPPORTED and others where the host can't give what was asked for.
pub fn resolve(domain: &mut Domain, context: &Context, models: Models) -> Result<()> {
    defaults::memory_size::align(domain)?;
    defaults::firmware::resolve(domain, context)?;
    guest_cpu::resolve(domain, context, models)
}
