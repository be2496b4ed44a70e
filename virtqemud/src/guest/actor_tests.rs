//! The actor of a guest that does not run.

use std::sync::Arc;
use std::time::Duration;

use super::Guest;
use virt_driver::actor::HasActor as _;

fn guest() -> (tempfile::TempDir, Arc<Guest>) {
    let root = tempfile::tempdir().unwrap();
    let guest = crate::guest::tests::guest(&crate::guest::tests::driver(root.path()), "a");
    (root, guest)
}

#[tokio::test]
async fn jobs_run_one_after_the_other_and_the_actor_leaves() {
    let (_root, guest) = guest();
    let first = guest.run("first", |body| {
        Box::pin(async move {
            tokio::task::yield_now().await;
            body.change(|s| s.id = Some(1));
            Ok(())
        })
    });
    let second = guest.run("second", |body| {
        Box::pin(async move {
            body.change(|s| s.id = s.id.map(|id| id + 1));
            Ok(7)
        })
    });
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first, second), (Ok(()), Ok(7)));
    assert_eq!(guest.snapshot().id, Some(2));
    tokio::task::yield_now().await;
    assert!(guest.mailbox().is_closed());
}

#[tokio::test]
async fn a_panic_fails_its_own_job_only() {
    let (_root, guest) = guest();
    let error = guest
        .run::<()>("bad", |_| Box::pin(async { panic!("on purpose") }))
        .await
        .unwrap_err();
    assert!(error.message().contains("'bad'"), "{error}");
    assert_eq!(
        guest.run("good", |_| Box::pin(async { Ok(1) })).await,
        Ok(1)
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_for_what() {
    let (_root, guest) = guest();
    let long = Arc::clone(&guest);
    tokio::spawn(async move {
        long.run("slow", |_| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(())
            })
        })
        .await
    });
    tokio::task::yield_now().await;
    let error = guest
        .run("next", |_| Box::pin(async { Ok(()) }))
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "Timed out during operation: cannot acquire state change lock (held by slow)"
    );
}
