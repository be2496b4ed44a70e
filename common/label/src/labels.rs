//! From what a guest says of its labels to those it gets. The refusals are the stock daemon's.

use virt_domain::seclabel::{Seclabel, SeclabelType};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

use uuid::Uuid;

use crate::apparmor::{self, Profile};
use crate::categories::{Pair, Reserved, Taken};
use crate::context::Context;
use crate::selinux::{self, Bases, Own};
use crate::{Label, Model};

/// What a host says of guests without a label (`security_default_confined`,
/// `security_require_confined`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Those that say nothing get a label.
    pub by_default: bool,
    /// None runs without.
    pub required: bool,
}

/// The labels of one daemon's guests.
#[derive(Debug, Clone)]
pub struct Labels {
    model: Model,
    confinement: Confinement,
    taken: Taken,
}

/// What a guest has been given for its run.
#[derive(Debug)]
pub struct Chosen {
    /// What its documents say.
    pub seclabels: Vec<Seclabel>,
    /// What its process gets; none for one that is not confined.
    pub label: Option<Label>,
    /// What is its own as long as it runs.
    pub held: Option<Reserved>,
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Security, what)
}

fn failed(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Security, what)
}

fn invalid(label: &str) -> Error {
    let what = format!("Invalid security label {label}");
    Error::new(ErrorCode::XmlError, ErrorDomain::Security, what)
}

impl Labels {
    /// Of a daemon that no guest of runs yet.
    pub fn new(model: Model, confinement: Confinement) -> Self {
        Self {
            model,
            confinement,
            taken: Taken::default(),
        }
    }

    /// Whose labels they are.
    pub fn model(&self) -> Model {
        self.model
    }

    /// Names the model of labels that name none: what a client leaves open is about the host's own.
    pub fn name(&self, seclabels: &mut [Seclabel]) {
        for label in seclabels {
            label
                .model
                .get_or_insert_with(|| self.model.name().to_owned());
        }
    }

    /// Chooses the label of a guest that starts, which says this of it. A profile of its own is loaded:
    /// [`Self::release`] takes it back. Blocks.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for a model that the host does not run and for a guest that may not go
    /// without; XML_ERROR for a label that the module does not know; INTERNAL_ERROR with what the
    /// module's files lack.
    pub fn choose(&self, said: &[Seclabel], uuid: Uuid) -> Result<Chosen> {
        let mut seclabels = said.to_vec();
        self.name(&mut seclabels);
        let own = self.model.name();
        let is_own = |label: &&mut Seclabel| label.model.as_deref() == Some(own);
        let others = seclabels.iter().map(|label| label.model.as_deref());
        if let Some(other) = others.flatten().find(|model| *model != own) {
            return Err(unsupported(format!(
                "Security driver model '{other}' is not available"
            )));
        }
        if seclabels.is_empty() && self.confinement.by_default && self.model != Model::None {
            seclabels.push(Seclabel {
                kind: Some(SeclabelType::Dynamic),
                model: Some(own.to_owned()),
                relabel: Some(YesNo::Yes),
                ..Seclabel::default()
            });
        }
        let (label, held) = match seclabels.iter_mut().find(is_own) {
            Some(one) => self.give(one, uuid)?,
            None => (None, None),
        };
        if label.is_none() && self.confinement.required {
            return Err(unsupported(
                "Unconfined guests are not allowed on this host",
            ));
        }
        Ok(Chosen {
            seclabels,
            label,
            held,
        })
    }

    fn give(&self, said: &mut Seclabel, uuid: Uuid) -> Result<(Option<Label>, Option<Reserved>)> {
        let kind = said.kind.unwrap_or(SeclabelType::Dynamic);
        match (self.model, kind) {
            (Model::None, _) | (_, SeclabelType::None) => {
                *said = Seclabel {
                    kind: Some(SeclabelType::None),
                    model: said.model.take(),
                    ..Seclabel::default()
                };
                Ok((None, None))
            }
            (Model::Selinux, SeclabelType::Dynamic) => {
                let (label, held) = self.dynamic_context(said)?;
                Ok((Some(label), Some(held)))
            }
            (Model::Selinux, SeclabelType::Static) => Ok((Some(static_context(said)?), None)),
            (Model::Apparmor, SeclabelType::Dynamic) => Ok((Some(own_profile(said, uuid)?), None)),
            (Model::Apparmor, SeclabelType::Static) => Ok((Some(named_profile(said)?), None)),
        }
    }

    fn dynamic_context(&self, said: &mut Seclabel) -> Result<(Label, Reserved)> {
        let bases = Bases::of_containers().map_err(failed)?;
        let own = Own::read()
            .map_err(|e| Error::system(ErrorDomain::Security, "the daemon's own context", &e))?;
        let base = match &said.baselabel {
            Some(text) => text.parse().map_err(|_| invalid(text))?,
            None => bases.process,
        };
        let limits = own.limits().map_err(failed)?;
        let held = self.taken.choose(&limits, random).map_err(failed)?;
        let range = limits.range(held.pair);
        let process = own.process(&base, range.clone()).to_string();
        let files = own.file(&bases.file, Some(range)).to_string();
        for context in [&process, &files] {
            if !selinux::knows(context) {
                return Err(failed(format!(
                    "the host's SELinux policy has no context '{context}': load the module that has \
                     its type, or name another one in <baselabel> or the policy's lxc_contexts"
                )));
            }
        }
        said.kind = Some(SeclabelType::Dynamic);
        said.relabel = Some(YesNo::Yes);
        said.label = Some(process.clone());
        said.imagelabel = Some(files.clone());
        let files = Some(files);
        Ok((Label::Selinux { process, files }, held))
    }

