//! `virsh dump`: the guest's memory written to a file of the host.
//!
//! Facts: virDomainCoreDumpFlags and virDomainCoreDumpFormat in libvirt-domain.h; monitor commands
//! of the stock daemon.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainCoreDump, DomainCoreDumpWithFormat};
use virt_rpc::server::Router;

use super::flags;
use super::session::Session;
use crate::guest::{DumpFormat, DumpOptions};

/// Bits of `virDomainCoreDump`.
mod dump_flag {
    pub const CRASH: u32 = 1;
    pub const LIVE: u32 = 1 << 1;
    pub const BYPASS_CACHE: u32 = 1 << 2;
    pub const RESET: u32 = 1 << 3;
    pub const MEMORY_ONLY: u32 = 1 << 4;
    pub const ALL: u32 = CRASH | LIVE | BYPASS_CACHE | RESET | MEMORY_ONLY;
}

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainCoreDump, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let options = options(0, call.args.flags)?;
        guest.guest().dump(call.args.to.clone(), options).await
    });
    router.task::<DomainCoreDumpWithFormat, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let options = options(call.args.dumpformat, call.args.flags)?;
        guest.guest().dump(call.args.to.clone(), options).await
    });
}

fn options(format: u32, given: u32) -> Result<DumpOptions> {
    flags::only(given, dump_flag::ALL, "qemuDomainCoreDumpWithFormat")?;
    let refused = |code, what: String| Error::new(code, ErrorDomain::Qemu, what);
    let format = DumpFormat::from_number(format).ok_or_else(|| {
        refused(
            ErrorCode::OperationInvalid,
            format!("unknown dumpformat '{format}'"),
        )
    })?;
    let has = |bit| given & bit != 0;
    let memory_only = has(dump_flag::MEMORY_ONLY);
    if format != DumpFormat::Raw && !memory_only {
        return Err(refused(
            ErrorCode::InvalidArg,
            "kdump-compressed format is only supported with memory-only dump".to_owned(),
        ));
    }
    if has(dump_flag::CRASH) && has(dump_flag::LIVE)
        || has(dump_flag::CRASH) && has(dump_flag::RESET)
        || has(dump_flag::LIVE) && has(dump_flag::RESET)
    {
        return Err(refused(
            ErrorCode::InvalidArg,
            "crash, reset, and live flags are mutually exclusive".to_owned(),
        ));
    }
    if has(dump_flag::BYPASS_CACHE) && memory_only {
        return Err(refused(
            ErrorCode::OperationUnsupported,
            "a memory-only dump past the host's cache; leave one of the two out".to_owned(),
        ));
    }
    Ok(DumpOptions {
        format,
        memory_only,
        crash: has(dump_flag::CRASH),
        live: has(dump_flag::LIVE),
        reset: has(dump_flag::RESET),
        bypass_cache: has(dump_flag::BYPASS_CACHE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_needs_a_memory_only_dump() {
        assert!(options(1, 0).is_err());
        assert_eq!(options(1, 16).unwrap().format, DumpFormat::KdumpZlib);
        assert!(options(99, 16).is_err());
        assert!(options(0, 3).is_err());
        assert!(options(0, 32).is_err());
    }
}
