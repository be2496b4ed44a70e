//! Finding the persistent definitions when the daemon starts.
//!
//! Each file is gone through once for its facts ([`Definition::found`]); the model is made when
//! someone asks for it. So ten thousand guests are there in a fraction of a second, and one
//! whose definition is wrong does not keep the others from being served.

use std::sync::Arc;
use std::time::Instant;

use virt_driver::{Definition, Guest as _};
use virt_error::Result;

use crate::driver::Driver;
use crate::guest::{Guest, Snapshot};

/// Puts the persistent guests into the registry: those that run are there already and get their
/// definition. What is no definition, or not the one its file's name says, is logged and left
/// out. Blocks.
///
/// # Errors
/// SYSTEM_ERROR when the directory can't be read.
pub fn load(driver: &Arc<Driver>) -> Result<usize> {
    let begun = Instant::now();
    let autostarted = driver.store.autostarted();
    let autostarted_once = driver.store.autostarted_once();
    let saved = saved(driver);
    let mut found = 0;
    driver.store.load(|file, text| {
        let snapshot = match Definition::found(text) {
            Ok((name, uuid, definition)) if &*name == file => {
                let snapshot = Snapshot {
                    definition: Some(Arc::new(definition)),
                    autostart: autostarted.contains(file),
                    autostart_once: autostarted_once.contains(file),
                    managed_save: saved.contains(file),
                    ..Snapshot::inactive(name)
                };
                Ok((uuid, snapshot))
            }
            Ok((name, ..)) => Err(format!("it defines a guest of another name, '{name}'")),
            Err(what) => Err(what),
        };
        let added = snapshot.and_then(|(uuid, snapshot)| add(driver, uuid, snapshot));
        match added {
            Ok(()) => found += 1,
            Err(what) => tracing::error!(
                "the definition '{}' is left out: {what}",
                driver.store.path(file).display()
            ),
        }
    })?;
    tracing::info!("{found} definitions loaded in {:?}", begun.elapsed());
    Ok(found)
}

fn add(driver: &Arc<Driver>, uuid: uuid::Uuid, snapshot: Snapshot) -> Result<(), String> {
    if let Some(running) = driver.registry.by_uuid(&uuid) {
        if running.name() != snapshot.name {
            return Err(format!("guest '{}' has its UUID", running.name()));
        }
        // Read again on SIGHUP: who is served already has what is on disk.
        if running.snapshot().definition.is_none() {
            running.adopt_definition(snapshot);
        }
        return Ok(());
    }
    let name = Arc::clone(&snapshot.name);
    let guest = Guest::new(driver, uuid, snapshot);
    match driver.registry.insert_found(guest) {
        true => Ok(()),
        false => Err(format!("there is a running guest of the name '{name}'")),
    }
}

/// The names with a managed save image.
fn saved(driver: &Driver) -> std::collections::HashSet<String> {
    let Ok(entries) = std::fs::read_dir(&driver.folders.save) else {
        return std::collections::HashSet::new(); // None was ever made.
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| Some(file.strip_suffix(".save")?.to_owned()))
        .collect()
}
