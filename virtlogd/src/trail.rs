//! The kernel's audit trail (NETLINK_AUDIT of netlink(7)): of all daemons this one alone may write to it.

use std::io;

use audit::packet::AuditMessage;
use futures_lite::StreamExt;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use tokio::runtime::Handle;
use virt_rpc::protocol::audit::Audit;
use virt_rpc::protocol::records::AuditFigures;

/// The trail as far as it can be written, for a thread that may wait.
#[derive(Debug)]
pub struct AuditTrail {
    open: Result<(Trail, Handle), String>,
    figures: AuditFigures,
}

#[derive(Debug, Clone)]
struct Trail(audit::Handle);

impl AuditTrail {
    /// Opens it. A kernel without audit, or one that does not let this process write, is told of in the
    /// log; records are kept all the same. To be called within the runtime.
    pub fn open() -> Self {
        let open = Trail::open().map(|trail| (trail, Handle::current()));
        let open = open.map_err(|e| match e.raw_os_error() {
            Some(nix::libc::EPROTONOSUPPORT) => "this kernel has no audit".to_owned(),
            _ => format!("the kernel's audit trail can't be opened: {e}"),
        });
        let closed = open.as_ref().err().cloned();
        if let Some(reason) = &closed {
            tracing::info!("audit records are not written to the kernel: {reason}");
        }
        let figures = AuditFigures {
            closed,
            ..AuditFigures::default()
        };
        Self { open, figures }
    }

    /// Writes records, in order. Waits for the kernel, which does not wait for anyone.
    pub fn write_all<'a>(&mut self, records: impl Iterator<Item = &'a Audit>) {
        let Ok((trail, runtime)) = &self.open else {
            return;
        };
        for record in records {
            match runtime.block_on(trail.write(record)) {
                Ok(()) => self.figures.written += 1,
                Err(reason) => {
                    if self.figures.refused == 0 {
                        tracing::error!("the kernel refuses an audit record: {reason}");
                    }
                    self.figures.refused += 1;
                }
            }
        }
    }

    /// What became of records so far.
    pub fn figures(&self) -> &AuditFigures {
        &self.figures
    }
}

impl Trail {
    /// Runs a task for it in the current runtime.
    fn open() -> io::Result<Self> {
        // Nothing comes unasked: this is not auditd's seat.
        let (connection, handle, _) = audit::new_connection()?;
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// Returns when the kernel has it.
    async fn write(&self, record: &Audit) -> Result<(), String> {
        let mut handle = self.0.clone();
        let answers = handle.request(message(record)).map_err(|e| e.to_string())?;
        let mut answers = std::pin::pin!(answers);
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload {
                return Err(error.to_io().to_string());
            }
        }
        Ok(())
    }
}

fn message(record: &Audit) -> NetlinkMessage<AuditMessage> {
    let what = AuditMessage::Other((record.kind as u16, line(record)));
    let mut message = NetlinkMessage::from(what);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    message
}

/// The record as programs write them that use libaudit, which end it with a zero: the kernel puts one in
/// the place of the last byte.
fn line(record: &Audit) -> String {
    let outcome = match record.success {
        true => "success",
        false => "failed",
    };
    let text = record.text();
    format!("{text} hostname=? addr=? terminal=? res={outcome}\0")
}

#[cfg(test)]
mod tests {
    use virt_rpc::protocol::audit::{Type, Value};

    use super::*;

    /// What the kernel gets where it has audit: linux/netlink.h, linux/audit.h.
    #[test]
    fn a_message_is_a_header_and_the_text_of_libaudit() {
        let record = Audit {
            kind: Type::VirtControl,
            fields: vec![
                ("op".into(), Value::Bare("start".into())),
                ("vm".into(), Value::Text("a\n1".into())),
            ],
            success: false,
        };
        let mut message = message(&record);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let text = "op=start vm=610A31 hostname=? addr=? terminal=? res=failed\0";
        let length = u32::from_ne_bytes(bytes[..4].try_into().unwrap());
        assert_eq!(length as usize, 16 + text.len());
        assert_eq!(bytes[4..6], 2500u16.to_ne_bytes());
        assert_eq!(bytes[6..8], 5u16.to_ne_bytes());
        assert_eq!(std::str::from_utf8(&bytes[16..16 + text.len()]), Ok(text));
    }
}
