//! What the host is and has: processors, memory, pages.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::{Host, Stat};
use virt_rpc::protocol::remote::{
    NodeAllocPages, NodeCpuStat, NodeGetCellsFreeMemory, NodeGetCellsFreeMemoryRet, NodeGetCpuMap,
    NodeGetCpuMapRet, NodeGetCpuStats, NodeGetCpuStatsRet, NodeGetFreeMemory, NodeGetFreeMemoryRet,
    NodeGetFreePages, NodeGetFreePagesRet, NodeGetInfo, NodeGetInfoRet, NodeGetMemoryParameters,
    NodeGetMemoryParametersRet, NodeGetMemoryStats, NodeGetMemoryStatsRet, NodeMemoryStat,
    NodeSetMemoryParameters, NodeSuspendForDuration, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::{Proof, Session, flags};

/// A connection of a driver that knows its host.
pub trait HasHost: Session {
    /// The host, for a call whose rules were checked.
    fn host(&self, proof: &impl Proof) -> &Host;
}

/// The handlers.
pub fn register<S: HasHost>(router: &mut Router<S>) {
    router.call::<NodeGetInfo>(info);
    router.call::<NodeGetCpuMap>(cpu_map);
    router.call::<NodeGetCpuStats>(cpu_stats);
    router.call::<NodeGetMemoryStats>(memory_stats);
    router.call::<NodeGetFreeMemory>(|call| {
        let permitted = call.session().permit(call)?;
        let free_mem = call.session().host(&permitted).free_memory()?;
        Ok(NodeGetFreeMemoryRet { freeMem: free_mem })
    });
    router.call::<NodeGetCellsFreeMemory>(|call| {
        let permitted = call.session().permit(call)?;
        let host = call.session().host(&permitted);
        let cells = host.cells_free_memory(call.args.startCell, call.args.maxcells)?;
        Ok(NodeGetCellsFreeMemoryRet { cells })
    });
    router.call::<NodeGetFreePages>(free_pages);
    router.call::<NodeGetMemoryParameters>(memory_parameters);
    router.call::<NodeSuspendForDuration>(|call| {
        call.session().permit(call)?;
        Err(unsupported::<S>(
            "the host can't be suspended through this daemon",
        ))
    });
    router.call::<NodeAllocPages>(|call| {
        call.session().permit(call)?;
        Err(unsupported::<S>(
            "pools of huge pages can't be changed through this daemon",
        ))
    });
    router.call::<NodeSetMemoryParameters>(|call| {
        call.session().permit(call)?;
        Err(unsupported::<S>(
            "shared memory can't be tuned through this daemon",
        ))
    });
}

fn unsupported<S: Session>(what: &str) -> Error {
    Error::new(ErrorCode::OperationUnsupported, S::DOMAIN, what)
}

/// The stock daemon answers these calls outside of its drivers.
fn only_of_host(flags: u32, known: u32, function: &str) -> Result<()> {
    flags::only(flags, known, function, ErrorDomain::None)
}

fn info<S: HasHost>(call: &Call<NodeGetInfo, S>) -> Result<NodeGetInfoRet> {
    let permitted = call.session().permit(call)?;
    let info = call.session().host(&permitted).node_info()?;
    // The field ends with a zero byte.
    let mut model = [0; 32];
    for (to, from) in model[..31].iter_mut().zip(info.model.bytes()) {
        *to = from;
    }
    Ok(NodeGetInfoRet {
        model,
        memory: info.memory,
        cpus: signed(info.cpus),
        mhz: signed(info.mhz),
        nodes: signed(info.nodes),
        sockets: signed(info.sockets),
        cores: signed(info.cores),
        threads: signed(info.threads),
    })
}

/// No host has two thousand million of anything that is counted here.
fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn cpu_map<S: HasHost>(call: &Call<NodeGetCpuMap, S>) -> Result<NodeGetCpuMapRet> {
    only_of_host(call.args.flags, 0, "virHostCPUGetMap")?;
    let permitted = call.session().permit(call)?;
    let map = call.session().host(&permitted).cpu_map()?;
    let bytes = (map.present as usize).div_ceil(8);
    Ok(NodeGetCpuMapRet {
        cpumap: match call.args.need_map {
            0 => Vec::new(),
            _ => map.online.to_bytes(bytes),
        },
        online: match call.args.need_online {
            0 => 0,
            _ => u32::try_from(map.online.len()).unwrap_or(u32::MAX),
        },
        ret: signed(map.present),
    })
}

/// Figures for a client that says how many it has room for; one without room asks how many
/// there are.
fn figures<T>(
    stats: Vec<Stat>,
    room: i32,
    function: &str,
    figure: impl Fn(String, u64) -> T,
) -> Result<(Vec<T>, i32)> {
    let count = signed(u32::try_from(stats.len()).unwrap_or(u32::MAX));
    if room == 0 {
        return Ok((Vec::new(), count));
    }
    if room < count {
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::None.number(),
            format!("nparams in {function} must be greater or equal to {count}"),
            Some(function.to_owned()),
            Some("nparams".to_owned()),
            None,
        ));
    }
    let figures = stats
        .into_iter()
        .map(|(field, value)| figure(field.to_owned(), value))
        .collect();
    Ok((figures, count))
}

