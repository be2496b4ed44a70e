//! `<tpm>`: trusted platform modules.
//!
//! Facts: formatdomain "TPM device"; domaincommon.rng `tpm*`; the texts of refusals are the stock
//! library's.

use super::info::DeviceInfo;
use crate::refusal::{internal, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `<tpm>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tpm {
    /// How the guest sees it; chosen where absent.
    pub model: Option<TpmModel>,
    /// What it is.
    pub backend: TpmBackend,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// How the guest sees a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum TpmModel {
    /// Through registers.
    TpmTis,
    /// Through a command and response buffer.
    TpmCrb,
    /// pSeries'.
    TpmSpapr,
    /// pSeries', the host's as it is.
    SpaprTpmProxy,
}

/// What a TPM is.
#[derive(Debug, Clone, PartialEq)]
pub enum TpmBackend {
    /// The host's.
    Passthrough {
        /// Its device.
        device: String,
    },
    /// A program's.
    Emulator(Box<TpmEmulator>),
    /// Someone else's program's.
    External {
        /// Its socket.
        path: String,
    },
}

/// A TPM that swtpm plays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TpmEmulator {
    /// Which standard; chosen where absent.
    pub version: Option<TpmVersion>,
    /// Whether its memory stays when a transient guest goes.
    pub persistent_state: Option<YesNo>,
    /// How much it logs.
    pub debug: Option<u32>,
    /// The secret that its memory is encrypted with.
    pub encryption: Option<uuid::Uuid>,
    /// The banks that are switched on before each start; empty: as they are.
    pub active_pcr_banks: Vec<PcrBank>,
    /// Where its memory is; absent: in the driver's folder.
    pub source: Option<TpmStorage>,
    /// What it can do.
    pub profile: Option<TpmProfile>,
    /// The socket of its program; only of a guest that is started, not in the document.
    pub socket: Option<String>,
}

/// The standards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum TpmVersion {
    /// TPM 1.2.
    #[word("1.2")]
    V1,
    /// TPM 2.0.
    #[word("2.0")]
    V2,
}

/// Banks of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each is the name of its hash")]
pub enum PcrBank {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// Where a TPM's memory is.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct TpmStorage {
    /// A file or a folder.
    #[xml(attr = "type")]
    pub kind: TpmStorageType,
    /// Its path.
    #[xml(attr)]
    pub path: String,
}

/// Kinds of storage of a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum TpmStorageType {
    /// A file.
    File,
    /// A folder.
    Dir,
}

/// `<profile …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct TpmProfile {
    /// The name it is looked up by.
    #[xml(attr)]
    pub source: Option<String>,
    /// Which algorithms are left out of it.
    #[xml(attr = "removeDisabled")]
    pub remove_disabled: Option<RemoveDisabled>,
    /// The name it got when it was applied.
    #[xml(attr)]
    pub name: Option<String>,
}

/// Which algorithms are left out of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum RemoveDisabled {
    /// Those that OpenSSL refuses, by trial.
    Check,
    /// Those that FIPS forbids, where the host is in that mode.
    FipsHost,
}

impl Tpm {
    /// The emulator's settings, if it is one.
    pub fn emulator(&self) -> Option<&TpmEmulator> {
        match &self.backend {
            TpmBackend::Emulator(emulator) => Some(emulator),
            _ => None,
        }
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        if let TpmBackend::Emulator(emulator) = &mut self.backend {
            emulator.socket = None;
        }
    }
}

impl Element for TpmBackend {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind: String = node.required("type")?;
        match kind.as_str() {
            "passthrough" => {
                node.attr::<TpmVersion>("version")?;
                let device = node.child_with("device", |node| node.attr("path"))?;
                Ok(Self::Passthrough {
                    device: device.flatten().unwrap_or_else(|| "/dev/tpm0".to_owned()),
                })
            }
            "emulator" => read_emulator(node).map(|e| Self::Emulator(Box::new(e))),
            "external" => {
                node.attr::<TpmVersion>("version")?;
                let source = node.child_with("source", |node| {
                    let kind: Option<String> = node.attr("type")?;
                    node.attr_text("mode");
                    Ok((kind, node.attr::<String>("path")?))
                })?;
                match source {
                    Some((Some(kind), _)) if kind != "unix" => Err(xml(
                        "only source type 'unix' is supported for external TPM device",
                    )),
                    Some((Some(_), Some(path))) => Ok(Self::External { path }),
                    Some((Some(_), None)) => {
                        Err(xml("missing socket path for external TPM device"))
                    }
                    _ => Err(xml("missing external TPM backend source type")),
                }
            }
            other => Err(node.bad_attr("type", other, "'passthrough', 'emulator', 'external'")),
        }
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        match self {
            Self::Passthrough { .. } => tag.text("type", "passthrough"),
            Self::External { .. } => tag.text("type", "external"),
            Self::Emulator(emulator) => {
                tag.text("type", "emulator");
                tag.maybe("version", &emulator.version);
                tag.maybe("persistent_state", &emulator.persistent_state);
                tag.maybe("debug", &emulator.debug);
            }
        }
    }

    fn content(&self, out: &mut Writer) {
        match self {
            Self::Passthrough { device } => {
                out.open("device", |tag| tag.attr("path", device), |_| {});
            }
            Self::External { path } => {
                let attrs = |tag: &mut Tag<'_>| {
                    tag.text("type", "unix");
                    tag.text("mode", "connect");
                    tag.attr("path", path);
                };
                out.open("source", attrs, |_| {});
            }
            Self::Emulator(emulator) => {
                if let Some(secret) = &emulator.encryption {
                    out.open("encryption", |tag| tag.attr("secret", secret), |_| {});
                }
                if !emulator.active_pcr_banks.is_empty() {
                    out.open(
                        "active_pcr_banks",
                        |_| {},
                        |out| {
                            for bank in &emulator.active_pcr_banks {
                                out.empty(bank.word());
                            }
                        },
                    );
                }
                out.maybe("source", emulator.source.as_ref());
                out.maybe("profile", emulator.profile.as_ref());
            }
        }
    }
}

