//! The file of a UEFI guest's variables: made from its template at the first start.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Larger templates are no variable stores; a disk image named by mistake must not be copied.
const MAX_TEMPLATE: u64 = 64 << 20;

/// Makes the guest's variable store if it is not there yet, or anew with `reset`.
///
/// # Errors
/// SYSTEM_ERROR or INTERNAL_ERROR that names the template or the store.
pub(super) fn prepare(domain: &Domain, reset: bool) -> Result<()> {
    let Some(nvram) = &domain.os.nvram else {
        return Ok(());
    };
    let source = nvram.source.as_ref().and_then(|source| source.path());
    let Some(path) = nvram.path.as_deref().or(source).map(Path::new) else {
        return Ok(());
    };
    if !reset && path.exists() {
        return Ok(());
    }
    let loader = domain.os.loader.as_ref().and_then(|l| l.path.as_deref());
    let template = nvram.template.as_deref().ok_or_else(|| {
        let loader = loader.unwrap_or_default();
        Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Qemu,
            format!("unable to find any master var store for loader: {loader}"),
        )
    })?;
    if nvram.template_format.is_some() && nvram.template_format != nvram.format {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            format!(
                "the variable store '{}' and its template '{template}' are of different formats, which is not supported",
                path.display()
            ),
        ));
    }
    let from = open_template(template).map_err(|cause| {
        Error::system(
            ErrorDomain::Qemu,
            format!("Failed to open file '{template}'"),
            &cause,
        )
    })?;
    copy(from, path).map_err(|cause| {
        let what = format!("Failed to create file '{}'", path.display());
        Error::system(ErrorDomain::Qemu, what, &cause)
    })
}

fn open_template(path: &str) -> io::Result<File> {
    let file = File::open(path)?;
    match file.metadata()?.len() {
        0..=MAX_TEMPLATE => Ok(file),
        _ => Err(io::Error::from_raw_os_error(nix::libc::EFBIG)),
    }
}

/// Copies beside the final place and moves it there when it is whole.
fn copy(mut from: File, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = virt_driver::durable::temporary(path);
    let copied = (|| {
        let mut to = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(&part)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()?;
        std::fs::rename(&part, path)
    })();
    if copied.is_err() {
        // The first failure is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_domain::os::{Loader, OsNvram};

    fn guest(folder: &Path) -> Domain {
        std::fs::write(folder.join("template"), b"variables").unwrap();
        let mut domain = Domain::default();
        domain.os.loader = Some(Loader {
            path: Some("/code.fd".into()),
            ..Loader::default()
        });
        let text = |name: &str| Some(folder.join(name).to_str().unwrap().to_owned());
        domain.os.nvram = Some(OsNvram {
            template: text("template"),
            path: text("deeper/a_VARS.fd"),
            ..OsNvram::default()
        });
        domain
    }

    #[test]
    fn the_store_is_made_once_and_reset_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let domain = guest(folder.path());
        let store = folder.path().join("deeper/a_VARS.fd");
        prepare(&domain, false).unwrap();
        assert_eq!(std::fs::read(&store).unwrap(), b"variables");
        std::fs::write(&store, b"changed").unwrap();
        prepare(&domain, false).unwrap();
        assert_eq!(std::fs::read(&store).unwrap(), b"changed");
        prepare(&domain, true).unwrap();
        assert_eq!(std::fs::read(&store).unwrap(), b"variables");
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut domain = guest(folder.path());
        std::fs::remove_file(folder.path().join("template")).unwrap();
        let error = prepare(&domain, false).unwrap_err();
        assert!(
            error.message().contains("/template': No such file"),
            "{error}"
        );
        domain.os.nvram.as_mut().unwrap().template = None;
        let error = prepare(&domain, false).unwrap_err();
        assert_eq!(
            error.message(),
            "operation failed: unable to find any master var store for loader: /code.fd"
        );
    }
}
