//! The guests that tests run.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::keeper::sibling;

/// The line the Linux guest prints once it serves its console.
pub const READY: &str = "GUEST READY";

/// Folder with `vmlinuz` and `initrd` of the small Linux guest, made on first use by
/// `tests/guest/build`.
///
/// # Panics
/// When it cannot be made; the script says what is missing.
pub fn linux_folder() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            // Beside the build's output, so that `cargo clean` takes it along.
            let profile = sibling("keeper");
            let target = profile
                .ancestors()
                .nth(2)
                .expect("target folder")
                .join("guest");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/guest/build");
            let made = Command::new(script)
                .arg(&target)
                .output()
                .expect("run tests/guest/build");
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
            target
        })
        .clone()
}

/// The domain type: KVM where it is usable, TCG elsewhere.
///
/// The file `/dev/kvm` alone is no proof; a processor without virtualisation extensions has none.
pub fn domain_type() -> &'static str {
    static TYPE: OnceLock<&str> = OnceLock::new();
    TYPE.get_or_init(|| {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let flags = cpu
            .lines()
            .find(|line| line.starts_with("flags"))
            .unwrap_or_default();
        let extensions = flags.split(' ').any(|flag| flag == "vmx" || flag == "svm");
        let opens = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok();
        if extensions && opens { "kvm" } else { "qemu" }
    })
}

/// A guest that never leaves its firmware: starts in a blink and needs no files. `devices` is put
/// inside its `<devices>`.
pub fn firmware_only(name: &str, devices: &str) -> String {
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
  </os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {devices}
  </devices>
</domain>
"
    )
}

/// The small Linux guest, its console on the serial port. `devices` is put inside its `<devices>`.
///
/// Linux counts the ticks of an emulated timer at its boot and panics when the host was too busy to
/// give them, hence `no_timer_check`.
pub fn linux(name: &str, devices: &str) -> String {
    let folder = linux_folder();
    let folder = folder.display();
    let domain_type = domain_type();
    format!(
        "<domain type='{domain_type}'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{folder}/vmlinuz</kernel>
    <initrd>{folder}/initrd</initrd>
    <cmdline>console=ttyS0 quiet no_timer_check</cmdline>
  </os>
  <features>
    <acpi/>
  </features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <serial type='pty'/>
    <console type='pty'/>
    {devices}
  </devices>
</domain>
"
    )
}