fn read_emulator(node: &mut Node<'_>) -> Result<TpmEmulator> {
    let version = node.attr("version")?;
    let encryption = node.child_with("encryption", |node| match node.attr_text("secret") {
        None => Ok(None),
        Some(text) => <uuid::Uuid as virt_xml::Value>::from_text(text)
            .map(Some)
            .ok_or_else(|| internal(format!("Unable to parse secret uuid '{text}'"))),
    })?;
    let banks = node.child_with("active_pcr_banks", |node| {
        let all = PcrBank::ALL.iter().copied();
        Ok(all.filter(|bank| node.flag(bank.word())).collect())
    })?;
    let emulator = TpmEmulator {
        version,
        // Not to keep it goes without saying.
        persistent_state: node
            .attr::<YesNo>("persistent_state")?
            .filter(|keep| keep.is_yes()),
        debug: node.attr("debug")?,
        encryption: encryption.flatten(),
        active_pcr_banks: banks.unwrap_or_default(),
        source: node.child("source")?,
        profile: node
            .child::<TpmProfile>("profile")?
            .filter(|profile| profile.source.is_some() || profile.name.is_some()),
        socket: None,
    };
    emulator.check()?;
    Ok(emulator)
}

impl TpmEmulator {
    /// Checks what only TPM 2.0 has; to be done again when the version was filled in.
    ///
    /// # Errors
    /// XML_ERROR for such a thing of an older one.
    pub fn check(&self) -> Result<()> {
        if self.version != Some(TpmVersion::V1) {
            return Ok(());
        }
        let what = match (&self.profile, self.active_pcr_banks.is_empty()) {
            (Some(_), _) => "profile",
            (None, false) => "active_pcr_banks",
            (None, true) => return Ok(()),
        };
        Err(xml(format!("<{what}/> requires TPM version '2.0'")))
    }
}

impl Element for Tpm {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model = node.attr("model")?;
        let mut backends: Vec<TpmBackend> = node.children("backend")?;
        let backend = backends
            .pop()
            .ok_or_else(|| xml("missing TPM device backend"))?;
        if !backends.is_empty() {
            return Err(xml("only one TPM backend is supported"));
        }
        Ok(Self {
            model,
            backend,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("model", &self.model);
    }

    fn content(&self, out: &mut Writer) {
        out.element("backend", &self.backend);
        self.info.content(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_xml::{read_named, write};

    #[test]
    fn parts_are_written_in_their_order() {
        let text = "<tpm model='tpm-crb'>
  <backend type='emulator' version='2.0' persistent_state='yes' debug='3'>
    <encryption secret='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f'/>
    <active_pcr_banks>
      <sha1/>
      <sha256/>
    </active_pcr_banks>
    <source type='dir' path='/x'/>
    <profile source='y' removeDisabled='check' name='x'/>
  </backend>
  <alias name='ua-t'/>
</tpm>
";
        let (tpm, unknown) = read_named::<Tpm>("tpm", text).unwrap();
        assert_eq!(unknown, []);
        assert_eq!(write("tpm", &tpm), text);
    }

    #[test]
    fn refusals_are_the_stock_ones() {
        let refusal = |text: &str| {
            let error = read_named::<Tpm>("tpm", text).unwrap_err();
            error.message().to_owned()
        };
        assert_eq!(refusal("<tpm/>"), "XML error: missing TPM device backend");
        assert_eq!(
            refusal(
                "<tpm><backend type='emulator' version='1.2'><profile source='x'/></backend></tpm>"
            ),
            "XML error: <profile/> requires TPM version '2.0'"
        );
        assert_eq!(
            refusal("<tpm><backend type='external'/></tpm>"),
            "XML error: missing external TPM backend source type"
        );
    }
}
