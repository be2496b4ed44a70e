//! Devices that come, go and change.

use std::sync::Arc;

use virt_domain::Domain;
use virt_error::Result;
use virt_rpc::protocol::remote::{
    DomainAttachDevice, DomainAttachDeviceFlags, DomainDetachDevice, DomainDetachDeviceAlias,
    DomainDetachDeviceFlags, DomainUpdateDeviceFlags,
};
use virt_rpc::server::Router;

use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use super::session::Session;
use crate::define::Origin;
use crate::definitions::{self, replace};
use crate::guest::{Body, Guest};
use crate::hotplug::{self, Device, Which};

/// The tray is opened whatever the guest says (`virDomainDeviceModifyFlags`).
const FORCE: u32 = 4;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainAttachDevice, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let action = Action::Attach(Device::read(&call.args.xml)?);
        apply(guest.guest(), action, AFFECT_LIVE).await
    });
    router.task::<DomainAttachDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let known = AFFECT_LIVE | AFFECT_CONFIG;
        flags::only(call.args.flags, known, "qemuDomainAttachDeviceFlags")?;
        let action = Action::Attach(Device::read(&call.args.xml)?);
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainDetachDevice, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let action = Action::Detach(Which::Like(Device::read(&call.args.xml)?));
        apply(guest.guest(), action, AFFECT_LIVE).await
    });
    router.task::<DomainDetachDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let known = AFFECT_LIVE | AFFECT_CONFIG;
        flags::only(call.args.flags, known, "qemuDomainDetachDeviceFlags")?;
        let action = Action::Detach(Which::Like(Device::read(&call.args.xml)?));
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainDetachDeviceAlias, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let known = AFFECT_LIVE | AFFECT_CONFIG;
        flags::only(call.args.flags, known, "qemuDomainDetachDeviceAlias")?;
        let action = Action::Detach(Which::Alias(call.args.alias.clone()));
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainUpdateDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let known = AFFECT_LIVE | AFFECT_CONFIG | FORCE;
        flags::only(call.args.flags, known, "qemuDomainUpdateDeviceFlags")?;
        let force = call.args.flags & FORCE != 0;
        let action = Action::Update(Device::read(&call.args.xml)?, force);
        apply(guest.guest(), action, call.args.flags & !FORCE).await
    });
}

/// What is asked.
#[derive(Debug, Clone)]
enum Action {
    Attach(Device),
    Detach(Which),
    Update(Device, bool),
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Attach(_) => "attach device",
            Self::Detach(_) => "detach device",
            Self::Update(..) => "update device",
        }
    }

    fn edit(self, domain: &mut Domain) -> Result<()> {
        match self {
            Self::Attach(device) => hotplug::attach(domain, device),
            Self::Detach(which) => hotplug::detach(domain, &which),
            Self::Update(device, _) => hotplug::update(domain, device),
        }
    }
}

async fn apply(guest: &Arc<Guest>, action: Action, flags: u32) -> Result<()> {
    guest
        .run(action.name(), move |body| {
            Box::pin(run(body, action, flags))
        })
        .await
}

async fn run(body: &mut Body, action: Action, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    // Nothing is done to the running guest that can't be done to its definition.
    let mut definition = None;
    if let (true, Some(kept)) = (affects.config, &snapshot.definition) {
        let mut domain = Box::new(Domain::clone(&*kept.domain()?));
        action.clone().edit(&mut domain)?;
        let driver = Arc::clone(body.driver());
        let (domain, _) = definitions::complete(&driver, domain, Origin::Stored).await?;
        definition = Some(domain);
    }
    if affects.live {
        match action {
            Action::Attach(device) => body.attach(device).await?,
            Action::Detach(which) => body.detach(&which).await?,
            Action::Update(device, force) => body.update(device, force).await?,
        }
    }
    match definition {
        Some(domain) => replace(body, domain).await,
        None => Ok(()),
    }
}
