use virt_domain::Domain;

use super::*;

const UUID: &str = "c7a5fdbd-cdaf-9455-926a-d65c16db1809";

fn guest(devices: &str) -> Domain {
    let xml = format!(
        "<domain type='kvm'><name>web 1</name><uuid>{UUID}</uuid><memory>2048</memory>\
         <vcpu current='2'>4</vcpu><os><type>hvm</type></os><devices>{devices}</devices></domain>"
    );
    Domain::read(&xml).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(records: &[Audit]) -> Vec<String> {
    let start = "virt=kvm resrc=";
    let vm = format!(" vm=7765622031 uuid={UUID}");
    let texts = records.iter().map(Audit::text);
    texts
        .map(|text| {
            let rest = text.strip_prefix(start);
            let rest = rest.unwrap_or_else(|| panic!("{text}"));
            assert!(rest.contains(&vm), "{text}");
            rest.replace(&vm, "")
        })
        .collect()
}

#[test]
fn all_that_a_guest_has_is_told_in_libvirts_order() {
    let domain = guest(
        "<input type='evdev'><source dev='/dev/input/event1'/></input>\
         <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\
         <rng model='virtio'><backend model='builtin'/></rng>\
         <shmem name='shared'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>\
         <serial type='file'><source path='/var/log/web.log'/></serial>\
         <console type='pty'/>\
         <channel type='unix'><source mode='bind' path='/run/a'/><target type='virtio' name='a'/></channel>\
         <channel type='spicevmc'><target type='virtio' name='b'/></channel>\
         <smartcard mode='host'/>\
         <redirdev bus='usb' type='spicevmc'/>\
         <hostdev mode='subsystem' type='pci'><source><address bus='6' slot='18' function='5'/></source></hostdev>\
         <hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source></hostdev>\
         <interface type='user'><mac address='52:54:00:00:00:01'/></interface>\
         <filesystem><source dir='/srv'/><target dir='srv'/></filesystem>\
         <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>\
         <disk type='file'><source file='/a b'/><target dev='vda'/></disk>\
         <disk type='network'><source protocol='nbd' name='x'><host name='h' port='1'/></source><target dev='vdb'/></disk>",
    );
    let records = texts(&Subject::from(&domain).at_start(&domain));
    assert_eq!(
        records,
        [
            "disk reason=start old-disk=\"?\" new-disk=2F612062",
            "fs reason=start old-fs=\"?\" new-fs=\"/srv\"",
            "net reason=start old-net=\"?\" new-net=\"52:54:00:00:00:01\"",
            "dev reason=start bus=pci device=\"0000:06:12.5\"",
            "dev reason=start bus=usb device=\"001.004\"",
            "dev reason=start bus=usb device=555342207265646972646576",
            "chardev reason=start old-chardev=\"?\" new-chardev=\"/var/log/web.log\"",
            "chardev reason=start old-chardev=\"?\" new-chardev=\"/run/a\"",
            "smartcard reason=start old-smartcard=\"?\" new-smartcard=\"nss-smartcard-device\"",
            "rng reason=start old-rng=\"?\" new-rng=\"/dev/urandom\"",
            "shmem reason=start size=4194304 path=/dev/shm/shared",
            "evdev reason=start path=/dev/input/event1",
            "mem reason=start old-mem=0 new-mem=2048",
            "vcpu reason=start old-vcpu=0 new-vcpu=2",
        ]
    );
}

#[test]
fn what_comes_goes_and_changes_says_what_was_there() {
    let domain = guest(
        "<disk type='file'><source file='/one'/><target dev='vda'/></disk>\
         <disk type='file'><source file='/two'/><target dev='vdb'/></disk>",
    );
    let [one, two] = domain.devices.disks.as_slice() else {
        panic!("two disks")
    };
    let subject = Subject::from(&domain);
    let refused = &subject.gained(one, Reason::Attach, false)[0];
    assert!(!refused.success);
    assert_eq!(
        texts(std::slice::from_ref(refused)),
        ["disk reason=attach old-disk=\"?\" new-disk=\"/one\""]
    );
    assert_eq!(
        texts(&subject.lost(one, true)),
        ["disk reason=detach old-disk=\"/one\" new-disk=\"?\""]
    );
    assert_eq!(
        texts(&subject.replaced(one, two, true)),
        ["disk reason=update old-disk=\"/one\" new-disk=\"/two\""]
    );
}

#[test]
fn starts_and_stops_carry_the_process() {
    let subject = Subject::from(&guest(""));
    let vm = format!("vm=7765622031 uuid={UUID}");
    assert_eq!(
        subject.started("booted", Some(42), true).text(),
        format!("virt=kvm op=start reason=booted {vm} vm-pid=42")
    );
    assert_eq!(
        subject.started("booted", None, false).text(),
        format!("virt=kvm op=start reason=booted {vm} vm-pid=0")
    );
    assert_eq!(
        subject.stopped("destroyed").text(),
        format!("virt=kvm op=stop reason=destroyed {vm} vm-pid=0")
    );
    let label = Seclabel {
        model: Some("dac".into()),
        label: Some("+64055:+64055".into()),
        ..Seclabel::default()
    };
    assert_eq!(
        subject.labelled(&label).text(),
        format!("virt=kvm {vm} vm-ctx=+64055:+64055 img-ctx=? model=dac")
    );
}
