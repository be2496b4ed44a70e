//! The network of a container that starts.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::Interface;
use virt_error::Result;
use virt_net::network_ports;

use super::make;
use super::owns_network;
use crate::guest::{Body, Live};

/// What the status file is to say before anything is made: aliases, and the ports that networks are asked
/// for.
pub(crate) fn name(live: &mut Domain) {
    let interfaces = &mut live.devices.interfaces;
    for number in 0..interfaces.len() {
        let alias = free_alias(interfaces);
        if let Some(interface) = interfaces.get_mut(number) {
            interface.info.name(|| alias);
        }
    }
    for (number, device) in live.devices.hostdevs.iter_mut().enumerate() {
        device.info.name(|| format!("hostdev{number}"));
    }
    network_ports::choose(live);
}

/// The first alias that no interface has.
pub(crate) fn free_alias(interfaces: &[Interface]) -> String {
    let is_taken = |alias: &String| {
        let mut all = interfaces.iter();
        all.any(|one| one.info.alias() == Some(alias.as_str()))
    };
    let mut all = (0u32..).map(|number| format!("net{number}"));
    // There are more numbers than interfaces.
    all.find(|alias| !is_taken(alias)).unwrap_or_default()
}

impl Body {
    /// Gives the container that is made, and whose init waits, its network, and notes that.
    ///
    /// # Errors
    /// What can't be had, by name. What was made by then is in the live description.
    pub(crate) async fn connect(&mut self) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        if !owns_network(&live.domain) {
            return Ok(());
        }
        let driver = Arc::clone(self.driver());
        let made = virt_driver::off_thread(move || {
            let mut domain = Domain::clone(&live.domain);
            let outcome = make::connect(&driver, &live.container, &mut domain);
            Ok((domain, outcome))
        });
        let (domain, outcome) = made.await?;
        self.change(|snapshot| {
            snapshot.live = snapshot.live.as_ref().map(|live| {
                Arc::new(Live {
                    domain: Arc::new(domain),
                    ..Live::clone(live)
                })
            });
        });
        outcome?;
        self.write_status().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_get_the_aliases_that_are_free() {
        let text = "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type></os><devices>\
                    <interface type='ethernet'/><interface type='ethernet'><alias name='ua-x'/></interface>\
                    <interface type='network'><source network='n'/></interface></devices></domain>";
        let mut domain = Domain::read(text).unwrap();
        name(&mut domain);
        let aliases = |domain: &Domain| -> Vec<String> {
            let all = domain.devices.interfaces.iter();
            all.map(|one| one.info.alias().unwrap().to_owned())
                .collect()
        };
        assert_eq!(aliases(&domain), ["net0", "ua-x", "net1"]);
        assert_eq!(network_ports::of(&domain).len(), 1);
        domain.devices.interfaces.remove(0);
        assert_eq!(free_alias(&domain.devices.interfaces), "net0");
    }
}
