mod changing;

use std::cell::RefCell;
use std::pin::Pin;

use super::*;
use crate::access::Settings;
use crate::tests::{Plain, guest};
use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::{
    Answer, Decide, DecideRet, Question, Refusal, Target, Watch, WatchRet,
};
use virt_rpc::protocol::remote::{
    ConnectListAllDomains, ConnectListAllDomainsArgs, DomainGetXmlDesc, DomainGetXmlDescArgs,
};
use virt_rpc::protocol::{Permission, Program};
use virt_rpc::server::{BindOptions, Listener, Role, Router, Server};

type First = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call of a user, as a server serves it: again, until it wants nothing first.
struct From<A>(A, u32, RefCell<Option<First>>);

impl<A> From<A> {
    fn new(args: A, uid: u32) -> Self {
        Self(args, uid, RefCell::default())
    }

    async fn served<T>(&self, handler: impl Fn(&Self) -> Result<T>) -> Result<T> {
        loop {
            let result = handler(self);
            match self.2.take() {
                Some(first) => first.await,
                None => return result,
            }
        }
    }
}

impl<P: Procedure> Caller<P> for From<P::Args> {
    fn arguments(&self) -> &P::Args {
        &self.0
    }

    fn identity(&self) -> Arc<Identity> {
        let uid = self.1;
        Arc::new(Identity {
            uid,
            ..Identity::default()
        })
    }

    fn is_readonly(&self) -> bool {
        false
    }

    fn again_after(&self, first: impl Future<Output = ()> + Send + 'static) {
        self.2.replace(Some(Box::pin(first)));
    }
}

/// Lets everyone but user 0 look, and nobody write or see secrets; "hidden" is seen by nobody.
fn policy(question: &Question) -> Answer {
    let looks = |permission| {
        matches!(
            permission,
            Permission::Read | Permission::Getattr | Permission::SearchDomains
        )
    };
    let missing = question.permissions.iter().find(|p| !looks(**p));
    let allows = |target: &Target| {
        let hidden = target.details.iter().any(|(_, value)| value == "hidden");
        question.subject.uid != 0 && missing.is_none() && !hidden
    };
    Answer {
        generation: 1,
        valid_ms: None,
        allowed: question.targets.iter().map(allows).collect(),
        refusal: missing.map(|permission| Refusal {
            permission: *permission,
            back_end: "test".into(),
            reason: "no rule allows it".into(),
        }),
    }
}

/// Guests behind a virtacld with that policy, and the server, which stops when it is dropped.
fn decided(names: &[&str], folder: &std::path::Path) -> (Guests<Plain>, Server<()>) {
    let socket = folder.join("virtacld-sock");
    let mut router = Router::new(&[Program::Decisions], |_, _| Ok(()));
    router.call::<Watch>(|_| Ok(WatchRet { generation: 1 }));
    router.call::<Decide>(|call| {
        let answer = Internal(policy(&call.args.question.0));
        Ok(DecideRet { answer })
    });
    let server = served(router, &socket);
    (asking(names, socket, false), server)
}

/// A server at that socket, which stops when it is dropped.
fn served(router: Router<()>, socket: &std::path::Path) -> Server<()> {
    let options = BindOptions {
        mode: 0o700,
        group: None,
        backlog: 8,
    };
    let server = Server::new(router, virt_rpc::server::Settings::default());
    let listener = Listener::bind(socket, Role::Main, options).unwrap();
    server.listen(listener).unwrap();
    server
}

fn asking(names: &[&str], socket: std::path::PathBuf, root_in_emergency: bool) -> Guests<Plain> {
    let registry = Arc::new(Registry::new());
    for name in names {
        assert!(registry.insert_found(guest(name)));
    }
    let decider = Decider::new(Settings {
        socket,
        driver: "QEMU",
        back_ends: vec!["test".into()],
        root_in_emergency,
    });
    Guests::new(registry, Access::Decided(decider), ErrorDomain::Qemu)
}

fn xml(flags: u32, uid: u32) -> From<DomainGetXmlDescArgs> {
    let dom = guest("a").on_the_wire();
    From::new(DomainGetXmlDescArgs { dom, flags }, uid)
}

async fn read(
    guests: &Guests<Plain>,
    call: &From<DomainGetXmlDescArgs>,
) -> Result<Authorized<DomainGetXmlDesc, Plain>> {
    call.served(|call| guests.get::<DomainGetXmlDesc>(call, &call.0.dom))
        .await
}

#[tokio::test]
async fn the_rules_of_the_row_are_checked_with_the_flags_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let (guests, _server) = decided(&["a"], folder.path());
    assert!(read(&guests, &xml(0, 1000)).await.is_ok());
    // What is known needs no second round.
    let call = xml(0, 1000);
    assert!(guests.get::<DomainGetXmlDesc>(&call, &call.0.dom).is_ok());
    let error = read(&guests, &xml(1, 1000)).await.unwrap_err();
    assert!(error.is(ErrorCode::AccessDenied));
    assert_eq!(error.domain_number(), ErrorDomain::Access.number());
    assert_eq!(
        error.message(),
        "access denied: 'QEMU' denied access: permission 'read_secure' is missing \
         (test: no rule allows it)"
    );
}

#[tokio::test]
async fn missing_is_said_before_denied() {
    let folder = tempfile::tempdir().unwrap();
    let (guests, _server) = decided(&[], folder.path());
    let error = read(&guests, &xml(1, 0)).await.unwrap_err();
    assert!(error.is(ErrorCode::NoDomain), "{error}");
}

#[tokio::test]
async fn a_list_leaves_out_what_the_caller_may_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let (guests, _server) = decided(&["a", "hidden"], folder.path());
    let args = ConnectListAllDomainsArgs {
        need_results: 1,
        flags: 0,
    };
    let list = |call: &From<_>| guests.list::<ConnectListAllDomains>(call, false);
    let call = From::new(args.clone(), 1000);
    assert_eq!(call.served(list).await.unwrap().len(), 1);
    let nobody = From::new(args, 0);
    assert!(nobody.served(list).await.is_err());
}

#[tokio::test]
async fn without_virtacld_the_door_is_locked_and_says_so() {
    let socket = std::path::PathBuf::from("/nowhere/virtacld-sock");
    let guests = asking(&["a"], socket.clone(), false);
    let error = read(&guests, &xml(0, 0)).await.unwrap_err();
    assert!(error.is(ErrorCode::AccessDenied), "{error}");
    assert!(
        error.message().contains("/nowhere/virtacld-sock"),
        "{error}"
    );
    let guests = asking(&["a"], socket, true);
    assert!(read(&guests, &xml(0, 0)).await.is_ok());
    assert!(read(&guests, &xml(0, 1000)).await.is_err());
}

#[tokio::test]
async fn what_a_dead_virtacld_decided_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (guests, server) = decided(&["a"], folder.path());
    assert!(read(&guests, &xml(0, 1000)).await.is_ok());
    server.stop_listening();
    server.drain(std::time::Duration::ZERO).await;
    // The end of the connection is heard of soon.
    while read(&guests, &xml(0, 1000)).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
