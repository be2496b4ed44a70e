//! Log settings at run time.

use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::protocol::admin::*;
use virt_rpc::server::Router;

use super::{Session, no_flags};

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ConnectGetLoggingOutputs>(|call| {
        no_flags(call.args.flags)?;
        let (outputs, count) = call.session().logging.outputs();
        let noutputs = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(ConnectGetLoggingOutputsRet { outputs, noutputs })
    });
    router.call::<ConnectGetLoggingFilters>(|call| {
        no_flags(call.args.flags)?;
        let (filters, count) = call.session().logging.filters();
        Ok(ConnectGetLoggingFiltersRet {
            filters: (count > 0).then_some(filters),
            nfilters: u32::try_from(count).unwrap_or(u32::MAX),
        })
    });
    router.call::<ConnectSetLoggingOutputs>(|call| {
        no_flags(call.args.flags)?;
        let outputs = call.args.outputs.as_deref();
        call.session().logging.set_outputs(outputs).map_err(invalid)
    });
    router.call::<ConnectSetLoggingFilters>(|call| {
        no_flags(call.args.flags)?;
        let filters = call.args.filters.as_deref();
        call.session().logging.set_filters(filters).map_err(invalid)
    });
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Admin, detail)
}
