//! Namespaces that a container has together with others: `<lxc:namespace>`. They are opened here, where
//! containers are known by name, and handed to the controller, which is in them when it makes init.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use virt_domain::Domain;
use virt_domain::devices::hostdev::HostdevKind;
use virt_domain::namespace::{LxcShare, LxcShareType};
use virt_driver::process::Process;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::driver::Driver;
use crate::plan::Shared;

/// Where ip(8) keeps network namespaces that have names.
const NAMED: &str = "/run/netns";

/// What a container shares, in the order of its descriptors.
pub(crate) fn of(domain: &Domain) -> Vec<(Shared, &LxcShare)> {
    let Some(lxc) = &domain.lxc else {
        return Vec::new();
    };
    [
        (Shared::Network, &lxc.sharenet),
        (Shared::Ipc, &lxc.shareipc),
        (Shared::Uts, &lxc.shareuts),
    ]
    .into_iter()
    .filter_map(|(what, share)| Some((what, share.as_ref()?)))
    .collect()
}

fn element(what: Shared) -> &'static str {
    match what {
        Shared::Network => "lxc:sharenet",
        Shared::Ipc => "lxc:shareipc",
        Shared::Uts => "lxc:shareuts",
    }
}

/// Refuses what can't be shared.
///
/// # Errors
/// CONFIG_UNSUPPORTED, XML_ERROR naming the element.
pub(crate) fn refuse(domain: &Domain) -> Result<()> {
    let shares_network = domain
        .lxc
        .as_ref()
        .is_some_and(|lxc| lxc.sharenet.is_some());
    let devices = &domain.devices;
    let mut hostdevs = devices.hostdevs.iter();
    if shares_network
        && (!devices.interfaces.is_empty() || hostdevs.any(|one| one.kind == HostdevKind::Net))
    {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Lxc,
            "a container with <lxc:sharenet> has the interfaces of whom it shares them with and none of \
             its own",
        ));
    }
    for (what, share) in of(domain) {
        let element = element(what);
        let value = &share.value;
        let wrong = |why: &str| {
            let text = format!("<{element} type='{}' value='{value}'>: {why}", share.kind);
            Err(Error::new(ErrorCode::XmlError, ErrorDomain::Lxc, text))
        };
        match share.kind {
            LxcShareType::Netns if what != Shared::Network => {
                return Err(Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Lxc,
                    format!("<{element} type='netns'>: only networks are named in {NAMED}"),
                ));
            }
            LxcShareType::Netns if !is_one_name(value) => {
                return wrong("the value is the name of a file in /run/netns");
            }
            LxcShareType::Pid if !value.parse::<i32>().is_ok_and(|pid| pid > 0) => {
                return wrong("the value is the number of a process");
            }
            LxcShareType::Name if *value == domain.name => {
                return wrong("a container shares with another one");
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_one_name(text: &str) -> bool {
    let mut parts = Path::new(text).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(name)), None) if name == text
    )
}

/// Opens what the container shares.
///
/// # Errors
/// OPERATION_INVALID for a container that does not run, SYSTEM_ERROR naming what is not there.
pub(crate) fn open(driver: &Driver, domain: &Domain) -> Result<Vec<OwnedFd>> {
    let all = of(domain).into_iter();
    all.map(|(what, share)| open_one(driver, what, share))
        .collect()
}

fn open_one(driver: &Driver, what: Shared, share: &LxcShare) -> Result<OwnedFd> {
    let value = &share.value;
    let failed = |cause: std::io::Error| {
        let text = format!(
            "cannot share the namespace of <{} type='{}' value='{value}'>",
            element(what),
            share.kind
        );
        Error::system(ErrorDomain::Lxc, text, &cause)
    };
    let gone = || std::io::Error::from_raw_os_error(nix::libc::ESRCH);
    match share.kind {
        LxcShareType::Netns => {
            let path = Path::new(NAMED).join(value);
            File::open(path).map(OwnedFd::from).map_err(failed)
        }
        LxcShareType::Pid => {
            let pid = value.parse().map_err(|_| failed(gone()))?;
            let process = Process::open(pid).map_err(failed)?;
            namespace(&process, what).map_err(failed)
        }
        LxcShareType::Name => {
            let guest = driver.registry.by_name(value);
            let live = guest.and_then(|guest| guest.snapshot().live.clone());
            let live = live.ok_or_else(|| {
                Error::new(
                    ErrorCode::OperationInvalid,
                    ErrorDomain::Lxc,
                    format!(
                        "<{}>: container '{value}' does not run; start it first",
                        element(what)
                    ),
                )
            })?;
            let init = live.container.init.as_ref().ok_or_else(|| failed(gone()))?;
            namespace(init, what).map_err(failed)
        }
    }
}

fn namespace(process: &Process, what: Shared) -> std::io::Result<OwnedFd> {
    let kind = match what {
        Shared::Network => "net",
        Shared::Ipc => "ipc",
        Shared::Uts => "uts",
    };
    let file = File::open(format!("/proc/{}/ns/{kind}", process.pid()))?;
    // As long as it lives its number is nobody else's.
    match process.is_alive() {
        true => Ok(file.into()),
        false => Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(share: &str) -> Domain {
        let text = format!(
            "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'><name>a</name>\
             <memory>1</memory><os><type>exe</type></os>\
             <lxc:namespace>{share}</lxc:namespace></domain>"
        );
        Domain::read(&text).unwrap()
    }

    #[test]
    fn what_is_shared_has_an_order() {
        let both = container(
            "<lxc:shareuts type='pid' value='1'/><lxc:sharenet type='netns' value='red'/>",
        );
        let order: Vec<Shared> = of(&both).into_iter().map(|(what, _)| what).collect();
        assert_eq!(order, [Shared::Network, Shared::Uts]);
        refuse(&both).unwrap();
    }

    #[test]
    fn what_can_not_be_shared_is_named() {
        for (share, named) in [
            ("<lxc:shareipc type='netns' value='red'/>", "lxc:shareipc"),
            ("<lxc:sharenet type='netns' value='../x'/>", "'../x'"),
            ("<lxc:sharenet type='netns' value='..'/>", "'..'"),
            ("<lxc:shareuts type='pid' value='-1'/>", "'-1'"),
            ("<lxc:shareuts type='name' value='a'/>", "another one"),
        ] {
            let error = refuse(&container(share)).unwrap_err();
            assert!(error.message().contains(named), "{error}");
        }
    }
}
