//! The handlers of calls, one file an idea; those that any driver has are `virt_driver::api`'s. What has
//! no handler is answered by the router: "this function is not supported by the connection driver".

mod capabilities;
mod console;
mod define;
mod file_systems;
mod interfaces;
mod lifecycle;
mod namespaces;
mod native;
mod open;
mod session;
mod shutdown;
mod signal;
mod state;
mod used;
mod vcpus;
mod xml;

use std::sync::Arc;

use virt_driver::secondary::PassOn;
use virt_rpc::protocol::Program;
use virt_rpc::server::Router;

use crate::driver::Driver;

pub use session::Session;

/// All handlers of the driver.
pub fn router(driver: Arc<Driver>) -> Router<Session> {
    let mut router = Router::new(&[Program::Remote, Program::Lxc], move |client, opening| {
        Session::open(&driver, client, opening)
    });
    router.forward(PassOn);
    virt_driver::api::register(&mut router);
    virt_driver::api::node::register(&mut router);
    virt_tuning::api::register(&mut router);
    open::register(&mut router);
    define::register(&mut router);
    lifecycle::register(&mut router);
    shutdown::register(&mut router);
    signal::register(&mut router);
    state::register(&mut router);
    used::register(&mut router);
    virt_driver::api::stats::register(&mut router);
    vcpus::register(&mut router);
    xml::register(&mut router);
    console::register(&mut router);
    capabilities::register(&mut router);
    virt_hotplug::register(&mut router);
    interfaces::register(&mut router);
    native::register(&mut router);
    file_systems::register(&mut router);
    namespaces::register(&mut router);
    router
}
