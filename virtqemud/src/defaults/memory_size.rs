//! Sizes of memory that QEMU can give.

use super::Context;
use virt_domain::numa::{Numa, NumaCell};
use virt_domain::{Arch, Domain, KiB};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    if context.is_new() {
        domain.memory.size = whole(domain);
        domain.current_memory = match domain.asked_memory {
            KiB(0) => domain.memory.size,
            asked => asked.min(domain.memory.size),
        };
    }
    // Memory is plugged into NUMA nodes; a new guest that wants it gets one.
    let wanted = domain.max_memory.is_some() && context.is_new();
    let cpu = domain.cpu.as_ref();
    if wanted && cpu.is_none_or(|cpu| cpu.numa.is_none()) {
        let cell = NumaCell {
            id: Some(0),
            cpus: Some((0..domain.vcpu.max).collect()),
            memory: domain.initial_memory(),
            ..NumaCell::default()
        };
        domain.cpu.get_or_insert_default().numa = Some(Numa {
            cells: vec![cell],
            interconnects: None,
        });
        for memory in &mut domain.devices.memories {
            if memory.model.has_node() {
                memory.target.node.get_or_insert(0);
            }
        }
    }
    Ok(())
}

/// What the guest has at start, memory devices included.
fn whole(domain: &Domain) -> KiB {
    let plugged = domain.plugged_memory().0;
    KiB(domain.initial_memory().0.saturating_add(plugged))
}

/// What memory is cut into: memory at start in `initial`, memory devices in `device`, KiB.
struct Units {
    initial: u64,
    device: u64,
}

impl Units {
    fn of(arch: Arch) -> Self {
        const MIB: u64 = 1024;
        match arch {
            _ if arch.is_ppc64() => Self {
                initial: 256 * MIB,
                device: 256 * MIB,
            },
            _ => Self {
                initial: MIB,
                device: 2 * MIB,
            },
        }
    }
}

/// Rounds all sizes up to what QEMU can give, as each start does: a definition keeps what its
/// author wrote.
///
/// # Errors
/// CONFIG_UNSUPPORTED where rounding up is more than can be counted.
pub fn align(domain: &mut Domain) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let units = Units::of(arch);
    let up_to = |unit: u64, size: KiB, what: &dyn Fn() -> String| {
        size.0
            .checked_next_multiple_of(unit)
            // libvirt counts bytes with a sign.
            .filter(|kib| *kib <= i64::MAX.unsigned_abs() / 1024)
            .map(KiB)
            .ok_or_else(|| {
                Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Qemu,
                    format!("{} overflowed after alignment", what()),
                )
            })
    };
    let up = |size: KiB, what: &dyn Fn() -> String| up_to(units.initial, size, what);
    let initial = domain.initial_memory();
    for memory in &mut domain.devices.memories {
        memory.target.size = up_to(units.device, memory.target.size, &|| {
            "size of memory device".to_owned()
        })?;
    }
    let plugged = domain.plugged_memory();
    let numa = domain.cpu.as_mut().and_then(|cpu| cpu.numa.as_mut());
    match numa {
        Some(numa) => {
            for (index, cell) in numa.cells.iter_mut().enumerate() {
                cell.memory = up(cell.memory, &|| {
                    format!("memory size of NUMA node '{index}'")
                })?;
            }
            domain.memory.size = whole(domain);
        }
        None => {
            let initial = up(initial, &|| "initial memory size".to_owned())?;
            domain.memory.size = KiB(initial.0.saturating_add(plugged.0));
        }
    }
    if let Some(max) = &mut domain.max_memory {
        max.size = up(max.size, &|| "maximum memory size".to_owned())?;
    }
    Ok(())
}
