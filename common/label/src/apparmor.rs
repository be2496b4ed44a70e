//! What the host's AppArmor says, and the profile that a container has of its own: made of a template,
//! loaded while the container runs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use uuid::Uuid;

/// Whether the kernel runs it: `Y`.
const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";

/// What the kernel has loaded: `NAME (MODE)`, a line each.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// Where profiles of guests are.
const FOLDER: &str = "/etc/apparmor.d/libvirt";

/// What those of containers are made of.
const TEMPLATE: &str = "TEMPLATE.lxc";

/// The name in it.
const NAME: &str = "LIBVIRT_TEMPLATE";

/// What loads them (apparmor_parser(8)).
const PARSER: &str = "apparmor_parser";

/// Where the parser is, whatever the daemon's own search path.
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// Whether the kernel runs it.
pub(crate) fn runs() -> bool {
    fs::read_to_string(ENABLED).is_ok_and(|text| text.trim() == "Y")
}

/// Whether the kernel has a profile of that name.
///
/// # Errors
/// The system's.
pub(crate) fn knows(profile: &str) -> io::Result<bool> {
    Ok(is_among(&fs::read_to_string(LOADED)?, profile))
}

fn is_among(loaded: &str, profile: &str) -> bool {
    let mut names = loaded.lines().filter_map(|line| line.rsplit_once(" ("));
    names.any(|(name, _)| name == profile)
}

/// A profile of one guest's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Its name, also that of its file.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Profile {
    /// That of a guest.
    pub(crate) fn of(uuid: Uuid) -> Self {
        Self {
            name: format!("libvirt-{uuid}"),
            folder: FOLDER.into(),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Writes it and has the kernel load it, in place of one of the same name. Blocks.
    ///
    /// # Errors
    /// A sentence that names the file or has the parser's words. Nothing is left then.
    pub(crate) fn load(&self) -> Result<(), String> {
        self.write()?;
        let loaded = self.parse("--replace");
        if loaded.is_err() {
            // It may not have been loaded at all.
            let _ = fs::remove_file(self.file());
        }
        loaded
    }

    fn write(&self) -> Result<(), String> {
        let template = self.folder.join(TEMPLATE);
        let text = fs::read_to_string(&template).map_err(|e| {
            format!(
                "a profile is made of the template '{}': {e}; install one, or name a profile that is \
                 loaded: <seclabel type='static' model='apparmor'><label>…</label></seclabel>",
                template.display()
            )
        })?;
        let text = filled(&text, &self.name)
            .ok_or_else(|| format!("'{}' has no profile {NAME}", template.display()))?;
        let path = self.file();
        let failed = |e: io::Error| format!("cannot write '{}': {e}", path.display());
        // What an earlier run left is no reason to fail, and nothing of it stays.
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed)
    }

    /// Has the kernel forget it, and removes its file. Blocks. What was not there is no error.
    pub(crate) fn remove(&self) {
        if !self.file().exists() {
            return;
        }
        // The kernel may have forgotten it already; without its file nothing loads it again.
        let _ = self.parse("--remove");
        let _ = fs::remove_file(self.file());
    }

    fn parse(&self, what: &str) -> Result<(), String> {
        let mut parser = Command::new(PARSER);
        parser.env_clear().env("PATH", PATH);
        let ran = parser.arg(what).arg(self.file()).output();
        match ran {
            Ok(Output { status, .. }) if status.success() => Ok(()),
            Ok(Output { stderr, .. }) => Err(format!(
                "{PARSER} {what} '{}': {}",
                self.file().display(),
                String::from_utf8_lossy(&stderr).trim_end()
            )),
            Err(e) => Err(format!(
                "cannot run {PARSER}: {e}; install AppArmor's tools"
            )),
        }
    }
}

/// A template with a name put in.
fn filled(template: &str, name: &str) -> Option<String> {
    template
        .contains(NAME)
        .then(|| template.replace(NAME, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_known_by_their_names() {
        let loaded = "lsb_release (enforce)\nmy web (complain)\n";
        assert!(is_among(loaded, "lsb_release") && is_among(loaded, "my web"));
        assert!(!is_among(loaded, "lsb") && !is_among(loaded, "enforce)"));
    }

    #[test]
    fn a_profile_is_its_template_with_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile {
            folder: folder.path().to_owned(),
            ..Profile::of(Uuid::nil())
        };
        let error = profile.write().unwrap_err();
        assert!(
            error.contains(TEMPLATE) && error.contains("static"),
            "{error}"
        );
        let template = folder.path().join(TEMPLATE);
        fs::write(&template, "profile other { }\n").unwrap();
        assert!(profile.write().is_err());
        fs::write(&template, "profile LIBVIRT_TEMPLATE { file, }\n").unwrap();
        profile.write().unwrap();
        // Also over what an earlier run left.
        profile.write().unwrap();
        let name = "libvirt-00000000-0000-0000-0000-000000000000";
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text, format!("profile {name} {{ file, }}\n"));
    }
}
