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

    /// Has the drive's tray opened, by a guest that locked it unless `force`.
    ///
    /// # Errors
    /// OPERATION_FAILED when the guest does not open it in time.
    pub(super) async fn open_tray(&mut self, id: &str, alias: &str, force: bool) -> Result<()> {
        let monitor = self.live()?.qemu.monitor.clone();
        let name = self.name();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let asked = json!({ "id": id, "force": force });
        let asked = monitor.send("blockdev-open-tray", Some(asked));
        let asked = self.attend(asked).await;
        asked.map_err(|error| error.about(&name))?;
        loop {
            let drives = self.attend(monitor.drives()).await;
            let drives = drives.map_err(|error| error.about(&name))?;
            let drive = drives.iter().find(|drive| is_of(drive, alias));
            // A drive without a tray is as one that is open.
            if drive.is_none_or(|drive| drive.tray_open != Some(false)) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorCode::OperationFailed,
                    ErrorDomain::Qemu,
                    format!(
                        "timed out waiting to open tray of '{alias}': the guest has locked it; \
                         eject the medium there, or use --force"
                    ),
                ));
            }
            self.attend(tokio::time::sleep(INTERVAL)).await;
        }
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
