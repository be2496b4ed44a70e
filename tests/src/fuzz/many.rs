//! Guests of which one part is there ten thousand times: whatever becomes of them must become of them
//! soon.

/// What is there many times.
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Where it goes, around [`HERE`].
    around: &'static str,
    /// It, with a number of its own.
    write: fn(usize) -> String,
}

/// Where in a guest the parts go.
const HERE: &str = "@";

/// Most of a part.
pub const COUNT: usize = 10_000;

/// Machines, for each has places of its own.
pub const MACHINES: [&str; 2] = ["pc", "q35"];

impl Part {
    /// A guest with so many of them.
    pub fn guest(&self, machine: &str, count: usize) -> String {
        let parts: String = (0..count).map(self.write).collect();
        let inner = self.around.replace(HERE, &parts);
        let vcpus = match self.around.contains("<vcpu>") {
            true => "",
            false => "<vcpu>2</vcpu>",
        };
        format!(
            "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
             <name>many</name><memory unit='MiB'>32</memory>{vcpus}\
             <os><type arch='x86_64' machine='{machine}'>hvm</type></os>{inner}</domain>"
        )
    }
}

/// Inside `<devices>`.
const DEVICES: &str = "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>@</devices>";

/// The letters of the disk with that number: a, b, …, z, aa, ab, …
fn letters(number: usize) -> String {
    let last = char::from(b'a' + (number % 26) as u8);
    match number / 26 {
        0 => last.to_string(),
        more => letters(more - 1) + &last.to_string(),
    }
}

/// A disk on that bus with names that start so, and what else it says.
fn disk(number: usize, bus: &str, start: &str, more: &str) -> String {
    format!(
        "<disk type='file'><source file='/d{number}'/>\
         <target dev='{start}{}' bus='{bus}'/>{more}</disk>",
        letters(number)
    )
}

/// Two figures of a PCI address, distinct for distinct numbers.
fn pci(number: usize) -> String {
    format!(
        "domain='{}' bus='{}' slot='{}' function='{}'",
        number >> 16,
        (number >> 8) & 255,
        (number >> 3) & 31,
        number & 7
    )
}

const fn device(name: &'static str, write: fn(usize) -> String) -> Part {
    Part {
        name,
        around: DEVICES,
        write,
    }
}

const fn other(name: &'static str, around: &'static str, write: fn(usize) -> String) -> Part {
    Part {
        name,
        around,
        write,
    }
}

