//! Persistent definitions on disk: `NAME.xml` in the configuration directory and a symbolic link
//! of the same name in `autostart/` (WIRE.md section 25). The same files as libvirt's, so that
//! either daemon finds what the other one defined.
//!
//! Everything here blocks; callers on the daemon's thread go through `spawn_blocking`.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::durable;

/// No definition is longer: what a client can send in one string (WIRE.md section 1).
const MAX_DEFINITION: u64 = 4 << 20;

/// The definitions of one driver.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    autostart: PathBuf,
    domain: ErrorDomain,
}

impl Store {
    /// The store in `directory`, which is created (0700) if it is missing.
    ///
    /// # Errors
    /// SYSTEM_ERROR of the driver's `domain` when a directory can't be made.
    pub fn open(directory: impl Into<PathBuf>, domain: ErrorDomain) -> Result<Self> {
        let directory = directory.into();
        let autostart = directory.join("autostart");
        make_directory(&directory).map_err(|e| {
            let what = format!("cannot create config directory '{}'", directory.display());
            Error::system(domain, what, &e)
        })?;
        Ok(Self {
            directory,
            autostart,
            domain,
        })
    }

    /// The file that defines the guest of that name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.xml"))
    }

    fn link(&self, name: &str) -> PathBuf {
        self.autostart.join(format!("{name}.xml"))
    }

    fn once_link(&self, name: &str) -> PathBuf {
        self.autostart.join(format!("{name}.xml.once"))
    }

    /// Hands every definition to `each` with the name its file says. What can't be read is logged
    /// and left out.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the directory itself can't be read.
    pub fn load(&self, mut each: impl FnMut(&str, &str)) -> Result<()> {
        let failed = |e: &io::Error| {
            let what = format!("Failed to open dir '{}'", self.directory.display());
            Error::system(self.domain, what, e)
        };
        let mut text = String::new();
        for entry in std::fs::read_dir(&self.directory).map_err(|e| failed(&e))? {
            let entry = entry.map_err(|e| failed(&e))?;
            let file = entry.file_name();
            let Some(name) = file.to_str().and_then(|f| f.strip_suffix(".xml")) else {
                continue;
            };
            if name.is_empty() || name.starts_with('.') {
                continue;
            }
            text.clear();
            match read_bounded(&entry.path(), &mut text) {
                Ok(()) => each(name, &text),
                Err(e) => tracing::error!(
                    "cannot read the definition '{}': {e}; the guest is left out",
                    entry.path().display()
                ),
            }
        }
        Ok(())
    }

    /// Writes the definition `xml` of the guest `name`, durably.
    ///
    /// # Errors
    /// INVALID_ARG for a name that can't be a file's, SYSTEM_ERROR when it can't be written.
    pub fn write(&self, name: &str, xml: &str) -> Result<()> {
        self.check_name(name)?;
        let path = self.path(name);
        let comment = warning(name);
        durable::replace(&path, &[comment.as_bytes(), xml.as_bytes()]).map_err(|e| {
            let what = format!("cannot write config file '{}'", path.display());
            Error::system(self.domain, what, &e)
        })
    }

    /// Removes the definition of `name` and its autostart link; what is not there is fine.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the definition can't be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.check_name(name)?;
        self.unlink(&self.link(name), "autostart link")?;
        self.unlink(&self.once_link(name), "autostart link")?;
        self.unlink(&self.path(name), "config")
    }

    /// Gives the definition of `old` another name, with its links. Whatever fails leaves it under its old
    /// name alone.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the files can't be written or removed.
    pub fn rename(&self, old: &str, new: &str, xml: &str) -> Result<()> {
        self.write(new, xml)?;
        let moved = || -> Result<()> {
            if self.autostarted().contains(old) {
                self.set_autostart(new, true)?;
            }
            if self.autostarted_once().contains(old) {
                self.set_autostart_once(new, true)?;
            }
            self.remove(old)
        };
        moved().inspect_err(|_| {
            if let Err(error) = self.remove(new) {
                tracing::error!("after a failed rename: {error}");
            }
        })
    }

    /// The names with an autostart link.
    pub fn autostarted(&self) -> HashSet<String> {
        self.links(".xml")
    }

    /// The names with a link for the next boot alone.
    pub fn autostarted_once(&self) -> HashSet<String> {
        self.links(".xml.once")
    }

    fn links(&self, suffix: &str) -> HashSet<String> {
        let Ok(entries) = std::fs::read_dir(&self.autostart) else {
            return HashSet::new(); // No such directory until the first link is made.
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|file| Some(file.strip_suffix(suffix)?.to_owned()))
            .collect()
    }

    /// Makes or removes the autostart link of `name`.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the directory or the link can't be made or removed.
    pub fn set_autostart(&self, name: &str, on: bool) -> Result<()> {
        self.set_link(name, &self.link(name), on)
    }

    /// Makes or removes the link that starts `name` with the next boot alone.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the directory or the link can't be made or removed.
    pub fn set_autostart_once(&self, name: &str, on: bool) -> Result<()> {
        self.set_link(name, &self.once_link(name), on)
    }

    fn set_link(&self, name: &str, link: &Path, on: bool) -> Result<()> {
        self.check_name(name)?;
        if !on {
            return self.unlink(link, "autostart link");
        }
        make_directory(&self.autostart).map_err(|e| {
            let what = format!(
                "cannot create autostart directory '{}'",
                self.autostart.display()
            );
            Error::system(self.domain, what, &e)
        })?;
        let target = self.path(name);
        match symlink(&target, link) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                let what = format!(
                    "Failed to create symlink '{}' to '{}'",
                    link.display(),
                    target.display()
                );
                Err(Error::system(self.domain, what, &e))
            }
            _ => Ok(()),
        }
    }

    fn unlink(&self, path: &Path, what: &str) -> Result<()> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                let what = format!("cannot remove {what} '{}'", path.display());
                Err(Error::system(self.domain, what, &e))
            }
            _ => Ok(()),
        }
    }

    /// The model refuses such names in XML; this keeps every other way to a path closed as well.
    fn check_name(&self, name: &str) -> Result<()> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0', '\n']) {
            return Err(Error::new(
                ErrorCode::InvalidArg,
                self.domain,
                format!("name {name:?} can't be the name of a definition's file"),
            ));
        }
        Ok(())
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

