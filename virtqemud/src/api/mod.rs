//! The handlers of calls, one file an idea. Each file registers its own:
//!
//! ```ignore
//! pub fn register(router: &mut Router<Session>) {
//!     router.call::<DomainGetState>(state);
//!     router.task::<DomainDefineXml, _, _>(define);
//! }
//!
//! fn state(call: &Call<DomainGetState, Session>) -> Result<DomainGetStateRet> {
//!     let guest = call.session().guest(call, &call.args.dom)?;
//!     ...
//! }
//! ```
//!
//! What has no handler is answered by the router: "this function is not supported by the
//! connection driver".

mod agent;
mod autostart;
mod capabilities;
mod console;
mod cpu;
mod define;
mod devices;
mod dump;
mod events;
pub mod flags;
mod iothread;
mod job;
mod lifecycle;
mod memory;
mod messages;
mod monitor;
mod native;
mod open;
mod pin;
mod save;
mod screenshot;
mod send_key;
mod session;
mod set_vcpu;
mod state;
mod vcpu;
mod xml;

use std::sync::Arc;

use virt_driver::secondary::PassOn;
use virt_rpc::protocol::Program;
use virt_rpc::server::Router;

use crate::driver::Driver;

pub use session::{Proof, Session};

/// All handlers of the driver.
pub fn router(driver: Arc<Driver>) -> Router<Session> {
    let mut router = Router::new(&[Program::Remote, Program::Qemu], move |client, opening| {
        Session::open(&driver, client, opening)
    });
    router.forward(PassOn);
    open::register(&mut router);
    native::register(&mut router);
    lifecycle::register(&mut router);
    virt_driver::api::node::register(&mut router);
    capabilities::register(&mut router);
    cpu::register(&mut router);
    virt_driver::api::register(&mut router);
    define::register(&mut router);
    xml::register(&mut router);
    state::register(&mut router);
    events::register(&mut router);
    autostart::register(&mut router);
    memory::register(&mut router);
    vcpu::register(&mut router);
    pin::register(&mut router);
    virt_tuning::api::register(&mut router);
    set_vcpu::register(&mut router);
    iothread::register(&mut router);
    send_key::register(&mut router);
    dump::register(&mut router);
    console::register(&mut router);
    messages::register(&mut router);
    monitor::register(&mut router);
    save::register(&mut router);
    screenshot::register(&mut router);
    agent::register(&mut router);
    job::register(&mut router);
    virt_driver::api::stats::register(&mut router);
    devices::register(&mut router);
    virt_hotplug::register(&mut router);
    router
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu_conf::QemuConf;
    use virt_daemon::Paths;
    use virt_daemon::conf::Document;

    /// A second handler of a row is an error of the program, which the router finds.
    #[test]
    fn every_handler_serves_a_row_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::system(Some(root.path()));
        let empty = Document::parse("qemu.conf".as_ref(), "").unwrap();
        let conf = QemuConf::read(empty, &paths).unwrap();
        router(Arc::new(
            Driver::new(
                paths,
                conf,
                virt_driver::access::Access::All,
                virt_driver::audit::Auditor::none(),
            )
            .unwrap(),
        ));
    }
}
