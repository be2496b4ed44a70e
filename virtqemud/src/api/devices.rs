//! Statistics and sizes of one guest's disks and interfaces, and its memory's.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::meant;
use virt_net::stats::by_host_end;
use virt_rpc::protocol::remote::{
    DomainBlockStats, DomainBlockStatsFlags, DomainBlockStatsFlagsRet, DomainBlockStatsRet,
    DomainGetBlockInfo, DomainGetBlockInfoRet, DomainInterfaceStats, DomainInterfaceStatsRet,
    DomainMemoryStats, DomainMemoryStatsRet, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::definitions::off_thread;
use crate::guest::Guest;
use crate::qmp::block::Counters;
use crate::stats::{counters, disk_counters, memory_stats};
use crate::storage::usage::usage;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainGetBlockInfo, _, _>(block_info);
    router.task::<DomainBlockStats, _, _>(block_stats);
    router.task::<DomainBlockStatsFlags, _, _>(block_stats_flags);
    router.call::<DomainInterfaceStats>(interface_stats);
    router.task::<DomainMemoryStats, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        flags::only(call.args.flags, 0, "qemuDomainMemoryStats")?;
        let live = Arc::clone(guest.snapshot().running()?);
        let mut stats = memory_stats(&live).await;
        stats.truncate(call.args.maxStats as usize);
        Ok(DomainMemoryStatsRet { stats })
    });
}

fn invalid_arg(domain: ErrorDomain, what: String) -> Error {
    Error::new(ErrorCode::InvalidArg, domain, what)
}

/// The disk with that target or source.
fn disk<'a>(domain: &'a Domain, path: &str) -> Option<(usize, &'a Disk)> {
    let disks = domain.devices.disks.iter().enumerate();
    let mut found = disks.filter(|(_, disk)| {
        let source = disk.source.as_ref().and_then(|source| source.path());
        disk.target.dev == path || source == Some(path)
    });
    found.next()
}

async fn block_info(call: Call<DomainGetBlockInfo, Session>) -> Result<DomainGetBlockInfoRet> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, 0, "qemuDomainGetBlockInfo")?;
    let domain = guest.snapshot().described().domain(0)?;
    let path = &call.args.path;
    let (_, disk) = disk(&domain, path).ok_or_else(|| {
        invalid_arg(
            ErrorDomain::Qemu,
            format!("invalid path {path} not assigned to domain"),
        )
    })?;
    let source = disk.source.as_ref().filter(|source| !source.is_empty());
    let Some(source) = source else {
        return Err(invalid_arg(
            ErrorDomain::Qemu,
            format!("disk '{path}' does not currently have a source assigned"),
        ));
    };
    let Some(file) = source.path().map(str::to_owned) else {
        return Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Qemu,
            format!("disk '{path}' is not on this host: its sizes can't be told"),
        ));
    };
    let format = disk.driver.as_ref().and_then(|driver| driver.format);
    let sizes = off_thread(move || usage(&file, format)).await?;
    Ok(DomainGetBlockInfoRet {
        allocation: sizes.allocation,
        capacity: sizes.capacity,
        physical: sizes.physical,
    })
}

/// The counters of one disk, or of all when `path` is empty.
async fn counted(guest: &Guest, path: &str) -> Result<Counters> {
    let snapshot = guest.current();
    let live = snapshot.running()?;
    let place = match path {
        "" => None,
        path => {
            let (place, _) = disk(&live.domain, path)
                .ok_or_else(|| invalid_arg(ErrorDomain::Qemu, format!("invalid path: {path}")))?;
            Some(place)
        }
    };
    let all = disk_counters(live)
        .await
        .map_err(|error| error.about(&snapshot.name))?;
    let Some(place) = place else {
        return Ok(counters(all.into_iter().flatten()));
    };
    let one = all.get(place).copied().flatten();
    one.map(|one| one.0).ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!("cannot find statistics for device '{path}'"),
        )
    })
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

async fn block_stats(call: Call<DomainBlockStats, Session>) -> Result<DomainBlockStatsRet> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    let counted = counted(&guest, &call.args.path).await?;
    Ok(DomainBlockStatsRet {
        rd_req: signed(counted.rd_operations),
        rd_bytes: signed(counted.rd_bytes),
        wr_req: signed(counted.wr_operations),
        wr_bytes: signed(counted.wr_bytes),
        // Not counted.
        errs: -1,
    })
}

async fn block_stats_flags(
    call: Call<DomainBlockStatsFlags, Session>,
) -> Result<DomainBlockStatsFlagsRet> {
    /// Strings in typed parameters are welcome; there are none.
    const STRING_OKAY: u32 = 4;
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, STRING_OKAY, "qemuDomainBlockStatsFlags")?;
    let counted = counted(&guest, &call.args.path).await?;
    let mut params: Vec<TypedParam> = [
        ("wr_bytes", counted.wr_bytes),
        ("wr_operations", counted.wr_operations),
        ("rd_bytes", counted.rd_bytes),
        ("rd_operations", counted.rd_operations),
        ("flush_operations", counted.flush_operations),
        ("wr_total_times", counted.wr_total_time_ns),
        ("rd_total_times", counted.rd_total_time_ns),
        ("flush_total_times", counted.flush_total_time_ns),
    ]
    .into_iter()
    .map(|(name, value)| TypedParam::llong(name, signed(value)))
    .collect();
    // Without room for any the number alone is asked for (WIRE.md section 11).
    let nparams = i32::try_from(params.len()).unwrap_or(i32::MAX);
    let most = usize::try_from(call.args.nparams).map_err(|_| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Rpc,
            "nparams must be non-negative",
        )
    })?;
    params.truncate(most);
    let nparams = if most == 0 {
        nparams
    } else {
        i32::try_from(params.len()).unwrap_or(i32::MAX)
    };
    Ok(DomainBlockStatsFlagsRet { params, nparams })
}

fn interface_stats(call: &Call<DomainInterfaceStats, Session>) -> Result<DomainInterfaceStatsRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let device = &call.args.device;
    let snapshot = guest.snapshot();
    let live = snapshot.running()?;
    let interface = meant::find(&live.domain, device).ok_or_else(|| {
        invalid_arg(
            ErrorDomain::Domain,
            format!("'{device}' is not a known interface"),
        )
    })?;
    Ok(by_host_end(interface)?.into())
}
