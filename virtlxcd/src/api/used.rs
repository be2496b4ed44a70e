//! What a running container uses of memory and block devices: `virsh dommemstat`, `domblkstat`.

use virt_cgroup::{BlockIo, Controller};
use virt_driver::api::Session as _;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainBlockStats, DomainBlockStatsFlags, DomainBlockStatsFlagsRet, DomainBlockStatsRet,
    DomainMemoryStat, DomainMemoryStats, DomainMemoryStatsRet, TypedParam,
};
use virt_rpc::server::{Call, Router};
use virt_tuning::{Limited as _, blkio};

use super::session::Session;
use crate::block;
use crate::guest::Guest;

/// Strings in typed parameters are welcome; there are none.
const STRING_OKAY: u32 = 4;

/// `virDomainMemoryStatTags`.
const MAJOR_FAULT: i32 = 2;
const MINOR_FAULT: i32 = 3;
const ACTUAL: i32 = 6;
const RSS: i32 = 7;
const DISK_CACHES: i32 = 10;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainMemoryStats>(memory);
    router.call::<DomainBlockStats>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let io = block_io(guest.guest(), &call.args.path)?;
        Ok(DomainBlockStatsRet {
            rd_req: signed(io.reads),
            rd_bytes: signed(io.read_bytes),
            wr_req: signed(io.writes),
            wr_bytes: signed(io.write_bytes),
            // Not counted.
            errs: -1,
        })
    });
    router.call::<DomainBlockStatsFlags>(block_flags);
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn memory(call: &Call<DomainMemoryStats, Session>) -> Result<DomainMemoryStatsRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    Session::only(call.args.flags, 0, "DomainMemoryStats")?;
    let limits = guest.limits();
    let domain = limits.described.running()?;
    let placed = limits.groups::<Guest>(
        Controller::Memory,
        "cgroup memory controller is not mounted",
    )?;
    let used = placed.group().memory_use()?;
    let told = [
        (ACTUAL, domain.current_memory.0),
        (MAJOR_FAULT, used.major_faults),
        (MINOR_FAULT, used.faults.saturating_sub(used.major_faults)),
        (DISK_CACHES, used.cache),
        (RSS, used.anonymous),
    ];
    let stats = told.map(|(tag, val)| DomainMemoryStat { tag, val });
    let most = call.args.maxStats as usize;
    Ok(DomainMemoryStatsRet {
        stats: stats.into_iter().take(most).collect(),
    })
}

/// What went to and from a disk that is a block device of the host, or all of those where no path is
/// given.
fn block_io(guest: &Guest, path: &str) -> Result<BlockIo> {
    let limits = guest.limits();
    let domain = limits.described.running()?;
    let placed = limits.groups::<Guest>(Controller::Blkio, "blkio cgroup isn't mounted")?;
    let all = || placed.group().block_io();
    if path.is_empty() {
        return Ok(block::sum(&all()?));
    }
    let disks = domain.devices.disks.iter();
    let mut sources = disks.filter_map(|disk| {
        let source = disk.source.as_ref().and_then(|source| source.path())?;
        (disk.target.dev == path || source == path).then_some(source)
    });
    let source = sources.next().ok_or_else(|| {
        let what = format!("invalid path: {path}");
        Error::new(ErrorCode::InvalidArg, ErrorDomain::Lxc, what)
    })?;
    let numbers = blkio::numbers(source)?;
    let own = all()?.into_iter().find(|io| io.device == numbers);
    Ok(own.unwrap_or_default())
}

fn block_flags(call: &Call<DomainBlockStatsFlags, Session>) -> Result<DomainBlockStatsFlagsRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    Session::only(call.args.flags, STRING_OKAY, "DomainBlockStatsFlags")?;
    let io = block_io(guest.guest(), &call.args.path)?;
    let told = [
        ("wr_bytes", io.write_bytes),
        ("wr_operations", io.writes),
        ("rd_bytes", io.read_bytes),
        ("rd_operations", io.reads),
    ];
    let told = told.map(|(name, value)| TypedParam::llong(name, signed(value)));
    let (params, nparams) = virt_tuning::api::asked(call.args.nparams, told.into());
    Ok(DomainBlockStatsFlagsRet { params, nparams })
}
