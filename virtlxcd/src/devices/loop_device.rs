//! Images as block devices: the kernel's loop devices (loop(4)).
//!
//! Each carries the name of the container and of the device in it, so that whoever cleans up finds it
//! without having been told. Until it is kept the kernel takes it away with this process.

#![allow(unsafe_code, reason = "loop(4) is used by ioctl(2) alone")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use linux_raw_sys::loop_device::{
    LO_FLAGS_AUTOCLEAR, LO_FLAGS_READ_ONLY, LOOP_CLR_FD, LOOP_CONFIGURE, LOOP_CTL_GET_FREE,
    LOOP_GET_STATUS64, LOOP_SET_STATUS64, loop_config, loop_info64,
};
use nix::errno::Errno;
use nix::libc;
use uuid::Uuid;

const CONTROL: &str = "/dev/loop-control";

/// How often a free device is looked for that others take first.
const TRIES: usize = 64;

nix::ioctl_none_bad!(get_free, LOOP_CTL_GET_FREE);
nix::ioctl_write_ptr_bad!(configure, LOOP_CONFIGURE, loop_config);
nix::ioctl_read_bad!(get_status, LOOP_GET_STATUS64, loop_info64);
nix::ioctl_write_ptr_bad!(set_status, LOOP_SET_STATUS64, loop_info64);
nix::ioctl_none_bad!(clear, LOOP_CLR_FD);

/// An image that is a block device.
#[derive(Debug)]
pub struct LoopDevice {
    file: File,
    path: String,
}

