//! Reading CPUID of the processor we run on.

use super::data::CpuData;
#[cfg(target_arch = "x86_64")]
use super::data::Key;

/// Sub-leaves of one leaf beyond this are not asked for.
#[cfg(target_arch = "x86_64")]
const MAX_SUBLEAVES: u32 = 64;

/// What CPUID says; empty on other processors than x86.
///
/// Cores of a host may differ: it is the core that the thread happens to run on.
#[cfg(target_arch = "x86_64")]
pub fn read() -> CpuData {
    let mut data = CpuData::default();
    for base in [0, 0x8000_0000] {
        let last = core::arch::x86_64::__cpuid(base).eax;
        // A processor without the range answers with something else.
        if last & 0xffff_0000 != base {
            continue;
        }
        for leaf in base..=last.min(base + 0xff) {
            read_leaf(&mut data, leaf);
        }
    }
    data
}

/// Elsewhere there is no CPUID.
#[cfg(not(target_arch = "x86_64"))]
pub fn read() -> CpuData {
    CpuData::default()
}

#[cfg(target_arch = "x86_64")]
fn read_leaf(data: &mut CpuData, eax_in: u32) {
    let ask = |ecx_in| {
        let answer = core::arch::x86_64::__cpuid_count(eax_in, ecx_in);
        [answer.eax, answer.ebx, answer.ecx, answer.edx]
    };
    let first = ask(0);
    data.set(Key::leaf(eax_in), first);
    // Leaves whose sub-leaves hold features (Intel SDM, CPUID): 7 and 0x14 tell their last
    // sub-leaf, 0xd and 0x24 have a few.
    let last = match eax_in {
        7 | 0x14 | 0x24 => first[0],
        0xd => 1,
        _ => 0,
    };
    for ecx_in in 1..=last.min(MAX_SUBLEAVES) {
        data.set(Key::Leaf { eax_in, ecx_in }, ask(ecx_in));
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn this_processor_has_a_vendor_and_long_mode() {
        let data = read();
        assert!(data.vendor().is_some());
        assert!(data.signature().is_some());
        assert!(data.has(Key::leaf(0x8000_0001), [0, 0, 0, 1 << 29]));
    }
}
