//! What kinds of guests a QEMU binary runs, for the capabilities document of the host.

use virt_host::capabilities::{Arch, DomainType, Guest, GuestFeatures, Machine, SecModel, Toggle};
use virt_xml::{OnOff, YesNo};

use crate::caps::{Accel, QemuCaps};

/// The kind of guests of an architecture that a binary runs.
pub fn guest(caps: &QemuCaps, arch: &str) -> Guest {
    let mut domains = vec!["qemu"];
    domains.extend(caps.accel(Accel::Kvm).map(|_| "kvm"));
    domains.extend(caps.accel(Accel::Hvf).map(|_| "hvf"));
    let x86 = matches!(arch, "i686" | "x86_64");
    let acpi = x86 || matches!(arch, "aarch64" | "riscv64" | "loongarch64");
    let toggle = |toggle: bool| Toggle {
        default: OnOff::On,
        toggle: toggle.into(),
    };
    Guest {
        os_type: "hvm".to_owned(),
        arch: Arch {
            name: arch.to_owned(),
            wordsize: wordsize(arch),
            emulator: Some(caps.emulator.clone()),
            machines: machines(caps),
            domains: domains
                .into_iter()
                .map(|kind| DomainType {
                    kind: kind.to_owned(),
                })
                .collect(),
        },
        features: Some(GuestFeatures {
            pae: arch == "i686",
            nonpae: arch == "i686",
            acpi: acpi.then(|| toggle(true)),
            apic: x86.then(|| toggle(false)),
            cpuselection: true,
            deviceboot: true,
            disksnapshot: Some(toggle(false)),
            external_snapshot: true,
        }),
    }
}

fn machines(caps: &QemuCaps) -> Vec<Machine> {
    let Some(best) = caps.best_accel() else {
        return Vec::new();
    };
    let mut machines = Vec::new();
    for machine in &best.machines {
        let entry = |name: &str, canonical: Option<&str>| Machine {
            canonical: canonical.map(str::to_owned),
            max_cpus: Some(machine.max_cpus).filter(|max| *max > 0),
            deprecated: machine.deprecated.then_some(YesNo::Yes),
            name: name.to_owned(),
        };
        machines.push(entry(&machine.name, None));
        if let Some(alias) = &machine.alias {
            machines.push(entry(alias, Some(&machine.name)));
        }
    }
    machines
}

fn wordsize(arch: &str) -> u32 {
    match arch {
        "alpha" | "aarch64" | "ia64" | "loongarch64" | "mips64" | "mips64el" | "parisc64"
        | "ppc64" | "ppc64le" | "riscv64" | "s390x" | "sparc64" | "x86_64" => 64,
        _ => 32,
    }
}

/// What keeps guests apart: as root, the user and group they run as.
pub fn security_models(owner: Option<(u32, u32)>) -> Vec<SecModel> {
    let mut models = vec![SecModel::plain("none")];
    if let Some((user, group)) = owner {
        let label = format!("+{user}:+{group}");
        models.push(
            SecModel::plain("dac")
                .with_label("kvm", label.clone())
                .with_label("qemu", label),
        );
    }
    models
}