/// All parts of which a guest may have many.
pub const PARTS: &[Part] = &[
    device("virtio disks", |n| disk(n, "virtio", "vd", "")),
    device("SCSI disks", |n| disk(n, "scsi", "sd", "")),
    device("SCSI disks with a WWN", |n| {
        disk(
            n,
            "scsi",
            "sd",
            &format!("<serial>s{n}</serial><wwn>{n:016x}</wwn>"),
        )
    }),
    device("SATA disks", |n| disk(n, "sata", "sd", "")),
    device("IDE disks", |n| disk(n, "ide", "hd", "")),
    device("USB disks", |n| disk(n, "usb", "sd", "")),
    device("floppies", |n| {
        disk(n, "fdc", "fd", "").replace("<disk", "<disk device='floppy'")
    }),
    device("disks that boot", |n| {
        disk(n, "virtio", "vd", &format!("<boot order='{}'/>", n + 1))
    }),
    device("disks in groups of limits", |n| {
        let group = format!("<total_iops_sec>{n}</total_iops_sec><group_name>g{n}</group_name>");
        disk(n, "virtio", "vd", &format!("<iotune>{group}</iotune>"))
    }),
    device("disks in one group of limits", |n| {
        let group = "<total_iops_sec>7</total_iops_sec><group_name>g</group_name>";
        disk(n, "virtio", "vd", &format!("<iotune>{group}</iotune>"))
    }),
    device("disks with secrets", |n| {
        let secret = format!("<secret type='passphrase' usage='u{n}'/>");
        disk(
            n,
            "virtio",
            "vd",
            &format!("<encryption format='luks'>{secret}</encryption>"),
        )
    }),
    device("network disks", |n| {
        format!(
            "<disk type='network'><source protocol='nbd' name='n{n}'><host name='h{n}'/></source>\
             <target dev='vd{}' bus='virtio'/></disk>",
            letters(n)
        )
    }),
    device("controllers", |_| "<controller type='scsi'/>".to_owned()),
    device("virtio-scsi controllers", |n| {
        format!("<controller type='scsi' index='{n}' model='virtio-scsi'/>")
    }),
    device("USB controllers", |n| {
        format!("<controller type='usb' index='{n}' model='qemu-xhci'/>")
    }),
    device("virtio-serial controllers", |n| {
        format!("<controller type='virtio-serial' index='{n}'/>")
    }),
    device("PCI bridges", |_| {
        "<controller type='pci' model='pci-bridge'/>".to_owned()
    }),
    device("root ports", |_| {
        "<controller type='pci' model='pcie-root-port'/>".to_owned()
    }),
    device("numbered root ports", |n| {
        format!(
            "<controller type='pci' index='{}' model='pcie-root-port'/>",
            n + 1
        )
    }),
    device("interfaces", |_| "<interface type='user'/>".to_owned()),
    device("virtio interfaces", |n| {
        format!(
            "<interface type='bridge'><mac address='52:54:00:00:{:02x}:{:02x}'/>\
             <source bridge='b{n}'/><model type='virtio'/></interface>",
            n >> 8,
            n & 255
        )
    }),
    device("interfaces that boot", |n| {
        format!(
            "<interface type='user'><model type='virtio'/><boot order='{}'/></interface>",
            n + 1
        )
    }),
    device("ports of the host", |n| {
        format!(
            "<interface type='user'><backend type='passt'/><portForward proto='tcp'>\
             <range start='{}'/></portForward><model type='virtio'/></interface>",
            n + 1
        )
    }),
    device("virtio channels", |n| {
        format!("<channel type='unix'><target type='virtio' name='c{n}'/></channel>")
    }),
    device("agents' channels", |_| {
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
            .to_owned()
    }),
    device("forwarded channels", |n| {
        format!(
            "<channel type='pty'><target type='guestfwd' address='10.0.2.1' port='{}'/></channel>",
            n + 1
        )
    }),
    device("serial ports", |_| "<serial type='pty'/>".to_owned()),
    device("PCI serial ports", |_| {
        "<serial type='pty'><target type='pci-serial'/></serial>".to_owned()
    }),
    device("parallel ports", |_| "<parallel type='pty'/>".to_owned()),
    device("consoles", |_| "<console type='pty'/>".to_owned()),
    device("virtio consoles", |_| {
        "<console type='pty'><target type='virtio'/></console>".to_owned()
    }),
    device("tablets", |_| "<input type='tablet' bus='usb'/>".to_owned()),
    device("virtio mice", |_| {
        "<input type='mouse' bus='virtio'/>".to_owned()
    }),
    device("PS/2 mice", |_| {
        "<input type='mouse' bus='ps2'/>".to_owned()
    }),
    device("hubs", |_| "<hub type='usb'/>".to_owned()),
    device("VNC displays", |_| {
        "<graphics type='vnc' autoport='yes'/>".to_owned()
    }),
    device("VNC websockets", |_| {
        "<graphics type='vnc' autoport='yes' websocket='-1'/>".to_owned()
    }),
    device("VNC displays with sound", |n| {
        format!(
            "<graphics type='vnc' autoport='yes'><audio id='{n}'/></graphics><audio id='{n}' type='none'/>"
        )
    }),
    device("SPICE displays", |_| {
        "<graphics type='spice' autoport='yes'/>".to_owned()
    }),
    device("SDL displays", |_| "<graphics type='sdl'/>".to_owned()),
    device("videos", |_| {
        "<video><model type='virtio'/></video>".to_owned()
    }),
    device("QXL videos", |_| {
        "<video><model type='qxl'/></video>".to_owned()
    }),
    device("sound devices", |_| "<sound model='ich9'/>".to_owned()),
    device("AC97 sound devices", |_| "<sound model='ac97'/>".to_owned()),
    device("sound back ends", |n| {
        format!("<audio id='{}' type='none'/>", n + 1)
    }),
    device("sound devices with back ends", |n| {
        format!(
            "<sound model='ac97'><audio id='{0}'/></sound><audio id='{0}' type='none'/>",
            n + 1
        )
    }),
    device("watchdogs", |_| {
        "<watchdog model='i6300esb' action='reset'/>".to_owned()
    }),
    device("random number devices", |_| {
        "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>".to_owned()
    }),
    device("panic devices", |_| "<panic model='pvpanic'/>".to_owned()),
    device("shared memories", |n| {
        format!("<shmem name='s{n}'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>")
    }),
    device("filesystems", |n| {
        format!("<filesystem type='mount'><source dir='/f{n}'/><target dir='t{n}'/></filesystem>")
    }),
    device("smartcards", |_| {
        "<smartcard mode='passthrough' type='spicevmc'/>".to_owned()
    }),
    device("redirected devices", |_| {
        "<redirdev bus='usb' type='spicevmc'/>".to_owned()
    }),
    device("rules of redirection", |n| {
        format!("<redirfilter><usbdev vendor='0x{n:04x}' allow='yes'/></redirfilter>")
    }),
    device("TPMs", |_| {
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>".to_owned()
    }),
    device("cryptographic devices", |_| {
        "<crypto model='virtio' type='qemu'><backend model='builtin'/></crypto>".to_owned()
    }),
    device("balloons", |_| "<memballoon model='virtio'/>".to_owned()),
    device("vsocks", |_| "<vsock model='virtio'/>".to_owned()),
    device("PCI devices of the host", |n| {
        format!(
            "<hostdev mode='subsystem' type='pci'><source><address {}/></source></hostdev>",
            pci(n)
        )
    }),
    device("USB devices of the host", |n| {
        format!(
            "<hostdev mode='subsystem' type='usb'><source><address bus='{}' device='{}'/>\
             </source></hostdev>",
            n / 100 + 1,
            n % 100 + 1
        )
    }),
    device("SCSI devices of the host", |n| {
        format!(
            "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/>\
             <address bus='0' target='{}' unit='{}'/></source></hostdev>",
            n / 100,
            n % 100
        )
    }),
    device("mediated devices", |n| {
        format!(
            "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>\
             <address uuid='00000000-0000-4000-8000-{n:012}'/></source></hostdev>"
        )
    }),
    device("leases", |n| {
        format!("<lease><lockspace>l</lockspace><key>k{n}</key><target path='/l'/></lease>")
    }),
    device("devices with names", |n| {
        format!("<input type='mouse' bus='virtio'><alias name='ua-{n}'/></input>")
    }),
    device("devices in slots", |n| {
        format!(
            "<input type='mouse' bus='virtio'><address type='pci' {}/></input>",
            pci(n)
        )
    }),
    device("devices in ACPI's numbers", |n| {
        format!(
            "<interface type='user'><model type='virtio'/><acpi index='{}'/></interface>",
            n + 1
        )
    }),
    other("elements nobody knows", DEVICES, |n| format!("<x{n}/>")),
    other("metadata", "<metadata>@</metadata>", |n| {
        format!("<a:b{n} xmlns:a='u{n}'>t</a:b{n}>")
    }),
    other(
        "pinned processors",
        "<vcpu>10000</vcpu><cputune>@</cputune>",
        |n| format!("<vcpupin vcpu='{n}' cpuset='0'/>"),
    ),
    other(
        "scheduled processors",
        "<vcpu>10000</vcpu><cputune>@</cputune>",
        |n| format!("<vcpusched vcpus='{n}' scheduler='batch'/>"),
    ),
    other(
        "listed processors",
        "<vcpu>10000</vcpu><vcpus>@</vcpus>",
        |n| format!("<vcpu id='{n}' enabled='yes' order='{}'/>", n + 1),
    ),
    other("I/O threads", "<iothreadids>@</iothreadids>", |n| {
        format!("<iothread id='{}'/>", n + 1)
    }),
    other(
        "pinned I/O threads",
        "<iothreads>10000</iothreads><cputune>@</cputune>",
        |n| format!("<iothreadpin iothread='{}' cpuset='0'/>", n + 1),
    ),
    other(
        "disks with threads of their own",
        "<iothreads>10000</iothreads><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>@\
         </devices>",
        |n| {
            let driver = format!("<driver name='qemu' iothread='{}'/>", n + 1);
            disk(n, "virtio", "vd", &driver)
        },
    ),
    other(
        "NUMA cells",
        "<vcpu>10000</vcpu><cpu><numa>@</numa></cpu>",
        |n| format!("<cell id='{n}' cpus='{n}' memory='4' unit='KiB'/>"),
    ),
    other(
        "NUMA distances",
        "<cpu><numa><cell id='0' cpus='0-1' memory='32' unit='MiB'><distances>@</distances></cell>\
         </numa></cpu>",
        |n| format!("<sibling id='{n}' value='20'/>"),
    ),
    other("NUMA policies", "<numatune>@</numatune>", |n| {
        format!("<memnode cellid='{n}' mode='strict' nodeset='0'/>")
    }),
    other(
        "pages by node",
        "<memoryBacking><hugepages>@</hugepages></memoryBacking>",
        |n| format!("<page size='{}' unit='KiB' nodeset='{n}'/>", (n + 1) * 4),
    ),
    other(
        "memory modules",
        "<maxMemory slots='10000' unit='GiB'>1000</maxMemory><cpu><numa>\
         <cell id='0' cpus='0-1' memory='32' unit='MiB'/></numa></cpu><devices>\
         <emulator>/usr/bin/qemu-system-x86_64</emulator>@</devices>",
        |_| {
            "<memory model='dimm'><target><size unit='MiB'>2</size><node>0</node></target></memory>"
                .to_owned()
        },
    ),
    other(
        "CPU features",
        "<cpu mode='custom' match='exact'><model>qemu64</model>@</cpu>",
        |n| format!("<feature policy='require' name='f{n}'/>"),
    ),
    other(
        "CPU features by one name",
        "<cpu mode='custom'><model>qemu64</model>@</cpu>",
        |_| "<feature policy='require' name='vmx'/>".to_owned(),
    ),
    other("timers", "<clock offset='utc'>@</clock>", |_| {
        "<timer name='rtc'/>".to_owned()
    }),
    other("labels", "@", |n| {
        format!("<seclabel type='static' model='m{n}'><label>l</label></seclabel>")
    }),
    other("weights of devices", "<blkiotune>@</blkiotune>", |n| {
        format!("<device><path>/dev/d{n}</path><weight>100</weight></device>")
    }),
    other(
        "strings of the OEM",
        "<sysinfo type='smbios'><oemStrings>@</oemStrings></sysinfo>",
        |n| format!("<entry>e{n}</entry>"),
    ),
    other("boards", "<sysinfo type='smbios'>@</sysinfo>", |n| {
        format!("<baseBoard><entry name='serial'>e{n}</entry></baseBoard>")
    }),
    other(
        "entries for firmware",
        "<sysinfo type='fwcfg'>@</sysinfo>",
        |n| format!("<entry name='opt/com.example/e{n}'>e</entry>"),
    ),
    other("arguments", "<qemu:commandline>@</qemu:commandline>", |n| {
        format!("<qemu:arg value='-x{n}'/>")
    }),
    other("variables", "<qemu:commandline>@</qemu:commandline>", |n| {
        format!("<qemu:env name='X{n}' value='x'/>")
    }),
    other(
        "capabilities",
        "<qemu:capabilities>@</qemu:capabilities>",
        |n| format!("<qemu:add capability='c{n}'/>"),
    ),
    other("changed devices", "<qemu:override>@</qemu:override>", |n| {
        format!(
            "<qemu:device alias='ua-{n}'><qemu:frontend><qemu:property name='a' type='string' \
             value='b'/></qemu:frontend></qemu:device>"
        )
    }),
    other(
        "groups of limits",
        "<throttlefilters>@</throttlefilters>",
        |n| format!("<throttlefilter group='g{n}'/>"),
    ),
    other(
        "throttle groups",
        "<throttlegroups>@</throttlegroups>",
        |n| {
            format!(
                "<throttlegroup><group_name>g{n}</group_name><total_iops_sec>5</total_iops_sec></throttlegroup>"
            )
        },
    ),
    other(
        "hosts of a disk",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='network'>\
         <source protocol='rbd' name='a/b'>@</source><target dev='vda'/></disk></devices>",
        |n| format!("<host name='h{n}' port='6789'/>"),
    ),
    other(
        "cookies of a disk",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='network'>\
         <source protocol='https' name='a'><host name='h'/><cookies>@</cookies></source>\
         <target dev='vda'/></disk></devices>",
        |n| format!("<cookie name='c{n}'>v</cookie>"),
    ),
    other(
        "queues of a disk",
        "<iothreads>10000</iothreads><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
         <disk type='file'><driver name='qemu'><iothreads>@</iothreads></driver>\
         <source file='/a'/><target dev='vda' bus='virtio'/></disk></devices>",
        |n| format!("<iothread id='{}'/>", n + 1),
    ),
    other(
        "labels of a disk",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file'>\
         <source file='/a'>@</source><target dev='vda'/></disk></devices>",
        |n| format!("<seclabel model='m{n}' relabel='no'/>"),
    ),
    other(
        "addresses of an interface",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><interface type='user'>\
         @</interface></devices>",
        |n| format!("<ip address='10.0.{}.{}'/>", n / 250, n % 250),
    ),
    other(
        "parameters of a filter",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><interface type='bridge'>\
         <source bridge='b'/><filterref filter='f'>@</filterref></interface></devices>",
        |n| format!("<parameter name='P{n}' value='1'/>"),
    ),
    other(
        "VLANs of an interface",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><interface type='bridge'>\
         <source bridge='b'/><vlan trunk='yes'>@</vlan></interface></devices>",
        |n| format!("<tag id='{}'/>", n % 4095),
    ),
    other(
        "forwarded ports",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><interface type='user'>\
         <backend type='passt'/><portForward proto='tcp'>@</portForward></interface></devices>",
        |n| format!("<range start='{}'/>", n + 1),
    ),
    other(
        "listens of a display",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><graphics type='vnc'>\
         @</graphics></devices>",
        |n| {
            format!(
                "<listen type='address' address='10.0.{}.{}'/>",
                n / 250,
                n % 250
            )
        },
    ),
    other(
        "channels of a display",
        "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><graphics type='spice'>\
         @</graphics></devices>",
        |_| "<channel name='main' mode='secure'/>".to_owned(),
    ),
];
