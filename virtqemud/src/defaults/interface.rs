//! Defaults of interfaces.

use super::Context;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::interface::{
    Interface, InterfaceSource, Mac, MacAddress, VhostUserMode, VirtualPortType,
};
use virt_error::Result;

/// Cards whose names are taken in any case.
const KNOWN_MODELS: [&str; 19] = [
    "netfront",
    "rtl8139",
    "virtio",
    "virtio-transitional",
    "virtio-non-transitional",
    "e1000",
    "e1000e",
    "igb",
    "usb-net",
    "spapr-vlan",
    "lan9118",
    "smc91c111",
    "vlance",
    "vmxnet",
    "vmxnet2",
    "vmxnet3",
    "Am79C970A",
    "Am79C973",
    "82540EM",
];

/// Whether a card is one of those.
pub(crate) fn is_known_model(model: &str) -> bool {
    KNOWN_MODELS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(model))
}

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    for interface in &mut domain.devices.interfaces {
        fill_one(interface, arch, context);
    }
    Ok(())
}

fn fill_one(interface: &mut Interface, arch: Arch, context: &Context) {
    if interface.mac.is_none() {
        interface.mac = Some(Mac::from(MacAddress::generated(context.random)));
    }
    if let Some(model) = &mut interface.model {
        let known = KNOWN_MODELS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(model));
        if let Some(known) = known {
            *model = (*known).to_owned();
        }
    } else {
        let model = match &interface.source {
            InterfaceSource::Hostdev { .. } => None,
            // QEMU has no other card for them.
            InterfaceSource::Vhostuser(_) | InterfaceSource::Vdpa { .. } => Some("virtio"),
            _ => default_model(arch, context),
        };
        interface.model = model.map(str::to_owned);
    }
    let passt = interface.uses_passt();
    match &mut interface.source {
        InterfaceSource::Vhostuser(source) if !passt && source.mode.is_none() => {
            source.mode = Some(VhostUserMode::Client);
        }
        _ => {}
    }
    if let Some(port) = &mut interface.virtualport {
        let random = || {
            let mut bytes = [0; 16];
            (context.random)(&mut bytes);
            uuid::Builder::from_random_bytes(bytes).into_uuid()
        };
        match port.kind {
            Some(VirtualPortType::Openvswitch) => {
                port.parameters.interfaceid.get_or_insert_with(random);
            }
            Some(VirtualPortType::Qbg) => {
                port.parameters.instanceid.get_or_insert_with(random);
            }
            // Its network says which kind it is.
            None => {
                port.parameters.instanceid.get_or_insert_with(random);
                port.parameters.interfaceid.get_or_insert_with(random);
            }
            _ => {}
        }
    }
}

/// The card that a guest gets that names none.
fn default_model(arch: Arch, context: &Context) -> Option<&'static str> {
    match arch {
        Arch::X86_64 | Arch::I686 => {}
        Arch::Ppc64 | Arch::Ppc64le => return Some("spapr-vlan"),
        _ => return Some("virtio"),
    }
    [
        (CapFlag::Rtl8139, "rtl8139"),
        (CapFlag::E1000, "e1000"),
        (CapFlag::VirtioNet, "virtio"),
    ]
    .into_iter()
    .find(|(flag, _)| context.caps.has(*flag))
    .map(|(_, model)| model)
}
