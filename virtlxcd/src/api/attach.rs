//! Devices that come, go and change. Of network interfaces both the running container's and those of its
//! definition; others are refused by name.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::Interface;
use virt_driver::api::Session as _;
use virt_driver::api::flags::{AFFECT_CONFIG, AFFECT_LIVE, affects};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::meant;
use virt_rpc::protocol::remote::{
    DomainAttachDevice, DomainAttachDeviceFlags, DomainDetachDevice, DomainDetachDeviceAlias,
    DomainDetachDeviceFlags, DomainUpdateDeviceFlags,
};
use virt_rpc::server::Router;

use super::session::Session;
use crate::define;
use crate::definitions::keep;
use crate::guest::{Body, Guest};

const OWN: ErrorDomain = ErrorDomain::Lxc;

/// What the flags of all of them can say.
const BOTH: u32 = AFFECT_LIVE | AFFECT_CONFIG;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainAttachDevice, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let action = Action::Attach(interface(&call.args.xml)?);
        apply(guest.guest(), action, AFFECT_LIVE).await
    });
    router.task::<DomainAttachDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, BOTH, "DomainAttachDeviceFlags")?;
        let action = Action::Attach(interface(&call.args.xml)?);
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainDetachDevice, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let action = Action::Detach(Which::Like(interface(&call.args.xml)?));
        apply(guest.guest(), action, AFFECT_LIVE).await
    });
    router.task::<DomainDetachDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, BOTH, "DomainDetachDeviceFlags")?;
        let action = Action::Detach(Which::Like(interface(&call.args.xml)?));
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainDetachDeviceAlias, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, BOTH, "DomainDetachDeviceAlias")?;
        let action = Action::Detach(Which::Alias(call.args.alias.clone()));
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainUpdateDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, BOTH, "DomainUpdateDeviceFlags")?;
        let action = Action::Update(interface(&call.args.xml)?);
        apply(guest.guest(), action, call.args.flags).await
    });
}

/// What is asked.
#[derive(Debug, Clone)]
enum Action {
    Attach(Box<Interface>),
    Detach(Which),
    Update(Box<Interface>),
}

/// Which interface is meant.
#[derive(Debug, Clone)]
enum Which {
    Like(Box<Interface>),
    Alias(String),
}

fn interface(xml: &str) -> Result<Box<Interface>> {
    match virt_xml::parse(xml)?.name.as_str() {
        "interface" => {
            let mut interface: Box<Interface> = Box::new(virt_driver::read_device(xml)?);
            // Copied from a running container's document; names are given anew.
            interface.inactive();
            Ok(interface)
        }
        other => Err(Error::new(
            ErrorCode::OperationUnsupported,
            OWN,
            format!("device '{other}' of a container can't come, go or change; define it anew"),
        )),
    }
}

impl Which {
    fn place(&self, domain: &Domain) -> Result<usize> {
        match self {
            Self::Like(interface) => meant::place(OWN, domain, interface),
            Self::Alias(alias) => {
                let mut all = domain.devices.interfaces.iter();
                let place = all.position(|one| one.info.alias() == Some(alias));
                place.ok_or_else(|| {
                    Error::new(
                        ErrorCode::DeviceMissing,
                        OWN,
                        format!("no interface found with alias {alias}"),
                    )
                })
            }
        }
    }
}

impl Action {
    fn edit(self, domain: &mut Domain) -> Result<()> {
        match self {
            Self::Attach(interface) => domain.devices.interfaces.push(*interface),
            Self::Detach(which) => {
                let place = which.place(domain)?;
                domain.devices.interfaces.remove(place);
            }
            Self::Update(new) => meant::replace(OWN, domain, *new)?,
        }
        define::complete(domain)?;
        define::check(domain)
    }
}

async fn apply(guest: &Arc<Guest>, action: Action, flags: u32) -> Result<()> {
    guest
        .run("change device", move |body| {
            Box::pin(run(body, action, flags))
        })
        .await
}

async fn run(body: &mut Body, action: Action, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let affects = affects(flags, snapshot.is_active(), snapshot.definition.is_some())?;
    // Nothing is done to the running container that can't be done to its definition.
    let mut definition = None;
    if let (true, Some(kept)) = (affects.config, &snapshot.definition) {
        let mut domain = Box::new(Domain::clone(&*kept.domain()?));
        action.clone().edit(&mut domain)?;
        definition = Some(domain);
    }
    if affects.live {
        match action {
            Action::Attach(interface) => body.attach_interface(*interface).await?,
            Action::Detach(which) => {
                let live = Arc::clone(snapshot.running()?);
                body.detach_interface(which.place(&live.domain)?).await?;
            }
            Action::Update(interface) => body.update_interface(*interface).await?,
        }
    }
    match definition {
        Some(domain) => keep(body, *domain).await,
        None => Ok(()),
    }
}
