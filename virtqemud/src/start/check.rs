//! Files a guest needs are looked for before anything is made. Texts are the stock daemon's.

use virt_domain::Domain;
use virt_error::{Error, ErrorDomain, Result};

/// Checks that what the guest boots from is there.
///
/// # Errors
/// SYSTEM_ERROR that names the file.
pub(super) fn boot_files(domain: &Domain) -> Result<()> {
    let os = &domain.os;
    for path in [&os.kernel, &os.initrd, &os.dtb, &os.shim]
        .into_iter()
        .flatten()
    {
        std::fs::metadata(path).map_err(|cause| {
            Error::system(ErrorDomain::None, format!("unable to stat: {path}"), &cause)
        })?;
    }
    Ok(())
}
