//! What CPUID leaves and model-specific registers say, as one value.

use std::collections::BTreeMap;

/// Where bits are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A CPUID leaf and its sub-leaf. The four registers are `eax ebx ecx edx`.
    Leaf {
        /// `eax` when asking.
        eax_in: u32,
        /// `ecx` when asking.
        ecx_in: u32,
    },
    /// A model-specific register. The first two registers are `eax edx`, the others zero.
    Msr(u32),
}

impl Key {
    /// A leaf without sub-leaves.
    pub const fn leaf(eax_in: u32) -> Self {
        Self::Leaf { eax_in, ecx_in: 0 }
    }
}

/// Four registers.
pub type Registers = [u32; 4];

/// Family, model and stepping of a CPU, the extended parts added in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The family.
    pub family: u32,
    /// The model.
    pub model: u32,
    /// The stepping.
    pub stepping: u32,
}

impl Signature {
    /// Reads `eax` of leaf 1 (Intel SDM, CPUID; AMD CPUID specification, Fn0000_0001).
    pub fn from_eax(eax: u32) -> Self {
        let base = eax >> 8 & 0xf;
        let family = if base == 15 {
            base + (eax >> 20 & 0xff)
        } else {
            base
        };
        let mut model = eax >> 4 & 0xf;
        if base == 6 || base == 15 {
            model += (eax >> 16 & 0xf) << 4;
        }
        Self {
            family,
            model,
            stepping: eax & 0xf,
        }
    }

    /// The value of `eax` that says it.
    pub fn to_eax(self) -> u32 {
        let (base, extended) = match self.family {
            family if family < 15 => (family, 0),
            family => (15, family - 15),
        };
        (extended & 0xff) << 20
            | (self.model >> 4 & 0xf) << 16
            | base << 8
            | (self.model & 0xf) << 4
            | self.stepping & 0xf
    }
}

/// A CPU as its registers show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuData(BTreeMap<Key, Registers>);

impl CpuData {
    /// Sets what is read at a place.
    pub fn set(&mut self, key: Key, registers: Registers) {
        self.0.insert(key, registers);
    }

    /// Adds bits to a place.
    pub fn add(&mut self, key: Key, registers: Registers) {
        let all = self.0.entry(key).or_default();
        for (all, more) in all.iter_mut().zip(registers) {
            *all |= more;
        }
    }

    /// Takes bits away.
    pub fn clear(&mut self, key: Key, registers: Registers) {
        if let Some(all) = self.0.get_mut(&key) {
            for (all, less) in all.iter_mut().zip(registers) {
                *all &= !less;
            }
        }
    }

    /// What is read at a place.
    pub fn get(&self, key: Key) -> Option<Registers> {
        self.0.get(&key).copied()
    }

    /// Whether all of these bits are set there.
    pub fn has(&self, key: Key, bits: Registers) -> bool {
        self.0
            .get(&key)
            .is_some_and(|all| all.iter().zip(bits).all(|(all, bits)| all & bits == bits))
    }

    /// The vendor's twelve letters, from leaf 0.
    pub fn vendor(&self) -> Option<String> {
        let [_, ebx, ecx, edx] = self.get(Key::leaf(0))?;
        let bytes: Vec<u8> = [ebx, edx, ecx]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        String::from_utf8(bytes).ok()
    }

    /// Sets the vendor; other lengths than twelve letters are cut or filled with zeros.
    pub fn set_vendor(&mut self, vendor: &str) {
        let mut bytes = [0u8; 12];
        for (to, from) in bytes.iter_mut().zip(vendor.bytes()) {
            *to = from;
        }
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let [eax, ..] = self.get(Key::leaf(0)).unwrap_or_default();
        self.set(Key::leaf(0), [eax, word(0), word(8), word(4)]);
    }

    /// Family, model and stepping, from leaf 1; `None` when it says nothing.
    pub fn signature(&self) -> Option<Signature> {
        let [eax, ..] = self.get(Key::leaf(1))?;
        (eax != 0).then(|| Signature::from_eax(eax))
    }

    /// Sets the signature.
    pub fn set_signature(&mut self, signature: Signature) {
        let [_, ebx, ecx, edx] = self.get(Key::leaf(1)).unwrap_or_default();
        self.set(Key::leaf(1), [signature.to_eax(), ebx, ecx, edx]);
    }

    /// Physical address bits, from leaf 0x8000_0008.
    pub fn physical_address_bits(&self) -> Option<u32> {
        let [eax, ..] = self.get(Key::leaf(0x8000_0008))?;
        Some(eax & 0xff).filter(|bits| *bits != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_add_the_extended_parts() {
        for (eax, family, model, stepping) in [
            (0x0002_0652, 6, 37, 2),
            (0x0080_0f12, 23, 1, 2),
            (0x0010_0f42, 16, 4, 2),
            (0x0000_0480, 4, 8, 0),
        ] {
            let signature = Signature::from_eax(eax);
            assert_eq!(
                signature,
                Signature {
                    family,
                    model,
                    stepping
                }
            );
            assert_eq!(signature.to_eax(), eax);
        }
    }

    #[test]
    fn the_vendor_is_spread_over_three_registers() {
        let mut data = CpuData::default();
        data.set_vendor("GenuineIntel");
        assert_eq!(
            data.get(Key::leaf(0)),
            Some([0, 0x756e_6547, 0x6c65_746e, 0x4965_6e69])
        );
        assert_eq!(data.vendor().as_deref(), Some("GenuineIntel"));
    }

    #[test]
    fn all_bits_of_a_place_have_to_be_there() {
        let mut data = CpuData::default();
        data.add(Key::Msr(0x10a), [3, 0, 0, 0]);
        assert!(data.has(Key::Msr(0x10a), [2, 0, 0, 0]));
        assert!(!data.has(Key::Msr(0x10a), [6, 0, 0, 0]));
        assert!(!data.has(Key::leaf(7), [0, 0, 0, 0]));
        data.clear(Key::Msr(0x10a), [2, 0, 0, 0]);
        assert!(!data.has(Key::Msr(0x10a), [2, 0, 0, 0]));
    }
}
