//! Mounts a file system at a folder that never answers: FUSE (fuse(4)), and nobody reads what the
//! kernel asks. Stays until it is killed, which ends the file system.

#![allow(
    clippy::expect_used,
    reason = "a part of tests: a failure is the test's failure"
)]

use std::os::fd::AsRawFd;

use nix::mount::{MsFlags, mount};

fn main() {
    let folder = std::env::args_os().nth(1).expect("a folder");
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .expect("/dev/fuse");
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0",
        device.as_raw_fd()
    );
    mount(
        Some("silent"),
        folder.as_os_str(),
        Some("fuse"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )
    .expect("mount");
    loop {
        std::thread::park();
    }
}
