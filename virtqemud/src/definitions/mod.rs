//! Definitions of guests between clients, the disk and the registry.
//!
//! Everything that changes what is kept about a guest goes through here: written durably off the
//! daemon's thread first, published after that.

mod autostart;
mod load;
mod make;

use std::path::Path;
use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::Definition;
use virt_error::Result;

use crate::caps::QemuCaps;
use crate::define::{self, Context, Origin};
use crate::driver::Driver;

pub use autostart::autostart;
pub use load::load;
pub use virt_driver::{change, change_live, off_thread, replace};

pub use make::{Defined, define};

/// Reads a client's definition and completes it: defaults, addresses, checks.
///
/// # Errors
/// What is wrong with it, by name.
pub async fn read(
    driver: &Driver,
    xml: &str,
    origin: Origin,
) -> Result<(Box<Domain>, Arc<QemuCaps>)> {
    let domain = define::read(xml, &driver.config)?;
    complete(driver, domain, origin).await
}

/// Completes a definition: defaults, addresses, checks.
///
/// # Errors
/// What is wrong with it, by name.
pub async fn complete(
    driver: &Driver,
    mut domain: Box<Domain>,
    origin: Origin,
) -> Result<(Box<Domain>, Arc<QemuCaps>)> {
    let emulator = domain.devices.emulator.clone().unwrap_or_default();
    let emulator = Path::new(&emulator);
    let caps = match driver.prober.caps_now(emulator) {
        Some(caps) => caps,
        None => driver.prober.caps(emulator).await?,
    };
    let context = Context {
        caps: &caps,
        config: &driver.config,
        origin,
        random: virt_domain::random,
    };
    define::complete(&mut domain, &context)?;
    Ok((domain, caps))
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
