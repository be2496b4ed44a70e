//! Screens and the remote displays that show them.

use serde_json::json;

use super::monitor::{Monitor, Pending};

/// Format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// Portable pixmap, understood by every QEMU.
    Ppm,
    /// PNG, QEMU 7.1 and later.
    Png,
}

impl Monitor {
    /// `screendump` of a head of a video device (first device and head when `None`) into a file
    /// that QEMU opens.
    pub fn screendump(
        &self,
        file: &str,
        device_and_head: Option<(&str, u32)>,
        format: PictureFormat,
    ) -> Pending {
        let mut arguments = json!({ "filename": file });
        if let Some((device, head)) = device_and_head {
            arguments["device"] = device.into();
            arguments["head"] = head.into();
        }
        if format == PictureFormat::Png {
            arguments["format"] = "png".into();
        }
        self.send("screendump", Some(arguments))
    }

    /// `set_password` of a display (`vnc`, `spice`).
    pub fn set_display_password(&self, protocol: &str, password: &str) -> Pending {
        let arguments = json!({ "protocol": protocol, "password": password });
        self.send("set_password", Some(arguments))
    }

    /// `expire_password`: `never`, `now`, or seconds since the epoch.
    pub fn expire_display_password(&self, protocol: &str, time: &str) -> Pending {
        let arguments = json!({ "protocol": protocol, "time": time });
        self.send("expire_password", Some(arguments))
    }
}
