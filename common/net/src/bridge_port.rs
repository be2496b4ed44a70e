//! The host's end of an interface as a port of its bridge: of one of the kernel's or of Open vSwitch.

use std::io;

use nix::net::if_::if_nametoindex;
use virt_domain::devices::interface::{NativeMode, VirtualPortType, Vlan};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

use crate::host_end::{HostEnd, index_of, system};
use crate::rtnetlink::Rtnetlink;
use crate::{command, open_vswitch};

impl HostEnd {
    pub(crate) fn on_switch(&self) -> bool {
        let port = self.interface.virtualport.as_ref();
        port.and_then(|port| port.kind) == Some(VirtualPortType::Openvswitch)
    }

    /// Makes a link what it is to be at its bridge; the kernel's has it as a port already.
    pub(crate) fn join(&self, bridge: &str, link: &str) -> Result<()> {
        let interface = &self.interface;
        if self.on_switch() {
            self.join_switch(bridge, link)?;
        } else if let Some(vlan) = &interface.vlan {
            self.vlans(vlan, link, bridge)?;
        }
        if interface.isolated == Some(YesNo::Yes) {
            let index = index_of(link)?;
            let isolated = Rtnetlink::open().and_then(|kernel| kernel.isolate(index));
            isolated.map_err(system(format!(
                "Unable to set bridge {bridge} port {link} isolated to 1"
            )))?;
        }
        Ok(())
    }

    fn join_switch(&self, bridge: &str, link: &str) -> Result<()> {
        let interface = &self.interface;
        let Some(switch) = &interface.virtualport else {
            return Ok(());
        };
        let port = open_vswitch::Port {
            bridge,
            link,
            mac: &interface.mac_text(),
            guest: self.guest,
            parameters: &switch.parameters,
            vlan: interface.vlan.as_ref(),
            limits: interface.bandwidth.as_ref(),
        };
        command::run("ovs-vsctl", &open_vswitch::add(&port)).map_err(|error| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::None,
                format!(
                    "Unable to add port {link} to OVS bridge {bridge}: {}",
                    error.message()
                ),
            )
        })?;
        open_vswitch::limits(&port)
            .iter()
            .try_for_each(|arguments| command::run("ovs-vsctl", arguments))
    }

    /// Makes the port of an ordinary bridge a member of its VLANs alone.
    fn vlans(&self, vlan: &Vlan, link: &str, bridge: &str) -> Result<()> {
        let set = || -> io::Result<()> {
            let index = if_nametoindex(link)?;
            let kernel = Rtnetlink::open()?;
            let list = members(vlan);
            // First, for it fails where the bridge does not look at tags.
            kernel.add_vlans(index, &list)?;
            // The bridge's own VLAN, in which it put the port.
            if !list.iter().any(|(_, tag)| *tag == 1) {
                kernel.remove_vlans(index, &[(0, 1)])?;
            }
            Ok(())
        };
        let filters =
            std::fs::read_to_string(format!("/sys/class/net/{bridge}/bridge/vlan_filtering"));
        if filters.is_ok_and(|text| text.trim() == "0") {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                self.driver,
                format!("bridge '{bridge}' does not filter VLANs; switch its vlan_filtering on"),
            ));
        }
        set().map_err(system(format!(
            "error adding vlan filter to interface {link}"
        )))
    }
}

/// The kernel's flags and the tag of each VLAN (linux/if_bridge.h).
fn members(vlan: &Vlan) -> Vec<(u16, u16)> {
    const PVID: u16 = 2;
    const UNTAGGED: u16 = 4;
    vlan.tags
        .iter()
        .map(|tag| {
            let flags = match (vlan.trunk, tag.native_mode) {
                (false, _) | (true, Some(NativeMode::Untagged)) => PVID | UNTAGGED,
                (true, Some(NativeMode::Tagged)) => PVID,
                (true, None) => 0,
            };
            (flags, tag.id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_in_its_vlans_as_they_say() {
        let vlan = |text: &str| virt_xml::read_named::<Vlan>("vlan", text).unwrap().0;
        assert_eq!(members(&vlan("<vlan><tag id='7'/></vlan>")), [(6, 7)]);
        let trunk = "<vlan trunk='yes'><tag id='3' nativeMode='tagged'/><tag id='5'/></vlan>";
        assert_eq!(members(&vlan(trunk)), [(2, 3), (0, 5)]);
    }
}
