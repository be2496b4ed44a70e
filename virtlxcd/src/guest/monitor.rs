//! Our side of a controller's monitor socket (WIRE.md section 31).

use std::io;
use std::path::Path;

use tokio::net::UnixStream;
use virt_rpc::framing::PacketReader;
use virt_rpc::protocol::EventMessage;
use virt_rpc::protocol::lxc_monitor::{ExitEvent, ExitEventMsg, ExitStatus};
use virt_rpc::xdr;

/// A connection to a controller.
#[derive(Debug)]
pub struct Monitor {
    stream: UnixStream,
    packets: PacketReader,
}

impl Monitor {
    /// Connects.
    ///
    /// # Errors
    /// The socket's.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(path).await?,
            packets: PacketReader::new(),
        })
    }

    /// Waits until the controller says how the container ended; `None` when it says nothing more.
    /// Nothing is lost when it is not waited for to the end.
    pub async fn exit(&mut self) -> Option<ExitStatus> {
        loop {
            while let Some(packet) = self.packets.next_packet().ok()? {
                let is_exit = packet.header.prog == ExitEvent::ROW.program.number()
                    && packet.header.proc == ExitEvent::ROW.number;
                if is_exit {
                    let exit: ExitEventMsg = xdr::from_bytes(&packet.payload).ok()?;
                    return Some(exit.status);
                }
            }
            self.stream.readable().await.ok()?;
            let mut bytes = [0; 256];
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.packets.push(bytes.get(..count)?),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }
}
