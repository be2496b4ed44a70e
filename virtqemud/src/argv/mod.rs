//! QEMU's command line of a guest: a file per device family, each from the typed device and the
//! binary's capabilities to typed arguments, which [`props`] renders in one place.
//!
//! Order and names: WIRE.md section 30.

mod audio;
pub(crate) mod block;
mod boot;
mod character;
mod chardev;
mod clock;
mod command_line;
mod context;
mod controller;
mod cpu;
mod crypto;
mod custom;
mod disk;
mod filesystem;
mod firmware;
mod graphics;
mod hostdev;
mod hotplug;
mod hub;
mod input;
mod interface;
mod iommu;
mod launch_security;
mod machine;
mod memballoon;
mod memory;
mod numa;
mod os;
mod panic;
mod place;
mod process;
pub mod props;
mod pstore;
mod ram;
mod redirdev;
mod rng;
mod rom;
mod scsi_hostdev;
mod sd_card;
mod shmem;
mod smartcard;
mod smbios;
mod smp;
mod sound;
mod throttle;
mod tpm;
mod video;
mod virtio;
mod vsock;
mod watchdog;

pub use command_line::CommandLine;
pub use context::{
    ClientTls, Descriptors, DiskGroup, DriverConfig, FileUse, HostNode, Incoming, Nbdkit,
    NetContext, StartContext, TapFds, Tls, VhostNet, guests_pages, short_name, unknown_disk_group,
};
pub(crate) use hotplug::{
    Part, controller as hotplug_controller, disk as hotplug_disk, input as hotplug_input,
    interface as hotplug_interface, medium as hotplug_medium, rng as hotplug_rng,
};

use crate::caps::QemuCaps;
use command_line::Builder;
use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The command line of a guest whose devices have names ([`crate::aliases::assign`]).
///
/// # Errors
/// What can't be expressed, and whatever opening descriptors failed with.
pub fn build(domain: &Domain, caps: &QemuCaps, context: &mut StartContext) -> Result<CommandLine> {
    let forced;
    let caps = match &domain.qemu.capabilities {
        Some(wanted) => {
            forced = custom::forced(caps, wanted)?;
            &forced
        }
        None => caps,
    };
    let mut b = Builder::new(caps);
    if let Some(overrides) = &domain.qemu.overrides {
        custom::check(&overrides.devices)?;
        b.overrides = &overrides.devices;
    }
    let b = &mut b;
    let config = context.config;

    b.reserve_fdsets(block::descriptor_sets(domain));
    process::begin(b, domain, context);
    let flash = firmware::flash(b, domain, context)?;
    machine::append(b, domain, config, &flash)?;
    machine::accelerator(b, domain);
    machine::tseg(b, domain);
    cpu::append(b, domain, config)?;
    machine::secure_flash(b, domain);
    firmware::rom(b, domain);
    ram::append(b, domain, context)?;
    process::overcommit(b, domain);
    smp::append(b, domain);
    smp::iothreads(b, domain);
    throttle::append(b, domain);
    numa::append(b, domain, context)?;
    smbios::append(b, domain, context.host_smbios.as_deref())?;
    smbios::blobs(b, domain);
    if graphics::is_headless(domain) {
        b.option("-display", "none");
    }
    process::monitor(b, context);
    clock::rtc(b, domain, context)?;
    clock::timers(b, domain);
    process::shutdown(b, domain);
    machine::no_acpi(b, domain);
    clock::sleep(b, domain);
    os::append(b, domain);
    os::kernel(b, domain);
    os::acpi_tables(b, domain);

    iommu::append(b, domain, context)?;
    controller::append(b, domain, context)?;
    memory::append(b, domain, context)?;
    hub::append(b, domain, context)?;
    controller::readers(b, domain)?;
    controller::floppies(b, domain);
    disk::append(b, domain, context)?;
    filesystem::append(b, domain, context)?;
    interface::append(b, domain, context)?;
    smartcard::append(b, domain, context)?;
    chardev::append(b, domain, context)?;
    tpm::append(b, domain, context)?;
    input::append(b, domain, context)?;
    audio::append(b, domain, context)?;
    graphics::append(b, domain, context)?;
    video::append(b, domain, context)?;
    sound::append(b, domain, context)?;
    watchdog::append(b, domain, context)?;
    redirdev::append(b, domain, context)?;
    hostdev::append(b, domain, context)?;
    process::incoming(b, context);
    memballoon::append(b, domain, context)?;
    rng::append(b, domain, context)?;
    launch_security::vmcoreinfo(b, domain);
    launch_security::append(b, domain, context);
    process::custom(b, domain);
    process::sandbox(b, config);
    panic::append(b, domain, context)?;
    shmem::append(b, domain, context)?;
    vsock::append(b, domain, context)?;
    crypto::append(b, domain, context)?;
    pstore::append(b, domain, context)?;
    process::end(b, domain, config);

    let program = domain.devices.emulator.clone().unwrap_or_default();
    let env = process::environment(domain, context);
    Ok(std::mem::replace(b, Builder::new(caps)).finish(program, env, context.node_index))
}

/// The refusal of what can't be put into a command line.
fn unsupported(what: &str) -> Error {
    Error::new(
        ErrorCode::ConfigUnsupported,
        ErrorDomain::Qemu,
        format!("{what} is not supported"),
    )
}
