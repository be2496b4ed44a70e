//! The guest's firmware: flash images as block nodes, or a ROM.

use super::command_line::Builder;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::storage::{Location, StorageSource};
use virt_domain::os::{FlashFormat, LoaderType};
use virt_error::Result;
use virt_xml::YesNo;

/// Node of the firmware's code.
const CODE: &str = "libvirt-pflash0";
/// Node of its variables.
const VARIABLES: &str = "libvirt-pflash1";

/// Names of the nodes that the machine's flash memory refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flash {
    pub(super) code: Option<String>,
    pub(super) variables: Option<String>,
}

/// `-blockdev` of the flash images.
pub(super) fn flash(b: &mut Builder, domain: &Domain) -> Result<Flash> {
    let Some(loader) = domain.os.loader.as_ref() else {
        return Ok(Flash::default());
    };
    let (Some(path), Some(LoaderType::Pflash)) = (&loader.path, loader.kind) else {
        return Ok(Flash::default());
    };
    b.blockdev(
        &file(path, CODE)
            .with("auto-read-only", true)
            .with("discard", "unmap"),
    );
    let read_only = loader.readonly == Some(YesNo::Yes);
    b.blockdev(&format(CODE, read_only, loader.format));
    let mut flash = Flash {
        code: Some(format!("{CODE}-format")),
        variables: None,
    };
    let Some(nvram) = domain.os.nvram.as_ref() else {
        return Ok(flash);
    };
    let storage = match (&nvram.path, &nvram.source) {
        (Some(path), _) => Some(file(path, VARIABLES)),
        (None, Some(source)) => Some(storage(source, VARIABLES)?),
        (None, None) => None,
    };
    let Some(storage) = storage else {
        return Ok(flash);
    };
    if nvram.format == Some(FlashFormat::Qcow2) {
        b.blockdev(
            &storage
                .with("auto-read-only", true)
                .with("discard", "unmap"),
        );
        b.blockdev(&format(VARIABLES, false, nvram.format));
        flash.variables = Some(format!("{VARIABLES}-format"));
    } else {
        b.blockdev(&storage.with("read-only", false));
        flash.variables = Some(format!("{VARIABLES}-storage"));
    }
    Ok(flash)
}

fn file(path: &str, node: &str) -> Props {
    Props::of("driver", "file")
        .with("filename", path)
        .with("node-name", format!("{node}-storage"))
}

fn format(node: &str, read_only: bool, format: Option<FlashFormat>) -> Props {
    Props::of("node-name", format!("{node}-format"))
        .with("read-only", read_only)
        .with("driver", format.unwrap_or(FlashFormat::Raw).word())
        .with("file", format!("{node}-storage"))
}

fn storage(source: &StorageSource, node: &str) -> Result<Props> {
    match &source.location {
        Location::Block { path } => Ok(Props::of("driver", "host_device")
            .with("filename", path.clone().unwrap_or_default())
            .with("node-name", format!("{node}-storage"))),
        _ => match source.path() {
            Some(path) => Ok(file(path, node)),
            None => Err(super::unsupported(
                "a variable store that is neither a file nor a block device",
            )),
        },
    }
}

/// `-bios`.
pub(super) fn rom(b: &mut Builder, domain: &Domain) {
    let Some(loader) = domain.os.loader.as_ref() else {
        return;
    };
    if let (Some(path), LoaderType::Rom) = (&loader.path, loader.kind.unwrap_or(LoaderType::Rom)) {
        b.option("-bios", path.as_str());
    }
}
