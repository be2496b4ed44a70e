//! `vhost-user-gpu`: a process that draws a virtio graphics card's screen.

use std::path::PathBuf;

use virt_domain::devices::video::Video;
use virt_error::Result;

use super::none_found;
use super::program::{self, Capabilities, Kind};

fn render_node(video: &Video) -> Option<&str> {
    video.acceleration.as_ref()?.rendernode.as_deref()
}

/// The program for the card.
///
/// # Errors
/// OPERATION_FAILED when there is none that can do what the card needs.
pub(super) fn find(folders: &[PathBuf], video: &Video) -> Result<(PathBuf, Capabilities)> {
    let fits = |capabilities: &Capabilities| {
        (!video.accel3d() || capabilities.has("virgl"))
            && (render_node(video).is_none() || capabilities.has("render-node"))
    };
    program::first(folders, Kind::Gpu, fits)?.ok_or_else(|| none_found("vhost-user-gpu"))
}

/// Its arguments; `fd` is its connection with QEMU.
pub fn arguments(fd: i32, capabilities: &Capabilities, video: &Video) -> Vec<String> {
    let mut arguments = vec![format!("--fd={fd}")];
    if video.accel3d() && capabilities.has("virgl") {
        arguments.push("--virgl".to_owned());
    }
    if let Some(node) = render_node(video).filter(|_| capabilities.has("render-node")) {
        arguments.push(format!("--render-node={node}"));
    }
    arguments
}
