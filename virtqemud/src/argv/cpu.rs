//! `-cpu`.

use super::command_line::Builder;
use super::context::DriverConfig;
use super::props::{OptionList, on_off};
use crate::caps::CapFlag;
use virt_domain::clock::TimerName;
use virt_domain::cpu::{Cpu, CpuCacheMode, CpuMode, FeaturePolicy, MaxPhysAddrMode};
use virt_domain::devices::panic::PanicModel;
use virt_domain::features::Features;
use virt_domain::hyperv::{Hyperv, HypervMode, HypervState};
use virt_domain::{Arch, Domain};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// `-cpu`. A CPU of mode `host-model` has to be resolved to a model before.
pub(super) fn append(b: &mut Builder, domain: &Domain, config: &DriverConfig) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let mut list = OptionList::default();
    let mut named = false;
    if let Some(cpu) = &domain.cpu
        && let Some(name) = model(cpu, arch)?
    {
        list.word(&super::props::escape(&name));
        named = true;
        model_options(b, &mut list, cpu, arch);
    }
    let mut extra = OptionList::default();
    feature_options(domain, &mut extra);
    timer_options(domain, &mut extra);
    if has_hyperv_panic(domain) {
        extra.word("hv-crash");
    }
    if let Some(cpu) = &domain.cpu {
        width_options(&mut extra, cpu, config);
        cache_options(&mut extra, cpu);
    }
    if !named {
        if extra.is_empty() {
            return Ok(());
        }
        // Options need a model; this is what QEMU takes without one.
        list.word(match arch {
            Arch::I686 => "qemu32",
            _ => "qemu64",
        });
    }
    if !extra.is_empty() {
        list.word(&extra.finish());
    }
    b.option("-cpu", list.finish());
    Ok(())
}

fn model(cpu: &Cpu, arch: Arch) -> Result<Option<String>> {
    if cpu.deprecated_features.is_some() && arch != Arch::S390x {
        // Only there QEMU says which they are.
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            "toggling deprecated features for CPU model is unsupported",
        ));
    }
    Ok(match cpu.mode {
        Some(CpuMode::HostPassthrough) => Some("host".to_owned()),
        Some(CpuMode::Maximum) => Some("max".to_owned()),
        Some(CpuMode::HostModel) if arch.is_ppc64() => Some("host".to_owned()),
        Some(CpuMode::HostModel) => {
            return Err(super::unsupported(
                "CPU mode 'host-model' that was not resolved",
            ));
        }
        Some(CpuMode::Custom) | None => cpu.model_name().map(str::to_owned),
    })
}

fn model_options(b: &Builder, list: &mut OptionList, cpu: &Cpu, arch: Arch) {
    if matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum))
        && let Some(migratable) = cpu
            .migratable
            .filter(|_| b.caps.has(CapFlag::CpuMigratable))
    {
        list.put("migratable", migratable);
    }
    if let Some(vendor) = cpu.model.as_ref().and_then(|m| m.vendor_id.as_ref()) {
        list.put("vendor", vendor);
    }
    for feature in &cpu.features {
        if arch.is_x86() && GONE.contains(&feature.name.as_str()) {
            continue;
        }
        let name = qemu_feature(&feature.name, arch);
        match feature.policy {
            FeaturePolicy::Force | FeaturePolicy::Require => list.put(&name, "on"),
            FeaturePolicy::Disable | FeaturePolicy::Forbid => list.put(&name, "off"),
            // Resolved to one of the others at start.
            FeaturePolicy::Optional => {}
        }
    }
}

/// Features that QEMU doesn't have any more, or never let a guest choose.
const GONE: &[&str] = &["osxsave", "ospke", "pconfig", "cmt"];

/// QEMU's name of a CPU feature: on x86 it writes `-` where libvirt has `_`, but for a few.
pub fn qemu_feature(name: &str, arch: Arch) -> String {
    if !arch.is_x86() {
        return name.to_owned();
    }
    match name {
        "pclmuldq" => "pclmulqdq".to_owned(),
        "sse4_1" => "sse4.1".to_owned(),
        "sse4_2" => "sse4.2".to_owned(),
        other => other.replace('_', "-"),
    }
}

fn feature_options(domain: &Domain, list: &mut OptionList) {
    let none = Features::default();
    let features = domain.features.as_ref().unwrap_or(&none);
    if let Some(eoi) = features.apic.and_then(|apic| apic.eoi) {
        list.put("kvm-pv-eoi", eoi);
    }
    if let Some(pvspinlock) = features.pvspinlock {
        list.put("kvm-pv-unhalt", pvspinlock.state);
    }
    if let Some(hyperv) = &features.hyperv {
        hyperv_options(list, hyperv);
    }
    if let Some(kvm) = &features.kvm {
        let on =
            |state: Option<virt_domain::features::State>| state.is_some_and(|s| s.state.is_on());
        if on(kvm.hidden) {
            list.put("kvm", "off");
        }
        if on(kvm.hint_dedicated) {
            list.put("kvm-hint-dedicated", "on");
        }
        if on(kvm.poll_control) {
            list.put("kvm-poll-control", "on");
        }
        if let Some(ipi) = kvm.pv_ipi.filter(|ipi| !ipi.state.is_on()) {
            list.put("kvm-pv-ipi", ipi.state);
        }
    }
    if let Some(pmu) = features.pmu {
        list.put("pmu", pmu.state);
    }
}

