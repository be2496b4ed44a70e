//! The daemon's servers and their limits.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::admin::*;
use virt_rpc::server::{Limits, Router};

use super::{Named, Session, no_flags};

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ConnectListServers>(|call| {
        no_flags(call.args.flags)?;
        let servers: Vec<_> = call.session().servers.iter().map(on_the_wire).collect();
        let ret = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        let servers = if call.args.need_results == 0 {
            Vec::new()
        } else {
            servers
        };
        Ok(ConnectListServersRet { servers, ret })
    });
    router.call::<ConnectLookupServer>(|call| {
        no_flags(call.args.flags)?;
        let srv = on_the_wire(call.session().server(&call.args.name)?);
        Ok(ConnectLookupServerRet { srv })
    });
    router.call::<ServerGetThreadpoolParameters>(|call| {
        no_flags(call.args.flags)?;
        let pool = call.session().server(&call.args.srv.name)?.pool;
        let params = vec![
            TypedParam::uint("minWorkers", pool.min_workers),
            TypedParam::uint("maxWorkers", pool.max_workers),
            TypedParam::uint("nWorkers", 0u32),
            TypedParam::uint("freeWorkers", 0u32),
            TypedParam::uint("prioWorkers", pool.prio_workers),
            TypedParam::uint("jobQueueDepth", 0u32),
        ];
        Ok(ServerGetThreadpoolParametersRet { params })
    });
    router.call::<ServerSetThreadpoolParameters>(|call| {
        call.session().server(&call.args.srv.name)?;
        let detail = "this daemon has no pool of worker threads to set";
        Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Admin,
            detail,
        ))
    });
    router.call::<ServerGetClientLimits>(|call| {
        no_flags(call.args.flags)?;
        let server = call.session().server(&call.args.srv.name)?;
        let (limits, clients) = (server.server.limits(), server.server.clients());
        let waiting = clients.iter().filter(|client| !client.is_authenticated());
        let params = vec![
            TypedParam::uint("nclients_max", number(limits.clients)),
            TypedParam::uint("nclients", number(clients.len())),
            TypedParam::uint("nclients_unauth_max", number(limits.anonymous)),
            TypedParam::uint("nclients_unauth", number(waiting.count())),
        ];
        Ok(ServerGetClientLimitsRet { params })
    });
    router.call::<ServerSetClientLimits>(|call| {
        no_flags(call.args.flags)?;
        let server = call.session().server(&call.args.srv.name)?;
        let limits = changed(server.server.limits(), &call.args.params)?;
        server.server.set_limits(limits);
        Ok(())
    });
    router.call::<ServerUpdateTlsFiles>(|call| {
        call.session().server(&call.args.srv.name)?;
        let detail = "this daemon has no TLS socket; its files can't be read again";
        Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Admin,
            detail,
        ))
    });
}

pub(super) fn on_the_wire(server: &Named) -> NonnullServer {
    NonnullServer {
        name: server.name.to_owned(),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn changed(mut limits: Limits, params: &[TypedParam]) -> Result<Limits> {
    let invalid = |detail: String| Error::new(ErrorCode::InvalidArg, ErrorDomain::Admin, detail);
    for param in params {
        let TypedParamValue::Uint(value) = param.value else {
            return Err(invalid(format!(
                "'{}' has to be an unsigned int",
                param.field
            )));
        };
        match param.field.as_str() {
            "nclients_max" => limits.clients = value as usize,
            "nclients_unauth_max" => limits.anonymous = value as usize,
            other => {
                return Err(invalid(format!(
                    "'{other}' can't be set; nclients_max and nclients_unauth_max can"
                )));
            }
        }
    }
    if limits.clients == 0 || limits.clients < limits.anonymous {
        return Err(invalid(format!(
            "nclients_max {} is below nclients_unauth_max {} or 0",
            limits.clients, limits.anonymous
        )));
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let now = Limits::default();
        let set = |field: &str, value: u32| changed(now, &[TypedParam::uint(field, value)]);
        assert_eq!(set("nclients_max", 100).unwrap().clients, 100);
        assert!(set("nclients_max", 5).is_err());
        assert!(set("nclients_unauth_max", 6000).is_err());
        assert!(set("nclients", 5).is_err());
        assert!(changed(now, &[TypedParam::int("nclients_max", 5)]).is_err());
    }
}
