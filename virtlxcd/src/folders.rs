//! Where the driver keeps its files (WIRE.md section 25).

use std::path::PathBuf;

use virt_daemon::{Paths, make_folder};

/// The driver's folders, all below those of its daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Definitions `NAME.xml` and `autostart/`.
    pub definitions: PathBuf,
    /// State of running containers: `NAME.xml`, `NAME.pid`, `NAME.sock`, `NAME.netns`, marker `autostarted`.
    pub state: PathBuf,
    /// Containers' logs, `NAME.log`.
    pub log: PathBuf,
}

impl Folders {
    /// The folders of an instance.
    pub fn of(paths: &Paths) -> Self {
        Self {
            definitions: paths.config.join("lxc"),
            state: paths.run.join("lxc"),
            log: paths.log.join("lxc"),
        }
    }

    /// `NAME.xml` of a running container.
    pub fn status(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.xml"))
    }

    /// `NAME.pid`: its controller.
    pub fn pid(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.pid"))
    }

    /// `NAME.sock`: its monitor socket.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.sock"))
    }

    /// `NAME.netns`: holds on to its network namespace.
    pub fn network(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.netns"))
    }

    /// `NAME.log`.
    pub fn guest_log(&self, name: &str) -> PathBuf {
        self.log.join(format!("{name}.log"))
    }

    /// Removes what a running container has in them.
    pub fn remove_run(&self, name: &str) {
        for path in [self.status(name), self.pid(name), self.socket(name)] {
            // Not all of them are there.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Makes them, 0700.
    ///
    /// # Errors
    /// A sentence that names the folder.
    pub fn create(&self) -> Result<(), String> {
        for folder in [&self.definitions, &self.state, &self.log] {
            make_folder(folder, 0o700)
                .map_err(|e| format!("can't make the folder '{}': {e}", folder.display()))?;
        }
        Ok(())
    }
}
