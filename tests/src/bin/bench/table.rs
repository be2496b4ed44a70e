//! The figures and how they are shown.

use virt_tests::target::Target;

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Times, memory.
    Lower,
    /// Rates.
    Higher,
}

/// What the project set out to reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// This many times better than the stock daemon.
    Times(f64),
    /// An absolute figure in the row's unit.
    AtMost(f64),
    /// The same, of what should be large.
    AtLeast(f64),
    /// Nothing was promised.
    None,
}

#[derive(Debug)]
struct Row {
    name: String,
    unit: &'static str,
    better: Better,
    goal: Goal,
    /// Measured by side.
    values: Vec<Vec<f64>>,
}

/// All rows, in the order in which they were first measured.
#[derive(Debug)]
pub struct Table {
    sides: Vec<Target>,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    pub fn new(sides: &[Target]) -> Self {
        Table {
            sides: sides.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds one measurement of one side.
    pub fn add(
        &mut self,
        side: usize,
        name: &str,
        unit: &'static str,
        better: Better,
        goal: Goal,
        value: f64,
    ) {
        let index = self.rows.iter().position(|row| row.name == name);
        let index = index.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                unit,
                better,
                goal,
                values: vec![Vec::new(); self.sides.len()],
            });
            self.rows.len() - 1
        });
        self.rows[index].values[side].push(value);
    }

    /// What one side's measurements of a row come to so far.
    pub fn median(&self, side: usize, name: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.name == name)?;
        median(&row.values[side])
    }

    /// Prints it in Markdown, with the machine it was taken on.
    pub fn print(&self) {
        println!("{}\n", machine());
        let names: Vec<&str> = self
            .sides
            .iter()
            .map(|side| match side {
                Target::Ours => "ours",
                Target::Stock => "stock",
            })
            .collect();
        println!("| | {} | ratio | goal |", names.join(" | "));
        println!("| --- |{} --- | --- |", " ---: |".repeat(names.len()));
        for row in &self.rows {
            let values: Vec<Option<f64>> = row.values.iter().map(|values| median(values)).collect();
            let shown: Vec<String> = values.iter().map(|value| show(*value)).collect();
            println!(
                "| {} ({}) | {} | {} | {} |",
                row.name,
                row.unit,
                shown.join(" | "),
                ratio(row, &values).map_or_else(|| "–".to_owned(), |times| format!("{times:.2}×")),
                goal(row, &values)
            );
        }
        println!(
            "\nA ratio above 1 says that the first is better. Medians of rounds taken in turn."
        );
    }
}

/// How many times better the first side is.
fn ratio(row: &Row, values: &[Option<f64>]) -> Option<f64> {
    let (first, second) = (*values.first()?.as_ref()?, *values.get(1)?.as_ref()?);
    let times = match row.better {
        Better::Lower => second / first,
        Better::Higher => first / second,
    };
    // Nothing is no number of times less than something.
    times.is_finite().then_some(times)
}

fn goal(row: &Row, values: &[Option<f64>]) -> String {
    let (text, met) = match row.goal {
        Goal::None => return String::new(),
        Goal::Times(times) => (
            format!("{times}×"),
            ratio(row, values).map(|ratio| ratio >= times),
        ),
        Goal::AtMost(most) => (
            format!("≤ {most} {}", row.unit),
            values.first().copied().flatten().map(|value| value <= most),
        ),
        Goal::AtLeast(least) => (
            format!("≥ {least} {}", row.unit),
            values
                .first()
                .copied()
                .flatten()
                .map(|value| value >= least),
        ),
    };
    match met {
        Some(true) => format!("{text}, met"),
        Some(false) => format!("{text}, **missed**"),
        None => text,
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[count / 2]),
        count => Some(f64::midpoint(sorted[count / 2 - 1], sorted[count / 2])),
    }
}

fn show(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 1000.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// One line on the machine, without names that identify it.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let kernel = read("/proc/sys/kernel/osrelease");
    let field = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':').or_else(|| line.split_once('=')))
            .map(|(_, value)| value.trim().trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    let cores = cpu
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    let version = |program: &str, option: &str| {
        let output = std::process::Command::new(program).arg(option).output();
        output.map_or_else(
            |_| "none".to_owned(),
            |output| {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                text.lines().next().unwrap_or_default().to_owned()
            },
        )
    };
    format!(
        "{cores} cores ({}), {} GiB, Linux {}, {}; {}; {}; {}.",
        field(&cpu, "model name"),
        (memory + (1 << 19)) >> 20,
        kernel.split('-').next().unwrap_or_default().trim(),
        field(&read("/etc/os-release"), "PRETTY_NAME"),
        version("qemu-system-x86_64", "--version"),
        version("/usr/sbin/libvirtd", "--version"),
        if cfg!(debug_assertions) {
            "**debug build: figures of ours mean nothing**"
        } else {
            "release build"
        },
    )
}
