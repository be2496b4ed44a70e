//! `-machine` and `-accel`, and globals that go with them.

use super::command_line::Builder;
use super::context::DriverConfig;
use super::firmware::Flash;
use super::props::OptionList;
use crate::caps::{Accel, CapFlag, Machine};
use crate::define::accel;
use virt_domain::clock::TimerName;
use virt_domain::cpu::CpuMode;
use virt_domain::features::{Features, IoapicDriver};
use virt_domain::os::LoaderType;
use virt_domain::seclabel::KeywrapName;
use virt_domain::{Arch, Domain};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

/// `-machine`.
pub(super) fn append(
    b: &mut Builder,
    domain: &Domain,
    config: &DriverConfig,
    flash: &Flash,
) -> Result<()> {
    let name = domain.os.kind.machine.as_deref().unwrap_or_default();
    let arch = domain.os.kind.arch.unwrap_or_default();
    let caps = b.caps;
    let machine = caps.machine(accel(domain.virt_type), name);
    let none = Features::default();
    let features = domain.features.as_ref().unwrap_or(&none);
    let mut list = OptionList::starting(name).with("usb", "off");

    if domain.keywrap.is_some() && arch != Arch::S390x {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            "'aes-key-wrap'/'dea-key-wrap' is not available on this architecture",
        ));
    }
    for cipher in domain.keywrap.iter().flat_map(|k| &k.ciphers) {
        let key = match cipher.name {
            KeywrapName::Aes => "aes-key-wrap",
            KeywrapName::Dea => "dea-key-wrap",
        };
        list.put(key, cipher.state);
    }
    if let Some(vmport) = features
        .vmport
        .filter(|_| caps.has(CapFlag::MachineVmportOpt))
    {
        list.put("vmport", vmport.state);
    }
    if let Some(smm) = &features.smm {
        list.put("smm", smm.state);
    }
    if let Some(ps2) = features.ps2 {
        list.put("i8042", ps2.state);
    }
    if let Some(ioapic) = features.ioapic {
        let word = match ioapic.driver {
            Some(IoapicDriver::Qemu) => "split",
            _ => "on",
        };
        list.put("kernel_irqchip", word);
    }
    if arch.is_arm() {
        if let Some(version) = features.gic.and_then(|gic| gic.version) {
            list.put("gic-version", version);
        }
        if let Some(ras) = features.ras {
            list.put("ras", ras.state);
        }
    }
    if let Some(aia) = features.aia {
        list.put("aia", aia.value);
    }
    let dump = domain.memory.dump_core;
    list.put(
        "dump-guest-core",
        dump.unwrap_or_else(|| OnOff::from(config.dump_guest_core)),
    );
    if domain
        .memory_backing
        .as_ref()
        .is_some_and(|m| m.nosharepages)
    {
        list.put("mem-merge", "off");
    }
    pseries(&mut list, features);
    if domain.devices.memories.iter().any(super::ram::is_nvdimm) {
        list.put("nvdimm", "on");
    }
    if let Some(id) = system_ram(domain, machine) {
        list.put("memory-backend", id);
    }
    if let Some(audiodev) = super::sound::of_beeper(domain) {
        list.put("pcspk-audiodev", audiodev);
    }
    for (key, node) in [("pflash0", &flash.code), ("pflash1", &flash.variables)] {
        if let Some(node) = node {
            list.put(key, node);
        }
    }
    if domain.launch_security.is_some() {
        list.put("confidential-guest-support", "lsec0");
    }
    if let Some(compat) = max_cpu_compat(domain, arch) {
        list.put("max-cpu-compat", compat);
    }
    // Each of them is said; for QEMU the last one counts.
    for hpet in hpets(domain).filter(|_| caps.has(CapFlag::MachineHpet)) {
        list.put("hpet", hpet);
    }
    if domain
        .os
        .bios
        .as_ref()
        .is_some_and(|bios| bios.useserial == Some(virt_xml::YesNo::Yes))
    {
        list.put("graphics", "off");
    }
    if super::numa::has_hmat(domain) {
        list.put("hmat", "on");
    }
    super::memory::enclaves(&mut list, domain);
    if let Some(acpi) = machine.and_then(|m| m.acpi).filter(|acpi| *acpi) {
        list.put("acpi", OnOff::from(acpi && features.acpi));
    }
    b.option("-machine", list.finish());
    Ok(())
}

