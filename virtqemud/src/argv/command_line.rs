//! The finished command line and its printable form.

use super::props::Props;
use crate::caps::{CapFlag, QemuCaps};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use virt_domain::namespace::OverriddenDevice;

/// What is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Path of the emulator.
    pub program: String,
    /// Its arguments, without the program itself.
    pub args: Vec<String>,
    /// Its whole environment, in order.
    pub env: Vec<(String, String)>,
    /// Folders that QEMU makes files of guest memory in; they have to be there.
    pub memory_folders: Vec<PathBuf>,
    /// Number of the last block node that was named, for the status file.
    pub node_index: u32,
    /// Number of the next descriptor set, for the status file.
    pub fdset_index: u32,
}

impl CommandLine {
    /// The command line as text for people and shells, as `virsh domxml-to-native qemu-argv`
    /// prints it: one line per option, environment first, words quoted where a shell needs it.
    pub fn printable(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.env {
            out.push_str(key);
            out.push('=');
            out.push_str(&quoted(value));
            out.push_str(" \\\n");
        }
        out.push_str(&quoted(&self.program));
        for word in &self.args {
            // An option starts a line, its argument stays on it.
            out.push_str(if word.starts_with('-') { " \\\n" } else { " " });
            out.push_str(&quoted(word));
        }
        out
    }
}

/// As a POSIX shell reads it back: in single quotes where there is anything it would act upon.
fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@%^".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The command line while it grows: knows which options the binary takes as JSON.
pub(super) struct Builder<'a> {
    pub(super) caps: &'a QemuCaps,
    /// Properties of devices that the definition replaces.
    pub(super) overrides: &'a [OverriddenDevice],
    args: Vec<String>,
    fdsets: u32,
    memory_folders: Vec<PathBuf>,
    /// Numbers of sets that images have, by number of the image.
    disk_fdsets: Rc<HashMap<u32, u32>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(caps: &'a QemuCaps) -> Self {
        Self {
            caps,
            overrides: &[],
            args: Vec::new(),
            fdsets: 0,
            memory_folders: Vec::new(),
            disk_fdsets: Rc::default(),
        }
    }

    /// An option without an argument.
    pub(super) fn flag(&mut self, option: &str) {
        self.args.push(option.to_owned());
    }

    /// An option with its argument.
    pub(super) fn option(&mut self, option: &str, argument: impl Into<String>) {
        self.args.push(option.to_owned());
        self.args.push(argument.into());
    }

    /// `-device`.
    pub(super) fn device(&mut self, props: &Props) {
        let replaced = super::custom::replaced(props, self.overrides);
        let props = replaced.as_ref().unwrap_or(props);
        let text = if self.caps.has(CapFlag::DeviceJson) {
            props.json()
        } else {
            props.key_values()
        };
        self.option("-device", text);
    }

    /// `-object`.
    pub(super) fn object(&mut self, props: &Props) {
        self.option("-object", props.json());
    }

    /// QEMU makes files of guest memory in that folder.
    pub(super) fn memory_folder(&mut self, folder: PathBuf) {
        if !self.memory_folders.contains(&folder) {
            self.memory_folders.push(folder);
        }
    }

    /// `-blockdev`.
    pub(super) fn blockdev(&mut self, props: &Props) {
        self.option("-blockdev", props.json());
    }

    /// `-netdev`.
    pub(super) fn netdev(&mut self, props: &Props) {
        let text = if self.caps.has(CapFlag::NetdevJson) {
            props.json()
        } else {
            props.key_values()
        };
        self.option("-netdev", text);
    }

    /// `-audiodev`.
    pub(super) fn audiodev(&mut self, props: &Props) {
        self.option("-audiodev", props.json());
    }

    /// `-add-fd`: puts descriptors into a new set, each with a label; returns the path that names
    /// the set.
    pub(super) fn fdset(&mut self, members: &[(i32, String)]) -> String {
        let set = self.fdsets;
        self.fdsets += 1;
        self.numbered_fdset(set, members);
        format!("/dev/fdset/{set}")
    }

    /// Keeps the first numbers of sets for images, by number of the image.
    pub(super) fn reserve_fdsets(&mut self, sets: HashMap<u32, u32>) {
        self.fdsets = u32::try_from(sets.len()).unwrap_or(u32::MAX);
        self.disk_fdsets = Rc::new(sets);
    }

    /// What [`Builder::reserve_fdsets`] kept.
    pub(super) fn disk_fdsets(&self) -> Rc<HashMap<u32, u32>> {
        Rc::clone(&self.disk_fdsets)
    }

    /// `-add-fd` for a set whose number is known.
    pub(super) fn numbered_fdset(&mut self, set: u32, members: &[(i32, String)]) {
        for (fd, label) in members {
            self.option(
                "-add-fd",
                format!("set={set},fd={fd},opaque={}", super::props::escape(label)),
            );
        }
    }

    pub(super) fn finish(
        self,
        program: String,
        env: Vec<(String, String)>,
        node_index: u32,
    ) -> CommandLine {
        CommandLine {
            program,
            args: self.args,
            env,
            memory_folders: self.memory_folders,
            node_index,
            fdset_index: self.fdsets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printable_form_can_be_given_to_a_shell() {
        let line = CommandLine {
            program: "/usr/bin/qemu".to_owned(),
            args: ["-name", "guest=it's me", "-S", "-object", r#"{"a":1}"#]
                .map(str::to_owned)
                .into(),
            env: vec![("LC_ALL".to_owned(), "C".to_owned())],
            ..CommandLine::default()
        };
        assert_eq!(
            line.printable(),
            "LC_ALL=C \\\n/usr/bin/qemu \\\n-name 'guest=it'\\''s me' \\\n-S \\\n-object '{\"a\":1}'"
        );
    }
}
