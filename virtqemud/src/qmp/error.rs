//! What can go wrong with a command, and how it is told to libvirt's clients.

use std::time::Duration;

use virt_error::{Error, ErrorCode, ErrorDomain};

use super::message::CommandError;

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QmpError {
    /// The connection ended: QEMU is gone, or spoke something that isn't QMP.
    #[error("the monitor is closed")]
    Closed,
    /// No reply within the deadline. The reply is dropped should it come later; what the
    /// command does in QEMU may still happen.
    #[error("monitor command '{command}' had no answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// The command.
        command: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// QEMU refused.
    #[error("unable to execute QEMU command '{command}': {error}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's own words.
        error: CommandError,
    },
    /// The reply is not of the shape that QEMU's schema gives it.
    #[error("unexpected reply to QEMU command '{command}': {detail}")]
    Unexpected {
        /// The command.
        command: String,
        /// What is wrong.
        detail: String,
    },
    /// Too many commands wait for an answer already.
    #[error("too many monitor commands are waiting for an answer")]
    Busy,
}

impl QmpError {
    /// The error as a client of the guest's sees it.
    ///
    /// Refusals read as the stock daemon's ("internal error: unable to execute QEMU command
    /// 'x': …"), a monitor that closed as its "Requested operation is not valid: domain is not
    /// running".
    pub fn about(&self, guest: &str) -> Error {
        let (code, detail) = match self {
            Self::Closed => (
                ErrorCode::OperationInvalid,
                "domain is not running".to_owned(),
            ),
            Self::Timeout { command, after } => (
                ErrorCode::OperationTimeout,
                format!(
                    "monitor of guest '{guest}' did not answer '{command}' within {} s",
                    after.as_secs_f32()
                ),
            ),
            Self::Busy => (
                ErrorCode::ResourceBusy,
                format!("too many calls wait for the monitor of guest '{guest}'"),
            ),
            Self::Refused { .. } => (ErrorCode::InternalError, self.to_string()),
            Self::Unexpected { .. } => (ErrorCode::InternalError, format!("{self} (vm='{guest}')")),
        };
        Error::new(code, ErrorDomain::Qemu, detail)
    }

    /// Whether QEMU said that it has no such command.
    pub fn is_unknown_command(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.class == "CommandNotFound")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_names_guest_command_and_time() {
        let error = QmpError::Timeout {
            command: "query-block".into(),
            after: Duration::from_millis(1500),
        }
        .about("web");
        assert_eq!(
            error.message(),
            "Timed out during operation: monitor of guest 'web' did not answer 'query-block' within 1.5 s"
        );
        assert!(error.is(ErrorCode::OperationTimeout));
    }

    #[test]
    fn a_refusal_reads_as_the_stock_daemons() {
        let error = QmpError::Refused {
            command: "eject".into(),
            error: CommandError {
                class: "GenericError".into(),
                description: "Device 'x' not found".into(),
            },
        };
        assert_eq!(
            error.about("web").message(),
            "internal error: unable to execute QEMU command 'eject': Device 'x' not found"
        );
    }
}
