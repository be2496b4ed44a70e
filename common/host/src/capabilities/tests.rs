use std::path::Path;

use super::*;
use crate::sysfs::Tree;

/// A host of two nodes: the first with two CPUs that share a cache, of which one is off line.
fn host() -> (tempfile::TempDir, Tree) {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let cpu = "sys/devices/system/cpu";
    put("sys/devices/system/node/node0/cpulist", "0-1\n");
    put("sys/devices/system/node/node0/distance", "10 21\n");
    put("sys/devices/system/node/node1/cpulist", "\n");
    put("sys/devices/system/node/node1/distance", "21 10\n");
    for (name, value) in [
        ("physical_package_id", "3"),
        ("core_id", "5"),
        ("die_id", "-1"),
        ("thread_siblings_list", "0-1"),
    ] {
        put(&format!("{cpu}/cpu0/topology/{name}"), value);
    }
    put(&format!("{cpu}/cpu1/online"), "0\n");
    for (name, value) in [
        ("level", "3"),
        ("type", "Unified"),
        ("size", "8192K"),
        ("id", "2"),
        ("shared_cpu_list", "0-1"),
    ] {
        put(&format!("{cpu}/cpu0/cache/index3/{name}"), value);
        put(&format!("{cpu}/cpu1/cache/index3/{name}"), value);
    }
    put(&format!("{cpu}/cpu0/cache/index0/level"), "1");
    put("sys/fs/resctrl/info/L3/cbm_mask", "ff\n");
    put("sys/fs/resctrl/info/L3/min_cbm_bits", "2\n");
    put("sys/fs/resctrl/info/L3/num_closids", "16\n");
    put("sys/power/state", "freeze mem disk\n");
    let tree = Tree::at(root.path());
    (root, tree)
}

#[test]
fn nodes_list_their_cpus_and_distances() {
    let (_root, tree) = host();
    let topology = Topology::with_memory(&tree, |_| NodeMemory::default());
    assert_eq!(
        virt_xml::write("topology", &topology),
        "<topology>
  <cells num='2'>
    <cell id='0'>
      <distances>
        <sibling id='0' value='10'/>
        <sibling id='1' value='21'/>
      </distances>
      <cpus num='2'>
        <cpu id='0' socket_id='3' die_id='0' cluster_id='0' core_id='5' siblings='0-1'/>
        <cpu id='1'/>
      </cpus>
    </cell>
    <cell id='1'>
      <distances>
        <sibling id='0' value='21'/>
        <sibling id='1' value='10'/>
      </distances>
      <cpus num='0'/>
    </cell>
  </cells>
</topology>
"
    );
}

#[test]
fn a_shared_cache_is_listed_once_with_its_control() {
    let (_root, tree) = host();
    let caches = Caches::read(&tree).unwrap();
    assert_eq!(
        virt_xml::write("cache", &caches),
        "<cache>
  <bank id='2' level='3' type='both' size='8' unit='MiB' cpus='0-1'>
    <control granularity='1' min='2' unit='MiB' type='both' maxAllocs='16'/>
  </bank>
</cache>
"
    );
}

#[test]
fn power_states_are_the_kernels() {
    let (_root, tree) = host();
    let power = PowerManagement::read(&tree);
    assert!(power.suspend_mem && power.suspend_disk && !power.suspend_hybrid);
    let none = PowerManagement::read(&Tree::at(Path::new("/nonexistent")));
    assert_eq!(none, PowerManagement::default());
}

#[test]
fn the_documents_parts_are_set_apart_by_blank_lines() {
    let host = HostCapabilities {
        uuid: None,
        cpu: HostCpu::unknown("x86_64"),
        power_management: Some(PowerManagement::default()),
        iommu: Some(Iommu {
            support: false.into(),
        }),
        migration_features: None,
        topology: None,
        cache: None,
        memory_bandwidth: None,
        secmodels: vec![SecModel::plain("none")],
    };
    let capabilities = Capabilities {
        host,
        guests: Vec::new(),
    };
    assert_eq!(
        capabilities.to_xml(),
        "<capabilities>

  <host>
    <cpu>
      <arch>x86_64</arch>
    </cpu>
    <power_management/>
    <iommu support='no'/>
    <secmodel>
      <model>none</model>
      <doi>0</doi>
    </secmodel>
  </host>

</capabilities>
"
    );
}
