//! The host.

use virt_rpc_derive::procedures;

use super::{NodeCpuStat, NodeMemoryStat, TypedParam, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    6 NODE_GET_INFO NodeGetInfo "virNodeGetInfo"
        high hypervisor allow [connect.read]
        ()
        -> (
            #[xdr(chars)] model: [u8; 32], memory: u64, cpus: i32, mhz: i32, nodes: i32,
            sockets: i32, cores: i32, threads: i32,
        );

    101 NODE_GET_CELLS_FREE_MEMORY NodeGetCellsFreeMemory "virNodeGetCellsFreeMemory"
        high hypervisor allow [connect.read]
        (startCell: i32, maxcells: i32)
        -> (#[xdr(max = limit::NODE_MAX_CELLS)] cells: Vec<u64>);

    102 NODE_GET_FREE_MEMORY NodeGetFreeMemory "virNodeGetFreeMemory"
        high hypervisor allow [connect.read]
        () -> (freeMem: u64);

    122 NODE_GET_SECURITY_MODEL NodeGetSecurityModel "virNodeGetSecurityModel"
        high hypervisor allow [connect.read]
        ()
        -> (
            #[xdr(chars, max = limit::SECURITY_MODEL_MAX)] model: Vec<u8>,
            #[xdr(chars, max = limit::SECURITY_DOI_MAX)] doi: Vec<u8>,
        );

    227 NODE_GET_CPU_STATS NodeGetCpuStats "virNodeGetCPUStats"
        high hypervisor allow [connect.read]
        (cpuNum: i32, nparams: i32, flags: u32)
        -> (#[xdr(max = limit::NODE_CPU_STATS_MAX)] params: Vec<NodeCpuStat>, nparams: i32);

    228 NODE_GET_MEMORY_STATS NodeGetMemoryStats "virNodeGetMemoryStats"
        high hypervisor allow [connect.read]
        (nparams: i32, cellNum: i32, flags: u32)
        -> (
            #[xdr(max = limit::NODE_MEMORY_STATS_MAX)] params: Vec<NodeMemoryStat>, nparams: i32,
        );

    250 NODE_SUSPEND_FOR_DURATION NodeSuspendForDuration "virNodeSuspendForDuration"
        low hypervisor deny [connect.pm_control]
        (target: u32, duration: u64, flags: u32);

    288 NODE_SET_MEMORY_PARAMETERS NodeSetMemoryParameters "virNodeSetMemoryParameters"
        low hypervisor deny [connect.write]
        (#[xdr(max = limit::NODE_MEMORY_PARAMETERS_MAX)] params: Vec<TypedParam>, flags: u32);

    289 NODE_GET_MEMORY_PARAMETERS NodeGetMemoryParameters "virNodeGetMemoryParameters"
        low hypervisor allow [connect.read]
        (nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::NODE_MEMORY_PARAMETERS_MAX)] params: Vec<TypedParam>, nparams: i32,
        );

    293 NODE_GET_CPU_MAP NodeGetCpuMap "virNodeGetCPUMap"
        low hypervisor allow [connect.read]
        (need_map: i32, need_online: i32, flags: u32)
        -> (#[xdr(opaque, max = limit::CPUMAP_MAX)] cpumap: Vec<u8>, online: u32, ret: i32);

    340 NODE_GET_FREE_PAGES NodeGetFreePages "virNodeGetFreePages"
        high hypervisor allow [connect.read]
        (
            #[xdr(max = limit::NODE_MAX_CELLS)] pages: Vec<u32>, startCell: i32, cellCount: u32,
            flags: u32,
        )
        -> (#[xdr(max = limit::NODE_MAX_CELLS)] counts: Vec<u64>);

    347 NODE_ALLOC_PAGES NodeAllocPages "virNodeAllocPages"
        low hypervisor deny [connect.write]
        (
            #[xdr(max = limit::NODE_MAX_CELLS)] pageSizes: Vec<u32>,
            #[xdr(max = limit::NODE_MAX_CELLS)] pageCounts: Vec<u64>, startCell: i32,
            cellCount: u32, flags: u32,
        )
        -> (ret: i32);

    395 NODE_GET_SEV_INFO NodeGetSevInfo "virNodeGetSEVInfo"
        low hypervisor deny [connect.read]
        (nparams: i32, flags: u32)
        -> (#[xdr(max = limit::NODE_SEV_INFO_MAX)] params: Vec<TypedParam>, nparams: i32);
}
