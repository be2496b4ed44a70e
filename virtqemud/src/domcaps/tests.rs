use super::*;
use crate::caps::{AccelCaps, CapFlag, CpuModel, Usable};

fn machine(name: &str, alias: &str, max_cpus: u32, default: bool) -> Machine {
    Machine {
        name: name.to_owned(),
        alias: Some(alias.to_owned()),
        hotplug_cpus: true,
        max_cpus,
        default,
        default_cpu: None,
        numa_mem: false,
        default_ram_id: None,
        deprecated: false,
        acpi: Some(true),
    }
}

fn caps() -> QemuCaps {
    let cpu = |name: &str, blockers: &[&str]| CpuModel {
        name: name.to_owned(),
        alias_of: None,
        typename: None,
        usable: match blockers {
            [] => Usable::Yes,
            _ => Usable::No,
        },
        blockers: blockers.iter().map(|name| (*name).to_owned()).collect(),
        deprecated: false,
    };
    let accel = |accel| AccelCaps {
        accel,
        machines: vec![
            machine("pc-i440fx-10.0", "pc", 255, true),
            machine("pc-q35-10.0", "q35", 4096, false),
        ],
        cpus: vec![cpu("two", &["z", "a"]), cpu("One", &[]), cpu("host", &[])],
        host_cpu: None,
    };
    QemuCaps {
        emulator: "/usr/bin/qemu-system-x86_64".to_owned(),
        version: 10_000_000,
        package: String::new(),
        arch: "x86_64".to_owned(),
        flags: [CapFlag::UsbStorage, CapFlag::Vnc].into_iter().collect(),
        accels: vec![accel(Accel::Kvm), accel(Accel::Tcg)],
        hyperv: None,
        sev: None,
        sgx: None,
        gic: Vec::new(),
    }
}

fn document(machine: Option<&str>, virt: Option<&str>) -> String {
    let caps = caps();
    let request = Request::new(None, None, machine.map(str::to_owned), virt).unwrap();
    let subject = request.about(&caps).unwrap();
    let host = Surroundings {
        kvm_max_vcpus: Some(1024),
        ..Surroundings::default()
    };
    describe(&subject, &host).to_xml()
}

#[test]
fn what_is_left_out_is_chosen_and_short_names_are_spelt_out() {
    let xml = document(None, None);
    assert!(xml.contains("<domain>kvm</domain>\n  <machine>pc-i440fx-10.0</machine>"));
    assert!(xml.contains("<vcpu max='255'/>"));
    assert!(xml.contains("<value>ide</value>"));
    let xml = document(Some("q35"), None);
    assert!(xml.contains("<machine>pc-q35-10.0</machine>"));
    assert!(xml.contains("<vcpu max='1024'/>"), "KVM allows no more");
    assert!(!xml.contains("<value>ide</value>"));
    let xml = document(Some("q35"), Some("qemu"));
    assert!(xml.contains("<vcpu max='4096'/>"));
    assert!(xml.contains("<mode name='host-passthrough' supported='no'/>"));
}

#[test]
fn models_are_sorted_and_followed_by_what_blocks_them() {
    let xml = document(None, None);
    let models = "      <model usable='yes' vendor='unknown'>One</model>
      <model usable='no' vendor='unknown'>two</model>
      <blockers model='two'>
        <feature name='a'/>
        <feature name='z'/>
      </blockers>
    </mode>
";
    assert!(xml.contains(models), "{xml}");
}

#[test]
fn a_device_without_any_value_is_not_supported() {
    let xml = document(None, None);
    assert!(xml.contains("    <tpm supported='no'/>\n    <redirdev supported='no'/>\n"));
    assert!(xml.contains("      <enum name='capsType'/>\n"));
}

#[test]
fn what_the_binary_lacks_is_refused_by_name() {
    let caps = caps();
    let error = |arch, machine: Option<&str>, virt| {
        let request = Request::new(None, arch, machine.map(str::to_owned), virt).unwrap();
        request.about(&caps).unwrap_err().message().to_owned()
    };
    assert_eq!(
        error(None, Some("nonsense"), None),
        "invalid argument: the machine 'nonsense' is not supported by emulator '/usr/bin/qemu-system-x86_64'"
    );
    assert_eq!(
        error(None, None, Some("xen")),
        "invalid argument: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'xen'"
    );
    assert_eq!(
        error(Some("aarch64"), None, None),
        "invalid argument: architecture from emulator 'x86_64' doesn't match given architecture 'aarch64'"
    );
}
