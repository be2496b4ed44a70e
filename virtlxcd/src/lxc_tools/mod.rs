//! Containers of the `lxc` tools as libvirt describes them: `virsh domxml-from-native lxc-tools`.
//!
//! Facts: `lxc.container.conf(5)` of LXC 5, with the names that keys had before LXC 3. What libvirt makes
//! of them was watched with its own daemon. Keys that say nothing about the container's description are
//! passed over, as the stock daemon does.

mod limits;
mod mounts;
mod network;
mod settings;

use std::io::Read;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use virt_domain::Domain;
use virt_domain::devices::filesystem::AccessMode;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::Writer;

use crate::define::EMULATOR;

use network::Networks;
use settings::Settings;

/// Memory of a container that has no limit, in KiB.
const MEMORY: u64 = 64 << 10;

/// Terminals at most; each is a device.
const TERMINALS_MAX: u32 = 256;

/// Longest file that a configuration names, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// The container of a configuration, with what libvirt says where it says nothing. Blocks: the
/// configuration may name a file.
///
/// # Errors
/// CONFIG_UNSUPPORTED and INVALID_ARG naming the key; SYSTEM_ERROR naming the file.
pub fn domain(config: &str) -> Result<Box<Domain>> {
    let mut domain = Box::new(Domain::read(&describe(config, read)?)?);
    let devices = &mut domain.devices;
    devices.emulator.get_or_insert_with(|| EMULATOR.to_owned());
    for filesystem in &mut devices.filesystems {
        filesystem.accessmode.get_or_insert(AccessMode::Passthrough);
    }
    for (number, console) in (0..).zip(&mut devices.consoles) {
        console.port.get_or_insert(number);
    }
    Ok(domain)
}

fn read(path: &str) -> Result<String> {
    let read = || {
        let mut text = String::new();
        // A pipe that nobody writes is not waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_MAGICLINKS;
        let file = std::fs::File::from(openat2(CWD, path, flags, Mode::empty(), resolve)?);
        if !file.metadata()?.is_file() {
            return Err(std::io::ErrorKind::InvalidInput.into());
        }
        file.take(FILE_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|cause: std::io::Error| {
        let what = format!("Failed to read '{path}', which 'lxc.mount.fstab' names");
        Error::system(ErrorDomain::Lxc, what, &cause)
    })
}

/// The description of the container of a configuration. `read` gives the text of a file that the
/// configuration names (`lxc.mount.fstab`).
///
/// # Errors
/// CONFIG_UNSUPPORTED and INVALID_ARG naming the key; what `read` fails with.
fn describe(text: &str, read: impl FnOnce(&str) -> Result<String>) -> Result<String> {
    let settings = Settings::parse(text)?;
    let name = settings.last("lxc.uts.name").unwrap_or("unnamed");
    let networks = Networks::of(&settings)?;
    let mut mounts = mounts::root(&settings)?;
    if let Some(path) = settings.last("lxc.mount.fstab") {
        mounts.extend(mounts::table(&read(path)?)?);
    }
    for line in settings.all("lxc.mount.entry") {
        mounts.extend(mounts::entry(line)?);
    }
    let terminals = terminals(&settings)?;
    let mut out = Writer::new();
    let plain = |_: &mut virt_xml::Tag<'_>| {};
    let kind = |tag: &mut virt_xml::Tag<'_>| tag.text("type", "lxc");
    let limits = limits::of(&settings)?;
    out.open("domain", kind, |out| {
        out.text_element("name", &name.to_owned());
        let memory = |tag: &mut virt_xml::Tag<'_>| tag.text("unit", "KiB");
        let size = limits.memory.hard.unwrap_or(MEMORY);
        out.open("memory", memory, |out| out.text(&size));
        limits.write(out);
        out.open("os", plain, |out| {
            let arch = settings.last("lxc.arch").and_then(arch);
            let kind = |tag: &mut virt_xml::Tag<'_>| {
                if let Some(arch) = arch {
                    tag.text("arch", arch);
                }
            };
            out.open("type", kind, |out| out.text(&"exe".to_owned()));
            out.text_element("init", &"/sbin/init".to_owned());
        });
        ids(&settings, out);
        out.open("features", plain, |out| {
            if networks.are_private() {
                out.open("privnet", plain, |_| {});
            }
            capabilities(&settings, out);
        });
        out.open("devices", plain, |out| {
            mounts.iter().for_each(|mount| mount.write(out));
            networks.write(out);
            for _ in 0..terminals {
                let kind = |tag: &mut virt_xml::Tag<'_>| tag.text("type", "pty");
                let target = |tag: &mut virt_xml::Tag<'_>| tag.text("type", "lxc");
                out.open("console", kind, |out| out.open("target", target, |_| {}));
            }
        });
    });
    Ok(out.finish())
}

