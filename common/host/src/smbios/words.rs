//! The specification's words for numbers (DSP0134).

/// Table 23, processor type.
pub(super) fn processor_type(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "Other",
        2 => "Unknown",
        3 => "Central Processor",
        4 => "Math Processor",
        5 => "DSP Processor",
        6 => "Video Processor",
        _ => return None,
    })
}

/// Table 24, processor family, the ones of hosts that run guests.
pub(super) fn processor_family(number: u16) -> Option<&'static str> {
    Some(match number {
        0x01 => "Other",
        0x02 => "Unknown",
        0x28 => "Core Duo",
        0x2a => "Core Solo",
        0x2b => "Atom",
        0x2c => "Core M",
        0x2d => "Core m3",
        0x2e => "Core m5",
        0x2f => "Core m7",
        0x3f => "FX",
        0x66 => "Athlon 64 X2",
        0x6b => "Zen",
        0x83 => "Athlon 64",
        0x84 => "Opteron",
        0xb3 => "Xeon",
        0xbf => "Core 2 Duo",
        0xc6 => "Core i7",
        0xc7 => "Dual-Core Celeron",
        0xcd => "Core i5",
        0xce => "Core i3",
        0xcf => "Core i9",
        0x100 => "ARMv7",
        0x101 => "ARMv8",
        0x102 => "ARMv9",
        _ => return None,
    })
}

/// Table 21, bits 0 to 2: what the processor does.
pub(super) fn processor_status(number: u8) -> &'static str {
    if number & 0x40 == 0 {
        return "Unpopulated";
    }
    match number & 7 {
        1 => "Populated, Enabled",
        2 => "Populated, Disabled By User",
        3 => "Populated, Disabled By BIOS",
        4 => "Populated, Idle",
        7 => "Populated, Other",
        _ => "Populated, Unknown",
    }
}

/// Table 76, form factor of a memory device.
pub(super) fn form_factor(number: u8) -> Option<&'static str> {
    let words = [
        "Other",
        "Unknown",
        "SIMM",
        "SIP",
        "Chip",
        "DIP",
        "ZIP",
        "Proprietary Card",
        "DIMM",
        "TSOP",
        "Row Of Chips",
        "RIMM",
        "SODIMM",
        "SRIMM",
        "FB-DIMM",
        "Die",
        "CAMM",
    ];
    words.get(usize::from(number).checked_sub(1)?).copied()
}

/// Table 77, type of a memory device.
pub(super) fn memory_type(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "Other",
        2 => "Unknown",
        3 => "DRAM",
        7 => "RAM",
        0x0f => "SDRAM",
        0x12 => "DDR",
        0x13 => "DDR2",
        0x14 => "DDR2 FB-DIMM",
        0x18 => "DDR3",
        0x19 => "FBD2",
        0x1a => "DDR4",
        0x1b => "LPDDR",
        0x1c => "LPDDR2",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x1f => "Logical non-volatile device",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        0x24 => "HBM3",
        _ => return None,
    })
}

/// Table 78, bit by bit.
pub(super) fn type_detail(bits: u16) -> Option<String> {
    let words = [
        "Other",
        "Unknown",
        "Fast-paged",
        "Static Column",
        "Pseudo-static",
        "RAMBus",
        "Synchronous",
        "CMOS",
        "EDO",
        "Window DRAM",
        "Cache DRAM",
        "Non-Volatile",
        "Registered (Buffered)",
        "Unbuffered (Unregistered)",
        "LRDIMM",
    ];
    let set: Vec<_> = words
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits >> (bit + 1) & 1 == 1)
        .map(|(_, word)| *word)
        .collect();
    (!set.is_empty()).then(|| set.join(" "))
}
