//! Options of SCSI units that are handed through: of the host, or of an iSCSI server that QEMU
//! reaches itself.
//!
//! Facts: `-device scsi-generic,help` of QEMU 10.0; command lines of the stock daemon.

use super::block::{self, Needs};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_domain::devices::storage::{Location, Network, NetworkProtocol, StorageSource};
use virt_error::Result;

/// Appends the unit's node and device; false for a device that is none.
pub(super) fn append(
    b: &mut Builder,
    domain: &Domain,
    hostdev: &Hostdev,
    context: &mut StartContext,
) -> Result<bool> {
    let source = match &hostdev.source {
        HostdevSource::Scsi {
            adapter,
            bus,
            target,
            unit,
        } => {
            let path = context
                .descriptors
                .scsi_generic(adapter, *bus, *target, *unit)?;
            StorageSource::from(Location::Block { path: Some(path) })
        }
        HostdevSource::Iscsi { .. } => server(&hostdev.source),
        _ => return Ok(false),
    };
    context.node_index += 1;
    let node = format!("libvirt-{}-backend", context.node_index);
    let sets = b.disk_fdsets();
    let nodes = block::backend(
        &source,
        node,
        hostdev.readonly,
        &mut Needs::of(context, &sets),
    )?;
    b.parts(nodes.parts);
    let address = hostdev.info.address.as_ref().and_then(Address::drive);
    let at = address.copied().unwrap_or_default();
    let device = Props::device("scsi-generic")
        .with("drive", nodes.top)
        .with("id", hostdev.info.alias().unwrap_or_default())
        .maybe("bootindex", hostdev.info.boot_order())
        .on_scsi(domain, at)?;
    b.device(&device);
    Ok(true)
}

/// The place of an iSCSI unit.
fn server(source: &HostdevSource) -> StorageSource {
    let HostdevSource::Iscsi {
        name,
        hosts,
        auth,
        initiator,
    } = source
    else {
        return StorageSource::from(Location::Block { path: None });
    };
    let mut network = Network::new(NetworkProtocol::Iscsi);
    network.name = Some(name.clone());
    network.hosts.clone_from(hosts);
    network.initiator.clone_from(initiator);
    let mut source = StorageSource::from(Location::Network(Box::new(network)));
    source.auth.clone_from(auth);
    source
}
