//! What a virtual processor can do.

use serde::Deserialize;
use serde_json::json;
use virt_host::cpu::{CpuData, Key};

use super::monitor::{Monitor, Pending};

/// One register of `feature-words` (`X86CPUFeatureWordInfo` of QEMU's schema).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FeatureWord {
    /// `EAX`, `EBX`, `ECX` or `EDX`.
    pub cpuid_register: String,
    /// `eax` when asking.
    pub cpuid_input_eax: u32,
    /// `ecx` when asking.
    #[serde(default)]
    pub cpuid_input_ecx: u32,
    /// Its bits.
    pub features: u32,
}

/// The registers as CPUID would show them.
pub fn cpuid(words: &[FeatureWord]) -> CpuData {
    let mut data = CpuData::default();
    for word in words {
        let mut registers = [0; 4];
        let at = match word.cpuid_register.as_str() {
            "EAX" => 0,
            "EBX" => 1,
            "ECX" => 2,
            _ => 3,
        };
        registers[at] = word.features;
        let key = Key::Leaf {
            eax_in: word.cpuid_input_eax,
            ecx_in: word.cpuid_input_ecx,
        };
        data.add(key, registers);
    }
    data
}

impl Monitor {
    /// Registers of the processor at that path in QEMU's tree ([`FeatureWord`]), without awaiting.
    pub fn feature_words(&self, path: &str) -> Pending {
        let arguments = json!({ "path": path, "property": "feature-words" });
        self.send("qom-get", Some(arguments))
    }

    /// One feature of the processor at that path, without awaiting.
    pub fn feature(&self, path: &str, name: &str) -> Pending {
        self.send("qom-get", Some(json!({ "path": path, "property": name })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_together() {
        let words: Vec<FeatureWord> = serde_json::from_value(json!([
            { "cpuid-register": "EDX", "cpuid-input-eax": 1, "features": 5 },
            { "cpuid-register": "ECX", "cpuid-input-eax": 1, "features": 6 },
            { "cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 1, "features": 7 },
        ]))
        .unwrap();
        let data = cpuid(&words);
        assert_eq!(data.get(Key::leaf(1)), Some([0, 0, 6, 5]));
        let seven = Key::Leaf {
            eax_in: 7,
            ecx_in: 1,
        };
        assert_eq!(data.get(seven), Some([0, 7, 0, 0]));
    }
}
