//! Where the driver keeps its files (WIRE.md section 25).

use std::path::PathBuf;

use virt_daemon::{Paths, make_folder};

/// The driver's folders, all below those of its daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Definitions `NAME.xml` and `autostart/`.
    pub definitions: PathBuf,
    /// State of running guests: `NAME.xml`, `NAME.pid`, marker `autostarted`.
    pub state: PathBuf,
    /// Folders of running guests, `domain-ID-SHORT/`.
    pub lib: PathBuf,
    /// Managed save images, `NAME.save`.
    pub save: PathBuf,
    /// Variable stores of firmware, `NAME_VARS.fd`.
    pub nvram: PathBuf,
    /// Sockets of channels that name no path.
    pub channel: PathBuf,
    /// Guests' logs, `NAME.log`.
    pub log: PathBuf,
    /// What the QEMU binaries can do.
    pub capabilities: PathBuf,
    /// State of TPM emulators, `UUID/tpm2`.
    pub swtpm: PathBuf,
    /// Logs of TPM emulators, `NAME-swtpm.log`.
    pub swtpm_log: PathBuf,
    /// Sockets of TPM emulators.
    pub swtpm_state: PathBuf,
    /// Sockets and PID files of passt.
    pub passt: PathBuf,
}

impl Folders {
    /// The folders of an instance.
    pub fn of(paths: &Paths) -> Self {
        let system = paths.is_system();
        let state = match system {
            true => paths.run.join("qemu"),
            false => paths.run.join("qemu/run"),
        };
        let kept = paths.lib.join("qemu");
        let log = paths.log.join(if system { "qemu" } else { "qemu/log" });
        let swtpm_log = match system {
            true => paths.root.join("var/log/swtpm/libvirt/qemu"),
            false => log.clone(),
        };
        let cache = paths.cache.join(if system { "qemu" } else { "qemu/cache" });
        Self {
            definitions: paths.config.join("qemu"),
            lib: if system {
                kept.clone()
            } else {
                kept.join("lib")
            },
            save: kept.join("save"),
            nvram: kept.join("nvram"),
            channel: state.join("channel"),
            capabilities: cache.join("capabilities"),
            swtpm: match system {
                true => paths.lib.join("swtpm"),
                false => kept.join("swtpm"),
            },
            swtpm_state: state.join("swtpm"),
            passt: state.join("passt"),
            state,
            log,
            swtpm_log,
        }
    }

    /// `NAME.xml` of a running guest.
    pub fn status(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.xml"))
    }

    /// `NAME.pid` of a running guest.
    pub fn pid(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.pid"))
    }

    /// `NAME.log`.
    pub fn guest_log(&self, name: &str) -> PathBuf {
        self.log.join(format!("{name}.log"))
    }

    /// `NAME.save`: the managed save image.
    pub fn managed_save(&self, name: &str) -> PathBuf {
        self.save.join(format!("{name}.save"))
    }

    /// `domain-ID-SHORT`: the folder of one run of a guest.
    pub fn guest(&self, short_name: &str) -> PathBuf {
        self.lib.join(format!("domain-{short_name}"))
    }

    /// Makes those that every start needs, 0700 but for those QEMU's own user has to pass.
    ///
    /// # Errors
    /// A sentence that names the folder.
    pub fn create(&self) -> Result<(), String> {
        let private = [&self.definitions, &self.log, &self.capabilities];
        let passable = [
            &self.state,
            &self.lib,
            &self.save,
            &self.nvram,
            &self.channel,
        ];
        let all = private
            .iter()
            .map(|folder| (folder, 0o700))
            .chain(passable.iter().map(|folder| (folder, 0o711)));
        for (folder, mode) in all {
            make_folder(folder, mode)
                .map_err(|e| format!("can't make the folder '{}': {e}", folder.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_system_is_where_libvirt_has_it() {
        let folders = Folders::of(&Paths::system(None));
        assert_eq!(folders.state, Path::new("/run/libvirt/qemu"));
        assert_eq!(folders.lib, Path::new("/var/lib/libvirt/qemu"));
        assert_eq!(folders.save, Path::new("/var/lib/libvirt/qemu/save"));
        assert_eq!(folders.log, Path::new("/var/log/libvirt/qemu"));
        assert_eq!(
            folders.capabilities,
            Path::new("/var/cache/libvirt/qemu/capabilities")
        );
        assert_eq!(folders.swtpm, Path::new("/var/lib/libvirt/swtpm"));
    }

    #[test]
    fn a_session_is_below_the_users_own_folders() {
        let home = |name: &str| (name == "HOME").then(|| "/home/u".into());
        let folders = Folders::of(&Paths::session(None, home).unwrap());
        let config = Path::new("/home/u/.config/libvirt/qemu");
        assert_eq!(folders.definitions, config);
        assert_eq!(folders.lib, config.join("lib"));
        assert_eq!(folders.save, config.join("save"));
        let cache = Path::new("/home/u/.cache/libvirt/qemu");
        assert_eq!(folders.log, cache.join("log"));
        assert_eq!(folders.state, cache.join("run"));
        assert_eq!(folders.capabilities, cache.join("cache/capabilities"));
    }
}
