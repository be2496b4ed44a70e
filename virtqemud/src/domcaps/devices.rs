//! Devices, and the values that some of their attributes may have.

use super::Subject;
use super::document::{Enum, Section};
use super::surroundings::Surroundings;
use crate::caps::CapFlag::{self, *};

pub(super) fn describe(subject: &Subject, host: &Surroundings) -> Vec<(&'static str, Section)> {
    vec![
        ("disk", disk(subject)),
        ("graphics", graphics(subject, host)),
        ("video", video(subject)),
        ("hostdev", hostdev(subject, host)),
        ("rng", rng(subject)),
        ("filesystem", filesystem(subject)),
        ("tpm", tpm(subject, host)),
        ("redirdev", redirdev(subject)),
        ("channel", channel(subject)),
        ("crypto", crypto(subject)),
        ("interface", interface(subject)),
        ("panic", panic(subject)),
    ]
}

/// The models of a virtio device that has those of both versions of the standard.
fn virtio(subject: &Subject, device: bool) -> Enum {
    let both = device && subject.caps.has(VirtioPciNonTransitional);
    Enum::of(
        "model",
        &[
            ("virtio", device),
            ("virtio-transitional", both),
            ("virtio-non-transitional", both),
        ],
    )
}

fn disk(subject: &Subject) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    let floppy = !subject.is_pseries();
    Section::supported([
        Enum::of(
            "diskDevice",
            &[
                ("disk", true),
                ("cdrom", true),
                ("floppy", floppy),
                ("lun", true),
            ],
        ),
        Enum::of(
            "bus",
            &[
                ("ide", has_ide(subject)),
                ("fdc", floppy),
                ("scsi", true),
                ("virtio", true),
                ("usb", has(UsbStorage)),
                ("sata", has(Ich9Ahci)),
            ],
        ),
        virtio(subject, true),
    ])
}

/// Whether the machine comes with an IDE controller.
fn has_ide(subject: &Subject) -> bool {
    let machine = subject.machine.name.as_str();
    let pc = subject.is_x86()
        && (machine == "pc" || machine == "isapc" || machine.starts_with("pc-i440fx"));
    pc || ["malta", "sun4u", "g3beige", "mac99"].contains(&machine)
}

fn graphics(subject: &Subject, host: &Surroundings) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    Section::if_any([Enum::of(
        "type",
        &[
            ("sdl", has(Sdl)),
            ("vnc", has(Vnc)),
            ("rdp", has(DisplayDbus) && host.qemu_rdp),
            ("spice", has(Spice)),
            ("egl-headless", has(EglHeadless)),
            ("dbus", has(DisplayDbus)),
        ],
    )])
}

fn video(subject: &Subject) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    Section::supported([Enum::of(
        "modelType",
        &[
            ("vga", has(Vga)),
            ("cirrus", has(CirrusVga)),
            ("vmvga", has(VmwareSvga)),
            ("qxl", has(Qxl)),
            ("virtio", has(VirtioGpu)),
            ("none", true),
            ("bochs", has(BochsDisplay)),
            ("ramfb", has(Ramfb)),
        ],
    )])
}

fn hostdev(subject: &Subject, host: &Surroundings) -> Section {
    let usb = subject.caps.has(UsbHostHostdevice);
    Section::supported([
        Enum::new("mode", ["subsystem"]),
        Enum::new(
            "startupPolicy",
            ["default", "mandatory", "requisite", "optional"],
        ),
        Enum::of("subsysType", &[("usb", usb), ("pci", true), ("scsi", true)]),
        Enum::new("capsType", [""; 0]),
        Enum::new("pciBackend", host.pci_backends.iter().map(String::as_str)),
    ])
}

fn rng(subject: &Subject) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    Section::supported([
        virtio(subject, has(VirtioRng)),
        Enum::of(
            "backendModel",
            &[
                ("random", has(RngRandom)),
                ("egd", has(RngEgd)),
                ("builtin", has(RngBuiltin)),
            ],
        ),
    ])
}

fn filesystem(subject: &Subject) -> Section {
    Section::supported([Enum::of(
        "driverType",
        &[
            ("path", true),
            ("handle", true),
            ("virtiofs", subject.caps.has(VhostUserFs)),
        ],
    )])
}

fn tpm(subject: &Subject, host: &Surroundings) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    let mut enums = vec![
        Enum::of(
            "model",
            &[
                ("tpm-tis", has(TpmTis)),
                ("tpm-crb", has(TpmCrb)),
                ("tpm-spapr", has(TpmSpapr)),
                ("spapr-tpm-proxy", has(SpaprTpmProxy)),
            ],
        ),
        Enum::of(
            "backendModel",
            &[
                ("passthrough", has(TpmPassthrough)),
                ("emulator", has(TpmEmulator)),
                ("external", has(TpmEmulator)),
            ],
        ),
    ];
    if has(TpmEmulator) {
        let versions = host.swtpm_versions.iter().map(String::as_str);
        enums.push(Enum::new("backendVersion", versions));
    }
    Section::if_any(enums)
}

fn redirdev(subject: &Subject) -> Section {
    Section::if_any([Enum::of("bus", &[("usb", subject.caps.has(UsbRedir))])])
}

fn channel(subject: &Subject) -> Section {
    Section::supported([Enum::of(
        "type",
        &[
            ("pty", true),
            ("unix", true),
            ("spicevmc", subject.caps.has(Spice)),
        ],
    )])
}

fn crypto(subject: &Subject) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    Section::supported([
        Enum::of("model", &[("virtio", has(VirtioCrypto))]),
        Enum::new("type", ["qemu"]),
        Enum::of(
            "backendModel",
            &[("builtin", true), ("lkcf", has(CryptodevBackendLkcf))],
        ),
    ])
}

fn interface(subject: &Subject) -> Section {
    Section::supported([Enum::of(
        "backendType",
        &[("default", true), ("passt", subject.caps.has(NetdevStream))],
    )])
}

fn panic(subject: &Subject) -> Section {
    let has = |flag: CapFlag| subject.caps.has(flag);
    Section::if_any([Enum::of(
        "model",
        &[
            ("isa", subject.is_x86() && has(Pvpanic)),
            ("pseries", subject.is_pseries()),
            ("hyperv", subject.is_x86()),
            ("s390", subject.arch.is_s390()),
            ("pvpanic", has(PvpanicPci)),
        ],
    )])
}
