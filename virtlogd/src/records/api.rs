//! The calls of the records program.

use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::codec::Internal;
use virt_rpc::protocol::Program;
use virt_rpc::protocol::records::{
    BATCH_MAX, Batch, GetStatistics, GetStatisticsRet, Statistics, Write,
};
use virt_rpc::server::Router;

use super::Writer;
use crate::logs::Logs;

/// The handlers. Who may send is settled when a client connects.
pub fn router(writer: &Writer, logs: &Arc<Logs>) -> Router<()> {
    let mut router = Router::new(&[Program::Records], |_, _| Ok(()));
    let all = writer.clone();
    router.task::<Write, _, _>(move |call| {
        let all = all.clone();
        async move {
            let Internal(batch) = call.args.batch;
            if !is_bounded(&batch) {
                let text = "a batch of records has more than the protocol allows";
                return Err(Error::new(ErrorCode::InvalidArg, ErrorDomain::Rpc, text));
            }
            let written = all.write(batch, false).await;
            written.map_err(|text| Error::new(ErrorCode::SystemError, ErrorDomain::Rpc, text))
        }
    });
    let (all, logs) = (writer.clone(), Arc::clone(logs));
    router.call::<GetStatistics>(move |_| {
        let statistics = Statistics {
            pipes: logs.figures(),
            records: all.figures(),
            audit: all.audit_figures(),
        };
        Ok(GetStatisticsRet {
            statistics: Internal(statistics),
        })
    });
    router
}

fn is_bounded(batch: &Batch) -> bool {
    batch.first > 0
        && batch.first.checked_add(BATCH_MAX as u64).is_some()
        && batch.records.len() <= BATCH_MAX
        && batch.source.daemon.len() <= 64
        && batch.records.iter().all(|record| record.is_bounded())
}
