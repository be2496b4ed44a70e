//! The security module that a host's kernel runs.

use crate::{apparmor, selinux};

/// The name that stands for none.
const NONE: &str = "none";

/// Whose labels guests have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// There is none, or none is to be used.
    None,
    /// SELinux.
    Selinux,
    /// AppArmor.
    Apparmor,
}

impl Model {
    /// The one that a configuration names (`security_driver`); where it names none, the one that the
    /// kernel runs.
    ///
    /// # Errors
    /// A sentence, where there is no such or the kernel does not run it.
    pub fn find(named: Option<&str>) -> Result<Self, String> {
        let modules = [Self::Selinux, Self::Apparmor];
        let Some(named) = named else {
            let runs = modules.into_iter().find(|module| module.runs());
            return Ok(runs.unwrap_or(Self::None));
        };
        let mut known = modules.into_iter().chain([Self::None]);
        match known.find(|model| model.name() == named) {
            None => Err(format!(
                "Security driver {named} not found: there are 'selinux', 'apparmor' and 'none'"
            )),
            Some(model) if model.runs() => Ok(model),
            Some(_) => Err(format!(
                "Security driver {named} not enabled: the host's kernel does not run it"
            )),
        }
    }

    fn runs(self) -> bool {
        match self {
            Self::None => true,
            Self::Selinux => selinux::runs(),
            Self::Apparmor => apparmor::runs(),
        }
    }

    /// Its name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => NONE,
            Self::Selinux => "selinux",
            Self::Apparmor => "apparmor",
        }
    }

    /// What containers are that say nothing more, for the document about the host.
    pub fn base_label(self) -> Option<String> {
        match self {
            Self::Selinux => selinux::Bases::of_containers()
                .ok()
                .map(|bases| bases.process.to_string()),
            Self::None | Self::Apparmor => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_named_has_to_run() {
        assert_eq!(Model::find(Some("none")), Ok(Model::None));
        let error = Model::find(Some("bogus")).unwrap_err();
        assert!(error.contains("'selinux'"), "{error}");
        for module in [Model::Selinux, Model::Apparmor] {
            assert_eq!(Model::find(Some(module.name())).is_ok(), module.runs());
        }
    }
}
