//! What a device needs that comes while the guest runs: the options that a start would give QEMU,
//! as arguments of monitor commands. One rendering serves both, so a disk is the same either way.

use serde_json::Value;
use virt_domain::Domain;
use virt_domain::devices::controller::Controller;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::input::{Input, InputBus};
use virt_domain::devices::interface::Interface;
use virt_domain::devices::rng::{Rng, RngBackend};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::block::Needs;
use super::command_line::Builder;
use super::context::NetContext;
use super::{
    controller as controllers, disk as disks, input as inputs, interface as interfaces, rng as rngs,
};
use crate::caps::QemuCaps;

/// One thing QEMU is to make, in the order in which it is needed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// `object-add`.
    Object(Value),
    /// `blockdev-add`.
    Node(Value),
    /// `netdev_add`.
    Netdev(Value),
    /// `device_add`.
    Device(Value),
}

/// A disk of `domain` with its nodes.
///
/// # Errors
/// What can't be expressed, and what only a start can hand over.
pub(crate) fn disk(
    domain: &Domain,
    disk: &Disk,
    caps: &QemuCaps,
    needs: &mut Needs,
) -> Result<Vec<Part>> {
    with_builder(domain, caps, |b| {
        let top = disks::medium(b, disk, needs)?;
        disks::drive(b, domain, disk, top)
    })
}

/// The nodes of a medium for a drive that is there, and the name of the top one.
///
/// # Errors
/// As [`disk`].
pub(crate) fn medium(
    domain: &Domain,
    disk: &Disk,
    caps: &QemuCaps,
    needs: &mut Needs,
) -> Result<(Vec<Part>, Option<String>)> {
    let mut top = None;
    let parts = with_builder(domain, caps, |b| {
        top = disks::medium(b, disk, needs)?;
        Ok(())
    })?;
    Ok((parts, top))
}

/// A controller of `domain`.
///
/// # Errors
/// As [`disk`].
pub(crate) fn controller(
    domain: &Domain,
    controller: &Controller,
    caps: &QemuCaps,
) -> Result<Vec<Part>> {
    with_builder(domain, caps, |b| {
        controllers::append_one(b, domain, controller)
    })
}

/// An interface of `domain` with its back end.
///
/// # Errors
/// As [`disk`].
pub(crate) fn interface(
    domain: &Domain,
    interface: &Interface,
    caps: &QemuCaps,
    context: &mut NetContext,
) -> Result<Vec<Part>> {
    with_builder(domain, caps, |b| {
        let order = interface.info.boot_order();
        interfaces::append_one(b, domain, interface, order, context)
    })
}

/// A source of randomness of `domain`.
///
/// # Errors
/// OPERATION_UNSUPPORTED for one behind a character device.
pub(crate) fn rng(domain: &Domain, rng: &Rng, caps: &QemuCaps) -> Result<Vec<Part>> {
    if matches!(rng.backend, RngBackend::Egd(_)) {
        return Err(unsupported(
            "live attach of a source of randomness behind a character device is not supported",
        ));
    }
    with_builder(domain, caps, |b| rngs::append_one(b, domain, rng, None))
}

/// An input device of `domain`.
///
/// # Errors
/// OPERATION_UNSUPPORTED for one that only a start can make.
pub(crate) fn input(domain: &Domain, input: &Input, caps: &QemuCaps) -> Result<Vec<Part>> {
    if !matches!(input.bus, Some(InputBus::Usb | InputBus::Virtio)) {
        let bus = input.bus.map(|bus| bus.word()).unwrap_or_default();
        return Err(unsupported(format!(
            "input device on bus '{bus}' cannot be hot plugged."
        )));
    }
    with_builder(domain, caps, |b| inputs::append_one(b, domain, input))
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationUnsupported, ErrorDomain::Qemu, what)
}

fn with_builder(
    domain: &Domain,
    caps: &QemuCaps,
    append: impl FnOnce(&mut Builder) -> Result<()>,
) -> Result<Vec<Part>> {
    let mut b = Builder::new(caps);
    if let Some(overrides) = &domain.qemu.overrides {
        b.overrides = &overrides.devices;
    }
    append(&mut b)?;
    let line = b.finish(String::new(), Vec::new(), 0);
    line.args.chunks(2).map(part).collect()
}

/// An option and its argument. Every QEMU that is driven takes JSON for these.
fn part(option: &[String]) -> Result<Part> {
    let missing = |what: &str| {
        unsupported(format!(
            "'{what}' can't be given to a QEMU that runs already"
        ))
    };
    let [option, argument] = option else {
        return Err(missing("an option"));
    };
    let value = serde_json::from_str(argument).map_err(|_| missing(option))?;
    match option.as_str() {
        "-object" => Ok(Part::Object(value)),
        "-blockdev" => Ok(Part::Node(value)),
        "-netdev" => Ok(Part::Netdev(value)),
        "-device" => Ok(Part::Device(value)),
        other => Err(missing(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_arguments_and_others_are_refused() {
        let pair = |option: &str, argument: &str| part(&[option.to_owned(), argument.to_owned()]);
        let made = pair("-device", r#"{"driver":"scsi-hd","id":"a"}"#).unwrap();
        assert!(matches!(made, Part::Device(value) if value["id"] == "a"));
        let refused = pair("-add-fd", "set=0,fd=3").unwrap_err();
        assert!(refused.message().contains("'-add-fd'"), "{refused}");
    }
}
