//! The journal's native protocol, with libvirt's fields (WIRE.md section 21).

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use rustix::fs::{MemfdFlags, SealFlags};

use super::line::{Told, hyphenated};

/// Where the journal listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
/// syslog's number for daemons.
const FACILITY: &str = "3";
/// Longest name of a field (systemd.journal-fields(7)).
const NAME_MAX: usize = 64;

/// An open way to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    address: UnixAddr,
    /// The name of this program, for what it tells itself.
    daemon: &'static str,
}

impl Journal {
    pub(super) fn open(daemon: &'static str, path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A journal that does not read must not hold anyone up.
        socket.set_nonblocking(true)?;
        // As its own clients do: what it is behind with waits here.
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, 8 << 20)?;
        // That somebody listens there is found out now.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self {
            socket,
            address: UnixAddr::new(path)?,
            daemon,
        })
    }

    /// Sends one record.
    pub(super) fn write(&self, told: Told<'_>) -> io::Result<()> {
        let mut datagram = Vec::with_capacity(512);
        encode(&mut datagram, told, self.daemon);
        match self.send(&datagram, &[]) {
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) => {
                let file = sealed(&datagram)?;
                let number = [file.as_raw_fd()];
                self.send(&[], &[ControlMessage::ScmRights(&number)])
            }
            sent => sent,
        }
    }

    fn send(&self, bytes: &[u8], along: &[ControlMessage<'_>]) -> io::Result<()> {
        let (socket, to) = (self.socket.as_raw_fd(), Some(&self.address));
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg(socket, &[IoSlice::new(bytes)], along, flags, to)?;
        Ok(())
    }
}

/// A file in memory, which the journal takes for a datagram that is too large.
fn sealed(datagram: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create("journal", flags)?;
    let mut file = File::from(memory);
    file.write_all(datagram)?;
    let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::WRITE | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(file.as_fd(), seals)?;
    Ok(file.into())
}

fn encode(out: &mut Vec<u8>, told: Told<'_>, daemon: &str) {
    let record = told.record;
    field(out, "MESSAGE", record.message.trim_end_matches('\n'));
    field(out, "PRIORITY", &record.priority.syslog().to_string());
    field(out, "SYSLOG_FACILITY", FACILITY);
    field(out, "LIBVIRT_SOURCE", &record.category);
    field(out, "CODE_FILE", &record.file);
    field(out, "CODE_LINE", &record.line.to_string());
    field(out, "CODE_FUNC", &record.function);
    if let Some(error) = record.error {
        field(out, "LIBVIRT_DOMAIN", &error.domain.to_string());
        field(out, "LIBVIRT_CODE", &error.code.to_string());
    }
    if let Some(guest) = &record.guest {
        if guest.uuid != [0; 16] {
            field(out, "LIBVIRT_GUEST_UUID", &hyphenated(&guest.uuid));
        }
        field(out, "LIBVIRT_GUEST_NAME", &guest.name);
    }
    if let Some(origin) = &record.origin {
        field(out, "LIBVIRT_CONNECTION", &origin.connection.to_string());
        field(out, "LIBVIRT_PROCEDURE", &origin.procedure);
    }
    if let Some(nanoseconds) = record.duration {
        field(
            out,
            "LIBVIRT_DURATION_USEC",
            &(nanoseconds / 1000).to_string(),
        );
    }
    match told.source {
        Some(source) => {
            field(out, "SYSLOG_IDENTIFIER", &source.daemon);
            field(out, "SYSLOG_PID", &source.pid.to_string());
        }
        None => field(out, "SYSLOG_IDENTIFIER", daemon),
    }
    for (name, value) in &record.fields {
        let capital = |c: char| match c.is_ascii_alphanumeric() {
            true => c.to_ascii_uppercase(),
            false => '_',
        };
        let name = "LIBVIRT_FIELD_".chars().chain(name.chars().map(capital));
        field(out, &name.take(NAME_MAX).collect::<String>(), value);
    }
}