/// Id of the back end of the RAM of a guest without NUMA nodes.
pub(super) fn system_ram<'m>(domain: &Domain, machine: Option<&'m Machine>) -> Option<&'m str> {
    let numa = domain.cpu.as_ref().is_some_and(|cpu| cpu.numa_cells() > 0);
    machine
        .filter(|_| !numa)
        .and_then(|m| m.default_ram_id.as_deref())
}

/// Whether the guest has a HPET, wherever that was said.
pub(super) fn hpets(domain: &Domain) -> impl Iterator<Item = OnOff> {
    let timers = domain.clock.timers.iter();
    timers
        .filter(|timer| timer.name == TimerName::Hpet)
        .filter_map(|timer| timer.present)
        .map(|present| OnOff::from(present.is_yes()))
}

/// pSeries guests: capabilities of the machine.
fn pseries(list: &mut OptionList, features: &Features) {
    if let Some(hpt) = &features.hpt {
        if let Some(resizing) = hpt.resizing {
            list.put("resize-hpt", resizing);
        }
        if let Some(size) = hpt.maxpagesize {
            list.put("cap-hpt-max-page-size", format!("{}k", size.0));
        }
    }
    for (key, state) in [
        ("cap-htm", features.htm),
        ("cap-nested-hv", features.nested_hv),
        ("cap-ccf-assist", features.ccf_assist),
    ] {
        if let Some(state) = state {
            list.put(key, state.state);
        }
    }
    if let Some(value) = features.cfpc.and_then(|state| state.value) {
        list.put("cap-cfpc", value);
    }
    if let Some(value) = features.sbbc.and_then(|state| state.value) {
        list.put("cap-sbbc", value);
    }
    if let Some(value) = features.ibs.and_then(|state| state.value) {
        list.put("cap-ibs", value);
    }
}

/// A pSeries guest's processor is the host's, limited to an older one's abilities.
fn max_cpu_compat(domain: &Domain, arch: Arch) -> Option<String> {
    let cpu = domain.cpu.as_ref().filter(|_| arch.is_ppc64())?;
    (cpu.mode == Some(CpuMode::HostModel))
        .then(|| cpu.model_name())
        .flatten()
        .map(str::to_lowercase)
}

/// `-accel`.
pub(super) fn accelerator(b: &mut Builder, domain: &Domain) {
    let kind = accel(domain.virt_type);
    let mut list = OptionList::starting(kind.name());
    let features = domain.features.as_ref();
    match kind {
        Accel::Tcg => {
            if let Some(cache) = features.and_then(|f| f.tcg.as_ref()?.tb_cache) {
                list.put("tb-size", cache.mib());
            }
        }
        Accel::Kvm => {
            let ring = features.and_then(|f| f.kvm.as_ref()?.dirty_ring);
            if let Some(ring) = ring.filter(|ring| ring.state.is_on()) {
                list.put("dirty-ring-size", ring.size.unwrap_or_default());
            }
        }
        Accel::Hvf => {}
    }
    b.option("-accel", list.finish());
}

/// The size of the memory of system management mode.
pub(super) fn tseg(b: &mut Builder, domain: &Domain) {
    let smm = domain.features.as_ref().and_then(|f| f.smm);
    if let Some(tseg) = smm.and_then(|smm| smm.tseg) {
        b.option(
            "-global",
            format!("mch.extended-tseg-mbytes={}", tseg.0 >> 20),
        );
    }
}

/// Flash memory that only system management mode writes to.
pub(super) fn secure_flash(b: &mut Builder, domain: &Domain) {
    let loader = domain.os.loader.as_ref();
    let flash = loader.filter(|loader| loader.kind == Some(LoaderType::Pflash));
    if flash.is_some_and(|loader| loader.secure == Some(virt_xml::YesNo::Yes)) {
        b.option("-global", "driver=cfi.pflash01,property=secure,value=on");
    }
}

/// ACPI, where the machine doesn't take it as an option.
pub(super) fn no_acpi(b: &mut Builder, domain: &Domain) {
    let name = domain.os.kind.machine.as_deref().unwrap_or_default();
    let arch = domain.os.kind.arch.unwrap_or_default();
    let has_acpi = domain.features.as_ref().is_some_and(|f| f.acpi);
    let by_machine = b
        .caps
        .machine(accel(domain.virt_type), name)
        .is_some_and(|m| m.acpi.is_some());
    let known = arch.is_x86() || arch == Arch::Aarch64;
    if known && !by_machine && !has_acpi {
        b.flag("-no-acpi");
    }
}
