//! What the host offers through QEMU: Hyper-V enlightenments, AMD SEV, Intel SGX.

use super::session::Session;
use super::source::array;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Hyper-V enlightenments that KVM has here, by libvirt's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hyperv {
    /// The names.
    pub features: Vec<String>,
}

/// libvirt's names of the enlightenments and QEMU's CPU properties for them.
pub(crate) const HYPERV_PROPERTIES: &[(&str, &str)] = &[
    ("relaxed", "hv-relaxed"),
    ("vapic", "hv-vapic"),
    ("spinlocks", "hv-spinlocks"),
    ("vpindex", "hv-vpindex"),
    ("runtime", "hv-runtime"),
    ("synic", "hv-synic"),
    ("stimer", "hv-stimer"),
    ("reset", "hv-reset"),
    ("vendor_id", "hv-vendor-id"),
    ("frequencies", "hv-frequencies"),
    ("reenlightenment", "hv-reenlightenment"),
    ("tlbflush", "hv-tlbflush"),
    ("ipi", "hv-ipi"),
    ("evmcs", "hv-evmcs"),
    ("avic", "hv-avic"),
    ("emsr_bitmap", "hv-emsr-bitmap"),
    ("xmm_input", "hv-xmm-input"),
];

pub(super) fn hyperv(session: &Session) -> Option<Hyperv> {
    let arguments = json!({
        "type": "full",
        "model": {"name": "host", "props": {"migratable": false, "hv-passthrough": true}}
    });
    let props = session
        .reply_to("query-cpu-model-expansion", &arguments)?
        .get("model")?
        .get("props")?;
    let features: Vec<_> = HYPERV_PROPERTIES
        .iter()
        .filter(|(_, property)| match props.get(property) {
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_u64() != Some(0),
            // The vendor a guest sees; empty stands for QEMU's own.
            Some(Value::String(_)) => true,
            _ => false,
        })
        .map(|(name, _)| (*name).to_owned())
        .collect();
    Some(Hyperv { features }).filter(|hyperv| !hyperv.features.is_empty())
}

/// `query-sev-capabilities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SevCaps {
    /// Position of the encryption bit in page table entries.
    pub cbitpos: u32,
    /// Physical address bits that are lost.
    pub reduced_phys_bits: u32,
    /// Platform Diffie-Hellman key, base64.
    pub pdh: String,
    /// Platform certificate chain, base64.
    pub cert_chain: String,
    /// Serial number of CPU 0; older binaries don't say.
    pub cpu0_id: Option<String>,
}

pub(super) fn sev(session: &Session) -> Option<SevCaps> {
    let reply = session.reply("query-sev-capabilities")?;
    let text = |key: &str| reply.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| u32::try_from(reply.get(key)?.as_u64()?).ok();
    Some(SevCaps {
        cbitpos: number("cbitpos")?,
        reduced_phys_bits: number("reduced-phys-bits")?,
        pdh: text("pdh")?,
        cert_chain: text("cert-chain")?,
        cpu0_id: text("cpu0-id"),
    })
}

/// A section of enclave memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SgxSection {
    /// Host NUMA node.
    pub node: u32,
    /// Size in bytes.
    pub size: u64,
}

/// `query-sgx-capabilities`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SgxCaps {
    /// Flexible launch control.
    pub flc: bool,
    /// First version of the instructions.
    pub sgx1: bool,
    /// Second version.
    pub sgx2: bool,
    /// All enclave memory, bytes.
    pub section_size: u64,
    /// Per node; older binaries don't say.
    pub sections: Vec<SgxSection>,
}

pub(super) fn sgx(session: &Session) -> Option<SgxCaps> {
    let reply = session.reply("query-sgx-capabilities")?;
    let flag = |key: &str| reply.get(key).and_then(Value::as_bool).unwrap_or(false);
    let sections: Vec<_> = array(reply.get("sections"))
        .iter()
        .filter_map(|s| {
            Some(SgxSection {
                node: u32::try_from(s.get("node")?.as_u64()?).ok()?,
                size: s.get("size")?.as_u64()?,
            })
        })
        .collect();
    let section_size = reply
        .get("section-size")
        .and_then(Value::as_u64)
        .unwrap_or_else(|| sections.iter().map(|s| s.size).sum());
    Some(SgxCaps {
        flc: flag("flc"),
        sgx1: flag("sgx1"),
        sgx2: flag("sgx2"),
        section_size,
        sections,
    })
}

/// One version of Arm's interrupt controller, of `query-gic-capabilities`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gic {
    /// Its version.
    pub version: u32,
    /// Whether the kernel has it.
    pub kernel: bool,
    /// Whether QEMU emulates it.
    pub emulated: bool,
}

pub(super) fn gic(session: &Session) -> Vec<Gic> {
    array(session.reply("query-gic-capabilities"))
        .iter()
        .filter_map(|one| {
            let flag = |key: &str| one.get(key).and_then(Value::as_bool).unwrap_or(false);
            Some(Gic {
                version: u32::try_from(one.get("version")?.as_u64()?).ok()?,
                kernel: flag("kernel"),
                emulated: flag("emulated"),
            })
        })
        .collect()
}
