//! The calls of the decisions program.

use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::codec::Internal;
use virt_rpc::protocol::Program;
use virt_rpc::protocol::decisions::{
    Acknowledge, Answer, Authenticate, AuthenticateRet, Decide, DecideRet, Explain, ExplainRet,
    Reload, ReloadRet, Trace, Watch, WatchRet,
};
use virt_rpc::server::Router;

use crate::decisions::Decisions;

/// The number of the client a session belongs to.
#[derive(Debug)]
pub struct Session(u64);

/// The handlers. Who may ask is settled when a client connects: root and the daemon's own user.
pub fn router(decisions: &Arc<Decisions>) -> Router<Session> {
    let mut router = Router::new(&[Program::Decisions], |client, _| Ok(Session(client.id())));
    let all = Arc::clone(decisions);
    router.on_leave(move |session: &Arc<Session>| all.listeners().left(session.0));
    let answered = |answer: Result<Answer, String>| {
        let answer = Internal(answer.map_err(|text| unaskable(&text))?);
        Ok(DecideRet { answer })
    };
    let (now, all) = (Arc::clone(decisions), Arc::clone(decisions));
    router.call_or_task::<Decide, _, _>(
        move |call| now.answer_at_once(&call.args.question.0).map(answered),
        move |call| {
            let all = Arc::clone(&all);
            async move { answered(all.answer(&call.args.question.0).await) }
        },
    );
    let all = Arc::clone(decisions);
    router.task::<Explain, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            let verdicts = all.explain(&call.args.question.0).await;
            let verdicts = Internal(verdicts.map_err(|text| unaskable(&text))?);
            Ok(ExplainRet { verdicts })
        }
    });
    let all = Arc::clone(decisions);
    router.task::<Authenticate, _, _>(move |call| {
        let all = Arc::clone(&all);
        async move {
            let args = &call.args;
            let verdict = all.authenticate(&args.subject.0, args.readonly).await;
            let verdict = Internal(verdict);
            Ok(AuthenticateRet { verdict })
        }
    });
    let all = Arc::clone(decisions);
    router.call::<Watch>(move |call| {
        let now = || all.policy().now().generation;
        let generation = all.listeners().watch(call.client(), now);
        Ok(WatchRet { generation })
    });
    let all = Arc::clone(decisions);
    router.call::<Acknowledge>(move |call| {
        let (client, generation) = (call.client().id(), call.args.generation);
        all.listeners().acknowledged(client, generation);
        Ok(())
    });
    let all = Arc::clone(decisions);
    router.task::<Reload, _, _>(move |_| {
        let all = Arc::clone(&all);
        async move {
            let reloaded = Internal(all.reload().await.map_err(|text| unaskable(&text))?);
            Ok(ReloadRet { reloaded })
        }
    });
    let all = Arc::clone(decisions);
    router.call::<Trace>(move |call| {
        all.listeners().trace(call.client());
        Ok(())
    });
    router
}

fn unaskable(text: &str) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Access, text)
}
