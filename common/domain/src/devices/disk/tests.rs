use super::*;

fn read(text: &str) -> Result<Disk> {
    virt_xml::read::<Disk>(text).map(|(disk, unknown)| {
        assert_eq!(unknown, []);
        disk
    })
}

fn message(text: &str) -> String {
    read(text).unwrap_err().message().to_owned()
}

#[test]
fn names_count_in_base_26() {
    for (name, index) in [
        ("vda", 0),
        ("hdz", 25),
        ("sdaa", 26),
        ("xvdba", 52),
        ("sda12", 0),
    ] {
        assert_eq!(index_of_name(name), Some(index), "{name}");
    }
    for name in ["", "vd", "vdA", "nvme0", "vda1a", "hdaxxxxxxxxxx"] {
        assert_eq!(index_of_name(name), None, "{name}");
    }
}

#[test]
fn a_whole_disk_is_written_as_it_was_read() {
    let text = "<disk type='file' device='disk' model='virtio' snapshot='no'>
  <driver name='qemu' type='qcow2' cache='none' io='native' queues='4' iommu='on'/>
  <source file='/a' startupPolicy='optional' index='2'>
    <slices>
      <slice type='storage' offset='512' size='1024'/>
    </slices>
    <seclabel model='dac' relabel='no'/>
    <encryption format='luks'>
      <secret type='passphrase' uuid='0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f'/>
    </encryption>
  </source>
  <backingStore type='block' index='1'>
    <format type='raw'/>
    <source dev='/dev/b'/>
    <backingStore/>
  </backingStore>
  <target dev='vda' bus='virtio'/>
  <iotune>
    <total_bytes_sec>7</total_bytes_sec>
  </iotune>
  <readonly/>
  <serial>x</serial>
  <boot order='1'/>
  <alias name='virtio-disk0'/>
  <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
</disk>
";
    let mut disk = read(text).unwrap();
    assert_eq!(virt_xml::write("disk", &disk), text);
    disk.inactive();
    let kept = virt_xml::write("disk", &disk);
    assert!(
        !kept.contains("alias") && !kept.contains("index="),
        "{kept}"
    );
}

#[test]
fn every_kind_of_place_is_written_as_it_was_read() {
    for source in [
        "block'><source dev='/dev/a'/>",
        "dir'><source dir='/a'/>",
        "network'><source protocol='nbd' name='x' tls='no'><host transport='unix' socket='/s'/><reconnect delay='3'/></source>",
        "network'><source protocol='https' name='x' query='a'><host name='h' port='443'/><ssl verify='no'/><cookies><cookie name='a'>b</cookie></cookies><timeout seconds='3'/></source>",
        "volume'><source pool='p' volume='v' mode='host'/>",
        "nvme'><source type='pci' managed='yes' namespace='1'><address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></source>",
        "vhostuser'><source type='unix' path='/s'><reconnect enabled='yes' timeout='3'/></source>",
        "vhostvdpa'><source dev='/dev/vhost-vdpa-0'/>",
    ] {
        let text = format!("<disk device='disk' type='{source}<target dev='vda'/></disk>");
        let disk = read(&text).unwrap();
        let written = virt_xml::write("disk", &disk);
        assert_eq!(read(&written).unwrap(), disk, "{written}");
    }
}

#[test]
fn refusals_are_the_stock_ones() {
    let with = |inside: &str| message(&format!("<disk><source file='/a'/>{inside}</disk>"));
    assert_eq!(with(""), "missing target information for device /a");
    assert_eq!(
        with("<target dev='nonsense'/>"),
        "XML error: Unknown disk name 'nonsense' and no address specified"
    );
    assert!(with("<target dev='vda' bus='nonsense'/>").starts_with(
        "XML error: Invalid value for attribute 'bus' in element 'target': 'nonsense'."
    ));
    assert!(message("<disk device='nonsense'/>").starts_with(
        "XML error: Invalid value for attribute 'device' in element 'disk': 'nonsense'."
    ));
    let disks: Vec<_> = ["/a", "/b"]
        .map(|path| {
            read(&format!(
                "<disk><source file='{path}'/><target dev='vda'/></disk>"
            ))
            .unwrap()
        })
        .into();
    assert_eq!(
        check_all(&disks).unwrap_err().message(),
        "XML error: target 'vda' duplicated for disk sources '/a' and '/b'"
    );
}

#[test]
fn what_a_place_of_that_kind_does_not_have_is_reported() {
    let text = "<disk type='file'><source dev='/a'/><target dev='vda'/></disk>";
    let (_, unknown) = virt_xml::read::<Disk>(text).unwrap();
    assert_eq!(unknown[0].to_string(), "attribute '/disk/source/@dev'");
}

#[test]
fn cookies_are_for_those_who_may_see_passwords() {
    let https = "<source protocol='https' name='a'><host name='h'/><cookies>\
        <cookie name='c'>secret</cookie></cookies></source>";
    let target = "<target dev='vda' bus='virtio'/>";
    let above = format!("<disk type='network'>{https}{target}</disk>");
    let below = format!(
        "<disk type='file'><source file='/a'/><backingStore type='network'><format type='raw'/>\
         {https}<backingStore/></backingStore>{target}</disk>"
    );
    for text in [above, below] {
        let mut disk = read(&text).unwrap();
        assert!(disk.has_secrets());
        disk.hide_secrets();
        assert!(!disk.has_secrets());
        let shown = virt_xml::write("disk", &disk);
        assert!(
            !shown.contains("secret") && shown.contains("<host name='h'"),
            "{shown}"
        );
    }
}

#[test]
fn what_a_boot_loader_is_told_has_its_letters() {
    let with = |loadparm: &str| {
        let boot = format!("<boot order='1' loadparm='{loadparm}'/>");
        let disk = read(&format!(
            "<disk><source file='/a'/><target dev='vda'/>{boot}</disk>"
        ))?;
        Ok::<_, Error>(disk.info.boot.and_then(|boot| boot.loadparm))
    };
    assert_eq!(with("abc d.").unwrap().as_deref(), Some("ABC D."));
    for wrong in ["", "a_c", "abcdefghi"] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}