fn cpu_stats<S: HasHost>(call: &Call<NodeGetCpuStats, S>) -> Result<NodeGetCpuStatsRet> {
    only_of_host(call.args.flags, 0, "virHostCPUGetStats")?;
    let permitted = call.session().permit(call)?;
    let host = call.session().host(&permitted);
    // How many figures there are does not depend on the processor.
    let cpu = if call.args.nparams == 0 {
        -1
    } else {
        call.args.cpuNum
    };
    let stats = host.cpu_stats(cpu)?;
    let figure = |field, value| NodeCpuStat { field, value };
    let (params, nparams) = figures(stats, call.args.nparams, "virHostCPUGetStatsLinux", figure)?;
    Ok(NodeGetCpuStatsRet { params, nparams })
}

fn memory_stats<S: HasHost>(call: &Call<NodeGetMemoryStats, S>) -> Result<NodeGetMemoryStatsRet> {
    only_of_host(call.args.flags, 0, "virHostMemGetStats")?;
    let permitted = call.session().permit(call)?;
    let host = call.session().host(&permitted);
    let stats = host.memory_stats(call.args.cellNum)?;
    let figure = |field, value| NodeMemoryStat { field, value };
    let (params, nparams) = figures(stats, call.args.nparams, "virHostMemGetStatsLinux", figure)?;
    Ok(NodeGetMemoryStatsRet { params, nparams })
}

fn free_pages<S: HasHost>(call: &Call<NodeGetFreePages, S>) -> Result<NodeGetFreePagesRet> {
    S::only(call.args.flags, 0, "NodeGetFreePages")?;
    let permitted = call.session().permit(call)?;
    let host = call.session().host(&permitted);
    let args = &call.args;
    let counts = host.free_pages(&args.pages, args.startCell, args.cellCount)?;
    Ok(NodeGetFreePagesRet { counts })
}

/// Sharing of equal pages (the kernel's `Documentation/admin-guide/mm/ksm.rst`): names here and
/// there, and whether the value is one of 32 bits.
const SHARED_MEMORY: &[(&str, &str, bool)] = &[
    ("shm_pages_to_scan", "pages_to_scan", true),
    ("shm_sleep_millisecs", "sleep_millisecs", true),
    ("shm_pages_shared", "pages_shared", false),
    ("shm_pages_sharing", "pages_sharing", false),
    ("shm_pages_unshared", "pages_unshared", false),
    ("shm_pages_volatile", "pages_volatile", false),
    ("shm_full_scans", "full_scans", false),
    ("shm_merge_across_nodes", "merge_across_nodes", true),
];

fn memory_parameters<S: HasHost>(
    call: &Call<NodeGetMemoryParameters, S>,
) -> Result<NodeGetMemoryParametersRet> {
    // Bit 2: the client takes texts as well.
    only_of_host(call.args.flags, 4, "virHostMemGetParameters")?;
    let permitted = call.session().permit(call)?;
    let tree = call.session().host(&permitted).tree();
    let all: Vec<_> = SHARED_MEMORY
        .iter()
        .filter_map(|(name, file, small)| {
            let value: u64 = tree.number(&format!("/sys/kernel/mm/ksm/{file}"))?;
            Some(match small {
                true => TypedParam::uint(*name, u32::try_from(value).unwrap_or(u32::MAX)),
                false => TypedParam::ullong(*name, value),
            })
        })
        .collect();
    let nparams = signed(u32::try_from(all.len()).unwrap_or(u32::MAX));
    let room = usize::try_from(call.args.nparams).unwrap_or(0);
    let params = all.into_iter().take(room).collect();
    Ok(NodeGetMemoryParametersRet { params, nparams })
}
