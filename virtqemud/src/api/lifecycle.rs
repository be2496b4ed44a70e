//! Starting and ending guests, their pause, and the buttons of their machines.

use std::sync::Arc;

use virt_driver::{Guest as _, logs};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    DomainCreate, DomainCreateWithFlags, DomainCreateWithFlagsRet, DomainCreateXml,
    DomainCreateXmlRet, DomainDestroy, DomainDestroyFlags, DomainInjectNmi, DomainPmWakeup,
    DomainReboot, DomainReset, DomainResume, DomainShutdown, DomainShutdownFlags, DomainSuspend,
    NonnullDomain,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::define::Origin;
use crate::definitions;
use crate::guest::{self, Guest, StartOptions};

/// Bits of `virDomainCreateFlags` (`libvirt-domain.h`).
mod start_flag {
    pub const PAUSED: u32 = 1;
    pub const AUTODESTROY: u32 = 1 << 1;
    pub const BYPASS_CACHE: u32 = 1 << 2;
    pub const FORCE_BOOT: u32 = 1 << 3;
    pub const VALIDATE: u32 = 1 << 4;
    pub const RESET_NVRAM: u32 = 1 << 5;
    pub const OF_A_DOCUMENT: u32 = PAUSED | AUTODESTROY | VALIDATE | RESET_NVRAM;
    pub const OF_A_DEFINITION: u32 = PAUSED | AUTODESTROY | BYPASS_CACHE | FORCE_BOOT | RESET_NVRAM;
}

/// `VIR_DOMAIN_DESTROY_GRACEFUL`: no SIGKILL.
const DESTROY_GRACEFUL: u32 = 1;
/// `VIR_DOMAIN_DESTROY_REMOVE_LOGS`: the guest's logs go too.
const DESTROY_REMOVE_LOGS: u32 = 2;

/// `VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN` and the same of reboots.
const POWER_BUTTON: u32 = 1;
/// `VIR_DOMAIN_SHUTDOWN_GUEST_AGENT` and the same of reboots.
const AGENT: u32 = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainCreate, _, _>(|call| async move {
        start(&call, &call.args.dom, 0).await?;
        Ok(())
    });
    router.task::<DomainCreateWithFlags, _, _>(|call| async move {
        let dom = start(&call, &call.args.dom, call.args.flags).await?;
        Ok(DomainCreateWithFlagsRet { dom })
    });
    router.task::<DomainCreateXml, _, _>(create);
    router.task::<DomainDestroy, _, _>(|call| async move {
        destroy(call.session().guest(&call, &call.args.dom)?.guest(), 0).await
    });
    router.task::<DomainDestroyFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        destroy(guest.guest(), call.args.flags).await
    });
    router.task::<DomainSuspend, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.guest().suspend().await
    });
    router.task::<DomainResume, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.guest().resume().await
    });
    router.task::<DomainShutdown, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        press_power(guest.guest(), false, 0, "qemuDomainShutdownFlags").await
    });
    router.task::<DomainShutdownFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        press_power(guest.guest(), false, flags, "qemuDomainShutdownFlags").await
    });
    router.task::<DomainReboot, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        press_power(guest.guest(), true, call.args.flags, "qemuDomainReboot").await
    });
    router.task::<DomainReset, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        flags::only(call.args.flags, 0, "qemuDomainReset")?;
        guest.guest().reset().await
    });
    router.task::<DomainInjectNmi, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        flags::only(call.args.flags, 0, "qemuDomainInjectNMI")?;
        guest.guest().inject_nmi().await
    });
    router.task::<DomainPmWakeup, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        flags::only(call.args.flags, 0, "qemuDomainPMWakeup")?;
        guest.guest().wake().await
    });
}

