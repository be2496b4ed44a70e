//! The guest's firmware: flash images as block nodes, or a ROM.

use super::block::{Backing, Image, Needs, Nodes, Options};
use super::command_line::Builder;
use super::context::StartContext;
use virt_domain::Domain;
use virt_domain::devices::storage::{Location, StorageFormat, StorageSource};
use virt_domain::os::{FlashFormat, LoaderType};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// Name of the firmware's code.
const CODE: &str = "pflash0";
/// Name of its variables.
const VARIABLES: &str = "pflash1";

/// Names of the nodes that the machine's flash memory refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flash {
    pub(super) code: Option<String>,
    pub(super) variables: Option<String>,
}

/// `-blockdev` of the flash images.
pub(super) fn flash(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<Flash> {
    let Some(loader) = domain.os.loader.as_ref() else {
        return Ok(Flash::default());
    };
    let (Some(path), Some(LoaderType::Pflash)) = (&loader.path, loader.kind) else {
        return Ok(Flash::default());
    };
    let sets = b.disk_fdsets();
    let needs = &mut Needs::of(context, &sets);
    let mut nodes = Nodes::default();
    let code = file(path);
    let code = Image {
        read_only: loader.readonly == Some(YesNo::Yes),
        // What is read-only is so above the file alone.
        always_formatted: true,
        ..image(&code, CODE, loader.format)
    };
    let mut flash = Flash {
        code: Some(code.append(&mut nodes, &Options::default(), needs)?),
        variables: None,
    };
    if let Some(nvram) = domain.os.nvram.as_ref() {
        let short = nvram.path.as_deref().map(file);
        if let Some(source) = short.as_ref().or(nvram.source.as_ref()) {
            if nvram.format.is_none() {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Qemu,
                    "mishandled storage format 'none'",
                ));
            }
            let variables = image(source, VARIABLES, nvram.format);
            flash.variables = Some(variables.append(&mut nodes, &Options::default(), needs)?);
        }
    }
    b.parts(nodes.parts);
    Ok(flash)
}

fn file(path: &str) -> StorageSource {
    StorageSource::from(Location::File {
        path: Some(path.to_owned()),
        fdgroup: None,
    })
}

/// A flash image is based upon nothing.
fn image<'a>(source: &'a StorageSource, name: &str, format: Option<FlashFormat>) -> Image<'a> {
    let format = match format.unwrap_or(FlashFormat::Raw) {
        FlashFormat::Raw => StorageFormat::Raw,
        FlashFormat::Qcow2 => StorageFormat::Qcow2,
    };
    Image {
        backing: Backing::Nothing,
        ..Image::new(source, name.to_owned(), format)
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
