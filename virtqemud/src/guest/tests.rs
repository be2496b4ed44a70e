//! What several tests of guests need.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;
use virt_daemon::Paths;
use virt_daemon::conf::Document;

use super::{Guest, Snapshot};
use crate::driver::Driver;
use crate::qemu_conf::QemuConf;

/// A driver whose files are in a folder of the test's own.
pub(crate) fn driver(root: &Path) -> Arc<Driver> {
    let paths = Paths::system(Some(root));
    let document = Document::parse(Path::new("qemu.conf"), "").unwrap();
    let conf = QemuConf::read(document, &paths).unwrap();
    let driver = Driver::new(
        paths,
        conf,
        virt_driver::access::Access::All,
        virt_driver::audit::Auditor::none(),
    )
    .unwrap();
    driver.folders.create().unwrap();
    Arc::new(driver)
}

/// A guest that is shut off and has no definition.
pub(crate) fn guest(driver: &Arc<Driver>, name: &str) -> Arc<Guest> {
    Guest::new(driver, Uuid::from_u128(1), Snapshot::inactive(name))
}