fn options(flags: u32) -> StartOptions {
    use start_flag::{BYPASS_CACHE, FORCE_BOOT, PAUSED, RESET_NVRAM};
    StartOptions {
        paused: flags & PAUSED != 0,
        force_boot: flags & FORCE_BOOT != 0,
        bypass_cache: flags & BYPASS_CACHE != 0,
        reset_nvram: flags & RESET_NVRAM != 0,
    }
}

async fn start<P: Procedure>(
    call: &Call<P, Session>,
    dom: &NonnullDomain,
    flags: u32,
) -> Result<NonnullDomain> {
    let guest = call.session().guest(call, dom)?;
    flags::only(
        flags,
        start_flag::OF_A_DEFINITION,
        "qemuDomainCreateWithFlags",
    )?;
    guest.guest().start(options(flags)).await?;
    if flags & start_flag::AUTODESTROY != 0 {
        ends_with(call, guest.guest());
    }
    Ok(guest.on_the_wire())
}

async fn create(call: Call<DomainCreateXml, Session>) -> Result<DomainCreateXmlRet> {
    let flags = call.args.flags;
    flags::only(flags, start_flag::OF_A_DOCUMENT, "qemuDomainCreateXML")?;
    let session = call.session();
    let permitted = session.guests().make(&call, &call.args.xml_desc)?;
    let validate = flags & start_flag::VALIDATE != 0;
    let domain = session.read_xml(&call.args.xml_desc, validate)?;
    let driver = session.driver(&permitted);
    let (domain, caps) = definitions::complete(driver, domain, Origin::New).await?;
    let guest = guest::create(driver, domain, caps, options(flags)).await?;
    if flags & start_flag::AUTODESTROY != 0 {
        ends_with(&call, &guest);
    }
    let dom = guest.on_the_wire();
    Ok(DomainCreateXmlRet { dom })
}

/// The guest is destroyed when the caller's connection ends.
fn ends_with<P: Procedure>(call: &Call<P, Session>, guest: &Arc<Guest>) {
    let Some(live) = guest.snapshot().live.clone() else {
        return; // It ended already.
    };
    let (client, guest) = (call.client().clone(), Arc::clone(guest));
    tokio::spawn(async move {
        let mut gone = live.qemu.ending.gone();
        tokio::select! {
            () = client.closed() => {}
            _ = gone.wait_for(|gone| *gone) => return,
        }
        // Another run of the guest has nothing to do with this connection.
        let same = |now: &Arc<guest::Live>| Arc::ptr_eq(&now.qemu, &live.qemu);
        if guest.snapshot().live.as_ref().is_some_and(same)
            && let Err(error) = guest.destroy(false).await
        {
            tracing::warn!(guest = %guest.name(), %error, "the guest outlives its connection");
        }
    });
}

async fn destroy(guest: &Arc<Guest>, flags: u32) -> Result<()> {
    let known = DESTROY_GRACEFUL | DESTROY_REMOVE_LOGS;
    flags::only(flags, known, "qemuDomainDestroyFlags")?;
    let name = guest.name();
    guest.destroy(flags & DESTROY_GRACEFUL != 0).await?;
    if flags & DESTROY_REMOVE_LOGS != 0 {
        let log = guest.driver().folders.guest_log(&name);
        definitions::off_thread(move || {
            logs::remove(&log).map_err(|cause| {
                let what = format!("cannot remove log '{}'", log.display());
                Error::system(ErrorDomain::Qemu, what, &cause)
            })
        })
        .await?;
    }
    Ok(())
}

async fn press_power(guest: &Arc<Guest>, reboot: bool, flags: u32, function: &str) -> Result<()> {
    flags::only(flags, POWER_BUTTON | AGENT, function)?;
    guest.snapshot().running()?;
    // Without a bit, or with both, the power button is one of the ways that may be tried.
    if flags == AGENT {
        return Err(Error::new(
            ErrorCode::ArgumentUnsupported,
            ErrorDomain::Qemu,
            "QEMU guest agent is not configured",
        ));
    }
    guest.press_power(reboot).await
}
