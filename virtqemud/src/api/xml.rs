//! A guest as a document.

use std::sync::Arc;

use virt_domain::{Domain, View};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainGetXmlDesc, DomainGetXmlDescRet};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::argv::DriverConfig;
use crate::guest::Snapshot;
use crate::migratable;

/// Bits of `virDomainGetXMLDesc` (`libvirt-domain.h`).
mod xml_flag {
    pub const SECURE: u32 = 1;
    pub const INACTIVE: u32 = 1 << 1;
    pub const UPDATE_CPU: u32 = 1 << 2;
    pub const MIGRATABLE: u32 = 1 << 3;
    pub const ALL: u32 = SECURE | INACTIVE | UPDATE_CPU | MIGRATABLE;
}

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetXmlDesc>(describe);
}

fn describe(call: &Call<DomainGetXmlDesc, Session>) -> Result<DomainGetXmlDescRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    flags::only(call.args.flags, xml_flag::ALL, "qemuDomainGetXMLDesc")?;
    let config = &call.session().driver(&guest).config;
    let xml = document(&guest.snapshot(), call.args.flags, config)?;
    Ok(DomainGetXmlDescRet { xml })
}

/// The running guest, or with INACTIVE what its next start will use.
fn document(snapshot: &Snapshot, flags: u32, config: &DriverConfig) -> Result<String> {
    let inactive = flags & xml_flag::INACTIVE != 0;
    let migratable = flags & xml_flag::MIGRATABLE != 0;
    // A document for a migration has the passwords that its target needs.
    let secure = flags & (xml_flag::SECURE | xml_flag::MIGRATABLE) != 0;
    if migratable {
        let (domain, cpu) = match (&snapshot.live, &snapshot.definition) {
            (Some(live), definition) if !inactive || definition.is_none() => {
                (Arc::clone(&live.domain), live.asked_cpu.clone())
            }
            (_, Some(definition)) => (definition.domain()?, None),
            (_, None) => return Err(gone()),
        };
        let mut domain = Domain::clone(&domain);
        migratable::strip(&mut domain, cpu.as_deref(), config);
        return Ok(domain.to_xml(View {
            inactive: true,
            secure,
            migratable,
        }));
    }
    match (&snapshot.live, &snapshot.definition) {
        (Some(live), definition) if !inactive || definition.is_none() => {
            Ok(live.domain.to_xml(View {
                inactive,
                secure,
                migratable,
            }))
        }
        (_, Some(definition)) => definition.to_xml(secure, migratable),
        (_, None) => Err(gone()),
    }
}

fn gone() -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Qemu,
        "the guest stopped and is gone",
    )
}
