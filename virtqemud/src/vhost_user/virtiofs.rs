//! virtiofsd: a process that serves a folder of the host.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use virt_confinement::Account;
use virt_domain::devices::filesystem::{Binary, CacheMode, Filesystem, IdRange, SandboxMode};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

use super::none_found;
use super::program::{self, Capabilities, Kind};

/// Its socket.
pub fn socket_path(guest_dir: &Path, alias: &str) -> PathBuf {
    guest_dir.join(format!("{alias}-fs.sock"))
}

/// The program: the one that is named or the first one described.
///
/// # Errors
/// OPERATION_FAILED when none is named and there is none; what [`program::ask`] fails with.
pub(super) fn find(
    folders: &[PathBuf],
    filesystem: &Filesystem,
) -> Result<(PathBuf, Capabilities)> {
    match binary(filesystem).and_then(|b| b.path.as_ref()) {
        Some(path) => {
            let path = PathBuf::from(path);
            let capabilities = program::ask(&path)?;
            Ok((path, capabilities))
        }
        None => program::first(folders, Kind::Fs, |_| true)?.ok_or_else(|| none_found("virtiofsd")),
    }
}

fn binary(filesystem: &Filesystem) -> Option<&Binary> {
    filesystem.binary.as_ref()
}

/// Whether the folder is there and this program can serve it as it shall be served.
///
/// # Errors
/// INTERNAL_ERROR naming a folder that is not there, CONFIG_UNSUPPORTED for locks that virtiofsd no
/// longer has.
pub fn check(capabilities: &Capabilities, filesystem: &Filesystem) -> Result<()> {
    let folder = source(filesystem);
    if !Path::new(folder).exists() {
        return Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!("the virtiofs export directory '{folder}' does not exist"),
        ));
    }
    let lock = binary(filesystem).and_then(|b| b.lock);
    let said = lock.is_some_and(|lock| lock.posix.is_some() || lock.flock.is_some());
    if said && capabilities.has(SEPARATE) {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            "locking options are not supported by this virtiofsd",
        ));
    }
    Ok(())
}

/// The program takes its settings as options of their own, not in a list behind `-o`.
const SEPARATE: &str = "separate-options";

fn source(filesystem: &Filesystem) -> &str {
    let source = filesystem.source.as_ref();
    source.and_then(|s| s.dir.as_deref()).unwrap_or_default()
}

/// A socket in the guest's folder that QEMU's user may connect to.
///
/// # Errors
/// SYSTEM_ERROR naming the path.
pub(super) fn listen(path: &Path, account: Option<&Account>) -> Result<OwnedFd> {
    let made = (|| {
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o770))?;
        if let Some(account) = account {
            lchown(path, Some(account.owner.uid), Some(account.owner.gid))?;
        }
        Ok(listener)
    })();
    let listener = made.map_err(|cause: std::io::Error| {
        let what = format!("failed to create socket '{}'", path.display());
        Error::system(ErrorDomain::Qemu, what, &cause)
    })?;
    Ok(listener.into())
}

/// Its arguments; `fd` is the socket that QEMU connects to.
pub fn arguments(fd: i32, capabilities: &Capabilities, filesystem: &Filesystem) -> Vec<String> {
    let nothing = Binary::default();
    let binary = binary(filesystem).unwrap_or(&nothing);
    let mut arguments = vec![format!("--fd={fd}")];
    if capabilities.has(SEPARATE) {
        separate(&mut arguments, filesystem, binary);
    } else {
        arguments.extend(["-o".to_owned(), listed(filesystem, binary)]);
    }
    if let Some(size) = binary.thread_pool.and_then(|pool| pool.size) {
        arguments.push(format!("--thread-pool-size={size}"));
    }
    if let Some(most) = binary.openfiles.and_then(|files| files.max) {
        arguments.push(format!("--rlimit-nofile={most}"));
    }
    if filesystem.readonly {
        arguments.push("--readonly".to_owned());
    }
    if let Some(map) = &filesystem.idmap {
        let range = |kind: &str, r: &IdRange| {
            format!("--{kind}-map=:{}:{}:{}:", r.start, r.target, r.count)
        };
        arguments.extend(map.uids.iter().map(|r| range("uid", r)));
        arguments.extend(map.gids.iter().map(|r| range("gid", r)));
    }
    arguments
}