/// `NAME=VALUE`, or the form with a length for values of several lines; the value decides nothing.
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend((value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend(value.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::{FromRawFd, RawFd};

    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use virt_rpc::protocol::records::{Guest, Numbers, Origin, Priority, Record, Source};

    fn record(message: &str) -> Record {
        Record {
            time: 0,
            priority: Priority::Error,
            file: "x.rs".into(),
            line: 7,
            function: "virtd::x".into(),
            thread: 9,
            error: Some(Numbers {
                domain: 10,
                code: 1,
            }),
            guest: Some(Guest {
                uuid: [7; 16],
                name: "a\nPRIORITY=0".to_owned(),
            }),
            origin: Some(Origin {
                connection: 3,
                procedure: "P".into(),
            }),
            duration: Some(1_500_000),
            fields: vec![("disk.target".into(), "vda".to_owned())],
            ..Record::new("virtd::x", message)
        }
    }

    /// Fields of a datagram, as systemd's description of the protocol reads them.
    fn fields(mut bytes: &[u8]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|b| *b == b'\n').unwrap();
            let line = std::str::from_utf8(&bytes[..end]).unwrap();
            bytes = &bytes[end + 1..];
            match line.split_once('=') {
                Some((name, value)) => found.push((name.to_owned(), value.to_owned())),
                None => {
                    let (length, rest) = bytes.split_at(8);
                    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
                    let value = std::str::from_utf8(&rest[..length]).unwrap();
                    assert_eq!(rest[length], b'\n');
                    found.push((line.to_owned(), value.to_owned()));
                    bytes = &rest[length + 1..];
                }
            }
        }
        found
    }

    #[test]
    fn fields_have_libvirts_names_in_libvirts_order_and_values_make_none() {
        let mut bytes = Vec::new();
        let source = Source {
            daemon: "virtqemud".into(),
            pid: 77,
            since: 0,
        };
        let record = record("one\ntwo\n");
        let told = Told {
            record: &record,
            source: Some(&source),
        };
        encode(&mut bytes, told, "virtlogd");
        let fields = fields(&bytes);
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "MESSAGE",
                "PRIORITY",
                "SYSLOG_FACILITY",
                "LIBVIRT_SOURCE",
                "CODE_FILE",
                "CODE_LINE",
                "CODE_FUNC",
                "LIBVIRT_DOMAIN",
                "LIBVIRT_CODE",
                "LIBVIRT_GUEST_UUID",
                "LIBVIRT_GUEST_NAME",
                "LIBVIRT_CONNECTION",
                "LIBVIRT_PROCEDURE",
                "LIBVIRT_DURATION_USEC",
                "SYSLOG_IDENTIFIER",
                "SYSLOG_PID",
                "LIBVIRT_FIELD_DISK_TARGET",
            ]
        );
        assert_eq!(fields[0].1, "one\ntwo");
        assert_eq!(fields[10].1, "a\nPRIORITY=0");
        assert_eq!(fields[14].1, "virtqemud");
    }

    #[test]
    fn what_is_too_large_for_a_datagram_comes_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listening = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::open("virtd", &path).unwrap();
        // Above what any datagram takes; records from elsewhere are far below.
        let large = record(&"x".repeat(64 << 20));
        let told = Told {
            record: &large,
            source: None,
        };
        journal.write(told).unwrap();
        let mut space = nix::cmsg_space!(RawFd);
        let mut buffer = [0_u8; 16];
        let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<UnixAddr>(
            listening.as_raw_fd(),
            &mut parts,
            Some(&mut space),
            MsgFlags::empty(),
        )
        .unwrap();
        assert_eq!(received.bytes, 0);
        let Some(ControlMessageOwned::ScmRights(numbers)) = received.cmsgs().unwrap().next() else {
            panic!("no descriptor");
        };
        #[allow(unsafe_code, reason = "descriptors arrive as numbers")]
        // SAFETY: the kernel has just made it for this process.
        let mut file = unsafe { File::from_raw_fd(numbers[0]) };
        let mut bytes = Vec::new();
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(fields(&bytes)[0].1.len(), 64 << 20);
    }
}