    /// Keeps what is a guest's own that was found running.
    pub fn found(&self, seclabels: &[Seclabel]) -> Option<Reserved> {
        let mut own = seclabels.iter().filter(|label| {
            self.model == Model::Selinux
                && label.model.as_deref() == Some(self.model.name())
                && label.kind == Some(SeclabelType::Dynamic)
        });
        let context: Context = own.next()?.label.as_deref()?.parse().ok()?;
        self.taken.reserve(Pair::of(context.range.as_deref()?)?)
    }

    /// Takes back what a guest that ended, or could not start, was given on the host. Blocks.
    pub fn release(&self, seclabels: &[Seclabel], uuid: Uuid) {
        let is_dynamic = |label: &Seclabel| {
            label.model.as_deref() == Some(Model::Apparmor.name())
                && label.kind == Some(SeclabelType::Dynamic)
        };
        if seclabels.iter().any(is_dynamic) {
            Profile::of(uuid).remove();
        }
    }
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    // Where the kernel has no chance to give, the search finds a pair all the same.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u16::from_ne_bytes(bytes)
}

fn label(said: &Seclabel) -> Result<&str> {
    said.label.as_deref().ok_or_else(|| {
        let what = "security label is missing";
        Error::new(ErrorCode::XmlError, ErrorDomain::Security, what)
    })
}

fn static_context(said: &mut Seclabel) -> Result<Label> {
    let process = label(said)?.to_owned();
    let context: Context = process.parse().map_err(|_| invalid(&process))?;
    if !selinux::knows(&process) {
        return Err(invalid(&process));
    }
    let files = match said.relabel {
        Some(YesNo::Yes) => {
            let bases = Bases::of_containers().map_err(failed)?;
            let file = Context {
                user: context.user,
                range: context.range,
                ..bases.file
            };
            Some(file.to_string())
        }
        _ => None,
    };
    said.imagelabel.clone_from(&files);
    Ok(Label::Selinux { process, files })
}

fn own_profile(said: &mut Seclabel, uuid: Uuid) -> Result<Label> {
    if said.baselabel.is_some() {
        return Err(unsupported("Cannot set a base label with AppArmor"));
    }
    let profile = Profile::of(uuid);
    profile.load().map_err(failed)?;
    said.kind = Some(SeclabelType::Dynamic);
    said.relabel = Some(YesNo::Yes);
    said.label = Some(profile.name.clone());
    said.imagelabel = Some(profile.name.clone());
    Ok(Label::Apparmor(profile.name))
}

fn named_profile(said: &mut Seclabel) -> Result<Label> {
    let profile = label(said)?.to_owned();
    let known = apparmor::knows(&profile)
        .map_err(|e| Error::system(ErrorDomain::Security, "the profiles that are loaded", &e))?;
    if !known {
        return Err(invalid(&format!("'{profile}'")));
    }
    Ok(Label::Apparmor(profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: SeclabelType, model: Option<&str>) -> Seclabel {
        Seclabel {
            kind: Some(kind),
            model: model.map(str::to_owned),
            label: Some("u:r:t:s0:c3,c9".into()),
            ..Seclabel::default()
        }
    }

    fn labels(model: Model, by_default: bool, required: bool) -> Labels {
        let confinement = Confinement {
            by_default,
            required,
        };
        Labels::new(model, confinement)
    }

    #[test]
    fn without_a_module_there_is_nothing_to_choose() {
        let labels = labels(Model::None, true, false);
        let chosen = labels.choose(&[], Uuid::nil()).unwrap();
        assert!(chosen.seclabels.is_empty() && chosen.label.is_none());
        let asked = [said(SeclabelType::Dynamic, None)];
        let chosen = labels.choose(&asked, Uuid::nil()).unwrap();
        let [none] = &chosen.seclabels[..] else {
            panic!("{chosen:?}");
        };
        assert_eq!(none.kind, Some(SeclabelType::None));
        assert_eq!((none.model.as_deref(), &none.label), (Some("none"), &None));
        let asked = [said(SeclabelType::Static, Some("selinux"))];
        let error = labels.choose(&asked, Uuid::nil()).unwrap_err();
        assert!(error.message().contains("model 'selinux' is not available"));
    }

    #[test]
    fn a_guest_that_may_not_go_without_is_refused() {
        for model in [Model::None, Model::Selinux, Model::Apparmor] {
            let labels = labels(model, false, true);
            let asked = [said(SeclabelType::None, Some(model.name()))];
            for asked in [&asked[..], &[]] {
                let error = labels.choose(asked, Uuid::nil()).unwrap_err();
                assert!(error.message().contains("Unconfined guests"), "{error}");
            }
        }
    }

    #[test]
    fn a_guest_that_was_found_keeps_its_categories() {
        let labels = labels(Model::Selinux, false, false);
        let dynamic = [said(SeclabelType::Dynamic, Some("selinux"))];
        let held = labels.found(&dynamic);
        assert!(held.is_some() && labels.found(&dynamic).is_none());
        drop(held);
        assert!(labels.found(&dynamic).is_some());
        // Whoever names a label may name it twice.
        assert!(
            labels
                .found(&[said(SeclabelType::Static, Some("selinux"))])
                .is_none()
        );
    }
}
