//! The command lines of `swtpm_setup` and `swtpm`.

use super::{Folders, version_word};
use std::path::PathBuf;
use virt_domain::Domain;
use virt_domain::devices::tpm::{RemoveDisabled, TpmEmulator, TpmStorageType, TpmVersion};

/// Whom the emulator runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// The name, as swtpm takes it.
    pub name: String,
    /// The number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

/// The files of one emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Folder of its memory.
    pub storage: PathBuf,
    /// Folder of that.
    pub storage_parent: PathBuf,
    /// File of its memory, where it isn't a folder.
    pub storage_file: Option<PathBuf>,
    /// Its log.
    pub log: PathBuf,
    /// Its socket.
    pub socket: PathBuf,
    /// Its number.
    pub pid: PathBuf,
    /// What it says besides the log.
    pub output: PathBuf,
}

impl Files {
    /// The files of a guest's emulator.
    pub fn of(
        domain: &Domain,
        emulator: &TpmEmulator,
        folders: &Folders,
        short_name: &str,
    ) -> Self {
        let own = folders.storage.join(domain.uuid.to_string());
        let given = emulator.source.as_ref().map(|source| {
            let path = PathBuf::from(&source.path);
            (source.kind, path)
        });
        let (storage, storage_file) = match given {
            Some((TpmStorageType::Dir, path)) => (path, None),
            Some((TpmStorageType::File, path)) => {
                let folder = path.parent().map(PathBuf::from).unwrap_or_default();
                (folder, Some(path))
            }
            None => (own.join(version_word(emulator)), None),
        };
        let state = |end: &str| folders.state.join(format!("{short_name}-swtpm{end}"));
        Self {
            storage_parent: storage.parent().map(PathBuf::from).unwrap_or_default(),
            storage,
            storage_file,
            log: folders.log.join(format!("{}-swtpm.log", domain.name)),
            socket: state(".sock"),
            pid: state(".pid"),
            output: state(".out"),
        }
    }

    fn state_option(&self) -> String {
        match &self.storage_file {
            Some(file) => format!("backend-uri=file://{}", file.display()),
            None => format!("dir={},mode=0600", self.storage.display()),
        }
    }
}

fn is_v2(emulator: &TpmEmulator) -> bool {
    emulator.version.unwrap_or(TpmVersion::V2) == TpmVersion::V2
}

/// Makes a new memory.
pub fn setup_arguments(
    emulator: &TpmEmulator,
    domain: &Domain,
    files: &Files,
    runas: Option<&RunAs>,
) -> Vec<String> {
    let mut args = Vec::new();
    if let Some(runas) = runas {
        args.extend(["--runas".to_owned(), runas.name.clone()]);
    }
    if is_v2(emulator) {
        args.push("--tpm2".to_owned());
    }
    let state = match &files.storage_file {
        Some(file) => format!("file://{}", file.display()),
        None => files.storage.display().to_string(),
    };
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    option("--tpm-state", state);
    option("--vmid", format!("{}:{}", domain.name, domain.uuid));
    option("--logfile", files.log.display().to_string());
    if let Some(profile) = &emulator.profile {
        if let Some(source) = &profile.source {
            option("--profile-name", source.clone());
        }
        if let Some(remove) = profile.remove_disabled {
            let word = match remove {
                RemoveDisabled::Check => "check",
                RemoveDisabled::FipsHost => "fips-host",
            };
            option("--profile-remove-disabled", word.to_owned());
        }
    }
    if !emulator.active_pcr_banks.is_empty() {
        let words: Vec<_> = emulator.active_pcr_banks.iter().map(|b| b.word()).collect();
        option("--pcr-banks", words.join(","));
    }
    for flag in [
        "--createek",
        "--create-ek-cert",
        "--create-platform-cert",
        "--lock-nvram",
        "--not-overwrite",
    ] {
        args.push(flag.to_owned());
    }
    args
}

/// Plays the TPM at its socket.
pub fn socket_arguments(
    emulator: &TpmEmulator,
    files: &Files,
    runas: Option<&RunAs>,
) -> Vec<String> {
    let mut args = vec!["socket".to_owned(), "--daemon".to_owned()];
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    if let Some(runas) = runas {
        option("--runas", runas.name.clone());
    }
    let socket = files.socket.display();
    option("--ctrl", format!("type=unixio,path={socket},mode=0600"));
    option("--tpmstate", files.state_option());
    let level = emulator.debug.map(|level| format!(",level={level}"));
    let log = files.log.display();
    option("--log", format!("file={log}{}", level.unwrap_or_default()));
    option("--pid", format!("file={}", files.pid.display()));
    args.push("--terminate".to_owned());
    if is_v2(emulator) {
        args.push("--tpm2".to_owned());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn everything_is_in_its_folder() {
        let domain = Domain {
            name: "a".to_owned(),
            ..Domain::default()
        };
        let folders = Folders {
            storage: "/var/lib/libvirt/swtpm".into(),
            log: "/var/log/swtpm/libvirt/qemu".into(),
            state: "/run/libvirt/qemu/swtpm".into(),
        };
        let emulator = TpmEmulator::default();
        let files = Files::of(&domain, &emulator, &folders, "3-a");
        assert_eq!(
            files.storage,
            Path::new("/var/lib/libvirt/swtpm/00000000-0000-0000-0000-000000000000/tpm2")
        );
        assert_eq!(
            socket_arguments(&emulator, &files, None).join(" "),
            "socket --daemon --ctrl type=unixio,path=/run/libvirt/qemu/swtpm/3-a-swtpm.sock,mode=0600 \
             --tpmstate dir=/var/lib/libvirt/swtpm/00000000-0000-0000-0000-000000000000/tpm2,mode=0600 \
             --log file=/var/log/swtpm/libvirt/qemu/a-swtpm.log \
             --pid file=/run/libvirt/qemu/swtpm/3-a-swtpm.pid --terminate --tpm2"
        );
        let setup = setup_arguments(&emulator, &domain, &files, None).join(" ");
        assert!(setup.starts_with("--tpm2 --tpm-state /var/lib"), "{setup}");
        assert!(setup.contains("--vmid a:00000000-"), "{setup}");
    }
}
