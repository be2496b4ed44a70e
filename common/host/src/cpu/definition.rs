//! A CPU as clients describe it: the `<cpu>` of a host's capabilities (with its architecture) or of
//! a guest.

use virt_domain::Arch;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Words};

use super::feature_set::FeatureSet;
use super::map::X86;

/// What is said of a feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum Policy {
    /// The guest gets it whether the host has it or not.
    Force,
    /// The host has to have it.
    #[default]
    Require,
    /// The guest gets it if the host has it.
    Optional,
    /// The guest doesn't get it.
    Disable,
    /// The host must not have it.
    Forbid,
}

/// How exactly a host has to match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum Match {
    /// It has at least that.
    Minimum,
    /// It has at least that, and the guest gets no more.
    #[default]
    Exact,
    /// It has that and no more.
    Strict,
}

/// The description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// The architecture; only hosts' descriptions say it.
    pub arch: Option<String>,
    /// How exactly a host has to match.
    pub matching: Match,
    /// The model; without one anything matches.
    pub model: Option<String>,
    /// The maker a host has to be of.
    pub vendor: Option<String>,
    /// Features besides the model's.
    pub features: Vec<(String, Policy)>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Xml {
    #[xml(attr)]
    mode: Option<String>,
    #[xml(attr = "match")]
    matching: Option<Match>,
    #[xml(child_text)]
    arch: Option<String>,
    #[xml(child_text)]
    model: Option<String>,
    #[xml(child_text)]
    vendor: Option<String>,
    #[xml(child = "feature")]
    features: Vec<FeatureXml>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct FeatureXml {
    #[xml(attr)]
    name: Option<String>,
    #[xml(attr)]
    policy: Option<String>,
}

fn bad(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Cpu, detail)
}

impl Definition {
    /// Reads a description. Parts that have no bearing on what the CPU can do are passed over.
    ///
    /// # Errors
    /// XML_DETAIL, XML_ERROR, CONFIG_UNSUPPORTED with libvirt's sentences.
    pub fn read(text: &str) -> Result<Self> {
        Self::read_as(text, false)
    }

    /// Reads a description of a host: what only guests' have is passed over.
    ///
    /// # Errors
    /// As [`Self::read`], and XML_ERROR without an architecture or a model.
    pub fn read_host(text: &str) -> Result<Self> {
        let definition = Self::read_as(text, true)?;
        match (&definition.arch, &definition.model) {
            (None, _) => Err(bad("Missing CPU architecture")),
            (_, None) => Err(bad("Missing CPU model name")),
            _ => Ok(definition),
        }
    }

    fn read_as(text: &str, host: bool) -> Result<Self> {
        let tree = virt_xml::parse(text)?;
        if tree.name != "cpu" {
            return Err(bad("XML does not contain expected 'cpu' element"));
        }
        let (xml, _unknown) = virt_xml::read::<Xml>(text)?;
        if !host && xml.arch.is_some() && xml.matching.is_some() {
            return Err(bad(
                "'arch' element cannot be used inside 'cpu' element with 'match' attribute'",
            ));
        }
        if let Some(arch) = &xml.arch
            && Arch::from_word(arch).is_none()
        {
            let detail = format!("Unknown architecture {arch}");
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Cpu,
                detail,
            ));
        }
        let model = xml.model.map(|name| name.trim().to_owned());
        let model = model.filter(|name| !name.is_empty());
        let mut definition = Self {
            matching: xml.matching.unwrap_or_default(),
            vendor: xml.vendor,
            model,
            arch: xml.arch,
            features: Vec::with_capacity(xml.features.len()),
        };
        if definition.model.is_none() {
            let custom = xml.mode.as_deref().is_none_or(|mode| mode == "custom");
            let problem = match () {
                () if host => None,
                () if definition.arch.is_some() => Some("Missing CPU model name"),
                () if definition.vendor.is_some() => Some("CPU vendor specified without CPU model"),
                () if custom && !xml.features.is_empty() => {
                    Some("Non-empty feature list specified without CPU model")
                }
                () => None,
            };
            if let Some(problem) = problem {
                return Err(bad(problem));
            }
        }
        for feature in xml.features {
            definition.add_feature(feature)?;
        }
        Ok(definition)
    }

    fn add_feature(&mut self, feature: FeatureXml) -> Result<()> {
        let policy = match &feature.policy {
            // A host has its features.
            Some(word) if self.arch.is_none() => Policy::from_word(word).ok_or_else(|| {
                Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Cpu,
                    "Invalid CPU feature policy",
                )
            })?,
            _ => Policy::Require,
        };
        let name = feature
            .name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| bad("Invalid CPU feature name"))?;
        if self.features.iter().any(|(other, _)| *other == name) {
            return Err(bad(format!(
                "CPU feature '{name}' specified more than once"
            )));
        }
        self.features.push((name, policy));
        Ok(())
    }

    /// The features of one policy.
    ///
    /// # Errors
    /// INTERNAL_ERROR for one that the map doesn't have.
    pub fn with_policy(&self, map: &X86, policy: Policy) -> Result<FeatureSet> {
        self.features
            .iter()
            .filter(|(_, of)| *of == policy)
            .map(|(name, _)| feature(map, name))
            .collect()
    }

    /// What a CPU of this description has: the model's features and those required, without the
    /// disabled ones. Without a model only the former.
    ///
    /// # Errors
    /// INTERNAL_ERROR for a model or feature that the map doesn't have.
    pub fn all_features(&self, map: &X86) -> Result<FeatureSet> {
        let mut all = match &self.model {
            Some(name) => map
                .model(name)
                .map(|model| model.features.clone())
                .ok_or_else(|| unknown(&format!("model {name}")))?,
            None => FeatureSet::default(),
        };
        all.extend(self.with_policy(map, Policy::Require)?.iter());
        all.extend(self.with_policy(map, Policy::Force)?.iter());
        Ok(all.minus(&self.with_policy(map, Policy::Disable)?))
    }
}

fn feature(map: &X86, name: &str) -> Result<usize> {
    map.feature(name)
        .ok_or_else(|| unknown(&format!("feature {name}")))
}

fn unknown(what: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Cpu,
        format!("Unknown CPU {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_in_libvirts_sentences() {
        for (text, message) in [
            (
                "<foo/>",
                "XML error: XML does not contain expected 'cpu' element",
            ),
            (
                "<cpu match='exact'><arch>x86_64</arch></cpu>",
                "XML error: 'arch' element cannot be used inside 'cpu' element with 'match' attribute'",
            ),
            (
                "<cpu><arch>x86_64</arch></cpu>",
                "XML error: Missing CPU model name",
            ),
            (
                "<cpu><vendor>AMD</vendor></cpu>",
                "XML error: CPU vendor specified without CPU model",
            ),
            (
                "<cpu><feature name='a'/></cpu>",
                "XML error: Non-empty feature list specified without CPU model",
            ),
            (
                "<cpu><model>m</model><feature/></cpu>",
                "XML error: Invalid CPU feature name",
            ),
            (
                "<cpu><model>m</model><feature name='a' policy='x'/></cpu>",
                "unsupported configuration: Invalid CPU feature policy",
            ),
            (
                "<cpu><model>m</model><feature name='a'/><feature name='a'/></cpu>",
                "XML error: CPU feature 'a' specified more than once",
            ),
        ] {
            assert_eq!(Definition::read(text).unwrap_err().message(), message);
        }
    }
}
