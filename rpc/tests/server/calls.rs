//! Opening, calls, and the errors of calls that cannot be made.

use virt_error::{Error, ErrorCode, ErrorDomain};
use virt_rpc::client::Connection;
use virt_rpc::framing::Header;
use virt_rpc::protocol::qemu::DomainMonitorCommand;
use virt_rpc::protocol::remote::{
    ConnectGetCapabilities, ConnectGetCapabilitiesRet, ConnectGetHostname, ConnectGetSysinfo,
    ConnectGetSysinfoArgs, ConnectGetType, ConnectGetUri, ConnectGetVersion,
    ConnectRegisterCloseCallback, ConnectSetIdentity, ConnectSetIdentityArgs,
    ConnectSupportsFeature, ConnectSupportsFeatureArgs, DomainDestroy, DomainDestroyArgs,
    NonnullDomain, TypedParam,
};
use virt_rpc::protocol::{Procedure, Program};
use virt_rpc::xdr;

use crate::fixture::{Raw, connect, open_args, router, server, socket, within};

const RPC: i32 = 7;

#[tokio::test]
async fn a_connection_is_opened_and_closed() {
    let server = server(router());
    let connection = connect(&server).await;
    let uri = connection.call::<ConnectGetUri>(&()).await.unwrap().uri;
    assert_eq!(uri, "test:///here");
    let mut count = server.client_count();
    assert_eq!(*count.borrow(), 1);
    connection.close().await.unwrap();
    within(connection.closed()).await;
    within(count.wait_for(|count| *count == 0)).await.unwrap();
}

#[tokio::test]
async fn calls_out_of_order_are_errors_and_the_connection_stays_up() {
    let server = server(router());
    let mut raw = Raw::new(&server);
    raw.call::<ConnectGetUri>(&()).await;
    assert_eq!(
        raw.reply().await,
        Err((1, RPC, "internal error: connection not open".to_owned()))
    );
    raw.send(&raw.header(1), &open_args()).await;
    assert!(raw.reply().await.is_ok());
    raw.send(&raw.header(1), &open_args()).await;
    assert_eq!(
        raw.reply().await,
        Err((1, RPC, "internal error: connection already open".to_owned()))
    );
    raw.call::<ConnectGetUri>(&()).await;
    assert!(raw.reply().await.is_ok());
}

#[tokio::test]
async fn a_feature_may_be_asked_for_before_opening() {
    let server = server(router());
    let mut raw = Raw::new(&server);
    let feature = |feature| ConnectSupportsFeatureArgs { feature };
    raw.call::<ConnectSupportsFeature>(&feature(10)).await;
    assert_eq!(raw.reply().await, Ok(vec![0, 0, 0, 1]));
    raw.call::<ConnectSupportsFeature>(&feature(14)).await;
    assert!(raw.reply().await.is_err());
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let server = server(router());
    let mut raw = Raw::open(&server).await;
    for (header, start) in [
        (raw.header(9999), "unknown procedure"),
        // An event is not callable.
        (raw.header(107), "unknown procedure"),
        (
            Header {
                prog: 77,
                ..raw.header(1)
            },
            "unknown program",
        ),
        (
            Header {
                vers: 2,
                ..raw.header(1)
            },
            "unknown program",
        ),
        (
            Header {
                prog: Program::Admin.number(),
                ..raw.header(1)
            },
            "unknown program",
        ),
    ] {
        raw.send(&header, &[]).await;
        let (code, domain, text) = raw.reply().await.unwrap_err();
        assert_eq!((code, domain), (39, RPC), "{text}");
        assert!(text.starts_with(start), "{text}");
    }
    // Arguments that end in the middle.
    raw.send(&raw.header(ConnectSupportsFeature::ROW.number), &[0, 0])
        .await;
    let (code, domain, text) = raw.reply().await.unwrap_err();
    assert_eq!((code, domain), (39, RPC), "{text}");
}

#[tokio::test]
async fn a_row_without_a_handler_is_not_supported() {
    let server = server(router());
    let connection = connect(&server).await;
    let error = connection
        .call::<ConnectGetHostname>(&())
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "this function is not supported by the connection driver: virConnectGetHostname"
    );
    assert_eq!((error.code_number(), error.domain_number()), (3, 20));
}

#[tokio::test]
async fn a_read_only_connection_may_only_look() {
    let mut router = router();
    router.call::<DomainDestroy>(|_| Ok(()));
    let server = server(router);
    let connection = Connection::over(socket(&server));
    connection.open("test:///ro", true).await.unwrap();
    assert!(server.clients()[0].is_readonly());
    let dom = NonnullDomain {
        name: "a".to_owned(),
        uuid: [1; 16],
        id: 1,
    };
    let destroy = DomainDestroyArgs { dom: dom.clone() };
    let error = connection
        .call::<DomainDestroy>(&destroy)
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "operation forbidden: read only access prevents virDomainDestroy"
    );
    // Without a handler the refusal is the same.
    let monitor = virt_rpc::protocol::qemu::DomainMonitorCommandArgs {
        dom,
        cmd: "stop".to_owned(),
        flags: 0,
    };
    let error = connection
        .call::<DomainMonitorCommand>(&monitor)
        .await
        .unwrap_err();
    assert!(error.is(ErrorCode::OperationDenied), "{error}");
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}

