//! Sockets that clients connect to.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everyday clients.
    Main,
    /// Clients that may only look.
    ReadOnly,
    /// The daemon's own administration.
    Admin,
    /// Other daemons that send records.
    Records,
    /// Readers of figures, which speak HTTP: nothing for a [`Server`](super::Server).
    Metrics,
}

/// How a socket is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindOptions {
    /// Permission bits of the socket's file, such as 0o777.
    pub mode: u32,
    /// Group of the file; unchanged if there is none.
    pub group: Option<u32>,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
}

/// A socket that clients connect to. One bound by path removes its file when dropped.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    role: Role,
    file: Option<SocketFile>,
}

/// The file of a socket that was bound by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    /// Where it is.
    pub path: PathBuf,
    /// Device and inode: a file that another daemon put there since is not ours to remove.
    pub inode: (u64, u64),
}

impl Listener {
    /// Makes a socket at `path`. The file of a daemon that is gone is replaced; one that still
    /// answers is not.
    pub fn bind(path: &Path, role: Role, options: BindOptions) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = UnixListener::bind(path)?;
        let file = fs::symlink_metadata(path)?;
        let listener = Self {
            socket,
            role,
            file: Some(SocketFile {
                path: path.to_owned(),
                inode: (file.dev(), file.ino()),
            }),
        };
        // The group first: a mode that lets the group in must not let the old one in.
        if let Some(group) = options.group {
            std::os::unix::fs::lchown(path, None, Some(group))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(options.mode))?;
        // Listening again only changes the length of the queue.
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        rustix::net::listen(&listener.socket, backlog)?;
        listener.socket.set_nonblocking(true)?;
        Ok(listener)
    }

    /// A socket that was handed over and listens already; with its file, if removing that is the
    /// taker's.
    pub fn inherit(socket: OwnedFd, role: Role, file: Option<SocketFile>) -> io::Result<Self> {
        let socket = UnixListener::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket, role, file })
    }

    /// What [`Self::inherit`] takes; the file stays.
    pub fn into_parts(mut self) -> io::Result<(OwnedFd, Role, Option<SocketFile>)> {
        let file = self.file.take();
        Ok((self.socket.try_clone()?.into(), self.role, file))
    }

    /// The socket for the runtime; this listener keeps its file.
    pub fn socket(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.socket.try_clone()?)
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        let ours = fs::symlink_metadata(&file.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == file.inode);
        if ours {
            // Failing to remove it harms nobody: the next daemon replaces it.
            let _ = fs::remove_file(&file.path);
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another daemon answers on this socket",
            )),
        },
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