fn separate(arguments: &mut Vec<String>, filesystem: &Filesystem, binary: &Binary) {
    let mut two = |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
    two("--shared-dir", source(filesystem));
    match binary.cache.and_then(|cache| cache.mode) {
        Some(CacheMode::None) => two("--cache", "never"),
        Some(CacheMode::Always) => two("--cache", "always"),
        None => {}
    }
    if let Some(mode) = binary.sandbox.and_then(|sandbox| sandbox.mode) {
        two("--sandbox", sandbox(mode));
    }
    if binary.xattr == Some(OnOff::On) {
        arguments.push("--xattr".to_owned());
    }
}

fn sandbox(mode: SandboxMode) -> &'static str {
    mode.word()
}

/// The older form: one list, whose commas are doubled in values.
fn listed(filesystem: &Filesystem, binary: &Binary) -> String {
    let mut list = format!("source={}", source(filesystem).replace(',', ",,"));
    let mut word = |text: &str| {
        list.push(',');
        list.push_str(text);
    };
    if let Some(mode) = binary.cache.and_then(|cache| cache.mode) {
        word(&format!("cache={}", mode.word()))
    }
    if let Some(mode) = binary.sandbox.and_then(|sandbox| sandbox.mode) {
        word(&format!("sandbox={}", sandbox(mode)));
    }
    match binary.xattr {
        Some(OnOff::On) => word("xattr"),
        Some(OnOff::Off) => word("no_xattr"),
        None => {}
    }
    for (name, lock) in [
        ("flock", binary.lock.and_then(|lock| lock.flock)),
        ("posix_lock", binary.lock.and_then(|lock| lock.posix)),
    ] {
        match lock {
            Some(OnOff::On) => word(name),
            Some(OnOff::Off) => word(&format!("no_{name}")),
            None => {}
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filesystem(inside: &str) -> Filesystem {
        let text = format!(
            "<filesystem type='mount'><driver type='virtiofs'/>{inside}<source dir='/srv'/>
             <target dir='tag'/></filesystem>"
        );
        virt_xml::read_named("filesystem", &text).unwrap().0
    }

    #[test]
    fn settings_are_options_or_one_list() {
        let new = Capabilities {
            kind: "fs".into(),
            features: vec![SEPARATE.into()],
        };
        let inside = "<binary xattr='on'><cache mode='none'/><sandbox mode='chroot'/>
            <thread_pool size='3'/><openfiles max='500'/></binary>
            <idmap><uid start='0' target='9' count='2'/><gid start='1' target='8' count='3'/></idmap>
            <readonly/>";
        assert_eq!(
            arguments(5, &new, &filesystem(inside)).join(" "),
            "--fd=5 --shared-dir /srv --cache never --sandbox chroot --xattr --thread-pool-size=3 \
             --rlimit-nofile=500 --readonly --uid-map=:0:9:2: --gid-map=:1:8:3:"
        );
        let locks = "<binary><lock posix='off' flock='on'/></binary>";
        assert_eq!(
            arguments(5, &Capabilities::default(), &filesystem(locks)).join(" "),
            "--fd=5 -o source=/srv,flock,no_posix_lock"
        );
    }

    #[test]
    fn locks_and_missing_folders_are_refused_by_name() {
        let new = Capabilities {
            kind: "fs".into(),
            features: vec![SEPARATE.into()],
        };
        let mut locked = filesystem("<binary><lock posix='on'/></binary>");
        let refusal = |f: &Filesystem| check(&new, f).unwrap_err().message().to_owned();
        locked.source.as_mut().unwrap().dir = Some("/nowhere-at-all".into());
        assert!(refusal(&locked).contains("'/nowhere-at-all' does not exist"));
        locked.source.as_mut().unwrap().dir = Some("/".into());
        assert!(refusal(&locked).contains("locking options"));
    }
}
