//! Limits: requests of a client, clients, silence, slow senders.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use virt_rpc::client::Connection;
use virt_rpc::framing::{MessageKind, append};
use virt_rpc::protocol::remote::{
    ConnectGetUri, ConnectGetVersion, ConnectGetVersionRet, ConnectSupportsFeature,
    ConnectSupportsFeatureArgs,
};
use virt_rpc::protocol::{EventMessage, Procedure, Program, keepalive};
use virt_rpc::server::{
    BindOptions, KeepaliveSettings, Limits, Listener, Role, Router, Server, Settings,
};

use crate::fixture::{Raw, Session, connect, open_args, router, server, within};

/// A router whose version takes as long as the test wants, and how many wait for it.
fn held_router() -> (Router<Session>, Arc<Semaphore>, Arc<AtomicUsize>) {
    let (release, started) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut router = router();
    let (released, starts) = (release.clone(), started.clone());
    router.task::<ConnectGetVersion, _, _>(move |_| {
        let (released, starts) = (released.clone(), starts.clone());
        async move {
            starts.fetch_add(1, Ordering::Relaxed);
            released.acquire().await.expect("it stays open").forget();
            Ok(ConnectGetVersionRet { hv_ver: 1 })
        }
    });
    (router, release, started)
}

#[tokio::test]
async fn at_the_limit_of_requests_pings_are_answered_and_nothing_else() {
    let (router, release, started) = held_router();
    let server = server(router);
    let mut raw = Raw::open(&server).await;
    for _ in 0..8 {
        raw.call::<ConnectGetVersion>(&()).await;
    }
    raw.call::<ConnectGetUri>(&()).await;
    for _ in 0..3 {
        raw.ping().await;
        let packet = raw.next().await.unwrap();
        assert_eq!(packet.header.prog, Program::Keepalive.number());
        assert_eq!(packet.header.proc, keepalive::Pong::ROW.number);
    }
    assert_eq!(started.load(Ordering::Relaxed), 5);
    release.add_permits(8);
    for _ in 0..9 {
        assert_eq!(raw.next().await.unwrap().header.kind, MessageKind::Reply);
    }
    assert_eq!(started.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn a_client_at_its_limit_is_held_up_with_bounded_memory() {
    let (router, release, _) = held_router();
    let server = server(router);
    let mut raw = Raw::open(&server).await;
    for _ in 0..5 {
        raw.call::<ConnectGetVersion>(&()).await;
    }
    // Far more than is held, and than the socket's own buffer takes.
    let mut bytes = Vec::new();
    for serial in 0..100_000 {
        let header = virt_rpc::framing::Header {
            serial: 1000 + serial,
            ..raw.header(ConnectGetUri::ROW.number)
        };
        append(&mut bytes, &header, 0, &[]).unwrap();
    }
    let written = {
        let mut written = 0;
        // Until nothing more is taken for a while.
        while let Ok(Ok(())) =
            tokio::time::timeout(Duration::from_millis(200), raw.socket.writable()).await
        {
            match raw.socket.try_write(&bytes[written..]) {
                Ok(more) => written += more,
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
        written
    };
    assert!(written < bytes.len(), "everything was taken");
    // Others notice nothing, and in the end everything is answered.
    assert!(
        connect(&server)
            .await
            .call::<ConnectGetUri>(&())
            .await
            .is_ok()
    );
    release.add_permits(5);
    let whole = written / 28;
    for _ in 0..whole + 5 {
        assert_eq!(raw.next().await.unwrap().header.kind, MessageKind::Reply);
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_not_read_for_ever() {
    let server = server(router());
    let mut raw = Raw::open(&server).await;
    let mut bytes = Vec::new();
    for _ in 0..1000 {
        append(&mut bytes, &raw.header(ConnectGetUri::ROW.number), 0, &[]).unwrap();
    }
    let mut taken = 0_usize;
    while let Ok(Ok(())) =
        tokio::time::timeout(Duration::from_millis(200), raw.socket.writable()).await
    {
        match raw.socket.try_write(&bytes) {
            Ok(more) => taken += more,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(taken < 64 * 1024 * 1024, "it is read without bounds");
    }
    assert!(
        connect(&server)
            .await
            .call::<ConnectGetUri>(&())
            .await
            .is_ok()
    );
    // When it reads at last, it is served on.
    assert!(raw.next().await.is_some());
}

#[tokio::test]
async fn one_byte_at_a_time_is_a_call_like_any_other() {
    let server = server(router());
    let mut raw = Raw::new(&server);
    let mut bytes = Vec::new();
    append(&mut bytes, &raw.header(1), 0, &open_args()).unwrap();
    append(&mut bytes, &raw.header(ConnectGetUri::ROW.number), 0, &[]).unwrap();
    for byte in bytes {
        raw.bytes(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert!(raw.reply().await.is_ok());
    assert!(raw.reply().await.is_ok());
}

#[tokio::test]
async fn newcomers_wait_when_there_are_too_many_clients() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let limits = Limits {
        clients: 2,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = Server::new(router(), settings);
    let options = BindOptions {
        mode: 0o600,
        group: None,
        backlog: 10,
    };
    let listener = Listener::bind(&path, Role::Main, options).unwrap();
    server.listen(listener).unwrap();
    let mut first = Vec::new();
    for _ in 0..2 {
        let connection = Connection::connect(&path).await.unwrap();
        connection.open("test:///here", false).await.unwrap();
        first.push(connection);
    }
    let late = Connection::connect(&path).await.unwrap();
    let opening = late.open("test:///late", false);
    tokio::pin!(opening);
    let waited = tokio::time::timeout(Duration::from_millis(100), opening.as_mut()).await;
    assert!(waited.is_err(), "it was served");
    assert_eq!(server.clients().len(), 2);
    first.pop();
    within(opening).await.unwrap();
    // A socket that is in use is not taken over; its file goes with the server.
    assert!(Listener::bind(&path, Role::Main, options).is_err());
    server.stop_listening();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!path.exists());
}

#[tokio::test]
async fn a_silent_client_is_pinged_once_it_asked_and_then_given_up() {
    let settings = Settings {
        keepalive: KeepaliveSettings {
            interval: Some(Duration::from_millis(20)),
            count: 2,
        },
        ..Settings::default()
    };
    let server = Server::new(router(), settings);
    let mut raw = Raw::open(&server).await;
    let feature = ConnectSupportsFeatureArgs { feature: 10 };
    raw.call::<ConnectSupportsFeature>(&feature).await;
    assert!(raw.reply().await.is_ok());
    for _ in 0..2 {
        let ping = raw.next().await.unwrap().header;
        assert_eq!(
            (ping.prog, ping.proc),
            (Program::Keepalive.number(), keepalive::Ping::ROW.number)
        );
    }
    assert!(raw.next().await.is_none());
}

#[tokio::test]
async fn our_client_answers_pings() {
    let settings = Settings {
        keepalive: KeepaliveSettings {
            interval: Some(Duration::from_millis(20)),
            count: 1,
        },
        ..Settings::default()
    };
    let server = Server::new(router(), settings);
    let connection = connect(&server).await;
    let feature = ConnectSupportsFeatureArgs { feature: 10 };
    let supported = connection.call::<ConnectSupportsFeature>(&feature).await;
    assert_eq!(supported.unwrap().supported, 1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}

/// Run by the test below as another user.
#[tokio::test]
#[ignore = "it is the other half of a test"]
async fn another_user() {
    let Some(path) = std::env::var_os("VIRT_RPC_TEST_SOCKET") else {
        return;
    };
    let connection = Connection::connect(path.as_ref()).await.unwrap();
    let error = connection.open("test:///x", false).await.unwrap_err();
    assert_eq!((error.code_number(), error.domain_number()), (45, 60));
    let error = connection.call::<ConnectGetUri>(&()).await.unwrap_err();
    assert_eq!((error.code_number(), error.domain_number()), (39, 7));
}

#[tokio::test]
async fn other_users_are_refused_with_the_right_errors() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can be another user for a while");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let path = folder.path().join("sock");
    let test = folder.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &test).unwrap();
    let limits = Limits {
        anonymous: 1,
        ..Limits::default()
    };
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    let server = Server::new(router(), settings);
    let options = BindOptions {
        mode: 0o777,
        group: None,
        backlog: 10,
    };
    server
        .listen(Listener::bind(&path, Role::Main, options).unwrap())
        .unwrap();
    let other = tokio::task::spawn_blocking({
        let path = path.clone();
        move || {
            use std::os::unix::process::CommandExt;
            std::process::Command::new(test)
                .args(["--exact", "limits::another_user", "--ignored"])
                .env("VIRT_RPC_TEST_SOCKET", path)
                .current_dir("/")
                .gid(65534)
                .uid(65534)
                .output()
                .unwrap()
        }
    });
    let output = within(other).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    drop(UnixStream::connect(&path).await.unwrap());
}
