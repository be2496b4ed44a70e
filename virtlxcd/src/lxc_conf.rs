//! `lxc.conf`: the host's choices for all containers (keys as in the stock driver's file, and
//! `stdio_handler` and `lock_manager` as in `qemu.conf`).

use virt_daemon::Paths;
use virt_daemon::conf::{ConfError, Document};
use virt_driver::leases::LockManager;
use virt_driver::logs::Handler;
use virt_label::{Confinement, Model};

/// What `lxc.conf` says, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LxcConf {
    /// The security module to be used: the one that is named, else the one that the kernel runs.
    pub security: Model,
    /// What becomes of containers without a label.
    pub confinement: Confinement,
    /// Who is asked for leases of their disks.
    pub lock_manager: LockManager,
    /// Who writes their logs.
    pub stdio_handler: Handler,
    /// Keys of the file that have no effect, to be told to the operator.
    pub without_effect: Vec<String>,
}

/// Keys that tune what there is not: a controller's words are in its container's log.
const WITHOUT_EFFECT: &[&str] = &["log_with_libvirtd"];

impl LxcConf {
    /// That of a daemon; no file is one without a key.
    ///
    /// # Errors
    /// An unknown key or a wrong value, with file and line.
    pub fn of(paths: &Paths) -> Result<Self, ConfError> {
        let file = paths.config.join("lxc.conf");
        let conf = Self::read(Document::read(&file, false)?)?;
        for key in &conf.without_effect {
            tracing::warn!("{}: '{key}' has no effect", file.display());
        }
        Ok(conf)
    }

    fn read(mut file: Document) -> Result<Self, ConfError> {
        let line = file.line("security_driver");
        let named = file.text("security_driver")?;
        let security = Model::find(named.as_deref()).map_err(|what| file.error(line, what))?;
        let conf = Self {
            security,
            confinement: Confinement {
                by_default: file.switch("security_default_confined")?.unwrap_or(false),
                required: file.switch("security_require_confined")?.unwrap_or(false),
            },
            // sanlock ends or pauses guests by a command of virtqemud.
            lock_manager: LockManager::configured(&mut file, &[LockManager::Lockd])?,
            stdio_handler: Handler::configured(&mut file)?,
            without_effect: WITHOUT_EFFECT
                .iter()
                .filter(|key| file.take(key).is_some())
                .map(|key| (*key).to_owned())
                .collect(),
        };
        file.finish()?;
        Ok(conf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LxcConf, String> {
        let document = Document::parse("lxc.conf".as_ref(), text);
        document
            .and_then(LxcConf::read)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_stock_keys_and_two_more_are_known() {
        assert_eq!(read("").unwrap().confinement, Confinement::default());
        let conf = read(
            "log_with_libvirtd = 1\nsecurity_driver = \"none\"\nsecurity_default_confined = 1\n\
             security_require_confined = 0\nstdio_handler = \"file\"\n\
             lock_manager = \"lockd\"\n",
        );
        let conf = conf.unwrap();
        assert_eq!(conf.security, Model::None);
        assert_eq!(
            conf.confinement,
            Confinement {
                by_default: true,
                required: false
            }
        );
        assert_eq!(conf.stdio_handler, Handler::File);
        assert_eq!(conf.lock_manager, LockManager::Lockd);
        assert!(read("lock_manager = \"sanlock\"\n").is_err());
        assert_eq!(conf.without_effect, ["log_with_libvirtd"]);
        assert!(read("security_confined = 1\n").is_err());
        let error = read("\nsecurity_driver = \"dac\"\n").unwrap_err();
        assert!(
            error.starts_with("lxc.conf:2: ") && error.contains("'selinux'"),
            "{error}"
        );
    }
}
