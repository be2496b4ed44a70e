//! A picture of a guest's screen, as a stream.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;

use serde::Deserialize;
use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainScreenshot, DomainScreenshotRet};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::caps::CapFlag;
use crate::qmp::display::PictureFormat;
use crate::qmp::{Monitor, QmpError};

/// Bytes sent at once.
const PORTION: usize = 64 * 1024;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainScreenshot, _, _>(screenshot);
}

async fn screenshot(call: Call<DomainScreenshot, Session>) -> Result<DomainScreenshotRet> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, 0, "qemuDomainScreenshot")?;
    let (name, live) = {
        let snapshot = guest.guest().snapshot();
        (snapshot.name.clone(), snapshot.running()?.clone())
    };
    let head = head(&live.domain, call.args.screen)?;
    let (format, mime) = match live.qemu.caps.has(CapFlag::ScreenshotFormatPng) {
        true => (PictureFormat::Png, "image/png"),
        false => (PictureFormat::Ppm, "image/x-portable-pixmap"),
    };
    let picture = picture(&live.qemu.monitor, head, format).await;
    let mut picture = picture.map_err(|error| match error {
        Failed::Qemu(error) => error.about(&name),
        Failed::System(cause) => Error::system(ErrorDomain::Qemu, "cannot keep a picture", &cause),
    })?;
    call.serve_stream(|stream| async move {
        let mut buffer = vec![0; PORTION];
        loop {
            // Memory: reading it does not wait.
            let count = picture.read(&mut buffer).map_err(|cause| {
                Error::system(ErrorDomain::Qemu, "cannot read the picture", &cause)
            })?;
            if count == 0 {
                stream.end().await?;
                return Ok(());
            }
            stream.send(&buffer[..count]).await?;
        }
    });
    Ok(DomainScreenshotRet {
        mime: Some(mime.to_owned()),
    })
}

/// Video device and head of a screen, counted over all devices.
fn head(domain: &Domain, screen: u32) -> Result<Option<(String, u32)>> {
    let mut left = screen;
    for video in &domain.devices.videos {
        let heads = video.heads.max(1);
        if left < heads {
            let alias = video.info.alias();
            return Ok(alias.map(|alias| (alias.to_owned(), left)));
        }
        left -= heads;
    }
    Err(Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Qemu,
        "no such screen ID",
    ))
}

enum Failed {
    Qemu(QmpError),
    System(io::Error),
}

impl From<QmpError> for Failed {
    fn from(error: QmpError) -> Self {
        Self::Qemu(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Reply of `add-fd`.
#[derive(Deserialize)]
struct Added {
    #[serde(rename = "fdset-id")]
    set: u64,
}

/// Has QEMU draw into memory of ours, which it gets as a descriptor: so no folder is needed that
/// both can write to.
async fn picture(
    monitor: &Monitor,
    head: Option<(String, u32)>,
    format: PictureFormat,
) -> std::result::Result<File, Failed> {
    let memory = rustix::fs::memfd_create("screenshot", rustix::fs::MemfdFlags::CLOEXEC)
        .map_err(io::Error::from)?;
    let mut memory = File::from(memory);
    // QEMU takes a member of a set only for the access it was opened with.
    let write = OpenOptions::new()
        .write(true)
        .open(format!("/proc/self/fd/{}", memory.as_raw_fd()))?;
    let added: Added = monitor
        .send_with_fd("add-fd", None, Some(write.into()))
        .read()
        .await?;
    let head = head.as_ref().map(|(device, head)| (device.as_str(), *head));
    let file = format!("/dev/fdset/{}", added.set);
    let drawn = monitor.screendump(&file, head, format);
    let set = serde_json::json!({ "fdset-id": added.set });
    let drawn = drawn.await;
    let removed = monitor.send("remove-fd", Some(set));
    drawn?;
    removed.await?;
    memory.seek(SeekFrom::Start(0))?;
    Ok(memory)
}
