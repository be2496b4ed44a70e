//! Calls about devices that come, go and change.

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::actor::{self, HasActor};
use virt_driver::api::Session;
use virt_driver::api::flags::{AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Describe as _, Edited, replace};
use virt_error::{ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainAttachDevice, DomainAttachDeviceFlags, DomainDetachDevice, DomainDetachDeviceAlias,
    DomainDetachDeviceFlags, DomainUpdateDeviceFlags,
};
use virt_rpc::server::Router;

use crate::{Device, Hotplug, Which, definition};

/// What the flags of all of them can say.
const BOTH: u32 = AFFECT_LIVE | AFFECT_CONFIG;

/// The tray is opened whatever the guest says (`virDomainDeviceModifyFlags`).
const FORCE: u32 = 4;

/// The handlers.
pub fn register<S: Session<Guest: Edited<Editor: Hotplug>>>(router: &mut Router<S>) {
    router.task::<DomainAttachDevice, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let action = Action::Attach(Device::read(&call.args.xml)?);
        apply(guest.guest(), action, AFFECT_LIVE).await
    });
    router.task::<DomainAttachDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        S::only(call.args.flags, BOTH, "DomainAttachDeviceFlags")?;
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
        S::only(call.args.flags, BOTH, "DomainDetachDeviceFlags")?;
        let action = Action::Detach(Which::Like(Device::read(&call.args.xml)?));
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainDetachDeviceAlias, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        S::only(call.args.flags, BOTH, "DomainDetachDeviceAlias")?;
        let action = Action::Detach(Which::Alias(call.args.alias.clone()));
        apply(guest.guest(), action, call.args.flags).await
    });
    router.task::<DomainUpdateDeviceFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        S::only(call.args.flags, BOTH | FORCE, "DomainUpdateDeviceFlags")?;
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

    fn edit(self, driver: ErrorDomain, domain: &mut Domain) -> Result<()> {
        match self {
            Self::Attach(device) => definition::attach(driver, domain, device),
            Self::Detach(which) => definition::detach(driver, domain, &which),
            Self::Update(device, _) => definition::update(driver, domain, device),
        }
    }
}

async fn apply<G: Edited<Editor: Hotplug>>(
    guest: &Arc<G>,
    action: Action,
    flags: u32,
) -> Result<()> {
    let driver = <G as HasActor<G::Editor>>::DOMAIN;
    actor::submit::<G::Editor, _>(guest, action.name(), move |body| {
        Box::pin(run(body, driver, action, flags))
    })
    .await
}

async fn run<B: Hotplug>(
    body: &mut B,
    driver: ErrorDomain,
    action: Action,
    flags: u32,
) -> Result<()> {
    let described = body.entry().described();
    let affects = described.affects(flags)?;
    // Nothing is done to the running guest that can't be done to its definition.
    let mut definition = None;
    if let (true, Some(kept)) = (affects.config, &described.definition) {
        let mut domain = Box::new(Domain::clone(&*kept.domain()?));
        action.clone().edit(driver, &mut domain)?;
        definition = Some(body.completed(domain).await?);
    }
    if affects.live {
        match action {
            Action::Attach(device) => body.attach(device).await?,
            Action::Detach(which) => body.detach(which).await?,
            Action::Update(device, force) => body.update(device, force).await?,
        }
    }
    match definition {
        Some(domain) => replace(body, domain).await,
        None => Ok(()),
    }
}
