//! Page sizes and pools of huge pages.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::sysfs::Tree;

use super::memory;

/// The pages of one size on one NUMA node (or the host).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Size of one page in KiB.
    pub size: u64,
    /// How many there are.
    pub total: u64,
    /// How many of them are free.
    pub free: u64,
}

/// The host's page sizes in KiB, the ordinary one first, then huge pages ascending.
pub(crate) fn sizes(tree: &Tree, ordinary_kib: u64) -> Vec<u64> {
    std::iter::once(ordinary_kib)
        .chain(huge_sizes(tree, "/sys/kernel/mm/hugepages"))
        .collect()
}

fn huge_sizes(tree: &Tree, folder: &str) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(tree.path(folder)) else {
        return Vec::new();
    };
    let mut sizes: Vec<u64> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()
        })
        .collect();
    sizes.sort_unstable();
    sizes
}

/// The pools of one NUMA node: ordinary pages first (those not set aside as huge pages), then the
/// huge ones ascending.
pub(crate) fn of_node(tree: &Tree, node: u32, ordinary_kib: u64) -> Vec<Pages> {
    let folder = format!("/sys/devices/system/node/node{node}/hugepages");
    let mut pools = vec![Pages {
        size: ordinary_kib,
        total: 0,
        free: 0,
    }];
    for size in huge_sizes(tree, &folder) {
        let count = |name: &str| {
            tree.number::<u64>(&format!("{folder}/hugepages-{size}kB/{name}"))
                .unwrap_or(0)
        };
        pools.push(Pages {
            size,
            total: count("nr_hugepages"),
            free: count("free_hugepages"),
        });
    }
    let set_aside: u64 = pools
        .iter()
        .map(|pool| pool.size.saturating_mul(pool.total))
        .fold(0, u64::saturating_add);
    let total = memory::cell_total_kib(tree, node).unwrap_or(0);
    let free = memory::cells_free(tree, node.try_into().unwrap_or(0), 1)
        .ok()
        .and_then(|cells| cells.first().copied())
        .unwrap_or(0);
    pools[0].total = total.saturating_sub(set_aside) / ordinary_kib;
    pools[0].free = free / 1024 / ordinary_kib;
    pools
}

/// Free pages of the wanted sizes (KiB) on the nodes `start`, `start + 1`, … (`count` of them),
/// node by node; `start` -1 sums the whole host up.
pub(crate) fn free(
    tree: &Tree,
    wanted: &[u32],
    start: i32,
    count: u32,
    ordinary_kib: u64,
) -> Result<Vec<u64>> {
    let last = memory::last_node(tree);
    if start == -1 {
        let all: Vec<Pages> = (0..=last)
            .flat_map(|n| of_node(tree, n, ordinary_kib))
            .collect();
        return wanted.iter().map(|size| pick(&all, *size, -1)).collect();
    }
    let start = memory::start_cell(start, last)?;
    let mut free = Vec::new();
    for node in (start..=last).take(count as usize) {
        let pools = of_node(tree, node, ordinary_kib);
        for size in wanted {
            free.push(pick(&pools, *size, i64::from(node))?);
        }
    }
    Ok(free)
}

fn pick(pools: &[Pages], size: u32, node: i64) -> Result<u64> {
    let mut found = pools
        .iter()
        .filter(|pool| pool.size == u64::from(size))
        .peekable();
    if found.peek().is_none() {
        return Err(Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::None,
            format!("page size {size} is not available on node {node}"),
        ));
    }
    Ok(found.map(|pool| pool.free).fold(0, u64::saturating_add))
}
