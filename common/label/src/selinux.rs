//! What the host's SELinux says: whether it is there, what it knows, and what containers are.

use std::fs;
use std::io;
use std::path::Path;

use crate::categories::Limits;
use crate::context::Context;

/// Where the kernel has its file system.
const FS: &str = "/sys/fs/selinux";

/// Where policies are, and which is used.
const ETC: &str = "/etc/selinux";

/// The policy that is used where none is named.
const USUAL: &str = "targeted";

/// Whether the kernel runs it.
pub(crate) fn runs() -> bool {
    Path::new(FS).join("enforce").exists()
}

/// Whether what the policy does not allow is kept from happening; else it is only told.
pub(crate) fn is_enforcing() -> bool {
    let text = fs::read_to_string(Path::new(FS).join("enforce"));
    text.is_ok_and(|text| text.trim() == "1")
}

/// Whether the kernel's policy has a context.
pub(crate) fn knows(context: &str) -> bool {
    // Zero-terminated, as the kernel's own clients send it.
    let bytes = [context.as_bytes(), b"\0"].concat();
    !context.contains('\0') && fs::write(Path::new(FS).join("context"), bytes).is_ok()
}

/// What labels of guests are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bases {
    /// A process of a guest's.
    pub(crate) process: Context,
    /// A file that a guest may change.
    pub(crate) file: Context,
}

impl Bases {
    /// Those of containers: `contexts/lxc_contexts` of the policy.
    ///
    /// # Errors
    /// A sentence that names the file and what is missing.
    pub(crate) fn of_containers() -> Result<Self, String> {
        let policy = policy(&fs::read_to_string(Path::new(ETC).join("config")).unwrap_or_default());
        let path = Path::new(ETC).join(policy).join("contexts/lxc_contexts");
        let named = |what: String| format!("'{}': {what}", path.display());
        let text = fs::read_to_string(&path).map_err(|e| named(e.to_string()))?;
        Self::read(&text).map_err(named)
    }

    fn read(text: &str) -> Result<Self, String> {
        let context = |key: &str| {
            let value = value(text, key).ok_or_else(|| format!("it has no '{key}'"))?;
            value.parse::<Context>()
        };
        Ok(Self {
            process: context("process")?,
            file: context("file")?,
        })
    }
}

/// The policy's name in its configuration.
fn policy(config: &str) -> String {
    value(config, "SELINUXTYPE").unwrap_or_else(|| USUAL.to_owned())
}

/// The value of a key in lines `key = "value"`; the last one counts.
fn value(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let mut values = lines.filter(|(name, _)| name.trim() == key);
    let (_, value) = values.next_back()?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// Who this daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own(Context);

impl Own {
    /// As the kernel has it.
    ///
    /// # Errors
    /// The system's; what is no context.
    pub(crate) fn read() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/self/attr/current")?;
        let text = text.trim_end_matches(['\0', '\n']);
        text.parse().map(Self).map_err(io::Error::other)
    }

    /// What it leaves to guests.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) fn limits(&self) -> Result<Limits, String> {
        Limits::of(self.0.range.as_deref().unwrap_or("s0"))
    }

    /// A process of a guest's: what it may do is its type's, whose it is the daemon's.
    pub(crate) fn process(&self, base: &Context, range: String) -> Context {
        Context {
            role: self.0.role.clone(),
            ..self.file(base, Some(range))
        }
    }

    /// A file of a guest's.
    pub(crate) fn file(&self, base: &Context, range: Option<String>) -> Context {
        Context {
            user: self.0.user.clone(),
            range,
            ..base.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXTS: &str = "process = \"system_u:system_r:container_t:s0\"\n\
                            content = \"system_u:object_r:virt_var_lib_t:s0\"\n\
                            file = \"system_u:object_r:container_file_t:s0\"\n";

    #[test]
    fn the_policys_files_say_what_containers_are() {
        let bases = Bases::read(CONTEXTS).unwrap();
        assert_eq!(bases.process.kind, "container_t");
        assert_eq!(bases.file.kind, "container_file_t");
        let error = Bases::read("process = \"a:b:c:d\"").unwrap_err();
        assert!(error.contains("'file'"), "{error}");
        assert!(Bases::read("process = x\nfile = y").is_err());
    }

    #[test]
    fn the_policy_has_a_name() {
        assert_eq!(
            policy("# SELINUXTYPE= can be\nSELINUX=permissive\nSELINUXTYPE=default\n"),
            "default"
        );
        assert_eq!(policy(""), "targeted");
    }

    #[test]
    fn a_guest_is_its_daemons() {
        let own = Own("unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"
            .parse()
            .unwrap());
        let bases = Bases::read(CONTEXTS).unwrap();
        let process = own.process(&bases.process, "s0:c1,c2".into());
        assert_eq!(
            process.to_string(),
            "unconfined_u:unconfined_r:container_t:s0:c1,c2"
        );
        let file = own.file(&bases.file, Some("s0:c1,c2".into()));
        assert_eq!(
            file.to_string(),
            "unconfined_u:object_r:container_file_t:s0:c1,c2"
        );
        assert!(own.limits().is_ok());
    }
}
