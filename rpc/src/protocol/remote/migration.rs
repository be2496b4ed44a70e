//! Migration and jobs.

use virt_rpc_derive::procedures;

use super::{NonnullDomain, TypedParam, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    61 DOMAIN_MIGRATE_PREPARE DomainMigratePrepare "virDomainMigratePrepare"
        low hypervisor deny [domain.migrate, domain.start, domain.write]
        (uri_in: Option<String>, flags: u64, dname: Option<String>, resource: u64)
        -> (
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie: Vec<u8>,
            uri_out: Option<String>,
        );

    62 DOMAIN_MIGRATE_PERFORM DomainMigratePerform "virDomainMigratePerform"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain, #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie: Vec<u8>,
            uri: String, flags: u64, dname: Option<String>, resource: u64,
        );

    63 DOMAIN_MIGRATE_FINISH DomainMigrateFinish "virDomainMigrateFinish"
        low hypervisor deny [domain.migrate]
        (
            dname: String, #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie: Vec<u8>,
            uri: String, flags: u64,
        )
        -> (ddom: NonnullDomain);

    108 DOMAIN_MIGRATE_PREPARE2 DomainMigratePrepare2 "virDomainMigratePrepare2"
        low hypervisor deny [domain.migrate, domain.start, domain.write]
        (
            uri_in: Option<String>, flags: u64, dname: Option<String>, resource: u64,
            dom_xml: String,
        )
        -> (
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie: Vec<u8>,
            uri_out: Option<String>,
        );

    109 DOMAIN_MIGRATE_FINISH2 DomainMigrateFinish2 "virDomainMigrateFinish2"
        low hypervisor deny [domain.migrate]
        (
            dname: String, #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie: Vec<u8>,
            uri: String, flags: u64, retcode: i32,
        )
        -> (ddom: NonnullDomain);

    148 DOMAIN_MIGRATE_PREPARE_TUNNEL DomainMigratePrepareTunnel "virDomainMigratePrepareTunnel"
        low hypervisor deny [domain.migrate, domain.start, domain.write] stream write
        (flags: u64, dname: Option<String>, resource: u64, dom_xml: String);

    163 DOMAIN_GET_JOB_INFO DomainGetJobInfo "virDomainGetJobInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain)
        -> (
            r#type: i32, timeElapsed: u64, timeRemaining: u64, dataTotal: u64, dataProcessed: u64,
            dataRemaining: u64, memTotal: u64, memProcessed: u64, memRemaining: u64,
            fileTotal: u64, fileProcessed: u64, fileRemaining: u64,
        );

    164 DOMAIN_ABORT_JOB DomainAbortJob "virDomainAbortJob"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain);

    166 DOMAIN_MIGRATE_SET_MAX_DOWNTIME DomainMigrateSetMaxDowntime "virDomainMigrateSetMaxDowntime"
        low hypervisor deny [domain.migrate]
        (dom: NonnullDomain, downtime: u64, flags: u32);

    207 DOMAIN_MIGRATE_SET_MAX_SPEED DomainMigrateSetMaxSpeed "virDomainMigrateSetMaxSpeed"
        low hypervisor deny [domain.migrate]
        (dom: NonnullDomain, bandwidth: u64, flags: u32);

    213 DOMAIN_MIGRATE_BEGIN3 DomainMigrateBegin3 "virDomainMigrateBegin3"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain, xmlin: Option<String>, flags: u64, dname: Option<String>,
            resource: u64,
        )
        -> (#[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>, xml: String);

    214 DOMAIN_MIGRATE_PREPARE3 DomainMigratePrepare3 "virDomainMigratePrepare3"
        low hypervisor deny [domain.migrate, domain.start, domain.write]
        (
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>,
            uri_in: Option<String>, flags: u64, dname: Option<String>, resource: u64,
            dom_xml: String,
        )
        -> (
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>,
            uri_out: Option<String>,
        );

    215 DOMAIN_MIGRATE_PREPARE_TUNNEL3 DomainMigratePrepareTunnel3 "virDomainMigratePrepareTunnel3"
        low hypervisor deny [domain.migrate, domain.start, domain.write] stream write
        (
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>, flags: u64,
            dname: Option<String>, resource: u64, dom_xml: String,
        )
        -> (#[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>);

    216 DOMAIN_MIGRATE_PERFORM3 DomainMigratePerform3 "virDomainMigratePerform3"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain, xmlin: Option<String>,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>,
            dconnuri: Option<String>, uri: Option<String>, flags: u64, dname: Option<String>,
            resource: u64,
        )
        -> (#[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>);

    217 DOMAIN_MIGRATE_FINISH3 DomainMigrateFinish3 "virDomainMigrateFinish3"
        low hypervisor deny [domain.migrate]
        (
            dname: String, #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>,
            dconnuri: Option<String>, uri: Option<String>, flags: u64, cancelled: i32,
        )
        -> (
            dom: NonnullDomain,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>,
        );

    218 DOMAIN_MIGRATE_CONFIRM3 DomainMigrateConfirm3 "virDomainMigrateConfirm3"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain, #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>,
            flags: u64, cancelled: i32,
        );

    237 DOMAIN_BLOCK_JOB_ABORT DomainBlockJobAbort "virDomainBlockJobAbort"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, path: String, flags: u32);

    238 DOMAIN_GET_BLOCK_JOB_INFO DomainGetBlockJobInfo "virDomainGetBlockJobInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, path: String, flags: u32)
        -> (found: i32, r#type: i32, bandwidth: u64, cur: u64, end: u64);

    239 DOMAIN_BLOCK_JOB_SET_SPEED DomainBlockJobSetSpeed "virDomainBlockJobSetSpeed"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, path: String, bandwidth: u64, flags: u32);

    242 DOMAIN_MIGRATE_GET_MAX_SPEED DomainMigrateGetMaxSpeed "virDomainMigrateGetMaxSpeed"
        low hypervisor deny [domain.migrate]
        (dom: NonnullDomain, flags: u32) -> (bandwidth: u64);

    298 DOMAIN_GET_JOB_STATS DomainGetJobStats "virDomainGetJobStats"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32)
        -> (r#type: i32, #[xdr(max = limit::DOMAIN_JOB_STATS_MAX)] params: Vec<TypedParam>);

    299 DOMAIN_MIGRATE_GET_COMPRESSION_CACHE DomainMigrateGetCompressionCache "virDomainMigrateGetCompressionCache"
        low hypervisor allow [domain.migrate]
        (dom: NonnullDomain, flags: u32) -> (cacheSize: u64);

    300 DOMAIN_MIGRATE_SET_COMPRESSION_CACHE DomainMigrateSetCompressionCache "virDomainMigrateSetCompressionCache"
        low hypervisor deny [domain.migrate]
        (dom: NonnullDomain, cacheSize: u64, flags: u32);

    302 DOMAIN_MIGRATE_BEGIN3_PARAMS DomainMigrateBegin3Params "virDomainMigrateBegin3Params"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_MIGRATE_PARAM_LIST_MAX)] params: Vec<TypedParam>, flags: u32,
        )
        -> (#[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>, xml: String);

    303 DOMAIN_MIGRATE_PREPARE3_PARAMS DomainMigratePrepare3Params "virDomainMigratePrepare3Params"
        low hypervisor deny [domain.migrate, domain.start, domain.write]
        (
            #[xdr(max = limit::DOMAIN_MIGRATE_PARAM_LIST_MAX)] params: Vec<TypedParam>,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>, flags: u32,
        )
        -> (
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>,
            uri_out: Option<String>,
        );

    304 DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS DomainMigratePrepareTunnel3Params "virDomainMigratePrepareTunnel3Params"
        low hypervisor deny [domain.migrate, domain.start, domain.write]
        (
            #[xdr(max = limit::DOMAIN_MIGRATE_PARAM_LIST_MAX)] params: Vec<TypedParam>,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>, flags: u32,
        )
        -> (#[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>);

    305 DOMAIN_MIGRATE_PERFORM3_PARAMS DomainMigratePerform3Params "virDomainMigratePerform3Params"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain, dconnuri: Option<String>,
            #[xdr(max = limit::DOMAIN_MIGRATE_PARAM_LIST_MAX)] params: Vec<TypedParam>,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>, flags: u32,
        )
        -> (#[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>);

    306 DOMAIN_MIGRATE_FINISH3_PARAMS DomainMigrateFinish3Params "virDomainMigrateFinish3Params"
        low hypervisor deny [domain.migrate]
        (
            #[xdr(max = limit::DOMAIN_MIGRATE_PARAM_LIST_MAX)] params: Vec<TypedParam>,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>, flags: u32,
            cancelled: i32,
        )
        -> (
            dom: NonnullDomain,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_out: Vec<u8>,
        );

    307 DOMAIN_MIGRATE_CONFIRM3_PARAMS DomainMigrateConfirm3Params "virDomainMigrateConfirm3Params"
        low hypervisor deny [domain.migrate]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_MIGRATE_PARAM_LIST_MAX)] params: Vec<TypedParam>,
            #[xdr(opaque, max = limit::MIGRATE_COOKIE_MAX)] cookie_in: Vec<u8>, flags: u32,
            cancelled: i32,
        );

    364 DOMAIN_MIGRATE_START_POST_COPY DomainMigrateStartPostCopy "virDomainMigrateStartPostCopy"
        low hypervisor deny [domain.migrate]
        (dom: NonnullDomain, flags: u32);

    387 DOMAIN_MIGRATE_GET_MAX_DOWNTIME DomainMigrateGetMaxDowntime "virDomainMigrateGetMaxDowntime"
        low hypervisor allow [domain.migrate]
        (dom: NonnullDomain, flags: u32) -> (downtime: u64);

    427 DOMAIN_START_DIRTY_RATE_CALC DomainStartDirtyRateCalc "virDomainStartDirtyRateCalc"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, seconds: i32, flags: u32);

    442 DOMAIN_ABORT_JOB_FLAGS DomainAbortJobFlags "virDomainAbortJobFlags"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, flags: u32);
}
