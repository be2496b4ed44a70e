//! The label of a process: as it is, and as the next program that it becomes will have it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Model;
use crate::selinux;

/// Attributes of the thread that looks, those of AppArmor where it does not have the common ones to
/// itself.
const OWN: &str = "/proc/thread-self/attr";

/// What a guest's process is labelled with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    /// SELinux contexts.
    Selinux {
        /// Of the process.
        process: String,
        /// Of files made for it; none where files stay as they are.
        files: Option<String>,
    },
    /// The name of an AppArmor profile that the kernel has.
    Apparmor(String),
}

impl Label {
    /// Has the next program that this thread becomes labelled so. Call it where `/proc` is the host's
    /// own: what a guest may have mounted there would take the word and do nothing.
    ///
    /// # Errors
    /// The kernel's: there is no such label, or this process may not have it.
    pub fn set_on_exec(&self) -> io::Result<()> {
        let (path, words) = match self {
            Self::Selinux { process, .. } => (format!("{OWN}/exec"), process.clone()),
            Self::Apparmor(profile) => {
                let own = format!("{OWN}/apparmor/exec");
                let path = match Path::new(&own).exists() {
                    true => own,
                    // Kernels before 5.8.
                    false => format!("{OWN}/exec"),
                };
                (path, format!("exec {profile}"))
            }
        };
        // One write: the kernel takes no part of a word.
        File::options()
            .write(true)
            .open(path)?
            .write_all(words.as_bytes())
    }

    /// The context of files made for the guest.
    pub fn files(&self) -> Option<&str> {
        match self {
            Self::Selinux { files, .. } => files.as_deref(),
            Self::Apparmor(_) => None,
        }
    }
}

/// The label of a process as clients are shown it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The label; empty where it has none.
    pub label: String,
    /// Whether the kernel keeps it to that.
    pub enforcing: bool,
}

/// The label of a process.
///
/// # Errors
/// The system's, such as that it is gone.
pub fn shown(model: Model, pid: i32) -> io::Result<Shown> {
    match model {
        Model::None => Ok(Shown::default()),
        Model::Selinux => Ok(Shown {
            label: attribute(pid, "current")?,
            enforcing: selinux::is_enforcing(),
        }),
        Model::Apparmor => {
            let own = attribute(pid, "apparmor/current");
            let text = match own {
                Err(e) if e.kind() == io::ErrorKind::NotFound => attribute(pid, "current")?,
                own => own?,
            };
            Ok(of_apparmor(&text))
        }
    }
}

fn attribute(pid: i32, name: &str) -> io::Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/attr/{name}"))?;
    Ok(text.trim_end_matches(['\0', '\n']).to_owned())
}

/// `NAME (MODE)`; what no profile is about is `unconfined`, and shown as nothing.
fn of_apparmor(text: &str) -> Shown {
    match text.rsplit_once(" (") {
        Some((name, mode)) => Shown {
            label: name.to_owned(),
            enforcing: mode == "enforce)",
        },
        None => Shown::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_shown_without_its_mode() {
        let of = |label: &str, enforcing| Shown {
            label: label.into(),
            enforcing,
        };
        assert_eq!(of_apparmor("web (enforce)"), of("web", true));
        assert_eq!(of_apparmor("a b (complain)"), of("a b", false));
        assert_eq!(of_apparmor("unconfined"), Shown::default());
    }

    #[test]
    fn a_label_that_no_module_knows_is_not_set() {
        if Model::find(None) != Ok(Model::None) {
            println!("SKIPPED: this kernel runs a security module");
            return;
        }
        let label = Label::Apparmor("no-such".into());
        assert!(label.set_on_exec().is_err());
        assert_eq!(shown(Model::None, 1).unwrap(), Shown::default());
    }
}
