//! Handlers that need something first, and doorkeepers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::client::Connection;
use virt_rpc::protocol::remote::{
    ConnectGetHostname, ConnectGetHostnameRet, ConnectGetType, ConnectGetTypeRet, ConnectGetUri,
    ConnectGetUriRet, ConnectOpen, ConnectOpenArgs,
};
use virt_rpc::server::{Asking, Client, Doorkeeper, Opening};

use virt_rpc::protocol::Procedure;
use virt_rpc::xdr;

use crate::fixture::{Raw, connect, router, server, socket};

#[tokio::test]
async fn a_call_is_served_again_once_what_it_needs_is_there() {
    let (asked, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut router = router();
    router.let_calls_come_again();
    let (counted, ran) = (Arc::clone(&asked), Arc::clone(&runs));
    router.call::<ConnectGetType>(move |call| {
        ran.fetch_add(1, Ordering::Relaxed);
        let counted = Arc::clone(&counted);
        if counted.load(Ordering::Relaxed) < 2 {
            call.again_after(async move {
                tokio::task::yield_now().await;
                counted.fetch_add(1, Ordering::Relaxed);
            });
        }
        let r#type = "the answer".into();
        Ok(ConnectGetTypeRet { r#type })
    });
    let ran = Arc::clone(&runs);
    router.task::<ConnectGetHostname, _, _>(move |call| {
        let ran = Arc::clone(&ran);
        async move {
            // For ever: it is believed so often and no more.
            ran.fetch_add(1, Ordering::Relaxed);
            call.again_after(async {});
            Err(Error::new(
                ErrorCode::AccessDenied,
                ErrorDomain::Access,
                "never",
            )) as virt_error::Result<ConnectGetHostnameRet>
        }
    });
    let server = server(router);
    let client = connect(&server).await;
    let reply = client.call::<ConnectGetType>(&()).await.unwrap();
    assert_eq!(reply.r#type, "the answer");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(runs.swap(0, Ordering::Relaxed), 3);
    let error = client.call::<ConnectGetHostname>(&()).await.unwrap_err();
    assert!(error.is(ErrorCode::AccessDenied));
    assert_eq!(runs.load(Ordering::Relaxed), 8);
}

/// Lets those in who say "please", when it is told to go on.
struct Polite(Arc<Semaphore>);

impl Doorkeeper for Polite {
    fn authenticate(&self, _: &Client) -> Asking {
        Box::pin(async { Ok(()) })
    }

    fn admit(&self, _: &Client, opening: &Opening<'_>) -> Option<Asking> {
        let polite = opening.uri.is_some_and(|uri| uri.contains("please"));
        let go_on = Arc::clone(&self.0);
        Some(Box::pin(async move {
            let _permit = go_on.acquire().await;
            match polite {
                true => Ok(()),
                false => Err(Error::new(
                    ErrorCode::AccessDenied,
                    ErrorDomain::Access,
                    "be polite",
                )),
            }
        }))
    }
}

#[tokio::test]
async fn what_a_client_sends_waits_for_the_doorkeeper() {
    let go_on = Arc::new(Semaphore::new(0));
    let mut router = router();
    router.ask_at_the_door(Polite(Arc::clone(&go_on)));
    let server = server(router);
    // Both calls are sent at once; the second is served once the first was answered.
    let mut raw = Raw::new(&server);
    let args = ConnectOpenArgs {
        name: Some("test:///please".into()),
        flags: 0,
    };
    raw.send(
        &raw.header(ConnectOpen::ROW.number),
        &xdr::to_bytes(&args).unwrap(),
    )
    .await;
    raw.call::<ConnectGetUri>(&()).await;
    tokio::task::yield_now().await;
    go_on.add_permits(1);
    assert_eq!(raw.reply().await, Ok(Vec::new()));
    let uri = raw.reply().await.unwrap();
    let uri: ConnectGetUriRet = xdr::from_bytes(&uri).unwrap();
    assert_eq!(uri.uri, "test:///please");
    let rude = Connection::over(socket(&server));
    let error = rude.open("test:///", false).await.unwrap_err();
    assert!(error.is(ErrorCode::AccessDenied), "{error}");
    // The socket stays usable.
    assert_eq!(rude.open("test:///please", false).await, Ok(()));
}
