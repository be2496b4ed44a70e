//! Starting guests with the host: once a boot, whatever happens to the daemon after that
//! (WIRE.md section 25).

use std::sync::Arc;
use std::time::Duration;

use crate::driver::Driver;
use crate::guest::{Guest, StartOptions};

/// Starts the guests that are to start with the host, one after the other in the background,
/// unless that was done since the host booted: then `false`. The folder of the marker does not
/// outlive a boot.
pub fn autostart(driver: &Arc<Driver>) -> bool {
    if !virt_driver::is_first_since_boot(&driver.folders.state) {
        return false;
    }
    let guests = driver.registry.all().into_iter().filter(|guest| {
        let snapshot = guest.snapshot();
        snapshot.autostart || snapshot.autostart_once
    });
    let guests: Vec<_> = guests.collect();
    let driver = Arc::clone(driver);
    if !guests.is_empty() {
        tokio::spawn(async move {
            let pause = Duration::from_millis(u64::from(driver.conf.auto_start_delay));
            for guest in guests {
                start(&driver, &guest).await;
                tokio::time::sleep(pause).await;
            }
        });
    }
    true
}

async fn start(driver: &Arc<Driver>, guest: &Arc<Guest>) {
    let snapshot = guest.current();
    if snapshot.autostart_once {
        // Before the start: one that fails is not tried again with every boot.
        let (driver, name) = (Arc::clone(driver), Arc::clone(&snapshot.name));
        let forgotten =
            super::off_thread(move || driver.store.set_autostart_once(&name, false)).await;
        if let Err(error) = forgotten {
            tracing::error!("guest '{}' would start once more: {error}", snapshot.name);
        }
        let published = guest.run("autostart", |body| {
            Box::pin(async move {
                body.change(|snapshot| snapshot.autostart_once = false);
                Ok(())
            })
        });
        if let Err(error) = published.await {
            tracing::error!("guest '{}': {error}", snapshot.name);
        }
    }
    if snapshot.is_active() {
        return;
    }
    match guest.start(StartOptions::default()).await {
        Ok(()) => tracing::info!("guest '{}' started with the host", snapshot.name),
        Err(error) => tracing::error!(
            "guest '{}' does not start with the host: {error}",
            snapshot.name
        ),
    }
}
