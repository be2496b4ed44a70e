use super::*;

fn described(text: &str) -> String {
    describe(text, |path| {
        Ok(format!("# of {path}\n/srv srv none bind 0 0\n"))
    })
    .unwrap()
}

fn refused(text: &str) -> String {
    let error = describe(text, |_| Ok(String::new())).unwrap_err();
    error.message().to_owned()
}

#[test]
fn old_and_new_names_say_the_same() {
    let new = "lxc.uts.name = a\nlxc.rootfs.path = dir:/a/root\nlxc.tty.max = 1\n\
               lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.ipv4.address = 192.0.2.1/24\n\
               lxc.net.3.type = phys\nlxc.net.3.link = eth1\n";
    let old = "lxc.utsname = a\nlxc.rootfs = /a/root\nlxc.tty = 1\n\
               lxc.network.type = veth\nlxc.network.link = br0\nlxc.network.ipv4 = 192.0.2.1/24\n\
               lxc.network.type = phys\nlxc.network.link = eth1\n";
    let described = described(new);
    assert_eq!(described, self::described(old));
    for part in [
        "<source dir='/a/root'/>",
        "<source bridge='br0'/>",
        "<ip address='192.0.2.1' family='ipv4' prefix='24'/>",
        "<interface>eth1</interface>",
        "<target type='lxc'/>",
    ] {
        assert!(described.contains(part), "{part} is not in {described}");
    }
    assert!(!described.contains("privnet"), "{described}");
}

#[test]
fn file_systems_are_of_folders_devices_and_memory() {
    let text = described(
        "lxc.rootfs.path = /dev/vg/a\nlxc.mount.fstab = /etc/table\n\
         lxc.mount.entry = proc proc proc defaults 0 0\n\
         lxc.mount.entry = tmpfs /run tmpfs size=2g,ro 0 0\n\
         lxc.mount.entry = shm dev/shm tmpfs defaults 0 0\n",
    );
    for part in [
        "<filesystem type='block'>\n      <source dev='/dev/vg/a'/>",
        "<source dir='/srv'/>\n      <target dir='/srv'/>",
        "<source usage='2097152' units='KiB'/>\n      <target dir='/run'/>\n      <readonly/>",
        "<source usage='32768' units='KiB'/>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(
        text.contains("<privnet/>") && !text.contains("/proc"),
        "{text}"
    );
}

#[test]
fn limits_and_capabilities_are_told() {
    let text = described(
        "lxc.cgroup.memory.limit_in_bytes = 1G\nlxc.cgroup.blkio.weight = 500\n\
         lxc.cgroup.blkio.throttle.read_bps_device = 8:0 100\n\
         lxc.cgroup.blkio.weight_device = 8:0 200\nlxc.cap.drop = mknod\n\
         lxc.cap.drop =\nlxc.cap.drop = sys_module <x>\nlxc.idmap = u 100000 0 5\nlxc.idmap = g 0 200000 6\n",
    );
    for part in [
        "<memory unit='KiB'>1048576</memory>",
        "<hard_limit unit='KiB'>1048576</hard_limit>",
        "<path>/dev/block/8:0</path>\n      <read_bytes_sec>100</read_bytes_sec>\n      <weight>200",
        "<capabilities policy='allow'>\n      <sys_module state='off'/>\n    </capabilities>",
        "<uid start='0' target='100000' count='5'/>",
        "<gid start='0' target='200000' count='6'/>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    for (text, named) in [
        ("lxc.tty.max = 100000", "'lxc.tty.max = 100000'"),
        ("lxc.rootfs.path = overlay:/a:/b", "overlay:/a:/b"),
        ("lxc.net.1.type = macvlan", "lxc.net.1.link beside it"),
        ("lxc.net.0.type = ipvlan", "'lxc.net.0.type = ipvlan'"),
        ("lxc.mount.entry = tmpfs run", "'tmpfs run'"),
        (
            "lxc.mount.entry = tmpfs run tmpfs size=x",
            "its size is none",
        ),
        (
            "lxc.cgroup.memory.limit_in_bytes = much",
            "memory.limit_in_bytes",
        ),
        ("lxc.cgroup.blkio.weight_device = sda 1", "such as 8:0"),
        (
            "lxc.network.type = veth\nlxc.network.ipv4 = 1.2.3",
            "lxc.net.0.ipv4.address",
        ),
    ] {
        let error = refused(text);
        assert!(error.contains(named), "{named} is not in {error}");
    }
    assert!(refused(&"x".repeat(2 << 20)).contains("more than"));
}