#[tokio::test]
async fn a_panic_fails_its_call_alone() {
    let mut router = router();
    router.call::<ConnectGetType>(|_| panic!("at once"));
    router.task::<ConnectGetVersion, _, _>(|_| async {
        tokio::task::yield_now().await;
        panic!("later")
    });
    let server = server(router);
    let connection = connect(&server).await;
    let error = connection.call::<ConnectGetType>(&()).await.unwrap_err();
    assert!(error.is(ErrorCode::InternalError), "{error}");
    let error = connection.call::<ConnectGetVersion>(&()).await.unwrap_err();
    assert!(error.is(ErrorCode::InternalError), "{error}");
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}

#[tokio::test]
async fn a_reply_that_is_too_big_is_an_error() {
    let mut router = router();
    router.call::<ConnectGetCapabilities>(|_| {
        Ok(ConnectGetCapabilitiesRet {
            capabilities: "x".repeat(xdr::STRING_MAX + 1),
        })
    });
    router.call::<ConnectGetType>(|_| {
        Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "y".repeat(xdr::STRING_MAX),
        ))
    });
    let server = server(router);
    let connection = connect(&server).await;
    let error = connection
        .call::<ConnectGetCapabilities>(&())
        .await
        .unwrap_err();
    assert!(error.is(ErrorCode::Rpc), "{error}");
    let error = connection.call::<ConnectGetType>(&()).await.unwrap_err();
    assert!(error.is(ErrorCode::InternalError), "{error}");
    assert!(connection.call::<ConnectGetUri>(&()).await.is_ok());
}

#[tokio::test]
async fn replies_may_overtake_each_other() {
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    let mut router = router();
    let released = release.clone();
    router.task::<ConnectGetSysinfo, _, _>(move |call| {
        let released = released.clone();
        async move {
            released.notified().await;
            Err(Error::new(
                ErrorCode::NoSupport,
                ErrorDomain::Qemu,
                format!("flags {}", call.flags()),
            ))
        }
    });
    let server = server(router);
    let mut raw = Raw::open(&server).await;
    let slow = raw
        .call::<ConnectGetSysinfo>(&ConnectGetSysinfoArgs { flags: 3 })
        .await;
    let quick = raw.call::<ConnectGetUri>(&()).await;
    assert_eq!(raw.next().await.unwrap().header.serial, quick);
    release.notify_one();
    assert_eq!(raw.next().await.unwrap().header.serial, slow);
}

#[tokio::test]
async fn another_daemon_says_for_whom_it_calls() {
    let server = server(router());
    let connection = connect(&server).await;
    let told = |params: Vec<TypedParam>| ConnectSetIdentityArgs { params, flags: 0 };
    let user = TypedParam {
        field: "unix-user-id".to_owned(),
        value: virt_rpc::protocol::remote::TypedParamValue::Ullong(1000),
    };
    let half = told(vec![user.clone()]);
    assert!(connection.call::<ConnectSetIdentity>(&half).await.is_err());
    let group = TypedParam {
        field: "unix-group-id".to_owned(),
        ..user.clone()
    };
    let name = TypedParam::string("user-name", "someone");
    let whole = told(vec![user, group, name]);
    connection.call::<ConnectSetIdentity>(&whole).await.unwrap();
    let identity = server.clients()[0].identity();
    assert_eq!((identity.uid, identity.gid), (1000, 1000));
    assert_eq!(identity.user_name.as_deref(), Some("someone"));
    // Whoever is not trusted to may not say so again.
    assert!(connection.call::<ConnectSetIdentity>(&whole).await.is_err());
}

#[tokio::test]
async fn a_close_callback_is_registered_once() {
    let server = server(router());
    let connection = connect(&server).await;
    let register = || async { connection.call::<ConnectRegisterCloseCallback>(&()).await };
    assert!(register().await.is_ok());
    assert!(register().await.is_err());
}

#[tokio::test]
async fn draining_lets_calls_finish() {
    let mut router = router();
    router.task::<ConnectGetVersion, _, _>(|_| async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Ok(virt_rpc::protocol::remote::ConnectGetVersionRet { hv_ver: 5 })
    });
    let server = server(router);
    let connection = connect(&server).await;
    let (answer, ()) = within(async {
        tokio::join!(connection.call::<ConnectGetVersion>(&()), async {
            while server.clients()[0].requests() == 0 {
                tokio::task::yield_now().await;
            }
            server.drain(std::time::Duration::from_secs(20)).await;
        })
    })
    .await;
    assert_eq!(answer.unwrap().hv_ver, 5);
    within(connection.closed()).await;
    assert!(server.clients().is_empty());
}
