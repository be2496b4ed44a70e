//! File systems: lines as of fstab(5).

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Tag, Writer};

use super::settings::Settings;
use super::unsupported;

/// Size of a file system in memory whose line says none, in KiB: half of the memory that a container
/// has by default (tmpfs(5)).
const RAM: u64 = super::MEMORY / 2;

/// A file system of the container.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    source: Source,
    target: String,
    readonly: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Source {
    Folder(String),
    Device(String),
    /// KiB.
    Memory(u64),
}

fn named(path: &str) -> Source {
    match path.starts_with("/dev/") {
        true => Source::Device(path.to_owned()),
        false => Source::Folder(path.to_owned()),
    }
}

/// The container's root.
///
/// # Errors
/// CONFIG_UNSUPPORTED for one that is put together of several.
pub(super) fn root(settings: &Settings) -> Result<Vec<Mount>> {
    let key = "lxc.rootfs.path";
    let Some(path) = settings.last(key) else {
        return Ok(Vec::new());
    };
    let path = path.strip_prefix("dir:").unwrap_or(path);
    if !path.starts_with('/') {
        let why = "the root is a folder or a block device here; mount it and name its folder";
        return Err(unsupported(key, path, why));
    }
    Ok(vec![Mount {
        source: named(path),
        target: "/".to_owned(),
        readonly: false,
    }])
}

/// The file systems of a table's text.
///
/// # Errors
/// As [`entry`].
pub(super) fn table(text: &str) -> Result<Vec<Mount>> {
    let mut all = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        all.extend(entry(line)?);
    }
    Ok(all)
}

/// The file system of a line; none for an empty one and for those that each container has.
///
/// # Errors
/// INVALID_ARG for a line that is not whole or whose size is none.
pub(super) fn entry(line: &str) -> Result<Option<Mount>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (source, target, kind, options) = match fields[..] {
        [] => return Ok(None),
        [source, target, kind, options, ..] => (source, target, kind, options),
        _ => {
            return Err(invalid(
                line,
                "it takes at least four fields, as of fstab(5)",
            ));
        }
    };
    if matches!(kind, "proc" | "sysfs" | "devpts" | "cgroup") {
        return Ok(None);
    }
    let options: Vec<&str> = options.split(',').collect();
    let source = match kind {
        "tmpfs" | "ramfs" => Source::Memory(size(line, &options)?),
        _ => named(source),
    };
    // They are below the container's root.
    let target = format!("/{}", target.trim_start_matches('/'));
    Ok(Some(Mount {
        source,
        target,
        readonly: options.contains(&"ro"),
    }))
}

/// KiB.
fn size(line: &str, options: &[&str]) -> Result<u64> {
    let given = options
        .iter()
        .find_map(|option| option.strip_prefix("size="));
    let Some(text) = given else { return Ok(RAM) };
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number = digits.parse::<u64>().ok();
    let kib = number.and_then(|number| match text.get(digits.len()..)? {
        "" => Some(number >> 10),
        "k" | "K" => Some(number),
        "m" | "M" => number.checked_mul(1 << 10),
        "g" | "G" => number.checked_mul(1 << 20),
        // Of the container's memory.
        "%" => Some(number.checked_mul(super::MEMORY)? / 100),
        _ => None,
    });
    kib.ok_or_else(|| invalid(line, "its size is none; it takes one such as 8m"))
}

fn invalid(line: &str, why: &str) -> Error {
    Error::new(
        ErrorCode::InvalidArg,
        ErrorDomain::Lxc,
        format!("file system '{}': {why}", line.trim()),
    )
}

impl Mount {
    /// Writes its element.
    pub fn write(&self, out: &mut Writer) {
        let kind = match &self.source {
            Source::Folder(_) => "mount",
            Source::Device(_) => "block",
            Source::Memory(_) => "ram",
        };
        let attrs = |tag: &mut Tag<'_>| tag.text("type", kind);
        out.open("filesystem", attrs, |out| {
            let source = |tag: &mut Tag<'_>| match &self.source {
                Source::Folder(path) => tag.text("dir", path),
                Source::Device(path) => tag.text("dev", path),
                Source::Memory(size) => {
                    tag.attr("usage", size);
                    tag.text("units", "KiB");
                }
            };
            out.open("source", source, |_| {});
            out.open("target", |tag| tag.text("dir", &self.target), |_| {});
            if self.readonly {
                out.open("readonly", |_| {}, |_| {});
            }
        });
    }
}