fn hyperv_options(list: &mut OptionList, hyperv: &Hyperv) {
    if hyperv.mode == HypervMode::Passthrough {
        list.put("hv-passthrough", "on");
    }
    let on = |state: Option<HypervState>| state.is_some_and(|s| s.state.is_on());
    for (key, state) in [
        ("hv-relaxed", hyperv.relaxed),
        ("hv-vapic", hyperv.vapic),
        ("hv-vpindex", hyperv.vpindex),
        ("hv-runtime", hyperv.runtime),
        ("hv-synic", hyperv.synic),
        ("hv-reset", hyperv.reset),
        ("hv-frequencies", hyperv.frequencies),
        ("hv-reenlightenment", hyperv.reenlightenment),
        ("hv-ipi", hyperv.ipi),
        ("hv-evmcs", hyperv.evmcs),
        ("hv-avic", hyperv.avic),
        ("hv-emsr-bitmap", hyperv.emsr_bitmap),
        ("hv-xmm-input", hyperv.xmm_input),
    ] {
        if on(state) {
            list.put(key, "on");
        }
    }
    if let Some(spinlocks) = hyperv.spinlocks.as_ref().filter(|s| s.state.is_on()) {
        list.put(
            "hv-spinlocks",
            format!("{:#x}", spinlocks.retries.unwrap_or(4095)),
        );
    }
    if let Some(stimer) = hyperv.stimer.as_ref().filter(|s| s.state.is_on()) {
        list.put("hv-stimer", "on");
        if on(stimer.direct) {
            list.put("hv-stimer-direct", "on");
        }
    }
    if let Some(tlbflush) = hyperv.tlbflush.as_ref().filter(|t| t.state.is_on()) {
        list.put("hv-tlbflush", "on");
        if on(tlbflush.direct) {
            list.put("hv-tlbflush-direct", "on");
        }
        if on(tlbflush.extended) {
            list.put("hv-tlbflush-ext", "on");
        }
    }
    if let Some(vendor) = hyperv.vendor_id.as_ref().filter(|v| v.state.is_on()) {
        list.put("hv-vendor-id", vendor.value.as_deref().unwrap_or_default());
    }
}

fn timer_options(domain: &Domain, list: &mut OptionList) {
    for timer in &domain.clock.timers {
        let present = timer.present.map(YesNo::is_yes);
        match timer.name {
            TimerName::Kvmclock => {
                if let Some(present) = present {
                    list.put("kvmclock", on_off(present));
                }
            }
            TimerName::Hypervclock if present == Some(true) => list.put("hv-time", "on"),
            TimerName::Tsc => {
                if let Some(frequency) = timer.frequency {
                    list.put("tsc-frequency", frequency);
                }
            }
            TimerName::Armvtimer => match timer.tickpolicy {
                Some(virt_domain::clock::TickPolicy::Delay) => {
                    list.put("kvm-no-adjvtime", "off");
                }
                Some(virt_domain::clock::TickPolicy::Discard) => list.put("kvm-no-adjvtime", "on"),
                _ => {}
            },
            _ => {}
        }
    }
}

fn width_options(list: &mut OptionList, cpu: &Cpu, config: &DriverConfig) {
    let Some(width) = cpu.maxphysaddr else { return };
    match width.mode {
        MaxPhysAddrMode::Passthrough => {
            list.put("host-phys-bits", "on");
            if let Some(limit) = width.limit.filter(|limit| *limit < config.host_phys_bits) {
                list.put("host-phys-bits-limit", limit);
            }
        }
        MaxPhysAddrMode::Emulate => match width.bits {
            Some(bits) => list.put("phys-bits", bits),
            None => list.put("host-phys-bits", "off"),
        },
    }
}

fn cache_options(list: &mut OptionList, cpu: &Cpu) {
    let Some(cache) = cpu.cache else { return };
    let passed = matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum));
    match cache.mode {
        CpuCacheMode::Emulate => {
            list.put("l3-cache", "on");
            if passed {
                list.put("host-cache-info", "off");
            }
        }
        CpuCacheMode::Passthrough => {
            list.put("host-cache-info", "on");
            list.put("l3-cache", "off");
        }
        CpuCacheMode::Disable => {
            list.put("l3-cache", "off");
            if passed {
                list.put("host-cache-info", "off");
            }
        }
    }
}

fn has_hyperv_panic(domain: &Domain) -> bool {
    domain
        .devices
        .panics
        .iter()
        .any(|panic| panic.model == Some(PanicModel::Hyperv))
}
