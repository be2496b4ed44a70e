//! Memory, processors and their tuning.

use virt_rpc_derive::procedures;

use super::{
    DomainIothreadInfo, DomainMemoryStat, NonnullDomain, TypedParam, VcpuInfo, flag, limit,
};

procedures! {
    program Remote "REMOTE_PROC_";

    17 DOMAIN_GET_MAX_MEMORY DomainGetMaxMemory "virDomainGetMaxMemory"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (memory: u64);

    18 DOMAIN_GET_MAX_VCPUS DomainGetMaxVcpus "virDomainGetMaxVcpus"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (num: i32);

    20 DOMAIN_GET_VCPUS DomainGetVcpus "virDomainGetVcpus"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, maxinfo: i32, maplen: i32)
        -> (
            #[xdr(max = limit::VCPUINFO_MAX)] info: Vec<VcpuInfo>,
            #[xdr(opaque, max = limit::CPUMAPS_MAX)] cpumaps: Vec<u8>,
        );

    26 DOMAIN_PIN_VCPU DomainPinVcpu "virDomainPinVcpu"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, vcpu: u32, #[xdr(opaque, max = limit::CPUMAP_MAX)] cpumap: Vec<u8>);

    30 DOMAIN_SET_MAX_MEMORY DomainSetMaxMemory "virDomainSetMaxMemory"
        high hypervisor deny [domain.write]
        (dom: NonnullDomain, memory: u64);

    31 DOMAIN_SET_MEMORY DomainSetMemory "virDomainSetMemory"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, memory: u64);

    32 DOMAIN_SET_VCPUS DomainSetVcpus "virDomainSetVcpus"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, nvcpus: u32);

    56 DOMAIN_GET_SCHEDULER_TYPE DomainGetSchedulerType "virDomainGetSchedulerType"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (r#type: String, nparams: i32);

    57 DOMAIN_GET_SCHEDULER_PARAMETERS DomainGetSchedulerParameters "virDomainGetSchedulerParameters"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, nparams: i32)
        -> (#[xdr(max = limit::DOMAIN_SCHEDULER_PARAMETERS_MAX)] params: Vec<TypedParam>);

    58 DOMAIN_SET_SCHEDULER_PARAMETERS DomainSetSchedulerParameters "virDomainSetSchedulerParameters"
        low hypervisor deny [domain.read]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_SCHEDULER_PARAMETERS_MAX)] params: Vec<TypedParam>,
        );

    104 DOMAIN_MEMORY_PEEK DomainMemoryPeek "virDomainMemoryPeek"
        low hypervisor deny [domain.mem_read]
        (dom: NonnullDomain, offset: u64, size: u32, flags: u32)
        -> (#[xdr(opaque, max = limit::DOMAIN_MEMORY_PEEK_BUFFER_MAX)] buffer: Vec<u8>);

    159 DOMAIN_MEMORY_STATS DomainMemoryStats "virDomainMemoryStats"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, maxStats: u32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_MEMORY_STATS_MAX)] stats: Vec<DomainMemoryStat>);

    197 DOMAIN_SET_MEMORY_PARAMETERS DomainSetMemoryParameters "virDomainSetMemoryParameters"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_MEMORY_PARAMETERS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    198 DOMAIN_GET_MEMORY_PARAMETERS DomainGetMemoryParameters "virDomainGetMemoryParameters"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_MEMORY_PARAMETERS_MAX)] params: Vec<TypedParam>,
            nparams: i32,
        );

    199 DOMAIN_SET_VCPUS_FLAGS DomainSetVcpusFlags "virDomainSetVcpusFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
            domain.write if flags all flag::DOMAIN_VCPU_GUEST,
        ]
        (dom: NonnullDomain, nvcpus: u32, flags: u32);

    200 DOMAIN_GET_VCPUS_FLAGS DomainGetVcpusFlags "virDomainGetVcpusFlags"
        low hypervisor deny(if flags any flag::DOMAIN_VCPU_GUEST) [domain.read, domain.write if flags all flag::DOMAIN_VCPU_GUEST]
        (dom: NonnullDomain, flags: u32) -> (num: i32);

    204 DOMAIN_SET_MEMORY_FLAGS DomainSetMemoryFlags "virDomainSetMemoryFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, memory: u64, flags: u32);

    205 DOMAIN_SET_BLKIO_PARAMETERS DomainSetBlkioParameters "virDomainSetBlkioParameters"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_BLKIO_PARAMETERS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    206 DOMAIN_GET_BLKIO_PARAMETERS DomainGetBlkioParameters "virDomainGetBlkioParameters"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_BLKIO_PARAMETERS_MAX)] params: Vec<TypedParam>, nparams: i32,
        );

    219 DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS DomainSetSchedulerParametersFlags "virDomainSetSchedulerParametersFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_SCHEDULER_PARAMETERS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    223 DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS DomainGetSchedulerParametersFlags "virDomainGetSchedulerParametersFlags"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, nparams: i32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_SCHEDULER_PARAMETERS_MAX)] params: Vec<TypedParam>);

    225 DOMAIN_PIN_VCPU_FLAGS DomainPinVcpuFlags "virDomainPinVcpuFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, vcpu: u32, #[xdr(opaque, max = limit::CPUMAP_MAX)] cpumap: Vec<u8>,
            flags: u32,
        );

    230 DOMAIN_GET_VCPU_PIN_INFO DomainGetVcpuPinInfo "virDomainGetVcpuPinInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, ncpumaps: i32, maplen: i32, flags: u32)
        -> (#[xdr(opaque, max = limit::CPUMAPS_MAX)] cpumaps: Vec<u8>, num: i32);

    254 DOMAIN_SET_NUMA_PARAMETERS DomainSetNumaParameters "virDomainSetNumaParameters"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_NUMA_PARAMETERS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    255 DOMAIN_GET_NUMA_PARAMETERS DomainGetNumaParameters "virDomainGetNumaParameters"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_NUMA_PARAMETERS_MAX)] params: Vec<TypedParam>, nparams: i32,
        );

    262 DOMAIN_GET_CPU_STATS DomainGetCpuStats "virDomainGetCPUStats"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, nparams: u32, start_cpu: i32, ncpus: u32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_GET_CPU_STATS_MAX)] params: Vec<TypedParam>, nparams: i32);

    279 DOMAIN_PIN_EMULATOR DomainPinEmulator "virDomainPinEmulator"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, #[xdr(opaque, max = limit::CPUMAP_MAX)] cpumap: Vec<u8>,
            flags: u32,
        );

    280 DOMAIN_GET_EMULATOR_PIN_INFO DomainGetEmulatorPinInfo "virDomainGetEmulatorPinInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, maplen: i32, flags: u32)
        -> (#[xdr(opaque, max = limit::CPUMAPS_MAX)] cpumaps: Vec<u8>, ret: i32);

    308 DOMAIN_SET_MEMORY_STATS_PERIOD DomainSetMemoryStatsPeriod "virDomainSetMemoryStatsPeriod"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, period: i32, flags: u32);

    351 DOMAIN_GET_IOTHREAD_INFO DomainGetIothreadInfo "virDomainGetIOThreadInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32)
        -> (#[xdr(max = limit::IOTHREAD_INFO_MAX)] info: Vec<DomainIothreadInfo>, ret: u32);

    352 DOMAIN_PIN_IOTHREAD DomainPinIothread "virDomainPinIOThread"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, iothreads_id: u32,
            #[xdr(opaque, max = limit::CPUMAP_MAX)] cpumap: Vec<u8>, flags: u32,
        );

    355 DOMAIN_ADD_IOTHREAD DomainAddIothread "virDomainAddIOThread"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, iothread_id: u32, flags: u32);

    356 DOMAIN_DEL_IOTHREAD DomainDelIothread "virDomainDelIOThread"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, iothread_id: u32, flags: u32);

    371 DOMAIN_GET_GUEST_VCPUS DomainGetGuestVcpus "virDomainGetGuestVcpus"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_GUEST_VCPU_PARAMS_MAX)] params: Vec<TypedParam>);

    372 DOMAIN_SET_GUEST_VCPUS DomainSetGuestVcpus "virDomainSetGuestVcpus"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, cpumap: String, state: i32, flags: u32);

    384 DOMAIN_SET_VCPU DomainSetVcpu "virDomainSetVcpu"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, cpumap: String, state: i32, flags: u32);

    402 DOMAIN_SET_IOTHREAD_PARAMS DomainSetIothreadParams "virDomainSetIOThreadParams"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, iothread_id: u32,
            #[xdr(max = limit::DOMAIN_IOTHREAD_PARAMS_MAX)] params: Vec<TypedParam>, flags: u32,
        );
}
