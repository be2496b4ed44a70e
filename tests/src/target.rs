//! Which daemon the tests drive: ours, or the stock one to see what it does.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// The daemon under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// This workspace's virtqemud.
    Ours,
    /// The distribution's monolithic libvirtd.
    Stock,
}

impl Target {
    /// The choice of `VIRT_TEST_TARGET`: `ours` when unset.
    ///
    /// # Panics
    /// On any other value than `ours` and `stock`.
    pub fn chosen() -> Self {
        match std::env::var("VIRT_TEST_TARGET").as_deref() {
            Err(_) | Ok("" | "ours") => Target::Ours,
            Ok("stock") => Target::Stock,
            Ok(other) => panic!("VIRT_TEST_TARGET={other}: ours or stock"),
        }
    }

    /// The file name of its main socket below `run/libvirt`.
    pub fn socket(self) -> &'static str {
        match self {
            Target::Ours => "virtqemud-sock",
            Target::Stock => "libvirt-sock",
        }
    }

    /// The daemon's program.
    pub fn program(self) -> String {
        match self {
            Target::Ours => {
                build_ours();
                crate::keeper::sibling("virtqemud")
                    .to_string_lossy()
                    .into_owned()
            }
            Target::Stock => "/usr/sbin/libvirtd".to_owned(),
        }
    }
}

/// Brings our daemon and tools up to date once for each test program: cargo does not know that
/// these tests run them. Under nextest every test is a program, so there it is left to the one who
/// called nextest.
///
/// # Panics
/// When they don't build.
pub fn build_ours() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let (Some(cargo), None) = (std::env::var_os("CARGO"), std::env::var_os("NEXTEST")) else {
            return;
        };
        let built = Command::new(cargo)
            .args([
                "build",
                "-q",
                "-p",
                "virtqemud",
                "-p",
                "virtlockd",
                "-p",
                "virtlogd",
                "-p",
                "virtacld",
            ])
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cargo build -p virtqemud -p virtlockd -p virtlogd -p virtacld"
        );
    });
}

/// Whether the tests run as root, as most of a system daemon's tests must.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that a test, or a part of it, does not run here, and why: past the test harness, which keeps
/// what a test that passed has printed.
pub fn skipped(why: &str) {
    let test = std::thread::current();
    let test = test.name().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}

/// Whether all the files and programs named are here; what is missing is printed, for a test to
/// skip itself loudly.
pub fn have(wanted: &[&str]) -> bool {
    let missing: Vec<&&str> = wanted
        .iter()
        .filter(|path| !Path::new(path).exists())
        .collect();
    if !missing.is_empty() {
        skipped(&format!("missing {missing:?}"));
    }
    missing.is_empty()
}

/// Whether the stock daemon can be run beside ours; why not is printed.
pub fn has_stock() -> bool {
    let program = Target::Stock.program();
    if !is_root() {
        skipped("only root runs the stock daemon too");
        return false;
    }
    if !Path::new(&program).exists() {
        skipped(&format!(
            "no {program} here (tests/setup --stock installs it)"
        ));
        return false;
    }
    true
}
