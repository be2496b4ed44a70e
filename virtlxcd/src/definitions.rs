//! Definitions of containers between clients, the disk and the registry: written durably off the
//! daemon's thread first, published after that.

use std::sync::Arc;

use uuid::Uuid;
use virt_domain::Domain;
use virt_driver::{Definition, Event, Guest as _, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::driver::Driver;
use crate::guest::{Body, Guest, Snapshot};

/// Lifecycle event "defined"; whether it was added or updated is the detail (`libvirt-domain.h`).
const DEFINED: i32 = 0;
const ADDED: i32 = 0;
const UPDATED: i32 = 1;

/// Lifecycle event "undefined", detail "removed".
const UNDEFINED: Event = Event::Lifecycle {
    event: 1,
    detail: 0,
};

fn invalid(what: &str) -> Error {
    Error::new(ErrorCode::OperationInvalid, ErrorDomain::Lxc, what)
}

/// Writes a definition durably.
///
/// # Errors
/// SYSTEM_ERROR when it can't be written.
pub async fn write(
    driver: &Arc<Driver>,
    name: &Arc<str>,
    definition: &Arc<Definition>,
) -> Result<()> {
    let (driver, name) = (Arc::clone(driver), Arc::clone(name));
    let definition = Arc::clone(definition);
    off_thread(move || driver.store.write(&name, definition.text())).await
}

/// Defines the container: written durably, published, told.
///
/// # Errors
/// OPERATION_FAILED when its name or UUID belong to another, SYSTEM_ERROR when it can't be written.
pub async fn define(driver: &Arc<Driver>, domain: Box<Domain>) -> Result<Arc<Guest>> {
    let uuid = domain.uuid;
    let reserved = driver.registry.reserve(&domain.name, uuid);
    let reserved = reserved.map_err(|taken| taken.refusal(&domain.name, uuid, ErrorDomain::Lxc))?;
    let definition = Arc::new(Definition::new(*domain)?);
    let (guest, detail) = match reserved {
        Err(guest) => {
            guest
                .run("define", |body| Box::pin(replace(body, definition)))
                .await?;
            (guest, UPDATED)
        }
        Ok(reservation) => {
            write(driver, reservation.name(), &definition).await?;
            let snapshot = Snapshot {
                definition: Some(definition),
                ..Snapshot::inactive(Arc::clone(reservation.name()))
            };
            let guest = Guest::new(driver, uuid, snapshot);
            reservation.insert(Arc::clone(&guest));
            (guest, ADDED)
        }
    };
    let event = Event::Lifecycle {
        event: DEFINED,
        detail,
    };
    driver.events.emit(&*guest, event);
    Ok(guest)
}

async fn replace(body: &mut Body, definition: Arc<Definition>) -> Result<()> {
    let name = body.guest().name();
    let driver = Arc::clone(body.driver());
    write(&driver, &name, &definition).await?;
    body.change(|snapshot| {
        snapshot.definition = Some(definition);
        snapshot.updated = true;
    });
    Ok(())
}

/// Makes the container transient, and forgets it when it does not run.
///
/// # Errors
/// OPERATION_INVALID when it is transient, SYSTEM_ERROR when its definition can't be removed.
pub async fn undefine(guest: &Arc<Guest>) -> Result<()> {
    guest.run("undefine", |body| Box::pin(remove(body))).await
}

async fn remove(body: &mut Body) -> Result<()> {
    let guest = Arc::clone(body.guest());
    let driver = Arc::clone(guest.driver());
    let snapshot = guest.current();
    if snapshot.definition.is_none() {
        return Err(invalid("cannot undefine transient domain"));
    }
    let (store, name) = (Arc::clone(&driver), Arc::clone(&snapshot.name));
    off_thread(move || store.store.remove(&name)).await?;
    let dom = guest.on_the_wire();
    if !snapshot.is_active() {
        driver.registry.remove(&guest);
    }
    body.change(|snapshot| {
        snapshot.definition = None;
        snapshot.autostart = false;
    });
    driver.events.emit_as(&*guest, dom, UNDEFINED);
    Ok(())
}

/// Has the container start with the host, or not.
///
/// # Errors
/// OPERATION_INVALID when it is transient, SYSTEM_ERROR when the link can't be made or removed.
pub async fn set_autostart(guest: &Arc<Guest>, on: bool) -> Result<()> {
    guest
        .run("autostart", move |body| Box::pin(link(body, on)))
        .await
}

async fn link(body: &mut Body, on: bool) -> Result<()> {
    let snapshot = body.guest().current();
    if snapshot.definition.is_none() {
        return Err(invalid("Cannot set autostart for transient domain"));
    }
    let (driver, name) = (Arc::clone(body.driver()), Arc::clone(&snapshot.name));
    off_thread(move || driver.store.set_autostart(&name, on)).await?;
    body.change(|snapshot| snapshot.autostart = on);
    Ok(())
}

/// Puts the persistent containers into the registry: those that run are there already and get their
/// definition. What is no definition, or not the one its file's name says, is logged and left out.
/// Blocks.
///
/// # Errors
/// SYSTEM_ERROR when the folder can't be read.
pub fn load(driver: &Arc<Driver>) -> Result<()> {
    let autostarted = driver.store.autostarted();
    driver.store.load(|file, text| {
        let added = match Definition::found(text) {
            Ok((name, uuid, definition)) if &*name == file => {
                let snapshot = Snapshot {
                    definition: Some(Arc::new(definition)),
                    autostart: autostarted.contains(file),
                    ..Snapshot::inactive(name)
                };
                add(driver, uuid, snapshot)
            }
            Ok((name, ..)) => Err(format!("it defines a container of another name, '{name}'")),
            Err(what) => Err(what),
        };
        if let Err(what) = added {
            tracing::error!(
                "the definition '{}' is left out: {what}",
                driver.store.path(file).display()
            );
        }
    })
}

fn add(driver: &Arc<Driver>, uuid: Uuid, snapshot: Snapshot) -> Result<(), String> {
    if let Some(running) = driver.registry.by_uuid(&uuid) {
        if running.name() != snapshot.name {
            return Err(format!("container '{}' has its UUID", running.name()));
        }
        // Read again on SIGHUP: who is served already has what is on disk.
        if running.snapshot().definition.is_none() {
            running.adopt_definition(snapshot);
        }
        return Ok(());
    }
    let guest = Guest::new(driver, uuid, snapshot);
    match driver.registry.insert_found(guest) {
        true => Ok(()),
        false => Err("there is a running container of that name".into()),
    }
}

/// Starts the containers that are to start with the host, one after the other in the background,
/// unless that was done since the host booted.
pub fn autostart(driver: &Arc<Driver>) {
    if !virt_driver::is_first_since_boot(&driver.folders.state) {
        return;
    }
    let guests = driver.registry.all().into_iter();
    let guests: Vec<_> = guests
        .filter(|guest| guest.facts().autostart && !guest.facts().is_active())
        .collect();
    tokio::spawn(async move {
        for guest in guests {
            let name = guest.name();
            match guest.start().await {
                Ok(()) => tracing::info!(guest = %name, "started with the host"),
                Err(error) => {
                    tracing::error!(guest = %name, %error, "does not start with the host");
                }
            }
        }
    });
}
