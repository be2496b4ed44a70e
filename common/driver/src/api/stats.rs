//! Statistics of many guests in one call: `virsh domstats`.

use std::pin::Pin;
use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::limit::DOMAIN_LIST_MAX;
use virt_rpc::protocol::remote::{
    ConnectGetAllDomainStats, ConnectGetAllDomainStatsRet, DomainStatsRecord, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::Session;
use crate::{Filter, Guest, too_long};

/// Bits above those of a list's filters (`virConnectGetAllDomainStatsFlags`).
const NOWAIT: u32 = 1 << 29;
const BACKING: u32 = 1 << 30;
const ENFORCE: u32 = 1 << 31;

/// The filters this call has: all but those of managed save, autostart, snapshots, checkpoints.
const FILTERS: u32 = 0xff;

/// Guests in one go; between, others are served.
const PORTION: usize = 512;

bitflags::bitflags! {
    /// What is asked for (`virDomainStatsTypes`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Groups: u32 {
        /// State and reason.
        const STATE = 1;
        /// Processor time of the whole guest.
        const CPU_TOTAL = 1 << 1;
        /// Memory.
        const BALLOON = 1 << 2;
        /// Each virtual processor.
        const VCPU = 1 << 3;
        /// Each interface.
        const INTERFACE = 1 << 4;
        /// Each disk.
        const BLOCK = 1 << 5;
        /// Events of the host's processors; none can be turned on.
        const PERF = 1 << 6;
        /// Each I/O thread.
        const IOTHREAD = 1 << 7;
        /// Memory bandwidth; none is measured.
        const MEMORY = 1 << 8;
        /// How fast memory is written, as last measured.
        const DIRTYRATE = 1 << 9;
        /// Counters of KVM.
        const VM = 1 << 10;
    }
}

/// How the caller wants it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Leave out what would have to be waited for.
    pub nowait: bool,
    /// Images below the top one too.
    pub backing: bool,
}

/// How a guest's figures are had.
pub enum Figures {
    /// Here they are.
    Now(Vec<TypedParam>),
    /// By something that blocks: one thread does that for all guests.
    Blocking(Box<dyn FnOnce() -> Vec<TypedParam> + Send>),
    /// By somebody else: each guest's are awaited in a task of its own.
    Later(Pin<Box<dyn Future<Output = Vec<TypedParam>> + Send>>),
}

/// A guest whose figures are told in bulk.
pub trait Counted: Guest {
    /// What one call needs once for all guests.
    type Shared: Send + Sync + 'static;

    /// What there is of such a guest.
    const GROUPS: Groups;

    /// Who does not support the rest.
    const ITSELF: &'static str;

    /// Gets ready for a call.
    fn share(groups: Groups, options: Options) -> Self::Shared;

    /// Its figures, in the order of [`Groups`].
    fn figures(&self, shared: &Arc<Self::Shared>) -> Figures;
}

/// The handler.
pub fn register<S: Session<Guest: Counted>>(router: &mut Router<S>) {
    router.task::<ConnectGetAllDomainStats, _, _>(all);
}

async fn all<S: Session<Guest: Counted>>(
    call: Call<ConnectGetAllDomainStats, S>,
) -> Result<ConnectGetAllDomainStatsRet> {
    let args = &call.args;
    let session = call.session();
    session.permit(&call)?;
    let known = FILTERS | NOWAIT | BACKING | ENFORCE;
    S::only(args.flags, known, "ConnectGetAllDomainStats")?;
    let groups = groups::<S>(args.stats, args.flags & ENFORCE != 0)?;
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
    let shared = Arc::new(S::Guest::share(groups, options));
    Ok(ConnectGetAllDomainStatsRet {
        retStats: collect(&guests, &shared).await,
    })
}

fn groups<S: Session<Guest: Counted>>(stats: u32, enforce: bool) -> Result<Groups> {
    let there = S::Guest::GROUPS;
    chosen(stats, enforce, there).map_err(|unknown| {
        let what = format!(
            "Stats types bits 0x{unknown:x} are not supported by {}",
            S::Guest::ITSELF
        );
        Error::new(ErrorCode::ArgumentUnsupported, S::DOMAIN, what)
    })
}

/// None asked for means all; unknown ones are left out unless the caller insists: then they are the
/// error.
fn chosen(stats: u32, enforce: bool, there: Groups) -> Result<Groups, u32> {
    if stats == 0 {
        return Ok(there);
    }
    match stats & !there.bits() {
        unknown if enforce && unknown != 0 => Err(unknown),
        _ => Ok(Groups::from_bits_truncate(stats) & there),
    }
}

/// The records, each at its guest's place. Those that take somebody else are asked for all at once;
/// what blocks, such as files on a server that does not answer, is looked at by one thread for all
/// meanwhile.
async fn collect<G: Counted>(guests: &[Arc<G>], shared: &Arc<G::Shared>) -> Vec<DomainStatsRecord> {
    let mut records = Vec::with_capacity(guests.len());
    let mut later = Vec::new();
    let mut blocking = Vec::new();
    for (place, guest) in guests.iter().enumerate() {
        if place % PORTION == PORTION - 1 {
            tokio::task::yield_now().await;
        }
        let dom = guest.on_the_wire();
        let known = match guest.figures(shared) {
            Figures::Now(params) => Some(DomainStatsRecord { dom, params }),
            Figures::Blocking(look) => {
                blocking.push((place, dom, look));
                None
            }
            Figures::Later(asked) => {
                later.push((place, dom, tokio::spawn(asked)));
                None
            }
        };
        records.push(known);
    }
    let mut put = |place: usize, record| {
        if let Some(free) = records.get_mut(place) {
            *free = Some(record);
        }
    };
    if !blocking.is_empty() {
        let looked = tokio::task::spawn_blocking(move || {
            let told = blocking.into_iter().map(|(place, dom, look)| {
                let params = look();
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
    for (place, dom, asked) in later {
        match asked.await {
            Ok(params) => put(place, DomainStatsRecord { dom, params }),
            Err(error) => tracing::error!("statistics of a guest are left out: {error}"),
        }
    }
    records.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_means_all_and_unknown_ones_are_refused_on_demand() {
        let there = Groups::all() - Groups::VM;
        assert_eq!(chosen(0, false, there), Ok(there));
        assert_eq!(chosen(1 | 1 << 30, false, there), Ok(Groups::STATE));
        assert_eq!(chosen(1 << 30, true, there), Err(1 << 30));
        assert_eq!(chosen(1 | 1 << 10, true, there), Err(1 << 10));
    }
}
