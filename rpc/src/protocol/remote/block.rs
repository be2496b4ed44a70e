//! Disks of a domain and the file systems on them.

use virt_rpc_derive::procedures;

use super::{DomainDiskError, DomainFsinfo, NonnullDomain, TypedParam, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    64 DOMAIN_BLOCK_STATS DomainBlockStats "virDomainBlockStats"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, path: String)
        -> (rd_req: i64, rd_bytes: i64, wr_req: i64, wr_bytes: i64, errs: i64);

    103 DOMAIN_BLOCK_PEEK DomainBlockPeek "virDomainBlockPeek"
        low hypervisor deny [domain.block_read]
        (dom: NonnullDomain, path: String, offset: u64, size: u32, flags: u32)
        -> (#[xdr(opaque, max = limit::DOMAIN_BLOCK_PEEK_BUFFER_MAX)] buffer: Vec<u8>);

    194 DOMAIN_GET_BLOCK_INFO DomainGetBlockInfo "virDomainGetBlockInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, path: String, flags: u32)
        -> (allocation: u64, capacity: u64, physical: u64);

    240 DOMAIN_BLOCK_PULL DomainBlockPull "virDomainBlockPull"
        low hypervisor deny [domain.block_write]
        (dom: NonnullDomain, path: String, bandwidth: u64, flags: u32);

    243 DOMAIN_BLOCK_STATS_FLAGS DomainBlockStatsFlags "virDomainBlockStatsFlags"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, path: String, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_BLOCK_STATS_PARAMETERS_MAX)] params: Vec<TypedParam>,
            nparams: i32,
        );

    251 DOMAIN_BLOCK_RESIZE DomainBlockResize "virDomainBlockResize"
        low hypervisor deny [domain.block_write]
        (dom: NonnullDomain, disk: String, size: u64, flags: u32);

    252 DOMAIN_SET_BLOCK_IO_TUNE DomainSetBlockIoTune "virDomainSetBlockIoTune"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, disk: String,
            #[xdr(max = limit::DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    253 DOMAIN_GET_BLOCK_IO_TUNE DomainGetBlockIoTune "virDomainGetBlockIoTune"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, disk: Option<String>, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)] params: Vec<TypedParam>,
            nparams: i32,
        );

    263 DOMAIN_GET_DISK_ERRORS DomainGetDiskErrors "virDomainGetDiskErrors"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, maxerrors: u32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_DISK_ERRORS_MAX)] errors: Vec<DomainDiskError>, nerrors: i32,
        );

    266 DOMAIN_BLOCK_REBASE DomainBlockRebase "virDomainBlockRebase"
        low hypervisor deny [domain.block_write]
        (dom: NonnullDomain, path: String, base: Option<String>, bandwidth: u64, flags: u32);

    290 DOMAIN_BLOCK_COMMIT DomainBlockCommit "virDomainBlockCommit"
        low hypervisor deny [domain.block_write]
        (
            dom: NonnullDomain, disk: String, base: Option<String>, top: Option<String>,
            bandwidth: u64, flags: u32,
        );

    294 DOMAIN_FSTRIM DomainFstrim "virDomainFSTrim"
        low hypervisor deny [domain.fs_trim]
        (dom: NonnullDomain, mountPoint: Option<String>, minimum: u64, flags: u32);

    335 DOMAIN_FSFREEZE DomainFsfreeze "virDomainFSFreeze"
        low hypervisor deny [domain.fs_freeze]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_FSFREEZE_MOUNTPOINTS_MAX)] mountpoints: Vec<String>,
            flags: u32,
        )
        -> (filesystems: i32);

    336 DOMAIN_FSTHAW DomainFsthaw "virDomainFSThaw"
        low hypervisor deny [domain.fs_freeze]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_FSFREEZE_MOUNTPOINTS_MAX)] mountpoints: Vec<String>,
            flags: u32,
        )
        -> (filesystems: i32);

    345 DOMAIN_BLOCK_COPY DomainBlockCopy "virDomainBlockCopy"
        low hypervisor deny [domain.block_write]
        (
            dom: NonnullDomain, path: String, destxml: String,
            #[xdr(max = limit::DOMAIN_BLOCK_COPY_PARAMETERS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    349 DOMAIN_GET_FSINFO DomainGetFsinfo "virDomainGetFSInfo"
        low hypervisor deny [domain.fs_freeze]
        (dom: NonnullDomain, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_FSINFO_MAX)] info: Vec<DomainFsinfo>, ret: u32);

    386 DOMAIN_SET_BLOCK_THRESHOLD DomainSetBlockThreshold "virDomainSetBlockThreshold"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, dev: String, threshold: u64, flags: u32);

    451 DOMAIN_SET_THROTTLE_GROUP DomainSetThrottleGroup "virDomainSetThrottleGroup"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, group: String,
            #[xdr(max = limit::DOMAIN_BLOCK_IO_TUNE_PARAMETERS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    452 DOMAIN_DEL_THROTTLE_GROUP DomainDelThrottleGroup "virDomainDelThrottleGroup"
        low hypervisor allow [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, group: Option<String>, flags: u32);
}
