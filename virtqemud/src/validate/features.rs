//! Checks of the machine's features.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::features::Features;
use virt_domain::hyperv::Hyperv;
use virt_domain::seclabel::LaunchSecurityType;
use virt_domain::{Domain, VirtType};
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    if let Some(features) = &domain.features {
        known(domain, context, features)?;
        if let Some(hyperv) = &features.hyperv {
            hyperv_values(hyperv)?;
        }
    }
    launch_security(domain, context)
}

fn known(domain: &Domain, context: &Context, features: &Features) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let board = Board::of(domain);
    let machine = domain.os.kind.machine.as_deref().unwrap_or_default();
    let elsewhere = |feature: &str| {
        Err(unsupported(format!(
            "The '{feature}' feature is not supported for architecture '{arch}' or machine type '{machine}'"
        )))
    };
    if features.gic.is_some() && board != Board::ArmVirt {
        return elsewhere("gic");
    }
    if features.ras.is_some() && board != Board::ArmVirt {
        return Err(unsupported(
            "ras feature is only supported with ARM Virt machines",
        ));
    }
    if features.aia.is_some() && board != Board::RiscvVirt {
        return Err(unsupported(
            "aia feature is only supported with RISC-V Virt machines",
        ));
    }
    if let Some(tcg) = &features.tcg {
        if domain.virt_type != VirtType::Qemu {
            return Err(unsupported(format!(
                "TCG features are incompatible with domain type '{}'",
                domain.virt_type
            )));
        }
        if tcg.tb_cache.is_some_and(|size| size.0 % 1024 != 0) {
            return Err(unsupported(
                "tb-cache size must be an integer multiple of MiB",
            ));
        }
    }
    for (name, said) in [
        ("hpt", features.hpt.is_some()),
        ("htm", features.htm.is_some()),
        ("nested-hv", features.nested_hv.is_some()),
        ("ccf-assist", features.ccf_assist.is_some()),
        ("cfpc", features.cfpc.is_some()),
        ("sbbc", features.sbbc.is_some()),
        ("ibs", features.ibs.is_some()),
    ] {
        if said && board != Board::Pseries {
            return elsewhere(name);
        }
    }
    if features.async_teardown.is_some() && !context.caps.has(CapFlag::RunWithAsyncTeardown) {
        return Err(unsupported(
            "asynchronous teardown is not available with this QEMU binary",
        ));
    }
    if let Some(ps2) = features.ps2 {
        if !context.caps.has(CapFlag::MachineI8042Opt) {
            return Err(unsupported(
                "ps2 feature state cannot be controlled with this QEMU binary",
            ));
        }
        let vmport = features.vmport.is_some_and(|vmport| vmport.is_on());
        if vmport && !ps2.state.is_on() {
            return Err(unsupported(
                "vmport feature requires the ps2 feature not to be disabled",
            ));
        }
    }
    if let Some(tseg) = features.smm.as_ref().and_then(|smm| smm.tseg) {
        if board != Board::Q35 {
            return Err(unsupported(
                "SMM TSEG is only supported with q35 machine type",
            ));
        }
        if !context.caps.has(CapFlag::MchExtendedTsegMbytes) {
            return Err(unsupported(
                "Setting TSEG size is not supported with this QEMU binary",
            ));
        }
        if tseg.0 % (1 << 20) != 0 {
            return Err(unsupported("SMM TSEG size must be divisible by 1 MiB"));
        }
    }
    if features.msrs.is_some() {
        return Err(unsupported(
            "what happens with unknown MSRs is not supported yet; remove <msrs>",
        ));
    }
    if let Some(ring) = features.kvm.as_ref().and_then(|kvm| kvm.dirty_ring) {
        let size = ring.size.unwrap_or(0);
        if ring.state.is_on() && (!size.is_power_of_two() || !(1024..=65536).contains(&size)) {
            return Err(xml_error(
                "dirty ring must be power of 2 and ranges [1024, 65536]",
            ));
        }
    }
    Ok(())
}

fn hyperv_values(hyperv: &Hyperv) -> Result<()> {
    let retries = hyperv.spinlocks.as_ref().and_then(|s| s.retries);
    if retries.is_some_and(|retries| retries < 4095) {
        return Err(xml_error(
            "HyperV spinlock retry count must be at least 4095",
        ));
    }
    let vendor = hyperv.vendor_id.as_ref().and_then(|v| v.value.as_deref());
    if vendor.is_some_and(|vendor| vendor.len() > 12) {
        return Err(xml_error(
            "HyperV vendor_id value must not be more than 12 characters.",
        ));
    }
    if vendor.is_some_and(|vendor| vendor.contains(',')) {
        return Err(xml_error("HyperV vendor_id value is invalid"));
    }
    Ok(())
}

fn launch_security(domain: &Domain, context: &Context) -> Result<()> {
    let Some(security) = &domain.launch_security else {
        return Ok(());
    };
    if security.kind == LaunchSecurityType::Sev && security.policy.is_none() {
        return Err(xml_error("failed to get launch security policy"));
    }
    let flag = match security.kind {
        LaunchSecurityType::Sev => CapFlag::SevGuest,
        LaunchSecurityType::SevSnp => CapFlag::SevSnpGuest,
        LaunchSecurityType::S390Pv => CapFlag::S390PvGuest,
    };
    let possible = context.caps.has(flag) && context.caps.has(CapFlag::ConfidentialGuestSupport);
    if possible {
        Ok(())
    } else {
        Err(unsupported(format!(
            "'{}' launch security is not supported with this QEMU binary",
            security.kind
        )))
    }
}
