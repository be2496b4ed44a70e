//! The calls of the log program.

use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::protocol::Program;
use virt_rpc::protocol::log::*;
use virt_rpc::server::Router;
use virt_rpc::xdr::ByteString;

use crate::logs::Logs;
use crate::owner::Owner;

/// The handlers. Nothing is kept of a client.
pub fn router(logs: &Arc<Logs>) -> Router<()> {
    let mut router = Router::new(&[Program::Log], |_, _| Ok(()));
    let all = Arc::clone(logs);
    router.task::<DomainOpenLogFile, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            let args = &call.args;
            call.only_flags(open_flag::TRUNCATE)?;
            let owner = Owner {
                driver: args.driver.clone(),
                uuid: args.dom.uuid,
                name: args.dom.name.clone(),
            };
            let truncate = args.flags & open_flag::TRUNCATE != 0;
            let (pos, write) = all.open(&args.path, owner, truncate).await?;
            call.reply_fds(vec![write]);
            Ok(DomainOpenLogFileRet { pos })
        }
    });
    let all = Arc::clone(logs);
    router.task::<DomainGetLogFilePosition, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            call.only_flags(0)?;
            let pos = all.position(&call.args.path).await?;
            Ok(DomainGetLogFilePositionRet { pos })
        }
    });
    let all = Arc::clone(logs);
    router.task::<DomainReadLogFile, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            call.only_flags(0)?;
            let args = call.args;
            if args.maxlen > TEXT_MAX {
                return Err(Error::new(
                    ErrorCode::InvalidArg,
                    ErrorDomain::Rpc,
                    format!(
                        "maxlen is {}; at most {TEXT_MAX} bytes can be read at once",
                        args.maxlen
                    ),
                ));
            }
            let data = all.read(&args.path, args.pos, args.maxlen).await?;
            Ok(DomainReadLogFileRet {
                data: ByteString(data),
            })
        }
    });
    let all = Arc::clone(logs);
    router.task::<DomainAppendLogFile, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            call.only_flags(0)?;
            let args = call.args;
            all.append(&args.path, args.message.0).await?;
            Ok(DomainAppendLogFileRet { ret: 0 })
        }
    });
    router
}
