//! Devices that come to a guest, change and go: of the running guest, of its definition, or of both.
//!
//! What a client may mean, what becomes of the definition and the calls themselves are the same for all
//! drivers; what is done to a running guest is the driver's own ([`Hotplug`]). Texts of refusals are the
//! stock daemon's, as watched.

mod api;
mod definition;
mod device;
mod document;
pub mod lease;
pub mod plain;

use std::future::Future;

use virt_domain::Domain;
use virt_driver::Edit;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub use api::register;
pub use device::Device;
pub use plain::Plain;

/// Which device is meant.
#[derive(Debug, Clone)]
pub enum Which {
    /// The one that this describes.
    Like(Device),
    /// The one of that name.
    Alias(String),
}

/// What an actor does to the devices of its guest.
pub trait Hotplug: Edit {
    /// Completes a definition whose devices were changed, and checks it.
    ///
    /// # Errors
    /// What is wrong with it, by name.
    fn completed(&self, domain: Box<Domain>) -> impl Future<Output = Result<Box<Domain>>> + Send;

    /// Gives the running guest a device.
    ///
    /// # Errors
    /// What can't be had, by name. Nothing is left of it then.
    fn attach(&mut self, device: Device) -> impl Future<Output = Result<()>> + Send;

    /// Takes a device from the running guest.
    ///
    /// # Errors
    /// DEVICE_MISSING, OPERATION_UNSUPPORTED for what can't be taken away, OPERATION_FAILED when the
    /// guest refuses.
    fn detach(&mut self, which: Which) -> impl Future<Output = Result<()>> + Send;

    /// Changes a device of the running guest. `force`: whatever the guest says to that.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED naming what can't be changed; as [`Self::attach`].
    fn update(&mut self, device: Device, force: bool) -> impl Future<Output = Result<()>> + Send;
}

/// The refusal of a name that no device has.
pub fn no_such_alias(driver: ErrorDomain, alias: &str) -> Error {
    let what = format!("no device found with alias {alias}");
    Error::new(ErrorCode::InternalError, driver, what)
}

/// OPERATION_UNSUPPORTED.
pub fn unsupported(driver: ErrorDomain, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationUnsupported, driver, what)
}

/// DEVICE_MISSING.
pub fn missing(driver: ErrorDomain, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::DeviceMissing, driver, what)
}

fn invalid(driver: ErrorDomain, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationInvalid, driver, what)
}

fn wrong(driver: ErrorDomain, what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, driver, what)
}
