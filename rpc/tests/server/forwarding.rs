//! Calls and streams of other daemons, passed on.

use std::path::PathBuf;
use std::sync::Arc;

use virt_error::Result;
use virt_rpc::client::{Item, Lazy, Route, Target};
use virt_rpc::protocol::remote::{
    ConnectGetUri, ConnectNumOfNetworks, ConnectNumOfNetworksRet, NonnullStorageVol,
    StorageVolDownload, StorageVolDownloadArgs,
};
use virt_rpc::relay::relay;
use virt_rpc::server::{BindOptions, Forwarder, Listener, RawCall, RawReply, Role};

use crate::fixture::{Session, connect, router, server, within};

struct PassOn(Arc<Lazy>);

impl Forwarder<Session> for PassOn {
    fn forward(
        &self,
        call: RawCall<Session>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<RawReply>> + Send + '_>> {
        Box::pin(async move {
            let daemon = self.0.get().await?;
            let called = daemon.call_raw(call.row, &call.payload, call.take_fds());
            let (reply, stream) = called.await?;
            if let Some(stream) = stream {
                call.serve_stream(|client| async move { relay(&client, &stream).await });
            }
            Ok(reply)
        })
    }
}

fn to(path: PathBuf) -> Arc<Lazy> {
    Arc::new(Lazy::new(move || {
        Ok(Target {
            route: Route {
                socket: path.clone(),
                uri: "network:///system".to_owned(),
            },
            readonly: false,
            identity: Vec::new(),
        })
    }))
}

#[tokio::test]
async fn an_absent_daemon_is_named_and_found_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("virtnetworkd-sock");
    let mut front = router();
    front.forward(PassOn(to(path.clone())));
    let front = server(front);
    let connection = connect(&front).await;
    let error = connection
        .call::<ConnectNumOfNetworks>(&())
        .await
        .unwrap_err();
    assert_eq!((error.code_number(), error.domain_number()), (38, 7));
    assert_eq!(error.errno(), Some(2));
    assert!(error.message().contains(path.to_str().unwrap()), "{error}");

    let mut back = router();
    back.call::<ConnectNumOfNetworks>(|_| Ok(ConnectNumOfNetworksRet { num: 3 }));
    back.task::<StorageVolDownload, _, _>(|call| async move {
        call.serve_stream(|stream| async move {
            for _ in 0..50 {
                stream.send(&[5; 100_000]).await?;
            }
            stream.send_hole(77).await?;
            stream.end().await?;
            Ok(())
        });
        Ok(())
    });
    let back = server(back);
    let options = BindOptions {
        mode: 0o600,
        group: None,
        backlog: 10,
    };
    back.listen(Listener::bind(&path, Role::Main, options).unwrap())
        .unwrap();
    let count = connection.call::<ConnectNumOfNetworks>(&()).await.unwrap();
    assert_eq!(count.num, 3);

    // The daemon comes back after it was gone.
    for client in back.clients() {
        client.kill();
    }
    let mut count = back.client_count();
    within(count.wait_for(|count| *count == 0)).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(connection.call::<ConnectNumOfNetworks>(&()).await.is_ok());

    let args = StorageVolDownloadArgs {
        vol: NonnullStorageVol {
            pool: "p".to_owned(),
            name: "v".to_owned(),
            key: "k".to_owned(),
        },
        offset: 0,
        length: 0,
        flags: 1,
    };
    let (_, stream) = connection
        .call_stream::<StorageVolDownload>(&args)
        .await
        .unwrap();
    let (mut received, mut skipped) = (0, 0);
    while let Some(item) = within(stream.recv()).await.unwrap() {
        match item {
            Item::Data(data) => received += data.len(),
            Item::Hole(length) => skipped += length,
        }
    }
    assert_eq!((received, skipped), (5_000_000, 77));
    within(stream.finish()).await.unwrap();
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}
