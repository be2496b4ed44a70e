//! What is written is read back as the same guest.

use proptest::prelude::*;
use virt_domain::clock::{Basis, Clock, Offset, TickPolicy, Timer, TimerName};
use virt_domain::cpu::{Cpu, CpuFeature, CpuMode, CpuModel, Fallback, FeaturePolicy, Topology};
use virt_domain::cputune::{Cputune, Vcpupin};
use virt_domain::features::{Apic, Features, MaybeState};
use virt_domain::memory::Memory;
use virt_domain::os::{Boot, BootDev, BootMenu, Loader, LoaderType, Os};
use virt_domain::vcpu::{Placement, Vcpu};
use virt_domain::{Arch, Domain, KiB, NumberSet, View};
use virt_xml::{OnOff, YesNo};

/// Text that stands in an element: anything XML can hold, blanks and markup included.
fn text() -> impl Strategy<Value = String> {
    "[ -~äλ]{0,20}".prop_map(|text| format!("x{}x", text.replace('/', "")))
}

fn set() -> impl Strategy<Value = NumberSet> {
    prop::collection::btree_set(0u32..300, 1..6).prop_map(|set| set.into_iter().collect())
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![
        any::<bool>().prop_map(|reset| Offset::Utc { reset }),
        any::<bool>().prop_map(|reset| Offset::Localtime { reset }),
        any::<i32>().prop_map(|seconds| Offset::Variable {
            adjustment: seconds.into(),
            basis: Basis::Localtime,
        }),
        text().prop_map(|zone| Offset::Timezone(Some(zone))),
        any::<u64>().prop_map(Offset::Absolute),
    ]
}

fn cpu() -> impl Strategy<Value = Cpu> {
    (text(), prop::collection::btree_set("[a-z0-9.-]{1,9}", 0..4)).prop_map(|(model, features)| {
        Cpu {
            mode: Some(CpuMode::Custom),
            model: Some(CpuModel {
                fallback: Some(Fallback::Forbid),
                vendor_id: None,
                name: Some(model),
            }),
            topology: Some(Topology {
                sockets: 2,
                dies: 1,
                clusters: 1,
                cores: 2,
                threads: 1,
            }),
            features: features
                .into_iter()
                .map(|name| CpuFeature {
                    policy: FeaturePolicy::Optional,
                    name,
                })
                .collect(),
            ..Cpu::default()
        }
    })
}

fn features() -> impl Strategy<Value = Features> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(acpi, eoi, pmu)| Features {
        acpi,
        apic: Some(Apic {
            eoi: Some(OnOff::from(eoi)),
        }),
        pmu: Some(MaybeState {
            state: OnOff::from(pmu),
            said: true,
        }),
        ..Features::default()
    })
}

prop_compose! {
    fn guest()(
        name in text(),
        title in prop::option::of(text()),
        description in prop::option::of(text()),
        memory in 1u64..1 << 40,
        share in 1u64..100,
        cpuset in prop::option::of(set()),
        pinned in set(),
        cpu in prop::option::of(cpu()),
        features in features(),
        offset in offset(),
        kernel in prop::option::of(text()),
        cmdline in prop::option::of(text()),
        loader in prop::option::of(text()),
        timeout in any::<u16>(),
        uuid in any::<u128>(),
    ) -> Domain {
        Domain {
            name,
            uuid: uuid::Uuid::from_u128(uuid | 1),
            title,
            description,
            memory: Memory { dump_core: Some(OnOff::Off), size: KiB(memory) },
            current_memory: KiB((memory / share).max(1)),
            asked_memory: KiB((memory / share).max(1)),
            vcpu: Vcpu { placement: Placement::Static, cpuset, current: Some(1), max: 4 },
            cputune: Some(Cputune {
                quota: Some(-1),
                vcpupins: vec![Vcpupin { vcpu: 3, cpuset: pinned }],
                ..Cputune::default()
            }),
            os: Os {
                kind: virt_domain::os::OsType {
                    arch: Some(Arch::X86_64),
                    machine: Some("pc".to_owned()),
                    ..Default::default()
                },
                loader: loader.map(|path| Loader {
                    kind: Some(LoaderType::Pflash),
                    path: Some(path),
                    ..Loader::default()
                }),
                kernel,
                cmdline,
                boot: vec![Boot { dev: BootDev::Network }],
                bootmenu: Some(BootMenu { enable: Some(YesNo::Yes), timeout: Some(timeout) }),
                ..Os::default()
            },
            cpu,
            features: Some(features),
            clock: Clock {
                offset,
                timers: vec![Timer {
                    name: TimerName::Rtc,
                    present: None,
                    tickpolicy: Some(TickPolicy::Catchup),
                    track: None,
                    frequency: None,
                    mode: None,
                    catchup: None,
                }],
            },
            // Written when not said; read back as said.
            on_poweroff: Some(virt_domain::lifecycle::LifecycleAction::Destroy),
            on_reboot: Some(virt_domain::lifecycle::LifecycleAction::Restart),
            on_crash: Some(virt_domain::lifecycle::LifecycleAction::Preserve),
            ..Domain::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(guest in guest()) {
        let view = View { secure: true, ..View::default() };
        let xml = guest.to_xml(view);
        let read = Domain::read(&xml);
        prop_assert_eq!(read.as_ref().map_err(|e| e.message()), Ok(&guest), "{}", xml);
    }

    #[test]
    fn any_text_is_refused_or_read_without_harm(text in "[<>/a-z ='0-9]{0,80}") {
        let _ = Domain::read(&format!("<domain type='qemu'>{text}</domain>"));
    }
}
