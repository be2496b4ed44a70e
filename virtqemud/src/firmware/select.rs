//! Choosing the firmware that does what a guest asks for.

use super::descriptor::{Descriptor, FlashMode, Mapping};

/// What a guest asks of its firmware. What it doesn't say is `None`.
#[derive(Debug, Clone, Default)]
pub struct Wish<'a> {
    /// `bios` or `uefi`.
    pub interface: &'a str,
    /// QEMU's name of the architecture.
    pub arch: &'a str,
    /// Full name of the machine type.
    pub machine: &'a str,
    /// Features that must be there or must not.
    pub features: Vec<(&'a str, bool)>,
    /// Path of the code.
    pub code: Option<&'a str>,
    /// Path of the variables' template.
    pub template: Option<&'a str>,
    /// Format of the images; any when not said.
    pub format: Option<&'a str>,
    /// Whether the guest may write to the code.
    pub writable: bool,
    /// Whether variables are kept.
    pub stateless: Option<bool>,
    /// Whether the code is flash memory; not if it is `rom`.
    pub flash: Option<bool>,
    /// Whether system management mode was switched on or off.
    pub smm: Option<bool>,
}

/// The first descriptor that fits.
pub fn select<'d>(descriptors: &'d [Descriptor], wish: &Wish) -> Option<&'d Descriptor> {
    descriptors.iter().find(|d| fits(d, wish))
}

fn fits(descriptor: &Descriptor, wish: &Wish) -> bool {
    descriptor
        .interface_types
        .iter()
        .any(|t| t == wish.interface)
        && descriptor.runs_on(wish.arch, wish.machine)
        && wish
            .features
            .iter()
            .all(|(name, wanted)| descriptor.has(name) == *wanted)
        && (!descriptor.has("requires-smm") || wish.smm != Some(false))
        && mapped(&descriptor.mapping, wish)
}

fn mapped(mapping: &Mapping, wish: &Wish) -> bool {
    match mapping {
        Mapping::Flash {
            mode,
            executable,
            nvram_template,
        } => {
            let shape = match mode {
                FlashMode::Split => !wish.writable && wish.stateless != Some(true),
                FlashMode::Stateless => !wish.writable && wish.stateless != Some(false),
                // A file that code and variables share can't be given to several guests.
                FlashMode::Combined => false,
            };
            wish.flash != Some(false)
                && shape
                && wish.code.is_none_or(|path| path == executable.filename)
                && wish.format.is_none_or(|format| format == executable.format)
                && wish
                    .template
                    .is_none_or(|path| nvram_template.as_ref().is_some_and(|t| t.filename == path))
        }
        Mapping::Memory { filename } => {
            wish.flash != Some(true)
                && !wish.writable
                && wish.stateless != Some(false)
                && wish.template.is_none()
                && wish.code.is_none_or(|path| path == filename)
        }
        Mapping::Kernel { .. } => false,
    }
}

/// Whether the name fits the pattern, in which `*` stands for any text.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("pc-q35-*", "pc-q35-10.0", true),
            ("pc-q35-*", "pc-i440fx-10.0", false),
            ("virt", "virt-9.0", false),
            ("virt", "virt", true),
            ("*-1.*.2", "a-1.0.2", true),
            ("*-1.*.2", "a-1.0.3", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
