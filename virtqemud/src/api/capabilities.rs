//! What the driver, the host and the QEMU binaries can do.

use std::sync::Arc;

use virt_domain::VirtType;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    ConnectGetCapabilities, ConnectGetCapabilitiesRet, ConnectGetDomainCapabilities,
    ConnectGetDomainCapabilitiesRet, ConnectGetMaxVcpus, ConnectGetMaxVcpusRet, ConnectGetSysinfo,
    ConnectGetSysinfoRet, ConnectGetVersion, ConnectGetVersionRet, NodeGetSevInfo,
    NodeGetSevInfoRet, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::caps::CapFlag;
use crate::domcaps::Request;
use crate::driver::Driver;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<ConnectGetVersion, _, _>(version);
    router.task::<ConnectGetCapabilities, _, _>(capabilities);
    router.task::<ConnectGetDomainCapabilities, _, _>(domain_capabilities);
    router.task::<ConnectGetSysinfo, _, _>(sysinfo);
    router.task::<ConnectGetMaxVcpus, _, _>(max_vcpus);
    router.task::<NodeGetSevInfo, _, _>(sev_info);
}

/// The version of the binary that runs guests of the host's own architecture; 0 without one.
async fn version(call: Call<ConnectGetVersion, Session>) -> Result<ConnectGetVersionRet> {
    let driver = driver(&call)?;
    let native = Request::default();
    let caps = driver
        .host_state
        .emulator(&driver.prober, &native)
        .await
        .ok();
    let hv_ver = caps.map_or(0, |caps| caps.version.into());
    Ok(ConnectGetVersionRet { hv_ver })
}

fn driver<P: virt_rpc::protocol::Procedure>(call: &Call<P, Session>) -> Result<Arc<Driver>> {
    let permitted = call.session().permit(call)?;
    Ok(Arc::clone(call.session().driver(&permitted)))
}

async fn capabilities(
    call: Call<ConnectGetCapabilities, Session>,
) -> Result<ConnectGetCapabilitiesRet> {
    let driver = driver(&call)?;
    let capabilities = driver.host_state.capabilities(&driver.prober).await?;
    Ok(ConnectGetCapabilitiesRet { capabilities })
}

async fn domain_capabilities(
    call: Call<ConnectGetDomainCapabilities, Session>,
) -> Result<ConnectGetDomainCapabilitiesRet> {
    // Bit 0 leaves features out that QEMU means to drop.
    flags::only(call.args.flags, 1, "qemuConnectGetDomainCapabilities")?;
    if call.args.flags & 1 != 0 {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            "leaving deprecated features out of domain capabilities",
        ));
    }
    let driver = driver(&call)?;
    let args = &call.args;
    let request = Request::new(
        args.emulatorbin.clone(),
        args.arch.as_deref(),
        args.machine.clone(),
        args.virttype.as_deref(),
    )?;
    let state = &driver.host_state;
    let capabilities = state.domain_capabilities(&driver.prober, &request).await?;
    Ok(ConnectGetDomainCapabilitiesRet { capabilities })
}

async fn sysinfo(call: Call<ConnectGetSysinfo, Session>) -> Result<ConnectGetSysinfoRet> {
    flags::only(call.args.flags, 0, "qemuConnectGetSysinfo")?;
    let sysinfo = driver(&call)?.host_state.sysinfo().await?;
    Ok(ConnectGetSysinfoRet { sysinfo })
}

/// What a guest can have whose machine isn't known: of QEMU's own kind 16, with KVM what the
/// kernel allows. Clients that name a machine ask for domain capabilities.
async fn max_vcpus(call: Call<ConnectGetMaxVcpus, Session>) -> Result<ConnectGetMaxVcpusRet> {
    let driver = driver(&call)?;
    let name = call.args.r#type.as_deref().unwrap_or("qemu");
    let max = match VirtType::from_word(&name.to_ascii_lowercase()) {
        Some(VirtType::Qemu) => 16,
        Some(VirtType::Kvm) => driver.host_state.kvm_max_vcpus().await?,
        _ => {
            let detail = format!("unknown type '{name}'");
            return Err(Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, detail));
        }
    };
    let max_vcpus = i32::try_from(max).unwrap_or(i32::MAX);
    Ok(ConnectGetMaxVcpusRet { max_vcpus })
}

/// AMD's encrypted guests, as the binary for the host's own architecture tells them (names:
/// `libvirt-host.h`).
async fn sev_info(call: Call<NodeGetSevInfo, Session>) -> Result<NodeGetSevInfoRet> {
    // Bit 2: the client takes texts as well, which it has to.
    flags::only(call.args.flags, 4, "qemuNodeGetSEVInfo")?;
    let driver = driver(&call)?;
    let native = Request::default();
    let caps = driver.host_state.emulator(&driver.prober, &native).await?;
    let Some(sev) = caps.sev.as_ref().filter(|_| caps.has(CapFlag::SevGuest)) else {
        return Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Qemu,
            "QEMU does not support SEV guest",
        ));
    };
    let mut all = vec![
        TypedParam::string("pdh", sev.pdh.clone()),
        TypedParam::string("cert-chain", sev.cert_chain.clone()),
        TypedParam::uint("cbitpos", sev.cbitpos),
        TypedParam::uint("reduced-phys-bits", sev.reduced_phys_bits),
    ];
    all.extend(
        sev.cpu0_id
            .as_ref()
            .map(|id| TypedParam::string("cpu0-id", id.clone())),
    );
    let nparams = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let room = usize::try_from(call.args.nparams).unwrap_or(0);
    let params = all.into_iter().take(room).collect();
    Ok(NodeGetSevInfoRet { params, nparams })
}
