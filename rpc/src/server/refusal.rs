//! Why the server refuses a call on account of its row, in stock words.

use virt_error::{Error, ErrorCode, ErrorDomain};

use crate::protocol::{Connection, Program, ReadOnlyRule, Row};

/// The error of a row that nothing serves.
pub(super) fn not_supported(row: &Row) -> Error {
    Error::new(ErrorCode::NoSupport, family(row), function(row))
}

/// The error of a call that a read-only connection may not make.
pub(super) fn denied_when_readonly(row: &Row) -> Error {
    let function = function(row);
    let secrets = row.readonly != ReadOnlyRule::Deny && function.ends_with("GetXMLDesc");
    let detail = match secrets {
        true => format!("{function} with secure flag"),
        false => format!("read only access prevents {function}"),
    };
    Error::new(ErrorCode::OperationDenied, family(row), detail)
}

fn function(row: &Row) -> &'static str {
    row.api.unwrap_or(row.name)
}

/// The error domain of the API family that a function belongs to, as a stock daemon's refusals
/// show it.
fn family(row: &Row) -> ErrorDomain {
    if row.program != Program::Remote {
        return ErrorDomain::None;
    }
    match row.conn {
        Connection::Network => return ErrorDomain::Network,
        Connection::Storage => return ErrorDomain::Storage,
        Connection::Nodedev => return ErrorDomain::Nodedev,
        Connection::Secret => return ErrorDomain::Secret,
        Connection::Nwfilter => return ErrorDomain::Nwfilter,
        Connection::Interface => return ErrorDomain::Interface,
        Connection::Own | Connection::Hypervisor => {}
    }
    let function = function(row);
    if function.contains("NodeDevice") {
        ErrorDomain::Nodedev
    } else if function.contains("Snapshot") {
        ErrorDomain::DomainSnapshot
    } else if function.contains("Checkpoint") {
        ErrorDomain::DomainCheckpoint
    } else {
        ErrorDomain::Domain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Procedure;
    use crate::protocol::qemu::DomainMonitorCommand;
    use crate::protocol::remote::{
        DomainGetVcpusFlags, DomainGetXmlDesc, DomainRevertToSnapshot, NetworkCreate,
        NodeDeviceReset,
    };

    #[test]
    fn refusals_read_as_stock_ones_do() {
        let refused = |row| {
            let error = denied_when_readonly(row);
            (error.domain_number(), error.message().to_owned())
        };
        let cases = [
            (
                DomainGetXmlDesc::ROW,
                20,
                "virDomainGetXMLDesc with secure flag",
            ),
            (
                DomainGetVcpusFlags::ROW,
                20,
                "read only access prevents virDomainGetVcpusFlags",
            ),
            (
                DomainRevertToSnapshot::ROW,
                35,
                "read only access prevents virDomainRevertToSnapshot",
            ),
            (
                NetworkCreate::ROW,
                19,
                "read only access prevents virNetworkCreate",
            ),
            (
                NodeDeviceReset::ROW,
                22,
                "read only access prevents virNodeDeviceReset",
            ),
            (
                DomainMonitorCommand::ROW,
                0,
                "read only access prevents virDomainQemuMonitorCommand",
            ),
        ];
        for (row, domain, text) in cases {
            assert_eq!(
                refused(row),
                (domain, format!("operation forbidden: {text}"))
            );
        }
    }
}
