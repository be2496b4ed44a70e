//! The local syslog daemon (RFC 3164, as daemons hear it on their own socket).

use std::fmt::Write;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use time::{Month, OffsetDateTime};

use super::event::cut;
use super::line::{Told, push_message};

/// Where it listens.
pub(super) const SOCKET: &str = "/dev/log";
/// Daemons, in syslog's numbers.
const FACILITY: u8 = 3;
/// Longest datagram; longer messages are cut, as syslog daemons do.
const DATAGRAM_MAX: usize = 8 * 1024;

/// An open way to syslog.
#[derive(Debug)]
pub(super) struct Syslog {
    socket: UnixDatagram,
    ident: String,
}

impl Syslog {
    pub(super) fn open(ident: &str, path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(path)?;
        Ok(Self {
            socket,
            ident: ident.to_owned(),
        })
    }

    /// Sends one record as `ident[pid]: message`; the PID is the daemon's that tells.
    pub(super) fn write(&self, told: Told<'_>) -> io::Result<()> {
        let pid = told
            .source
            .map_or_else(std::process::id, |source| source.pid);
        let mut text = format!(
            "<{}>{} {}[{pid}]: ",
            FACILITY << 3 | told.record.priority.syslog(),
            moment(told.record.time),
            self.ident
        );
        push_message(&mut text, told);
        let text = cut(text, DATAGRAM_MAX);
        self.socket.send(text.as_bytes()).map(drop)
    }
}

/// `Jan 31 09:05:00`.
fn moment(nanoseconds: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into());
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = match time.month() {
        Month::January => "Jan",
        Month::February => "Feb",
        Month::March => "Mar",
        Month::April => "Apr",
        Month::May => "May",
        Month::June => "Jun",
        Month::July => "Jul",
        Month::August => "Aug",
        Month::September => "Sep",
        Month::October => "Oct",
        Month::November => "Nov",
        Month::December => "Dec",
    };
    let mut text = String::with_capacity(15);
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "{month} {:>2} {:02}:{:02}:{:02}",
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_rpc::protocol::records::{Priority, Record};

    #[test]
    fn a_record_is_one_message_of_its_priority() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let listening = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::open("virtd", &path).unwrap();
        let record = Record {
            time: 1_769_850_300_042_000_000,
            priority: Priority::Warning,
            file: "x.rs".into(),
            line: 7,
            function: "x".into(),
            thread: 9,
            ..Record::new("x", "a\n<0>forged")
        };
        let told = Told {
            record: &record,
            source: None,
        };
        syslog.write(told).unwrap();
        let mut buffer = [0_u8; 256];
        let length = listening.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        let pid = std::process::id();
        assert_eq!(
            text,
            format!("<28>Jan 31 09:05:00 virtd[{pid}]: a\\n<0>forged")
        );
    }
}
