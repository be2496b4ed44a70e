//! Where a daemon's files are (WIRE.md sections 12, 13 and 25).

use std::path::{Path, PathBuf};

/// Whom the daemon serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// The host: `qemu:///system`.
    System,
    /// One user: `qemu:///session`.
    Session,
}

/// The base folders of one instance; each daemon appends its own names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Whom these paths belong to.
    pub instance: Instance,
    /// What `--root` said, `/` otherwise.
    pub root: PathBuf,
    /// `*.conf` and persistent definitions: `/etc/libvirt` or `$XDG_CONFIG_HOME/libvirt`.
    pub config: PathBuf,
    /// Sockets: `/run/libvirt` or `$XDG_RUNTIME_DIR/libvirt`.
    pub run: PathBuf,
    /// PID files: `/run` or `$XDG_RUNTIME_DIR/libvirt`.
    pub pid: PathBuf,
    /// State that outlives a boot: `/var/lib/libvirt` or `$XDG_CONFIG_HOME/libvirt`.
    pub lib: PathBuf,
    /// What can be thrown away: `/var/cache/libvirt` or `$XDG_CACHE_HOME/libvirt`.
    pub cache: PathBuf,
    /// Logs: `/var/log/libvirt` or `$XDG_CACHE_HOME/libvirt`.
    pub log: PathBuf,
}

impl Paths {
    /// The host's paths, below `root` when one was given.
    pub fn system(root: Option<&Path>) -> Self {
        let root = root.unwrap_or(Path::new("/")).to_owned();
        Self {
            instance: Instance::System,
            config: root.join("etc/libvirt"),
            run: root.join("run/libvirt"),
            pid: root.join("run"),
            lib: root.join("var/lib/libvirt"),
            cache: root.join("var/cache/libvirt"),
            log: root.join("var/log/libvirt"),
            root,
        }
    }

    /// Where a program that is started now has its files: root the host's, unless it is to be for a
    /// `session`, everyone else their own.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub fn of_user(root: Option<&Path>, session: bool) -> Result<Self, String> {
        if !session && rustix::process::geteuid().is_root() {
            return Ok(Self::system(root));
        }
        Self::session(root, |name| {
            let set = std::env::var_os(name).filter(|value| !value.is_empty());
            set.map(PathBuf::from)
        })
    }

    /// One user's paths from the environment (`variable` looks a name up; empty counts as unset).
    /// With `root` the same tree is made below it: `root/config`, `root/cache`, `root/run`.
    ///
    /// # Errors
    /// Neither the XDG variables nor `HOME` say where the user's files are.
    pub fn session(
        root: Option<&Path>,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, String> {
        let home = |below: &str| {
            variable("HOME")
                .map(|home| home.join(below))
                .ok_or_else(|| {
                    "neither HOME nor the XDG variables are set: set HOME or XDG_CONFIG_HOME, \
                 XDG_CACHE_HOME and XDG_RUNTIME_DIR"
                        .to_owned()
                })
        };
        let (config, cache, run) = match root {
            Some(root) => (root.join("config"), root.join("cache"), root.join("run")),
            None => {
                let cache = variable("XDG_CACHE_HOME").map_or_else(|| home(".cache"), Ok)?;
                (
                    variable("XDG_CONFIG_HOME").map_or_else(|| home(".config"), Ok)?,
                    cache.clone(),
                    variable("XDG_RUNTIME_DIR").unwrap_or(cache),
                )
            }
        };
        let (config, cache, run) = (
            config.join("libvirt"),
            cache.join("libvirt"),
            run.join("libvirt"),
        );
        Ok(Self {
            instance: Instance::Session,
            root: root.unwrap_or(Path::new("/")).to_owned(),
            lib: config.clone(),
            log: cache.clone(),
            pid: run.clone(),
            config,
            run,
            cache,
        })
    }

    /// A path from a configuration file, moved below the root.
    pub fn below_root(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether this is the host's instance.
    pub fn is_system(&self) -> bool {
        self.instance == Instance::System
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_where_libvirt_has_it() {
        let paths = Paths::system(None);
        assert_eq!(paths.run, Path::new("/run/libvirt"));
        assert_eq!(paths.lib, Path::new("/var/lib/libvirt"));
        assert_eq!(
            Paths::system(Some(Path::new("/t"))).config,
            Path::new("/t/etc/libvirt")
        );
    }

    #[test]
    fn a_session_without_a_runtime_folder_uses_the_cache() {
        let paths =
            Paths::session(None, |name| (name == "HOME").then(|| "/home/u".into())).unwrap();
        assert_eq!(paths.run, Path::new("/home/u/.cache/libvirt"));
        assert_eq!(paths.config, Path::new("/home/u/.config/libvirt"));
        assert!(Paths::session(None, |_| None).is_err());
    }

    #[test]
    fn a_configured_path_stays_below_the_root() {
        let paths = Paths::system(Some(Path::new("/t")));
        assert_eq!(paths.below_root(Path::new("/run/x")), Path::new("/t/run/x"));
    }
}
