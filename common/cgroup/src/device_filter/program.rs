//! The program that says for a device whether it may be used: pure. Encodings are those of
//! `Documentation/bpf/standardization/instruction-set.rst`, the context that of `linux/bpf.h`
//! (`struct bpf_cgroup_dev_ctx`: access and kind in one word, major, minor).

use std::collections::BTreeSet;

use super::DeviceRule;

/// Kinds in the context's first word (`BPF_DEVCG_DEV_BLOCK`, `BPF_DEVCG_DEV_CHAR`).
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

/// One instruction, as the kernel takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    code: u8,
    /// Destination in the lower half, source in the upper one.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Registers: the answer, the context, kind, major, minor.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const MAJOR: u8 = 3;
const MINOR: u8 = 4;

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers,
        offset,
        immediate,
    }
}

/// Loads 32 bits of the context.
const fn load(to: u8, offset: i16) -> Instruction {
    instruction(0x61, to | CONTEXT << 4, offset, 0)
}

const fn and(to: u8, mask: i32) -> Instruction {
    instruction(0x57, to, 0, mask)
}

const fn set(to: u8, value: i32) -> Instruction {
    instruction(0xb7, to, 0, value)
}

/// Goes `over` so many instructions when the register has another value.
const fn unless(register: u8, value: i32, over: i16) -> Instruction {
    instruction(0x55, register, over, value)
}

const EXIT: Instruction = instruction(0x95, 0, 0, 0);

/// The program that allows these.
pub(super) fn of(allowed: &BTreeSet<DeviceRule>) -> Vec<Instruction> {
    let mut all = vec![
        load(KIND, 0),
        and(KIND, 0xffff),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in allowed {
        let kind = if rule.block { BLOCK } else { CHARACTER };
        // The kernel's numbers have 12 and 20 bits.
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let mut tests = vec![(KIND, kind), (MAJOR, number(rule.major))];
        tests.extend(rule.minor.map(|minor| (MINOR, number(minor))));
        // What is left of the rule, its answer included, is gone over.
        let mut left = i16::try_from(tests.len()).unwrap_or(i16::MAX);
        for (register, value) in tests {
            left -= 1;
            all.push(unless(register, value, left + 2));
        }
        all.extend([set(ANSWER, 1), EXIT]);
    }
    all.extend([set(ANSWER, 0), EXIT]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does, as far as ours go.
    fn allows(program: &[Instruction], kind: i32, major: i32, minor: i32) -> bool {
        let context = [kind | 7 << 16, major, minor];
        let mut registers = [0i32; 5];
        let mut at = 0;
        loop {
            let Instruction {
                code,
                registers: used,
                offset,
                immediate,
            } = program[at];
            let to = usize::from(used & 15);
            at += 1;
            match code {
                0x61 => registers[to] = context[usize::try_from(offset).unwrap() / 4],
                0x57 => registers[to] &= immediate,
                0xb7 => registers[to] = immediate,
                0x55 if registers[to] != immediate => at += usize::try_from(offset).unwrap(),
                0x55 => {}
                0x95 => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        let rule = |block, major, minor| DeviceRule {
            block,
            major,
            minor,
        };
        let allowed = [
            rule(false, 1, Some(3)),
            rule(false, 136, None),
            rule(true, 7, Some(0)),
        ];
        let program = of(&allowed.into_iter().collect());
        for (kind, major, minor, expected) in [
            (CHARACTER, 1, 3, true),
            (CHARACTER, 1, 5, false),
            (BLOCK, 1, 3, false),
            (CHARACTER, 136, 9, true),
            (BLOCK, 7, 0, true),
            (CHARACTER, 7, 0, false),
        ] {
            assert_eq!(
                allows(&program, kind, major, minor),
                expected,
                "{kind} {major}:{minor}"
            );
        }
        assert!(!allows(&of(&BTreeSet::new()), CHARACTER, 1, 3));
    }
}
