//! The tray of a drive: whether it is open, and having it opened.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use virt_domain::devices::disk::Tray;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::guest::Body;
use crate::qmp::block::Drive;

/// How long a guest that locked its tray may take to open it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const INTERVAL: Duration = Duration::from_millis(100);

/// A drive whose tray is to be opened.
pub(super) struct Drawer<'a> {
    /// Its device's path among QEMU's objects, or its id.
    pub id: &'a str,
    pub alias: &'a str,
    /// Open it though the guest locked it.
    pub force: bool,
}

/// Whether the drive is QEMU's of that name: its device or something below it.
fn is_of(drive: &Drive, alias: &str) -> bool {
    drive.qdev == alias || drive.qdev.split('/').any(|part| part == alias)
}

impl Body {
    /// Notes that the tray of a drive was moved.
    pub(crate) fn tray_moved(&mut self, alias: &str, open: bool) {
        // A guest that is gone by now has no drives.
        let _ = self.change_live(|live| {
            let mut disks = Arc::make_mut(&mut live.domain).devices.disks.iter_mut();
            if let Some(disk) = disks.find(|disk| disk.info.alias() == Some(alias)) {
                disk.target.tray = open.then_some(Tray::Open);
            }
        });
    }

    /// Does to the drive what needs an open tray, which is opened for it, by a guest that locked it
    /// unless `force`.
    ///
    /// A guest that resets its IDE controller, as firmware does when it starts, closes a tray without
    /// a word (seen with QEMU 10): then it is opened again.
    ///
    /// # Errors
    /// OPERATION_FAILED when the guest does not open the tray in time; what QEMU says to the command.
    pub(super) async fn at_open_tray(
        &mut self,
        drive: &Drawer<'_>,
        command: &'static str,
        arguments: serde_json::Value,
    ) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            self.open_tray(drive, deadline).await?;
            let monitor = self.live()?.qemu.monitor.clone();
            let done = monitor.send(command, Some(arguments.clone()));
            let Err(error) = self.attend(done).await else {
                return Ok(());
            };
            let closed_meanwhile = self
                .drive(drive.alias)
                .await?
                .is_some_and(|drive| drive.tray_open == Some(false));
            if !closed_meanwhile || tokio::time::Instant::now() >= deadline {
                return Err(error.about(&self.name()));
            }
        }
    }

    async fn open_tray(
        &mut self,
        drawer: &Drawer<'_>,
        deadline: tokio::time::Instant,
    ) -> Result<()> {
        let monitor = self.live()?.qemu.monitor.clone();
        let mut ask = true;
        loop {
            if ask {
                let asked = json!({ "id": drawer.id, "force": drawer.force });
                let asked = monitor.send("blockdev-open-tray", Some(asked));
                let asked = self.attend(asked).await;
                asked.map_err(|error| error.about(&self.name()))?;
            }
            let drive = self.drive(drawer.alias).await?;
            // A drive without a tray is as one that is open.
            let Some(drive) = drive.filter(|drive| drive.tray_open == Some(false)) else {
                return Ok(());
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorCode::OperationFailed,
                    ErrorDomain::Qemu,
                    format!(
                        "timed out waiting to open tray of '{}': the guest has locked it; \
                         eject the medium there, or use --force",
                        drawer.alias
                    ),
                ));
            }
            // A guest that locked it was asked, and is not asked ten times a second.
            ask = !drive.locked;
            self.attend(tokio::time::sleep(INTERVAL)).await;
        }
    }

    async fn drive(&mut self, alias: &str) -> Result<Option<Drive>> {
        let monitor = self.live()?.qemu.monitor.clone();
        let drives = self.attend(monitor.drives()).await;
        let drives = drives.map_err(|error| error.about(&self.name()))?;
        Ok(drives.into_iter().find(|drive| is_of(drive, alias)))
    }

    /// Has the drive's tray closed.
    pub(super) async fn close_tray(&mut self, id: &str) -> Result<()> {
        let monitor = self.live()?.qemu.monitor.clone();
        let asked = monitor.send("blockdev-close-tray", Some(json!({ "id": id })));
        let asked = self.attend(asked).await;
        asked.map_err(|error| error.about(&self.name()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_known_by_its_path_among_qemus_objects() {
        let drive = |qdev: &str| Drive {
            device: String::new(),
            qdev: qdev.to_owned(),
            removable: true,
            locked: false,
            tray_open: Some(false),
            io_status: None,
        };
        assert!(is_of(&drive("ide0-1-0"), "ide0-1-0"));
        assert!(is_of(
            &drive("/machine/peripheral/usb-disk0/usb-disk0.0"),
            "usb-disk0"
        ));
        assert!(!is_of(&drive("ide0-1-01"), "ide0-1-0"));
    }
}
