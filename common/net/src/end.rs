//! What does not go by itself of an interface's end on the host, and how it goes.

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, InterfaceSource};
use virt_error::ErrorDomain;

use crate::host_end::HostEnd;
use crate::rtnetlink::Rtnetlink;
use crate::{command, open_vswitch};

/// What undoes a host's end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// The link.
    pub link: String,
    /// Whether it is a port of Open vSwitch.
    switch: bool,
    /// Whether the link may stay without us.
    stays: Option<Staying>,
    /// Run before it goes.
    script: Option<String>,
}

/// A link that may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Staying {
    Macvtap,
    /// The end of a pair, which goes with the other one. Its name may be another's by then: it is known
    /// by its address.
    Veth([u8; 6]),
}

impl HostEnd {
    /// What undoes a tap or macvtap of that name.
    pub fn end(&self, link: &str) -> End {
        let direct = matches!(self.interface.source, InterfaceSource::Direct { .. });
        self.undone(link, direct.then_some(Staying::Macvtap))
    }

    /// What undoes a container's end on the host of that name.
    pub fn end_of_pair(&self, link: &str) -> End {
        self.undone(link, Some(Staying::Veth(self.host_address())))
    }

    fn undone(&self, link: &str, stays: Option<Staying>) -> End {
        End {
            link: link.to_owned(),
            switch: self.on_switch(),
            stays,
            script: self.interface.downscript.clone(),
        }
    }
}

impl End {
    /// Undoes it; what can't be undone is told in the log. Blocks.
    pub fn undo(self) {
        let link = &self.link;
        let told = |what: &str, outcome: std::result::Result<(), String>| {
            if let Err(error) = outcome {
                tracing::warn!(link, %error, "{what}");
            }
        };
        if let Some(script) = &self.script {
            let ran = command::run(script, std::slice::from_ref(link));
            told(
                "the script for its end failed",
                ran.map_err(|e| e.to_string()),
            );
        }
        if self.switch {
            let ran = command::run("ovs-vsctl", &open_vswitch::remove(link));
            told(
                "a port of Open vSwitch is left",
                ran.map_err(|e| e.to_string()),
            );
        }
        if let Some(stays) = self.stays {
            told(
                "the link is left",
                remove(link, stays).map_err(|e| e.to_string()),
            );
        }
    }
}

fn remove(name: &str, stays: Staying) -> std::io::Result<()> {
    let kernel = Rtnetlink::open()?;
    let Some(link) = kernel.find(name)? else {
        return Ok(());
    };
    match stays {
        Staying::Veth(address) if link.address != address => Ok(()),
        _ => match kernel.delete_link(link.index) {
            // The other end went a moment ago.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => Ok(()),
            other => other,
        },
    }
}

/// What undoes the host's ends of a virtual machine that was found running.
pub fn ends(domain: &Domain, driver: ErrorDomain) -> Vec<End> {
    all(domain, driver, |_| true, HostEnd::end)
}

/// What undoes the host's ends of a container.
pub fn ends_of_pairs(domain: &Domain, driver: ErrorDomain) -> Vec<End> {
    // One that was made says how it is called inside.
    let made = |interface: &Interface| {
        let inside = interface.guest.as_ref();
        inside.is_some_and(|end| end.actual.is_some())
    };
    all(domain, driver, made, HostEnd::end_of_pair)
}

fn all(
    domain: &Domain,
    driver: ErrorDomain,
    made: impl Fn(&Interface) -> bool,
    end: fn(&HostEnd, &str) -> End,
) -> Vec<End> {
    let interfaces = domain.devices.interfaces.iter();
    interfaces
        .filter(|interface| made(interface))
        .filter_map(|interface| {
            let own = HostEnd::of(interface, domain.uuid, driver).ok()??;
            Some(end(&own, interface.target_dev()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn interface(text: &str) -> Interface {
        virt_xml::read_named("interface", text).unwrap().0
    }

    #[test]
    fn what_stays_without_us_is_undone() {
        let of = |text: &str| {
            let end = HostEnd::of(&interface(text), Uuid::nil(), ErrorDomain::Qemu);
            end.unwrap().unwrap()
        };
        let direct = of("<interface type='direct'><source dev='eth0'/></interface>");
        assert_eq!(direct.end("macvtap0").stays, Some(Staying::Macvtap));
        let scripted = of("<interface type='ethernet'><downscript path='/x'/></interface>");
        let end = scripted.end("vnet0");
        assert_eq!(
            (end.script.as_deref(), end.switch, end.stays),
            (Some("/x"), false, None)
        );
        let switched = "<interface type='bridge'><source bridge='b'/>
            <virtualport type='openvswitch'/></interface>";
        assert!(of(switched).end("vnet0").switch);
        let user = interface("<interface type='user'/>");
        let none = HostEnd::of(&user, Uuid::nil(), ErrorDomain::Qemu);
        assert!(none.unwrap().is_none());
    }

    #[test]
    fn a_pairs_end_is_known_by_its_address() {
        let text = "<interface type='bridge'><mac address='52:54:00:00:00:07'/>\
                    <source bridge='b'/></interface>";
        let end = HostEnd::of(&interface(text), Uuid::nil(), ErrorDomain::Lxc);
        let end = end.unwrap().unwrap().end_of_pair("vnet0");
        assert_eq!(end.stays, Some(Staying::Veth([0xfe, 0x54, 0, 0, 0, 7])));
    }
}
