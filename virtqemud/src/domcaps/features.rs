//! What a guest can have besides devices.

use virt_domain::Arch;
use virt_xml::{Writer, YesNo};

use super::Subject;
use super::document::{Enum, Section};
use super::surroundings::Surroundings;
use crate::caps::CapFlag::{self, *};
use crate::caps::{SevCaps, SgxCaps};

/// The `<features>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Those that say no more than their attributes, in the document's order.
    pub plain: Vec<(&'static str, Section)>,
    /// AMD's encrypted guests.
    pub sev: Option<Sev>,
    /// Intel's enclaves.
    pub sgx: Option<SgxCaps>,
    /// Enlightenments; not said by older binaries.
    pub hyperv: Option<Section>,
    /// Guests whose memory the host can't read.
    pub launch_security: Section,
}

/// What the binary says of encrypted guests, and how many the processor can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sev {
    /// The binary's words.
    pub caps: SevCaps,
    /// How many guests.
    pub max_guests: u32,
    /// How many of them with encrypted state.
    pub max_es_guests: u32,
}

pub(super) fn describe(subject: &Subject, host: &Surroundings) -> Features {
    let has = |flag: CapFlag| subject.caps.has(flag);
    let s390 = subject.arch == Arch::S390x;
    let protected = s390 && has(S390PvGuest) && host.s390_pv;
    let sev = subject.caps.sev.as_ref().filter(|_| has(SevGuest));
    let ps2 = subject.is_x86() && has(I8042) && has(MachineI8042Opt);
    let mut plain = vec![
        ("gic", gic(subject, host)),
        ("vmcoreinfo", Section::plain(has(Vmcoreinfo))),
        ("genid", Section::plain(has(Vmgenid))),
        ("backingStoreInput", Section::plain(true)),
        ("backup", Section::plain(true)),
        ("async-teardown", Section::plain(has(RunWithAsyncTeardown))),
    ];
    if s390 {
        plain.push(("s390-pv", Section::plain(protected)));
    }
    plain.push(("ps2", Section::plain(ps2)));
    Features {
        plain,
        sev: sev.map(|caps| Sev {
            caps: caps.clone(),
            max_guests: host.sev_guests.0,
            max_es_guests: host.sev_guests.1,
        }),
        sgx: subject.caps.sgx.clone(),
        hyperv: subject
            .caps
            .hyperv
            .as_ref()
            .filter(|hyperv| !hyperv.features.is_empty())
            .map(|hyperv| Section::supported([Enum::new("features", hyperv.features.clone())])),
        launch_security: Section::if_any([Enum::of(
            "sectype",
            &[
                ("sev", sev.is_some()),
                ("sev-snp", sev.is_some() && has(SevSnpGuest)),
                ("s390-pv", protected),
            ],
        )]),
    }
}

/// The interrupt controllers of Arm's `virt` machine.
fn gic(subject: &Subject, host: &Surroundings) -> Section {
    let arm = subject.arch.is_arm();
    let virt = subject.machine.name == "virt" || subject.machine.name.starts_with("virt-");
    if !arm || !virt {
        return Section::default();
    }
    Section::if_any([Enum::new(
        "version",
        host.gic_versions.iter().map(String::as_str),
    )])
}

impl Features {
    pub(super) fn write(&self, out: &mut Writer) {
        for (name, section) in &self.plain {
            section.write(out, name);
        }
        Section::plain(self.sev.is_some()).write_then(out, "sev", |out| {
            if let Some(sev) = &self.sev {
                sev.write(out);
            }
        });
        Section::plain(self.sgx.is_some()).write_then(out, "sgx", |out| {
            if let Some(sgx) = &self.sgx {
                write_sgx(sgx, out);
            }
        });
        if let Some(hyperv) = &self.hyperv {
            hyperv.write(out, "hyperv");
        }
        self.launch_security.write(out, "launchSecurity");
    }
}

impl Sev {
    fn write(&self, out: &mut Writer) {
        out.text_element("cbitpos", &self.caps.cbitpos);
        out.text_element("reducedPhysBits", &self.caps.reduced_phys_bits);
        out.text_element("maxGuests", &self.max_guests);
        out.text_element("maxESGuests", &self.max_es_guests);
        if let Some(id) = &self.caps.cpu0_id {
            out.text_element("cpu0Id", id);
        }
    }
}

/// What the host can give of SGX, as both documents about it say.
pub(crate) fn write_sgx(sgx: &SgxCaps, out: &mut Writer) {
    out.text_element("flc", &YesNo::from(sgx.flc));
    out.text_element("sgx1", &YesNo::from(sgx.sgx1));
    out.text_element("sgx2", &YesNo::from(sgx.sgx2));
    out.open(
        "section_size",
        |tag| tag.text("unit", "KiB"),
        |out| out.text(&(sgx.section_size / 1024)),
    );
    if sgx.sections.is_empty() {
        return;
    }
    out.open(
        "sections",
        |_| {},
        |out| {
            for section in &sgx.sections {
                out.open(
                    "section",
                    |tag| {
                        tag.attr("node", &section.node);
                        tag.attr("size", &(section.size / 1024));
                        tag.text("unit", "KiB");
                    },
                    |_| {},
                );
            }
        },
    );
}
