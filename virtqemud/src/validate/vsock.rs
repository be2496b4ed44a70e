//! Checks of sockets between host and guest, and of devices that have no file of their own.

use super::Context;
use super::refusal::unsupported;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::crypto::CryptoBackendModel;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let devices = &domain.devices;
    if devices.vsock.is_some() && !context.caps.has(CapFlag::VhostVsock) {
        return Err(unsupported(
            "vsock device is not supported with this QEMU binary",
        ));
    }
    for crypto in &devices.cryptos {
        let lkcf = crypto.backend.model == CryptoBackendModel::Lkcf;
        if !context.caps.has(CapFlag::VirtioCrypto)
            || (lkcf && !context.caps.has(CapFlag::CryptodevBackendLkcf))
        {
            return Err(unsupported("this QEMU binary has no such crypto device"));
        }
    }
    if devices.pstore.is_some() && !context.caps.has(CapFlag::AcpiErst) {
        return Err(unsupported(
            "acpi-erst is not supported by this QEMU binary",
        ));
    }
    if devices.nvram.is_some() && Board::of(domain) != Board::Pseries {
        return Err(unsupported("nvram device is only supported for PPC64"));
    }
    Ok(())
}
