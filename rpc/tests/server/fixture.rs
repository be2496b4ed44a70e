//! A server with a few handlers, and peers that speak to it byte by byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use virt_rpc::client::Connection;
use virt_rpc::framing::{Header, MessageKind, Packet, PacketReader, Status, append};
use virt_rpc::protocol::remote::{ConnectGetUri, ConnectGetUriRet, RemoteError};
use virt_rpc::protocol::{EventMessage, Procedure, Program, keepalive};
use virt_rpc::server::{Role, Router, Server, Settings};
use virt_rpc::xdr;

/// What the test driver keeps for a connection: the URI it was opened with.
#[derive(Debug)]
pub struct Session(pub String);

pub fn router() -> Router<Session> {
    let mut router = Router::new(&[Program::Remote, Program::Qemu], |_, opening| {
        Ok(Session(opening.uri.unwrap_or("test:///default").to_owned()))
    });
    router.call::<ConnectGetUri>(|call| {
        Ok(ConnectGetUriRet {
            uri: call.session().0.clone(),
        })
    });
    router
}

/// A server with these handlers.
pub fn server(router: Router<Session>) -> Server<Session> {
    Server::new(router, Settings::default())
}

/// An open connection of our client.
pub async fn connect(server: &Server<Session>) -> Connection {
    let connection = Connection::over(socket(server));
    connection.open("test:///here", false).await.unwrap();
    connection
}

/// A connected socket whose other end is the server's.
pub fn socket(server: &Server<Session>) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    server.adopt(theirs, Role::Main).unwrap();
    ours
}

/// A peer that sends what it likes.
pub struct Raw {
    pub socket: UnixStream,
    reader: PacketReader,
    serial: u32,
}

impl Raw {
    pub fn new(server: &Server<Session>) -> Self {
        Self {
            socket: socket(server),
            reader: PacketReader::new(),
            serial: 0,
        }
    }

    /// One whose connection is open.
    pub async fn open(server: &Server<Session>) -> Self {
        let mut raw = Self::new(server);
        raw.send(&raw.header(1), &open_args()).await;
        assert_eq!(raw.reply().await, Ok(Vec::new()));
        raw.serial = 1;
        raw
    }

    pub fn header(&self, proc: i32) -> Header {
        Header {
            prog: Program::Remote.number(),
            vers: 1,
            proc,
            kind: MessageKind::Call,
            serial: self.serial,
            status: Status::Ok,
        }
    }

    pub async fn send(&mut self, header: &Header, payload: &[u8]) {
        let mut bytes = Vec::new();
        append(&mut bytes, header, 0, payload).unwrap();
        self.bytes(&bytes).await;
    }

    pub async fn bytes(&mut self, bytes: &[u8]) {
        // The server may have ended the connection already, as some tests want it to.
        let _ = self.socket.write_all(bytes).await;
    }

    /// Makes a call and returns its serial.
    pub async fn call<P: Procedure>(&mut self, args: &P::Args) -> u32 {
        let header = Header {
            prog: P::ROW.program.number(),
            ..self.header(P::ROW.number)
        };
        self.serial += 1;
        self.send(&header, &xdr::to_bytes(args).unwrap()).await;
        header.serial
    }

    pub async fn ping(&mut self) {
        let header = keepalive_header(keepalive::Ping::ROW.number);
        self.send(&header, &[]).await;
    }

    /// The next packet; none at the end of the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.reader.next_packet().unwrap() {
                return Some(packet);
            }
            let mut buffer = [0; 4096];
            let read = within(self.socket.read(&mut buffer)).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.reader.push(&buffer[..read]);
        }
    }

    /// The payload of the next packet, a reply, or the code, domain and text of its error.
    pub async fn reply(&mut self) -> Result<Vec<u8>, (i32, i32, String)> {
        let packet = self.next().await.expect("a reply");
        assert_eq!(packet.header.kind, MessageKind::Reply);
        if packet.header.status == Status::Ok {
            return Ok(packet.payload.to_vec());
        }
        let error: RemoteError = xdr::from_bytes(&packet.payload).unwrap();
        Err((error.code, error.domain, error.message.unwrap_or_default()))
    }
}

pub fn keepalive_header(proc: i32) -> Header {
    Header {
        prog: Program::Keepalive.number(),
        vers: 1,
        proc,
        kind: MessageKind::Message,
        serial: 0,
        status: Status::Ok,
    }
}

pub fn open_args() -> Vec<u8> {
    xdr::to_bytes(&virt_rpc::protocol::remote::ConnectOpenArgs {
        name: Some("test:///raw".to_owned()),
        flags: 0,
    })
    .unwrap()
}

/// Fails the test when something never happens.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what)
        .await
        .expect("it happens in time")
}
