//! Streams in both directions, their back-pressure and their ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::client::{ClientStream, Connection, Item};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    ConnectGetUri, DomainOpenConsole, DomainOpenConsoleArgs, DomainScreenshot,
    DomainScreenshotArgs, DomainScreenshotRet, NonnullDomain, StorageVolUpload,
    StorageVolUploadArgs,
};
use virt_rpc::server::{Incoming, Router};

use crate::fixture::{Raw, Session, connect, router, server, within};

fn dom() -> NonnullDomain {
    NonnullDomain {
        name: "a".to_owned(),
        uuid: [1; 16],
        id: 1,
    }
}

async fn screenshot(connection: &Connection) -> ClientStream {
    let args = DomainScreenshotArgs {
        dom: dom(),
        screen: 0,
        flags: 0,
    };
    let (ret, stream) = connection
        .call_stream::<DomainScreenshot>(&args)
        .await
        .unwrap();
    assert!(ret.mime.is_some());
    stream
}

async fn upload(connection: &Connection, flags: u32) -> ClientStream {
    let args = StorageVolUploadArgs {
        vol: virt_rpc::protocol::remote::NonnullStorageVol {
            pool: "p".to_owned(),
            name: "v".to_owned(),
            key: "k".to_owned(),
        },
        offset: 0,
        length: 0,
        flags,
    };
    let called = connection.call_stream::<StorageVolUpload>(&args).await;
    called.unwrap().1
}

const IMAGE: Option<&str> = Some("image/png");

/// A download of `size` bytes, and how many of them were handed to the connection.
fn download(router: &mut Router<Session>, size: usize) -> Arc<AtomicUsize> {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    router.task::<DomainScreenshot, _, _>(move |call| {
        let counted = counted.clone();
        async move {
            call.serve_stream(move |stream| async move {
                let chunk = vec![7; 100_000];
                for _ in 0..size / chunk.len() {
                    stream.send(&chunk).await?;
                    counted.fetch_add(chunk.len(), Ordering::Relaxed);
                }
                stream.end().await?;
                Ok(())
            });
            Ok(DomainScreenshotRet {
                mime: IMAGE.map(str::to_owned),
            })
        }
    });
    sent
}

#[tokio::test]
async fn a_download_goes_no_faster_than_it_is_read() {
    let size = 20_000_000;
    let mut router = router();
    let sent = download(&mut router, size);
    let server = server(router);
    let connection = connect(&server).await;
    let stream = screenshot(&connection).await;
    // Until nothing moves any more, since nothing is taken.
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(before < 5_000_000, "{before} bytes were sent unread");
    let mut received = 0;
    while let Some(item) = within(stream.recv()).await.unwrap() {
        match item {
            Item::Data(data) => received += data.len(),
            Item::Hole(_) => panic!("nobody asked for holes"),
        }
    }
    assert_eq!(received, size);
    within(stream.finish()).await.unwrap();
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}

