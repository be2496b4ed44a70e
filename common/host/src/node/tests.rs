//! The numbers of small made-up hosts.

use std::fs;
use std::path::Path;

use crate::Host;

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Two nodes, each one socket of two cores with two threads; CPU 7 is off line.
fn two_nodes() -> (tempfile::TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "sys/devices/system/cpu/present", "0-7\n");
    put(root, "sys/devices/system/cpu/online", "0-6\n");
    put(
        root,
        "proc/cpuinfo",
        "processor\t: 0\ncpu MHz\t\t: 2596.148\n",
    );
    for cpu in 0..8 {
        let node = cpu / 4;
        put(
            root,
            &format!("sys/devices/system/node/node{node}/cpu{cpu}/online"),
            "1\n",
        );
        let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
        put(
            root,
            &format!("{topology}/physical_package_id"),
            &format!("{node}\n"),
        );
        put(
            root,
            &format!("{topology}/core_id"),
            &format!("{}\n", cpu / 2 % 2),
        );
        let first = cpu / 2 * 2;
        let list = if first == 6 {
            "6".into()
        } else {
            format!("{first}-{}", first + 1)
        };
        put(root, &format!("{topology}/thread_siblings_list"), &list);
    }
    for node in 0..2 {
        put(
            root,
            &format!("sys/devices/system/node/node{node}/meminfo"),
            &format!(
                "Node {node} MemTotal:  4194304 kB\nNode {node} MemFree:  {} kB\n",
                1000 + node
            ),
        );
        let pool = format!("sys/devices/system/node/node{node}/hugepages/hugepages-2048kB");
        put(root, &format!("{pool}/nr_hugepages"), "512\n");
        put(root, &format!("{pool}/free_hugepages"), "5\n");
    }
    put(
        root,
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        "1024\n",
    );
    put(
        root,
        "proc/meminfo",
        "MemTotal: 9 kB\nMemFree: 3 kB\nBuffers: 2 kB\nCached: 1 kB\n",
    );
    put(
        root,
        "proc/stat",
        "cpu  10 1 20 300 4 5 6 7 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\nintr 5\n",
    );
    let host = Host::at(root, "x86_64");
    (dir, host)
}

#[test]
fn the_topology_counts_offline_cpus() {
    let (_dir, host) = two_nodes();
    let info = host.node_info().unwrap();
    assert_eq!((info.cpus, info.mhz, info.memory), (7, 2596, 8388608));
    assert_eq!(
        (info.nodes, info.sockets, info.cores, info.threads),
        (2, 1, 2, 2)
    );
}

#[test]
fn an_irregular_topology_is_told_as_plain_cores() {
    let (dir, host) = two_nodes();
    put(
        dir.path(),
        "sys/devices/system/cpu/cpu3/topology/core_id",
        "5\n",
    );
    let info = host.node_info().unwrap();
    assert_eq!(
        (info.nodes, info.sockets, info.cores, info.threads),
        (1, 1, 8, 1)
    );
}

#[test]
fn the_cpu_map_covers_offline_cpus() {
    let (_dir, host) = two_nodes();
    let map = host.cpu_map().unwrap();
    assert_eq!((map.present, map.online.to_string().as_str()), (8, "0-6"));
}

#[test]
fn memory_is_counted_by_node() {
    let (_dir, host) = two_nodes();
    let all = [("total", 9), ("free", 3), ("buffers", 2), ("cached", 1)];
    assert_eq!(host.memory_stats(-1).unwrap(), all);
    assert_eq!(
        host.memory_stats(1).unwrap(),
        [("total", 4194304), ("free", 1001)]
    );
    let error = host.memory_stats(2).unwrap_err();
    assert_eq!(
        error.message(),
        "cellNum in virHostMemGetStats must be less than or equal to 1"
    );
    assert_eq!(
        host.cells_free_memory(0, 9).unwrap(),
        [1000 * 1024, 1001 * 1024]
    );
    assert_eq!(host.free_memory().unwrap(), 2001 * 1024);
    let error = host.cells_free_memory(7, 1).unwrap_err();
    assert_eq!(
        error.message(),
        "internal error: start cell 7 out of range (0-1)"
    );
}

#[test]
fn cpu_time_is_in_nanoseconds() {
    let (_dir, host) = two_nodes();
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    let all = host.cpu_stats(-1).unwrap();
    let expected = [
        ("kernel", 31 * tick),
        ("user", 11 * tick),
        ("idle", 300 * tick),
        ("iowait", 4 * tick),
    ];
    assert_eq!(all, expected);
    assert_eq!(host.cpu_stats(0).unwrap()[0], ("kernel", 16 * tick));
    assert!(host.cpu_stats(1).is_err());
}

#[test]
fn pages_are_counted_by_size() {
    let (_dir, host) = two_nodes();
    assert_eq!(host.page_sizes()[1..], [2048]);
    let pages = host.node_pages(0);
    assert_eq!(pages[0].total * pages[0].size, 4194304 - 512 * 2048);
    assert_eq!(host.free_pages(&[2048], 0, 9).unwrap(), [5, 5]);
    assert_eq!(host.free_pages(&[2048], -1, 1).unwrap(), [10]);
    let error = host.free_pages(&[8], 0, 1).unwrap_err();
    assert_eq!(
        error.message(),
        "operation failed: page size 8 is not available on node 0"
    );
}
