//! A blocking client that speaks the wire itself: for what no stock client would send, and for
//! measuring a daemon without a stock client's own cost.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use virt_rpc::framing::{Header, MessageKind, Packet, PacketReader, Status, append_with};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    AuthList, AuthListRet, ConnectClose, ConnectOpen, ConnectOpenArgs, RemoteError,
};
use virt_rpc::xdr::{self, Encode};

/// How long a reply may take before the test or measurement fails.
const DEADLINE: Duration = Duration::from_secs(120);

/// Why a call has no result.
#[derive(Debug)]
pub enum Failure {
    /// The daemon said no.
    Refused(Box<RemoteError>),
    /// The daemon closed the connection.
    Closed,
    /// The socket failed, or nothing came within two minutes.
    Io(io::Error),
    /// What came is not what the protocol promises.
    Garbled(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Failure::Closed,
            _ => Failure::Io(error),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Wire {
    socket: UnixStream,
    reader: PacketReader,
    chunk: Box<[u8]>,
    out: Vec<u8>,
    serial: u32,
}

impl Wire {
    /// Connects and sends nothing.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::over(UnixStream::connect(path)?)
    }

    /// Over a socket that is connected already.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn over(socket: UnixStream) -> io::Result<Self> {
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        Ok(Wire {
            socket,
            reader: PacketReader::new(),
            chunk: vec![0; 65536].into_boxed_slice(),
            out: Vec::new(),
            serial: 0,
        })
    }

    /// Connects, authenticates and opens, as a stock client without an event loop does.
    ///
    /// # Errors
    /// When any step fails.
    pub fn open(path: &Path, uri: &str) -> Result<Self, Failure> {
        let mut wire = Self::connect(path)?;
        wire.introduce(uri)?;
        Ok(wire)
    }

    /// Authenticates and opens.
    ///
    /// # Errors
    /// When any step fails.
    pub fn introduce(&mut self, uri: &str) -> Result<(), Failure> {
        let AuthListRet { .. } = self.call::<AuthList>(&())?;
        self.call::<ConnectOpen>(&ConnectOpenArgs {
            name: Some(uri.to_owned()),
            flags: 0,
        })
    }

    /// Says goodbye and waits for the answer.
    ///
    /// # Errors
    /// When the daemon does not answer in kind.
    pub fn close(mut self) -> Result<(), Failure> {
        self.call::<ConnectClose>(&())
    }

    /// The socket, for bytes that are no packets.
    pub fn socket(&mut self) -> &mut UnixStream {
        &mut self.socket
    }

    /// The header the next call of this procedure would have.
    pub fn header<P: Procedure>(&self) -> Header {
        Header {
            prog: P::ROW.program.number(),
            vers: 1,
            proc: P::ROW.number,
            kind: MessageKind::Call,
            serial: self.serial,
            status: Status::Ok,
        }
    }

    /// Sends a call and does not wait; its serial.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send<P: Procedure>(&mut self, args: &P::Args) -> io::Result<u32> {
        let serial = self.queue::<P>(args);
        self.flush()?;
        Ok(serial)
    }

    /// Prepares a call, to be sent with others by [`Wire::flush`].
    ///
    /// # Panics
    /// When the arguments do not fit into a message.
    pub fn queue<P: Procedure>(&mut self, args: &P::Args) -> u32 {
        let header = self.header::<P>();
        append_with(&mut self.out, &header, 0, |encoder| args.encode(encoder))
            .expect("the arguments fit into a message");
        self.serial += 1;
        header.serial
    }

    /// Sends what was queued.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn flush(&mut self) -> io::Result<()> {
        let sent = self.socket.write_all(&self.out);
        self.out.clear();
        sent
    }

    /// Sends a packet of any kind.
    ///
    /// # Errors
    /// Those of the socket.
    ///
    /// # Panics
    /// When the payload does not fit into a message.
    pub fn send_packet(&mut self, header: &Header, payload: &[u8]) -> io::Result<()> {
        append_with(&mut self.out, header, 0, |encoder| encoder.raw(payload))
            .expect("the payload fits into a message");
        self.flush()
    }

    /// The next packet, whatever it is.
    ///
    /// # Errors
    /// `Closed` at the end of the connection.
    pub fn receive(&mut self) -> Result<Packet, Failure> {
        loop {
            if let Some(packet) = self
                .reader
                .next_packet()
                .map_err(|error| Failure::Garbled(error.to_string()))?
            {
                return Ok(packet);
            }
            match self.socket.read(&mut self.chunk)? {
                0 => return Err(Failure::Closed),
                read => self.reader.push(&self.chunk[..read]),
            }
        }
    }

    /// The reply with that serial; events and pings before it are passed over.
    ///
    /// # Errors
    /// As [`Wire::receive`], and `Refused` with the daemon's error.
    pub fn reply<P: Procedure>(&mut self, serial: u32) -> Result<P::Ret, Failure> {
        loop {
            let packet = self.receive()?;
            if packet.header.kind == MessageKind::Reply && packet.header.serial == serial {
                return result::<P>(&packet);
            }
        }
    }

    /// Calls a procedure.
    ///
    /// # Errors
    /// As [`Wire::reply`].
    pub fn call<P: Procedure>(&mut self, args: &P::Args) -> Result<P::Ret, Failure> {
        let serial = self.send::<P>(args)?;
        self.reply::<P>(serial)
    }

    /// Whether the daemon has closed the connection, waiting for it at most two minutes. Packets
    /// that come before are passed over.
    pub fn is_closed_by_peer(&mut self) -> bool {
        loop {
            match self.receive() {
                Ok(_) => {}
                Err(Failure::Closed) => return true,
                Err(_) => return false,
            }
        }
    }
}

fn result<P: Procedure>(packet: &Packet) -> Result<P::Ret, Failure> {
    let garbled = |error: xdr::XdrError| Failure::Garbled(error.to_string());
    match packet.header.status {
        Status::Ok => xdr::from_bytes(&packet.payload).map_err(garbled),
        Status::Error => Err(Failure::Refused(Box::new(
            xdr::from_bytes(&packet.payload).map_err(garbled)?,
        ))),
        Status::Continue => Err(Failure::Garbled("a reply that continues".to_owned())),
    }
}