#[tokio::test]
async fn an_upload_goes_no_faster_than_it_is_consumed() {
    let start = Arc::new(Notify::new());
    let received = Arc::new(AtomicUsize::new(0));
    let mut router = router();
    let (started, counted) = (start.clone(), received.clone());
    router.task::<StorageVolUpload, _, _>(move |call| {
        let (started, counted) = (started.clone(), counted.clone());
        async move {
            call.serve_stream(move |stream| async move {
                started.notified().await;
                loop {
                    match stream.recv().await {
                        Incoming::Data(data) => {
                            counted.fetch_add(data.len(), Ordering::Relaxed);
                        }
                        Incoming::Hole(length) => {
                            counted.fetch_add(length as usize, Ordering::Relaxed);
                        }
                        Incoming::Finish => return Ok(()),
                        Incoming::Abort => panic!("it was given up"),
                    }
                }
            });
            Ok(())
        }
    });
    let server = server(router);
    let connection = connect(&server).await;
    let stream = upload(&connection, 1).await;
    let size = 20_000_000;
    let sent = AtomicUsize::new(0);
    let sending = async {
        let chunk = vec![1; 100_000];
        for _ in 0..size / chunk.len() {
            stream.send(&chunk).await.unwrap();
            sent.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        stream.send_hole(1000).await.unwrap();
        stream.finish().await.unwrap();
    };
    let watching = async {
        let mut before = usize::MAX;
        while before != sent.load(Ordering::Relaxed) {
            before = sent.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(before < 5_000_000, "{before} bytes were sent unread");
        start.notify_one();
    };
    within(async { tokio::join!(sending, watching) }).await;
    assert_eq!(received.load(Ordering::Relaxed), size + 1000);
}

#[tokio::test]
async fn giving_up_gets_past_what_is_not_consumed() {
    let aborted = Arc::new(Notify::new());
    let mut router = router();
    let told = aborted.clone();
    router.task::<StorageVolUpload, _, _>(move |call| {
        let told = told.clone();
        async move {
            call.serve_stream(move |stream| async move {
                // It never consumes anything, and notices nevertheless.
                while stream.send(b"still here").await.is_ok() {
                    tokio::task::yield_now().await;
                }
                assert_eq!(stream.recv().await, Incoming::Abort);
                told.notify_one();
                Ok(())
            });
            Ok(())
        }
    });
    let server = server(router);
    let mut raw = Raw::open(&server).await;
    let args = StorageVolUploadArgs {
        vol: virt_rpc::protocol::remote::NonnullStorageVol {
            pool: String::new(),
            name: String::new(),
            key: String::new(),
        },
        offset: 0,
        length: 0,
        flags: 0,
    };
    let serial = raw.call::<StorageVolUpload>(&args).await;
    let mut header = raw.header(StorageVolUpload::ROW.number);
    header.serial = serial;
    let data = header.stream(virt_rpc::framing::Status::Continue);
    for _ in 0..20 {
        raw.send(&data, &[0; 1000]).await;
    }
    let abort = header.stream(virt_rpc::framing::Status::Error);
    raw.send(&abort, &[]).await;
    within(aborted.notified()).await;
    // The abort is confirmed, then the connection goes on.
    let mut last = None;
    raw.call::<ConnectGetUri>(&()).await;
    while let Some(packet) = raw.next().await {
        if packet.header.proc == ConnectGetUri::ROW.number {
            break;
        }
        last = Some(packet.header.status);
    }
    assert_eq!(last, Some(virt_rpc::framing::Status::Ok));
}

#[tokio::test]
async fn a_stream_that_fails_tells_why() {
    let mut router = router();
    router.task::<DomainScreenshot, _, _>(|call| async move {
        let panics = call.args.screen == 1;
        call.serve_stream(move |stream| async move {
            stream.send(b"some").await?;
            assert!(!panics, "a stream panics");
            Err(Error::new(
                ErrorCode::OperationFailed,
                ErrorDomain::Qemu,
                "the disk is full",
            ))
        });
        Ok(DomainScreenshotRet {
            mime: IMAGE.map(str::to_owned),
        })
    });
    let server = server(router);
    let connection = connect(&server).await;
    for (screen, code) in [
        (0, ErrorCode::OperationFailed),
        (1, ErrorCode::InternalError),
    ] {
        let args = DomainScreenshotArgs {
            dom: dom(),
            screen,
            flags: 0,
        };
        let (_, stream) = connection
            .call_stream::<DomainScreenshot>(&args)
            .await
            .unwrap();
        assert!(matches!(
            within(stream.recv()).await,
            Ok(Some(Item::Data(_)))
        ));
        let error = within(stream.recv()).await.unwrap_err();
        assert!(error.is(code), "{error}");
    }
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}

#[tokio::test]
async fn a_console_goes_both_ways_until_the_client_leaves() {
    let left = Arc::new(Notify::new());
    let mut router = router();
    let leaving = left.clone();
    router.call::<DomainOpenConsole>(move |call| {
        let leaving = leaving.clone();
        call.serve_stream(move |stream| async move {
            loop {
                match stream.recv().await {
                    Incoming::Data(data) => stream.send(&data.to_ascii_uppercase()).await?,
                    Incoming::Finish => return Ok(()),
                    _ => break,
                }
            }
            leaving.notify_one();
            Ok(())
        });
        Ok(())
    });
    let server = server(router);
    let connection = connect(&server).await;
    let args = DomainOpenConsoleArgs {
        dom: dom(),
        dev_name: None,
        flags: 0,
    };
    let (_, stream) = connection
        .call_stream::<DomainOpenConsole>(&args)
        .await
        .unwrap();
    stream.send(b"echo").await.unwrap();
    let echo = within(stream.recv()).await.unwrap();
    assert_eq!(echo, Some(Item::Data(b"ECHO".as_slice().into())));
    drop((stream, connection));
    within(left.notified()).await;
}
