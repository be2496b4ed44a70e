//! How much of the time what is in a group waits for processors, memory or block devices, as version 2
//! counts by group where the kernel counts it at all (`Documentation/accounting/psi.rst`).

use crate::{Group, file};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Processors.
    Cpu,
    /// Memory.
    Memory,
    /// Block devices.
    Io,
}

/// How much of the time one process or more, or all that could do something, waited.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stall {
    /// Of the last ten seconds, in percent.
    pub avg10: f64,
    /// Of the last minute.
    pub avg60: f64,
    /// Of the last five minutes.
    pub avg300: f64,
    /// Since the group is there, in microseconds.
    pub total: u64,
}

/// The pressure on one resource.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pressure {
    /// At least one waited.
    pub some: Option<Stall>,
    /// All did.
    pub full: Option<Stall>,
}

impl Group {
    /// The pressure on a resource; `None` where the kernel does not tell it.
    pub fn pressure(&self, of: Resource) -> Option<Pressure> {
        let name = match of {
            Resource::Cpu => "cpu.pressure",
            Resource::Memory => "memory.pressure",
            Resource::Io => "io.pressure",
        };
        let text = file::read(&self.unified()?.path, name).ok()?;
        Some(parse(&text)).filter(|pressure| *pressure != Pressure::default())
    }
}

/// Lines `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full …`.
fn parse(text: &str) -> Pressure {
    let of = |word: &str| {
        let mut lines = text.lines();
        let figures = lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
        let figure = |name: &str| {
            let mut all = figures.split_ascii_whitespace();
            all.find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Stall {
            avg10: figure("avg10")?.parse().ok()?,
            avg60: figure("avg60")?.parse().ok()?,
            avg300: figure("avg300")?.parse().ok()?,
            total: figure("total")?.parse().ok()?,
        })
    };
    Pressure {
        some: of("some"),
        full: of("full"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read_and_nothing_else() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=167715428\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let pressure = parse(text);
        let some = pressure.some.unwrap();
        assert_eq!((some.avg10, some.total), (1.5, 167_715_428));
        assert_eq!(pressure.full.map(|full| full.total), Some(7));
        // Older kernels have one of the lines for processors.
        assert_eq!(parse(text.lines().next().unwrap()).full, None);
        assert_eq!(parse("some avg10=x"), Pressure::default());
    }
}
