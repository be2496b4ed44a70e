//! Statistics of many guests in one call.

use std::sync::Arc;

use virt_driver::{Filter, Guest as _, too_long};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::limit::DOMAIN_LIST_MAX;
use virt_rpc::protocol::remote::{
    ConnectGetAllDomainStats, ConnectGetAllDomainStatsRet, DomainStatsRecord,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::guest::{Guest, Snapshot};
use crate::stats::{Groups, Options, Shared};

/// Bits above those of a list's filters (`virConnectGetAllDomainStatsFlags`).
const NOWAIT: u32 = 1 << 29;
const BACKING: u32 = 1 << 30;
const ENFORCE: u32 = 1 << 31;

/// The filters this call has: all but those of managed save, autostart, snapshots, checkpoints.
const FILTERS: u32 = 0xff;

/// Guests that are off in one go; between, others are served.
const PORTION: usize = 512;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<ConnectGetAllDomainStats, _, _>(all);
}

async fn all(call: Call<ConnectGetAllDomainStats, Session>) -> Result<ConnectGetAllDomainStatsRet> {
    let args = &call.args;
    let session = call.session();
    session.permit(&call)?;
    flags::only(
        args.flags,
        FILTERS | NOWAIT | BACKING | ENFORCE,
        "qemuConnectGetAllDomainStats",
    )?;
    let groups = groups(args.stats, args.flags & ENFORCE != 0)?;
    let options = Options {
        nowait: args.flags & NOWAIT != 0,
        backing: args.flags & BACKING != 0,
    };
    let filter = Filter::new(args.flags & FILTERS);
    let mut guests = match args.doms.as_slice() {
        [] => session.guests().list(&call, filter.is_active_only())?,
        // One that is gone meanwhile is left out.
        doms => {
            let uuids = doms.iter().map(|dom| dom.uuid);
            session.guests().listed(&call, uuids)?
        }
    };
    if !filter.is_open() {
        guests.retain(|guest| filter.fits(&guest.facts()));
    }
    if guests.len() > DOMAIN_LIST_MAX {
        return Err(too_long(ErrorDomain::Rpc, guests.len(), DOMAIN_LIST_MAX));
    }
    let ret_stats = collect(&guests, &Shared::new(groups, options)).await;
    Ok(ConnectGetAllDomainStatsRet {
        retStats: ret_stats,
    })
}

/// None asked for means all; unknown ones are left out unless the caller insists.
fn groups(stats: u32, enforce: bool) -> Result<Groups> {
    if stats == 0 {
        return Ok(Groups::all());
    }
    let unknown = stats & !Groups::all().bits();
    if enforce && unknown != 0 {
        return Err(Error::new(
            ErrorCode::ArgumentUnsupported,
            ErrorDomain::Qemu,
            format!("Stats types bits 0x{unknown:x} are not supported by this daemon or QEMU"),
        ));
    }
    Ok(Groups::from_bits_truncate(stats))
}

/// The records, each at its guest's place. Running guests are asked all at once, each in a task of
/// its own. Those that are off are told of meanwhile: from memory here, and where files of disks
/// have to be looked at, which may be on a server that does not answer, by one thread for all.
async fn collect(guests: &[Arc<Guest>], shared: &Arc<Shared>) -> Vec<DomainStatsRecord> {
    let mut records = Vec::with_capacity(guests.len());
    let mut running = Vec::new();
    let mut with_files = Vec::new();
    for (place, guest) in guests.iter().enumerate() {
        if place % PORTION == PORTION - 1 {
            tokio::task::yield_now().await;
        }
        let snapshot = guest.current();
        let dom = guest.on_the_wire();
        if let Some(live) = snapshot.live.clone() {
            let shared = Arc::clone(shared);
            let asked = tokio::spawn(async move { shared.active(&snapshot, &live).await });
            running.push((place, dom, asked));
            records.push(None);
        } else if shared.groups.contains(Groups::BLOCK) && has_files(&snapshot) {
            with_files.push((place, dom, snapshot));
            records.push(None);
        } else {
            let params = shared.inactive(&snapshot);
            records.push(Some(DomainStatsRecord { dom, params }));
        }
    }
    let mut put = |place: usize, record| {
        if let Some(free) = records.get_mut(place) {
            *free = Some(record);
        }
    };
    if !with_files.is_empty() {
        let shared = Arc::clone(shared);
        let looked = tokio::task::spawn_blocking(move || {
            let told = with_files.into_iter().map(|(place, dom, snapshot)| {
                let params = shared.inactive(&snapshot);
                (place, DomainStatsRecord { dom, params })
            });
            told.collect::<Vec<_>>()
        });
        match looked.await {
            Ok(told) => told
                .into_iter()
                .for_each(|(place, record)| put(place, record)),
            Err(error) => tracing::error!("statistics of guests are left out: {error}"),
        }
    }
    for (place, dom, asked) in running {
        match asked.await {
            Ok(params) => put(place, DomainStatsRecord { dom, params }),
            Err(error) => tracing::error!("statistics of a guest are left out: {error}"),
        }
    }
    records.into_iter().flatten().collect()
}

fn has_files(snapshot: &Snapshot) -> bool {
    let definition = snapshot.definition.as_ref();
    definition.is_some_and(|d| d.summary().disks.iter().any(|disk| disk.path.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_means_all_and_unknown_ones_are_refused_on_demand() {
        assert_eq!(groups(0, false).unwrap(), Groups::all());
        assert_eq!(groups(1 | 1 << 30, false).unwrap(), Groups::STATE);
        assert_eq!(
            groups(1 << 30, true).unwrap_err().message(),
            "argument unsupported: Stats types bits 0x40000000 are not supported by this daemon \
             or QEMU"
        );
    }
}