fn terminals(settings: &Settings) -> Result<u32> {
    let key = "lxc.tty.max";
    let Some(text) = settings.last(key) else {
        return Ok(0);
    };
    let count = text.parse().ok().filter(|count| *count <= TERMINALS_MAX);
    count.ok_or_else(|| wrong(key, text, &format!("a number up to {TERMINALS_MAX}")))
}

/// LXC's names of processors (`lxc.arch`) in libvirt's words; any other says nothing.
fn arch(name: &str) -> Option<&'static str> {
    Some(match name {
        "x86" | "i386" | "i486" | "i586" | "i686" | "athlon" => "i686",
        "x86_64" | "amd64" | "linux64" => "x86_64",
        "ppc" | "powerpc" | "linux32" => "ppc",
        "ppc64" | "ppc64le" => "ppc64",
        "arm" | "armv7l" | "armv6l" => "armv7l",
        "aarch64" | "arm64" => "aarch64",
        "s390x" => "s390x",
        _ => return None,
    })
}

/// The mapping of user and group numbers. `lxc.container.conf(5)` names the container's first number
/// first; the stock daemon reads it as the host's. A configuration that maps to the host's root is not
/// meant by either, so the number 0 is the container's, wherever it stands.
fn ids(settings: &Settings, out: &mut Writer) {
    let maps: Vec<Vec<&str>> = settings
        .all("lxc.idmap")
        .map(|line| line.split_whitespace().collect())
        .collect();
    if maps.is_empty() {
        return;
    }
    let plain = |_: &mut virt_xml::Tag<'_>| {};
    out.open("idmap", plain, |out| {
        for (word, element) in [("u", "uid"), ("g", "gid")] {
            for map in maps.iter().filter(|map| map.first() == Some(&word)) {
                let [_, first, second, count] = map[..] else {
                    continue;
                };
                let (start, target) = match second {
                    "0" => (second, first),
                    _ => (first, second),
                };
                let attrs = |tag: &mut virt_xml::Tag<'_>| {
                    tag.text("start", start);
                    tag.text("target", target);
                    tag.text("count", count);
                };
                out.open(element, attrs, |_| {});
            }
        }
    });
}

fn capabilities(settings: &Settings, out: &mut Writer) {
    let words = |key| settings.all(key).flat_map(str::split_whitespace);
    let kept: Vec<&str> = words("lxc.cap.keep")
        .filter(|word| *word != "none")
        .collect();
    let keeps = settings.last("lxc.cap.keep").is_some();
    let (policy, state, mut named) = match keeps {
        true => ("deny", "on", kept),
        false => ("allow", "off", words("lxc.cap.drop").collect()),
    };
    named.sort_unstable();
    named.dedup();
    let attrs = |tag: &mut virt_xml::Tag<'_>| tag.text("policy", policy);
    out.open("capabilities", attrs, |out| {
        for name in named {
            // What is no capability's name can't be an element.
            if name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            {
                let attrs = |tag: &mut virt_xml::Tag<'_>| tag.text("state", state);
                out.open(name, attrs, |_| {});
            }
        }
    });
}

fn wrong(key: &str, value: &str, allowed: &str) -> Error {
    Error::new(
        ErrorCode::InvalidArg,
        ErrorDomain::Lxc,
        format!("'{key} = {value}' makes no sense; it takes {allowed}"),
    )
}

fn unsupported(key: &str, value: &str, why: &str) -> Error {
    Error::new(
        ErrorCode::ConfigUnsupported,
        ErrorDomain::Lxc,
        format!("'{key} = {value}' is not supported: {why}"),
    )
}

#[cfg(test)]
mod tests;
