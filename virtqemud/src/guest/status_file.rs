//! Writing the guest's status file.

use std::sync::Arc;

use virt_error::{Error, ErrorDomain, Result};

use virt_driver::description::not_running;

use super::body::Body;
use crate::status::Status;

impl Body {
    /// Replaces the status file by what the guest is now.
    ///
    /// # Errors
    /// SYSTEM_ERROR that names the file; OPERATION_INVALID when the guest does not run.
    pub(crate) async fn write_status(&mut self) -> Result<()> {
        let snapshot = self.guest().current();
        let running = self.running.as_ref().ok_or_else(not_running)?;
        let live = self.live()?;
        let status = Status {
            state: snapshot.state,
            pid: live.qemu.process.pid(),
            taints: live.taints.to_vec(),
            deprecations: live.deprecations.to_vec(),
            vcpus: live.vcpus.to_vec(),
            kept: running.kept.clone(),
            domain: Arc::clone(&live.domain),
        };
        let path = self.driver().folders.status(&snapshot.name);
        let written = tokio::task::spawn_blocking(move || {
            let comment = virt_driver::warning(&status.domain.name);
            let text = status.to_xml();
            virt_driver::durable::replace(&path, &[comment.as_bytes(), text.as_bytes()])
                .map_err(|cause| (path, cause))
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err((path, cause))) => {
                let what = format!("cannot write config file '{}'", path.display());
                Err(Error::system(ErrorDomain::Qemu, what, &cause))
            }
            Err(fault) => Err(Error::new(
                virt_error::ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!("the status file was not written: {fault}"),
            )),
        }
    }
}
