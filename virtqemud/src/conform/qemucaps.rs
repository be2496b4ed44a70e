//! `qemucaps-probe`: what was learnt of a binary, in the form of libvirt's own cache.

use crate::caps::{AccelCaps, CapFlag, CpuValue, Machine, QemuCaps, Usable};
use crate::domcaps::write_sgx;
use virt_xml::{Tag, Writer, YesNo};

/// The document.
pub(super) fn document(caps: &QemuCaps) -> String {
    let mut out = Writer::new();
    out.open("qemuCaps", |_| {}, |out| content(out, caps));
    out.finish()
}

fn content(out: &mut Writer, caps: &QemuCaps) {
    out.text_element("emulator", &caps.emulator);
    for flag in CapFlag::ALL.iter().filter(|flag| caps.has(**flag)) {
        empty(out, "flag", |tag| tag.text("name", flag.name()));
    }
    out.text_element("version", &caps.version);
    if !caps.package.is_empty() {
        out.text_element("package", &caps.package);
    }
    out.text_element("arch", &caps.arch);
    for accel in &caps.accels {
        host_cpu(out, accel);
        models(out, accel);
        for machine in &accel.machines {
            empty(out, "machine", |tag| describe(tag, accel, machine));
        }
    }
    for gic in &caps.gic {
        empty(out, "gic", |tag| {
            tag.attr("version", &gic.version);
            tag.attr("kernel", &YesNo::from(gic.kernel));
            tag.attr("emulated", &YesNo::from(gic.emulated));
        });
    }
    if let Some(hyperv) = &caps.hyperv {
        out.open(
            "hypervCapabilities",
            |tag| tag.text("supported", "yes"),
            |out| {
                for name in &hyperv.features {
                    empty(out, "cap", |tag| tag.text("name", name));
                }
            },
        );
    }
    enclaves(out, caps);
}

fn enclaves(out: &mut Writer, caps: &QemuCaps) {
    let Some(sgx) = &caps.sgx else { return };
    out.open(
        "sgx",
        |tag| tag.text("supported", "yes"),
        |out| write_sgx(sgx, out),
    );
}

fn empty(out: &mut Writer, name: &str, attrs: impl FnOnce(&mut Tag<'_>)) {
    out.open(name, attrs, |_| {});
}

fn host_cpu(out: &mut Writer, accel: &AccelCaps) {
    let Some(host) = &accel.host_cpu else { return };
    out.open(
        "hostCPU",
        |tag| {
            tag.text("type", accel.accel.name());
            tag.text("model", &host.model);
            tag.attr("migratability", &YesNo::from(host.migratability));
        },
        |out| {
            for property in &host.properties {
                empty(out, "property", |tag| {
                    tag.text("name", &property.name);
                    match &property.value {
                        CpuValue::Flag(on) => {
                            tag.text("type", "boolean");
                            tag.text("value", if *on { "true" } else { "false" });
                        }
                        CpuValue::Number(number) => {
                            tag.text("type", "number");
                            tag.attr("value", number);
                        }
                        CpuValue::Text(text) => {
                            tag.text("type", "string");
                            tag.text("value", text);
                        }
                    }
                    tag.maybe("migratable", &property.migratable.map(YesNo::from));
                });
            }
        },
    );
}

fn models(out: &mut Writer, accel: &AccelCaps) {
    for model in &accel.cpus {
        out.open(
            "cpu",
            |tag| {
                tag.text("type", accel.accel.name());
                tag.text("name", &model.name);
                tag.maybe("typename", &model.typename);
                if model.usable != Usable::Unknown {
                    tag.text("usable", model.usable.word());
                }
                if model.deprecated {
                    tag.text("deprecated", "yes");
                }
            },
            |out| {
                for name in &model.blockers {
                    empty(out, "blocker", |tag| tag.text("name", name));
                }
            },
        );
    }
}

fn describe(tag: &mut Tag<'_>, accel: &AccelCaps, machine: &Machine) {
    tag.text("type", accel.accel.name());
    tag.text("name", &machine.name);
    tag.maybe("alias", &machine.alias);
    for (name, on) in [("hotplugCpus", machine.hotplug_cpus)] {
        if on {
            tag.text(name, "yes");
        }
    }
    tag.attr("maxCpus", &machine.max_cpus);
    if machine.default {
        tag.text("default", "yes");
    }
    tag.maybe("defaultCPU", &machine.default_cpu);
    if machine.numa_mem {
        tag.text("numaMemSupported", "yes");
    }
    tag.maybe("defaultRAMid", &machine.default_ram_id);
    if machine.deprecated {
        tag.text("deprecated", "yes");
    }
    tag.maybe("acpi", &machine.acpi.map(YesNo::from));
}