impl LoopDevice {
    /// Makes the image the device `name` of a container.
    ///
    /// # Errors
    /// The system's; an image that is no file.
    pub fn of_image(image: &Path, readonly: bool, container: Uuid, name: &str) -> io::Result<Self> {
        let image = OpenOptions::new()
            .read(true)
            .write(!readonly)
            // A pipe would be waited for.
            .custom_flags(libc::O_NONBLOCK)
            .open(image)?;
        if !image.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut info = nothing();
        info.lo_file_name = label(container, name);
        info.lo_flags = LO_FLAGS_AUTOCLEAR as u32;
        if readonly {
            info.lo_flags |= LO_FLAGS_READ_ONLY as u32;
        }
        let config = loop_config {
            fd: u32::try_from(image.as_raw_fd()).map_err(io::Error::other)?,
            block_size: 0,
            info,
            __reserved: [0; 8],
        };
        let control = File::options().read(true).write(true).open(CONTROL)?;
        for _ in 0..TRIES {
            // SAFETY: the call takes nothing and gives a number.
            let number = unsafe { get_free(control.as_raw_fd()) }?;
            let path = format!("/dev/loop{number}");
            let file = File::options().read(true).write(!readonly).open(&path)?;
            // SAFETY: the kernel copies the value, whose file is open.
            match unsafe { configure(file.as_raw_fd(), &config) } {
                Ok(_) => return Ok(Self { file, path }),
                // Another has taken it.
                Err(Errno::EBUSY) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other(
            "all free loop devices are taken by others",
        ))
    }

    /// Its path on the host.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Has it stay after this value, and this process, are gone: until [`release`].
    ///
    /// # Errors
    /// The system's.
    pub fn keep(self) -> io::Result<()> {
        let mut info = status(&self.file)?;
        info.lo_flags &= !(LO_FLAGS_AUTOCLEAR as u32);
        // SAFETY: the kernel copies the value.
        unsafe { set_status(self.file.as_raw_fd(), &info) }?;
        Ok(())
    }
}

/// Takes away the loop devices of a container: the one of that name, or all of them. One that is still
/// used goes when it is not any more.
pub fn release(container: Uuid, name: Option<&str>) {
    for (path, file) in known(container, name) {
        // SAFETY: the call takes nothing.
        if let Err(error) = unsafe { clear(file.as_raw_fd()) } {
            tracing::warn!("'{path}' is not taken away: {error}");
        }
    }
}

/// The loop device of that name of a container.
pub fn find(container: Uuid, name: &str) -> Option<String> {
    let mut found = known(container, Some(name));
    found.pop().map(|(path, _)| path)
}

/// Those that carry the container's name, and that of a device if one is given.
fn known(container: Uuid, name: Option<&str>) -> Vec<(String, File)> {
    let wanted = label(container, name.unwrap_or_default());
    let length = text(&wanted).len();
    let is_it = |info: loop_info64| match name {
        Some(_) => text(&info.lo_file_name) == text(&wanted),
        None => info.lo_file_name.get(..length) == wanted.get(..length),
    };
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten();
    let found = devices.flatten().filter_map(|device| {
        let name = device.file_name().into_string().ok()?;
        // What is bound to none has none to open.
        let bound = name.starts_with("loop") && device.path().join("loop").exists();
        let path = format!("/dev/{name}");
        let file = bound.then(|| File::open(&path).ok()).flatten()?;
        status(&file).is_ok_and(is_it).then_some((path, file))
    });
    found.collect()
}

/// What a device is known by: `lxc/UUID/NAME`, as much of it as fits.
fn label(container: Uuid, name: &str) -> [u8; 64] {
    let mut label = [0; 64];
    let text = format!("lxc/{container}/{name}");
    // One byte ends it.
    for (to, from) in label.iter_mut().take(63).zip(text.bytes()) {
        *to = from;
    }
    label
}

fn text(label: &[u8; 64]) -> &[u8] {
    label.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn status(device: &File) -> io::Result<loop_info64> {
    let mut info = nothing();
    // SAFETY: the kernel fills in the value.
    unsafe { get_status(device.as_raw_fd(), &mut info) }?;
    Ok(info)
}

fn nothing() -> loop_info64 {
    loop_info64 {
        lo_device: 0,
        lo_inode: 0,
        lo_rdevice: 0,
        lo_offset: 0,
        lo_sizelimit: 0,
        lo_number: 0,
        lo_encrypt_type: 0,
        lo_encrypt_key_size: 0,
        lo_flags: 0,
        lo_file_name: [0; 64],
        lo_crypt_name: [0; 64],
        lo_encrypt_key: [0; 32],
        lo_init: [0; 2],
    }
}

/// What a path of the host is, as a device: whether of blocks, and its number.
///
/// # Errors
/// The system's; what is no device.
pub fn numbers(path: &Path) -> io::Result<(bool, u32, u32)> {
    let found = std::fs::metadata(path)?;
    let kind = found.file_type();
    if !kind.is_block_device() && !kind.is_char_device() {
        return Err(io::Error::other("it is no device"));
    }
    let (major, minor) = (
        rustix::fs::major(found.rdev()),
        rustix::fs::minor(found.rdev()),
    );
    Ok((kind.is_block_device(), major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_container_and_device() {
        let of = label(Uuid::from_u128(7), "vda");
        assert_eq!(text(&of), b"lxc/00000000-0000-0000-0000-000000000007/vda");
        let long = label(Uuid::from_u128(7), &"x".repeat(99));
        assert_eq!(text(&long).len(), 63);
    }

    #[test]
    fn an_image_is_a_device_until_it_is_released() {
        if !rustix::process::geteuid().is_root() || !Path::new(CONTROL).exists() {
            eprintln!("SKIPPED: loop devices are root's");
            return;
        }
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(1 << 20).unwrap();
        let container = Uuid::from_u128(u128::from(std::process::id()));
        let bound = |path: &str| {
            let name = path.strip_prefix("/dev/").unwrap();
            let backing = Path::new("/sys/block").join(name).join("loop/backing_file");
            std::fs::read_to_string(backing)
                .is_ok_and(|file| file.trim() == image.path().to_str().unwrap())
        };
        let device = LoopDevice::of_image(image.path(), false, container, "vda").unwrap();
        let path = device.path().to_owned();
        assert!(bound(&path));
        drop(device);
        assert!(!bound(&path));
        let device = LoopDevice::of_image(image.path(), true, container, "vda").unwrap();
        let path = device.path().to_owned();
        device.keep().unwrap();
        assert!(bound(&path));
        release(container, Some("vdb"));
        assert!(bound(&path));
        release(container, None);
        assert!(!bound(&path));
        assert!(LoopDevice::of_image(Path::new("/dev/null"), false, container, "vda").is_err());
    }
}
