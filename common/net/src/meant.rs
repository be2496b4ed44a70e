//! The interface that a client means, and what of it may change. Pure.

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, MacAddress};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The place of the interface that is meant: interfaces are known by their hardware address. `driver` is
/// whose guest it is.
///
/// # Errors
/// DEVICE_MISSING, OPERATION_FAILED when several have the address.
pub fn place(driver: ErrorDomain, domain: &Domain, meant: &Interface) -> Result<usize> {
    let address = meant.info.address.as_ref();
    let is_meant = |known: &Interface| {
        known.mac_text().eq_ignore_ascii_case(&meant.mac_text())
            && (address.is_none() || known.info.address.as_ref() == address)
    };
    let all = domain.devices.interfaces.iter().enumerate();
    let mut meant_ones = all.filter(|(_, known)| is_meant(known));
    let mac = meant.mac_text();
    match (meant_ones.next(), meant_ones.next()) {
        (Some((place, _)), None) => Ok(place),
        (Some(_), Some(_)) => Err(Error::new(
            ErrorCode::OperationFailed,
            driver,
            format!("multiple devices matching MAC address {mac} found"),
        )),
        (None, _) => Err(Error::new(
            ErrorCode::DeviceMissing,
            driver,
            format!("no device matching MAC address {mac} found"),
        )),
    }
}

/// Replaces the interface that is meant by what is said of it now.
///
/// # Errors
/// As [`place`].
pub fn replace(driver: ErrorDomain, domain: &mut Domain, new: Interface) -> Result<()> {
    let place = place(driver, domain, &new)?;
    if let Some(known) = domain.devices.interfaces.get_mut(place) {
        let address = known.info.address.take();
        *known = new;
        known.info.address = known.info.address.take().or(address);
    }
    Ok(())
}

/// The interface of that name on the host or with that address.
pub fn find<'a>(domain: &'a Domain, device: &str) -> Option<&'a Interface> {
    let address = MacAddress::parse(device);
    domain.devices.interfaces.iter().find(|interface| {
        let same_address =
            |mac: MacAddress| interface.mac.as_ref().is_some_and(|own| own.address == mac);
        interface.target_dev() == Some(device) || address.is_some_and(same_address)
    })
}

/// Refuses a description that differs in more than the cable. What it leaves out is as it was.
///
/// # Errors
/// OPERATION_UNSUPPORTED naming what differs.
pub fn check_unchanged(driver: ErrorDomain, known: &Interface, new: &Interface) -> Result<()> {
    let mut known = known.resolved();
    let mut new = new.clone();
    new.link = known.link;
    new.info.address = new.info.address.or_else(|| known.info.address.clone());
    new.model = new.model.or_else(|| known.model.clone());
    new.target = new.target.or_else(|| known.target.clone());
    new.guest = new.guest.or_else(|| known.guest.clone());
    new.driver = new.driver.or_else(|| known.driver.clone());
    new.info
        .name(|| known.info.alias().unwrap_or_default().to_owned());
    known.actual = None;
    let field = [
        ("source", known.source == new.source),
        ("model", known.model == new.model),
        ("target", known.target == new.target),
        ("driver", known.driver == new.driver),
        ("bandwidth", known.bandwidth == new.bandwidth),
        ("filterref", known.filterref == new.filterref),
        ("mtu", known.mtu == new.mtu),
    ];
    let field = field.iter().find(|(_, same)| !same);
    match field {
        None if known == new => Ok(()),
        field => Err(Error::new(
            ErrorCode::OperationUnsupported,
            driver,
            format!(
                "cannot modify {} of interface {} of a guest that runs; only its link state can be changed",
                field.map_or("a setting", |(name, _)| *name),
                known.mac_text()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(mac: &str, more: &str) -> Interface {
        let text = format!(
            "<interface type='bridge'><mac address='52:54:00:00:00:{mac}'/><source bridge='b'/>{more}\
             </interface>"
        );
        virt_xml::read_named("interface", &text).unwrap().0
    }

    fn guest(macs: &[&str]) -> Domain {
        let mut domain = Domain::default();
        let all = macs
            .iter()
            .map(|mac| interface(mac, "<target dev='vnet3'/>"));
        domain.devices.interfaces.extend(all);
        domain
    }

    #[test]
    fn an_interface_is_known_by_its_address() {
        let own = ErrorDomain::Lxc;
        let place = |macs: &[&str], mac| place(own, &guest(macs), &interface(mac, ""));
        assert_eq!(place(&["01", "02"], "02").unwrap(), 1);
        assert!(
            place(&["01"], "03")
                .unwrap_err()
                .is(ErrorCode::DeviceMissing)
        );
        assert!(place(&["01", "01"], "01").is_err());
        let guest = guest(&["01"]);
        assert!(find(&guest, "vnet3").is_some() && find(&guest, "52:54:0:0:0:1").is_some());
        assert!(find(&guest, "vnet4").is_none());
    }

    #[test]
    fn only_the_cable_of_a_running_guests_interface_changes() {
        let known = interface(
            "01",
            "<target dev='vnet3'/><guest actual='eth0'/><alias name='net0'/>",
        );
        let check = |new: &Interface| check_unchanged(ErrorDomain::Lxc, &known, new);
        check(&interface("01", "<link state='down'/>")).unwrap();
        let refused = check(&interface("01", "<mtu size='1400'/>")).unwrap_err();
        assert!(refused.message().contains("cannot modify mtu"), "{refused}");
    }
}
