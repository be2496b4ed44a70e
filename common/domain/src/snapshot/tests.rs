use super::*;
use crate::devices::disk::Disk;

fn disks() -> Vec<Disk> {
    [
        "<disk type='file'><source file='/x/a.img'/><target dev='vda'/></disk>",
        "<disk type='file'><source file='/x/b.img'/><target dev='vdb'/></disk>",
        "<disk type='file' device='cdrom'><target dev='hdc'/><readonly/></disk>",
        "<disk type='file' snapshot='no'><source file='/x/c'/><target dev='vdc'/></disk>",
    ]
    .map(|text| virt_xml::read::<Disk>(text).unwrap().0)
    .into()
}

fn read(inner: &str, purpose: Purpose) -> Result<DomainSnapshot> {
    let text = format!("<domainsnapshot>{inner}</domainsnapshot>");
    DomainSnapshot::read(&text, purpose, crate::random)
}

fn made(inner: &str, default: DiskSnapshot) -> Result<String> {
    let mut snapshot = read(inner, Purpose::New)?;
    snapshot.make(7);
    snapshot.state = Some(SnapshotState::Running);
    snapshot.align(&disks(), default, default == DiskSnapshot::Internal)?;
    Ok(snapshot.to_xml(&SnapshotView::default()))
}

#[test]
fn what_nothing_is_said_of_is_settled_with_the_guest() {
    let expected = "<domainsnapshot>
  <name>7</name>
  <state>running</state>
  <creationTime>7</creationTime>
  <memory snapshot='internal'/>
  <disks>
    <disk name='vda' snapshot='internal'/>
    <disk name='vdb' snapshot='internal'/>
    <disk name='hdc' snapshot='no'/>
    <disk name='vdc' snapshot='no'/>
  </disks>
</domainsnapshot>
";
    assert_eq!(made("", DiskSnapshot::Internal).unwrap(), expected);
}

#[test]
fn new_images_are_named_by_the_snapshot() {
    let inner = "<name>s</name><memory snapshot='no'/><disks><disk name='/x/b.img'>\
                 <driver type='qcow2'/></disk><disk name='vdc' snapshot='no'/></disks>";
    let text = made(inner, DiskSnapshot::External).unwrap();
    for part in [
        "<source file='/x/a.s'/>",
        "<disk name='vdb' snapshot='external' type='file'>\n      <driver type='qcow2'/>\n      \
         <source file='/x/b.s'/>",
        "<disk name='vdc' snapshot='no'/>",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn one_that_was_made_is_read_as_it_was_written() {
    let guest = "  <domain type='qemu'>
    <name>g</name>
    <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
    <memory unit='KiB'>1024</memory>
    <currentMemory unit='KiB'>1024</currentMemory>
    <vcpu placement='static'>1</vcpu>
    <os>
      <type arch='x86_64' machine='pc'>hvm</type>
      <boot dev='hd'/>
    </os>
    <clock offset='utc'/>
    <on_poweroff>destroy</on_poweroff>
    <on_reboot>restart</on_reboot>
    <on_crash>destroy</on_crash>
    <devices/>
  </domain>
";
    let text = format!(
        "<domainsnapshot>
  <name>s</name>
  <description>d</description>
  <state>running</state>
  <parent>
    <name>p</name>
  </parent>
  <creationTime>5</creationTime>
  <memory snapshot='external' file='/m'/>
  <disks>
    <disk name='vda' snapshot='external' type='network'>
      <snapshotDeleteInProgress/>
      <driver type='qcow2'>
        <metadata_cache>
          <max_size unit='bytes'>1024</max_size>
        </metadata_cache>
      </driver>
      <source protocol='nbd' name='x'>
        <host name='h' port='1'/>
      </source>
    </disk>
  </disks>
  <revertDisks>
    <disk name='vda' snapshot='external' type='file'>
      <source file='/r'/>
    </disk>
  </revertDisks>
{guest}{}  <cookie>
    <cpu/>
  </cookie>
  <active>1</active>
</domainsnapshot>
",
        guest
            .replace("<domain ", "<inactiveDomain ")
            .replace("</domain>", "</inactiveDomain>")
    );
    let snapshot = DomainSnapshot::read(&text, Purpose::Redefine, crate::random).unwrap();
    let view = SnapshotView {
        internal: true,
        ..SnapshotView::default()
    };
    assert_eq!(snapshot.to_xml(&view), text);
}

#[test]
fn refusals_are_the_stock_ones() {
    let redefine = "<name>a</name><creationTime>5</creationTime>";
    for (purpose, inner, message) in [
        (
            Purpose::Redefine,
            "".to_owned(),
            "a redefined snapshot must have a name",
        ),
        (
            Purpose::Redefine,
            "<name>a</name>".to_owned(),
            "missing creationTime from existing snapshot",
        ),
        (
            Purpose::Redefine,
            redefine.to_owned(),
            "missing state from existing snapshot",
        ),
        (
            Purpose::Redefine,
            format!("{redefine}<state>zz</state>"),
            "Invalid state 'zz' in domain snapshot XML",
        ),
        (
            Purpose::Redefine,
            format!("{redefine}<state>shutoff</state><memory snapshot='internal'/>"),
            "memory state cannot be saved with offline or disk-only snapshot",
        ),
        (
            Purpose::New,
            "<memory snapshot='external'/>".to_owned(),
            "external memory snapshots require a filename",
        ),
        (
            Purpose::New,
            "<memory file='x'/>".to_owned(),
            "memory snapshot file path (x) must be absolute",
        ),
        (
            Purpose::New,
            "<memory snapshot='no' file='/x'/>".to_owned(),
            "memory filename '/x' requires external snapshot",
        ),
        (
            Purpose::New,
            "<disks><disk/></disks>".to_owned(),
            "missing name from disk snapshot element",
        ),
        (
            Purpose::New,
            "<disks><disk name='vda' type='dir'/></disks>".to_owned(),
            "unsupported disk snapshot type 'dir'",
        ),
        (
            Purpose::New,
            "<disks><disk name='vda'><source file='x'/></disk></disks>".to_owned(),
            "disk snapshot image path 'x' must be absolute",
        ),
    ] {
        let refused = read(&inner, purpose).unwrap_err();
        assert!(refused.message().contains(message), "{}", refused.message());
    }
    let refused = |inner| {
        made(inner, DiskSnapshot::Internal)
            .unwrap_err()
            .message()
            .to_owned()
    };
    assert!(
        refused("<disks><disk name='vda' snapshot='no'/></disks>")
            .ends_with("disk 'vda' must use snapshot mode 'internal'")
    );
    assert!(
        refused("<disks><disk name='vda' snapshot='internal'><source file='/x'/></disk></disks>")
            .ends_with("file '/x' for disk 'vda' requires use of external snapshot mode")
    );
}