fn read_bounded(path: &Path, text: &mut String) -> io::Result<()> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    file.take(MAX_DEFINITION + 1).read_to_string(text)?;
    if text.len() as u64 > MAX_DEFINITION {
        return Err(io::Error::other(format!(
            "longer than {MAX_DEFINITION} bytes"
        )));
    }
    Ok(())
}

/// The comment on top of every file the daemon writes (seen in the stock daemon's files). Two
/// dashes would end it early, so they are taken out of the name.
pub fn warning(name: &str) -> String {
    let name = name.replace("--", "");
    format!(
        "<!--\n\
         WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\n\
         OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:\n  \
         virsh edit {name}\n\
         or other application using the libvirt API.\n\
         -->\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("qemu"), ErrorDomain::Qemu).unwrap();
        (dir, store)
    }

    fn loaded(store: &Store) -> Vec<(String, String)> {
        let mut all = Vec::new();
        store
            .load(|name, text| all.push((name.to_owned(), text.to_owned())))
            .unwrap();
        all.sort();
        all
    }

    #[test]
    fn a_definition_is_found_again_with_its_comment() {
        let (_dir, store) = store();
        store.write("a", "<domain/>\n").unwrap();
        let all = loaded(&store);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0, "a");
        assert!(all[0].1.starts_with("<!--\nWARNING: THIS IS"));
        assert!(all[0].1.contains("\n  virsh edit a\n"));
        assert!(all[0].1.ends_with("-->\n\n<domain/>\n"));
    }

    #[test]
    fn only_whole_definitions_are_read() {
        let (_dir, store) = store();
        store.write("a", "<domain/>").unwrap();
        std::fs::write(store.path("b").with_extension("xml.new"), "half").unwrap();
        std::fs::write(store.path("c").with_extension("txt"), "other").unwrap();
        std::fs::create_dir(store.path("d")).unwrap();
        std::fs::write(store.path("e"), b"\xff\xfe not text").unwrap();
        let names: Vec<String> = loaded(&store).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn autostart_is_a_link_that_goes_with_the_definition() {
        let (_dir, store) = store();
        store.write("a", "<domain/>").unwrap();
        assert!(store.autostarted().is_empty());
        store.set_autostart("a", true).unwrap();
        store.set_autostart("a", true).unwrap();
        assert_eq!(
            std::fs::read_link(store.link("a")).unwrap(),
            store.path("a")
        );
        assert!(store.autostarted().contains("a"));
        store.remove("a").unwrap();
        assert!(store.autostarted().is_empty());
        assert!(loaded(&store).is_empty());
        store.remove("a").unwrap();
    }

    #[test]
    fn a_name_never_leaves_the_directory() {
        let (_dir, store) = store();
        for name in ["../x", "a/b", "", ".", "..", "a\0b", "a\nb"] {
            assert!(store.write(name, "x").is_err(), "{name:?}");
            assert!(store.remove(name).is_err(), "{name:?}");
            assert!(store.set_autostart(name, true).is_err(), "{name:?}");
        }
    }

    #[test]
    fn dashes_in_a_name_do_not_end_the_comment() {
        assert!(warning("a-->b").contains("virsh edit a>b\n"));
    }
}
