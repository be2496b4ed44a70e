//! Disks in a slot for SD cards that the board has: only `-drive` can put something into it.
//!
//! Facts: qemu-system(1) `-drive`; command lines of the stock daemon.

use super::block::{self, Needs};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use virt_domain::devices::disk::{DetectZeroes, Discard, Disk, DiskCache, DiskIo, index_of_name};
use virt_domain::devices::storage::{Location, StorageFormat};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, disk: &Disk, context: &mut StartContext) -> Result<()> {
    let Some(source) = disk.source.as_ref().filter(|s| !s.is_empty()) else {
        return Err(unsupported(format!(
            "missing source information for device {}",
            disk.name()
        )));
    };
    let alias = disk.info.alias().unwrap_or_default();
    let sets = b.disk_fdsets();
    let mut needs = Needs::of(context, &sets);
    let (parts, protocol, key) = block::legacy(disk, source, alias, &mut needs)?;
    b.parts(parts);
    let format = disk.format().unwrap_or(StorageFormat::Raw);
    let mut list = OptionList::default();
    match (source.place(), protocol) {
        (Location::File { path, .. } | Location::Block { path }, _) => {
            list.put("file", path.as_deref().unwrap_or_default());
        }
        (Location::Dir { path }, _) => {
            list.put(
                "file",
                format!("fat:{}", path.as_deref().unwrap_or_default()),
            );
        }
        (_, protocol) => {
            // As properties of what `file` is.
            let nested = Props::of("file", protocol);
            list.word(&nested.flattened());
        }
    }
    match (key, format) {
        (Some(key), StorageFormat::Raw) => {
            list.put("key-secret", key);
            list.put("format", "luks");
        }
        (key, format) => {
            if let Some(key) = key {
                list.put("encrypt.format", "luks");
                list.put("encrypt.key-secret", key);
            }
            if format != StorageFormat::Fat {
                list.put("format", format);
            }
        }
    }
    list.put("if", "sd");
    list.put("index", index_of_name(disk.name()).unwrap_or(0));
    if disk.readonly {
        list.put("readonly", "on");
    }
    let driver = disk.driver.as_ref();
    let discard = driver.and_then(|d| d.discard);
    let zeroes = driver.and_then(|d| d.detect_zeroes).map(|zeroes| {
        // Without discards there is nothing zeroes could be turned into.
        match (zeroes, discard) {
            (DetectZeroes::Unmap, Some(Discard::Unmap)) => "unmap",
            (DetectZeroes::Unmap | DetectZeroes::On, _) => "on",
            (DetectZeroes::Off, _) => "off",
        }
    });
    let cache = disk.cache().filter(|cache| *cache != DiskCache::Default);
    let list = list
        .maybe("cache", cache.map(DiskCache::word))
        .maybe(
            "copy-on-read",
            driver.and_then(|d| d.copy_on_read).map(OnOff::word),
        )
        .maybe("discard", discard.map(Discard::word))
        .maybe("detect-zeroes", zeroes)
        .maybe("aio", driver.and_then(|d| d.io).map(DiskIo::word));
    b.option("-drive", list.finish());
    Ok(())
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, what)
}
