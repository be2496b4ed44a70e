use super::*;
use crate::argv::{DiskGroup, FileUse, TapFds, VhostNet};
use crate::secrets::{MasterKey, SecretLookup, SecretValue, Secrets};
use virt_domain::devices::storage::SecretRef;

struct Same;

impl SecretLookup for Same {
    fn value(&mut self, _: &SecretRef) -> Result<SecretValue> {
        Ok(SecretValue::new(b"secret".to_vec()))
    }
}

fn zeros(buffer: &mut [u8]) {
    buffer.fill(0);
}

fn lines(xml: &str) -> Vec<String> {
    let (disk, _) = virt_xml::read::<Disk>(xml).unwrap();
    let mut lookup = Same;
    let mut secrets = Secrets::new(&mut lookup, MasterKey::made_with(zeros), zeros);
    let mut needs = Needs {
        config: &DriverConfig::system(),
        guest_dir: Path::new("/guest"),
        sets: &HashMap::from([(1, 4)]),
        secrets: &mut secrets,
        descriptors: &mut Invented,
    };
    let nodes = nodes(&disk, &mut needs).unwrap().unwrap();
    let line = |part| match part {
        Part::Object(props) | Part::Node(props) => Props::json(&props),
        Part::DescriptorSet { set, members } => format!("{set} {members:?}"),
    };
    nodes.parts.into_iter().map(line).collect()
}

struct Invented;

impl Descriptors for Invented {
    fn disk_group(&mut self, _: &str) -> Result<DiskGroup> {
        Ok(DiskGroup {
            descriptors: vec![9],
            writable: true,
        })
    }
    fn listen_unix(&mut self, _: &str, _: &Path) -> Result<i32> {
        Ok(3)
    }
    fn char_file(&mut self, _: &str, _: FileUse, _: &Path, _: bool) -> Result<i32> {
        Ok(3)
    }
    fn tap(&mut self, _: &str, _: u32, _: VhostNet) -> Result<TapFds> {
        Ok(TapFds::default())
    }
    fn vhost_vsock(&mut self, _: u32) -> Result<i32> {
        Ok(3)
    }
    fn vhost_scsi(&mut self) -> Result<i32> {
        Ok(3)
    }
    fn vhost_vdpa(&mut self, _: &Path) -> Result<i32> {
        Ok(0)
    }

    fn vhost_user_gpu(&mut self, _: &str) -> Result<i32> {
        Ok(0)
    }

    fn tpm(&mut self, _: &Path) -> Result<i32> {
        Ok(3)
    }
}

#[test]
fn a_raw_file_is_one_node() {
    assert_eq!(
        lines("<disk><driver type='raw'/><source file='/a' index='1'/><target dev='vda'/></disk>"),
        [r#"{"driver":"file","filename":"/a","node-name":"libvirt-1-storage","read-only":false}"#]
    );
}

#[test]
fn a_chain_ends_where_the_definition_says() {
    assert_eq!(
        lines(
            "<disk><driver type='qcow2' cache='none' io='native'/><source file='/a' index='1'/>
             <backingStore type='block' index='2'><format type='raw'/><source dev='/b'/>
             <backingStore/></backingStore><target dev='vda'/></disk>"
        ),
        [
            r#"{"driver":"host_device","filename":"/b","aio":"native","node-name":"libvirt-2-storage","read-only":true,"cache":{"direct":true,"no-flush":false}}"#,
            r#"{"driver":"file","filename":"/a","aio":"native","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap","cache":{"direct":true,"no-flush":false}}"#,
            r#"{"node-name":"libvirt-1-format","read-only":false,"cache":{"direct":true,"no-flush":false},"driver":"qcow2","file":"libvirt-1-storage","backing":"libvirt-2-storage"}"#,
        ]
    );
}

#[test]
fn a_slice_has_a_node_of_its_own_below_the_format() {
    let slice = "<slices><slice type='storage' offset='512' size='1024'/></slices>";
    let source = format!("<source file='/a' index='1'>{slice}</source><target dev='vda'/>");
    let raw = lines(&format!("<disk><driver type='raw'/>{source}</disk>"));
    assert_eq!(
        raw[1],
        r#"{"driver":"raw","file":"libvirt-1-storage","offset":512,"size":1024,"node-name":"libvirt-1-slice-sto","read-only":false}"#
    );
    let qcow2 = lines(&format!("<disk><driver type='qcow2'/>{source}</disk>"));
    assert_eq!(qcow2.len(), 3);
    assert!(
        qcow2[2].contains(r#""file":"libvirt-1-slice-sto""#),
        "{}",
        qcow2[2]
    );
}

#[test]
fn passphrases_are_objects_and_layers_of_a_server_are_nested() {
    let luks = lines(
        "<disk><driver type='raw'/><source file='/a' index='1'><encryption format='luks'>
         <secret type='passphrase' usage='x'/></encryption></source><target dev='vda'/></disk>",
    );
    assert!(
        luks[0].contains(r#""id":"libvirt-1-format-encryption-secret0""#),
        "{}",
        luks[0]
    );
    assert!(
        luks[2].contains(r#""driver":"luks","key-secret":"libvirt-1-format-encryption-secret0""#)
    );
    let rbd = lines(
        "<disk type='network'><driver type='raw'/><source protocol='rbd' name='p/i' index='1'>
         <encryption format='luks2' engine='librbd'><secret type='passphrase' usage='x'/>
         <secret type='passphrase' usage='y'/></encryption></source><target dev='vda'/></disk>",
    );
    assert!(rbd[2].contains(
        r#""encrypt":{"format":"luks2","key-secret":"libvirt-1-storage-encryption-secret0","parent":{"format":"luks2","key-secret":"libvirt-1-storage-encryption-secret1"}}"#
    ), "{}", rbd[2]);
}

#[test]
fn a_writable_descriptor_is_made_read_only_above() {
    let read_only = "<disk device='cdrom'><driver type='raw'/>
        <source file='/a' fdgroup='g' index='1'/><target dev='hda'/><readonly/></disk>";
    assert_eq!(
        lines(read_only),
        [
            r#"4 [(9, "libvirt-1-storage0")]"#,
            r#"{"driver":"file","filename":"/dev/fdset/4","node-name":"libvirt-1-storage","read-only":false,"discard":"unmap"}"#,
            r#"{"node-name":"libvirt-1-format","read-only":true,"driver":"raw","file":"libvirt-1-storage"}"#,
        ]
    );
}
