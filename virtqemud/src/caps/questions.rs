//! What is asked of a QEMU binary to learn what it can do.
//!
//! Facts: WIRE.md section 28. A command or type that the binary lacks is answered with an error,
//! which is as good an answer as any other: nothing is asked only because of a version.

use super::session::{Exchange, Session};
use serde_json::{Value, json};

/// One command to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The command's name.
    pub command: &'static str,
    /// Its arguments; `Null` for none.
    pub arguments: Value,
}

impl Question {
    fn plain(command: &'static str) -> Self {
        Self {
            command,
            arguments: Value::Null,
        }
    }

    fn with(command: &'static str, arguments: Value) -> Self {
        Self { command, arguments }
    }

    /// The exchange that this question and its reply make.
    pub fn answered(self, reply: Result<Value, Value>) -> Exchange {
        Exchange {
            command: self.command.to_owned(),
            arguments: self.arguments,
            reply,
        }
    }
}

/// Types whose device properties say something about a capability.
const DEVICES: &[&str] = &[
    "virtio-blk-pci",
    "virtio-net-pci",
    "virtio-scsi-pci",
    "virtio-net-ccw",
    "virtio-scsi-ccw",
    "vfio-pci",
    "scsi-hd",
    "ide-hd",
    "PIIX4_PM",
    "usb-redir",
    "usb-storage",
    "kvm-pit",
    "VGA",
    "vmware-svga",
    "qxl",
    "virtio-gpu-pci",
    "virtio-gpu-device",
    "ICH9-LPC",
    "virtio-balloon-pci",
    "virtio-balloon-ccw",
    "virtio-balloon-device",
    "intel-iommu",
    "mch",
    "nvdimm",
    "pcie-root-port",
    "usb-host",
    "vhost-user-fs-device",
    "virtio-mem-pci",
    "virtio-iommu-pci",
];

/// The first questions: they don't depend on anything.
pub fn identity() -> Vec<Question> {
    [
        "query-version",
        "query-target",
        "query-qmp-schema",
        "query-kvm",
        "qom-list-types",
    ]
    .map(Question::plain)
    .into()
}

/// The rest, once [`identity`]'s questions are answered in `session`.
pub fn details(session: &Session) -> Vec<Question> {
    let mut ask: Vec<_> = DEVICES
        .iter()
        .map(|t| Question::with("device-list-properties", json!({ "typename": t })))
        .collect();
    let mut objects = vec!["memory-backend-file", "memory-backend-memfd"];
    objects.extend(match session.target() {
        Some("x86_64") => &["max-x86_64-cpu"][..],
        Some("i386") => &["max-i386-cpu"],
        Some("arm" | "aarch64") => &["max-arm-cpu"],
        _ => &[],
    });
    objects.push("none-machine");
    objects.extend(match session.target() {
        Some("x86_64" | "i386") => Some("generic-pc-machine"),
        Some("riscv64" | "arm" | "aarch64") => Some("virt-machine"),
        _ => None,
    });
    ask.extend(
        objects
            .into_iter()
            .map(|t| Question::with("qom-list-properties", json!({ "typename": t }))),
    );
    ask.extend(
        [
            "query-tpm-models",
            "query-tpm-types",
            "query-command-line-options",
            "query-migrate-capabilities",
            "query-gic-capabilities",
            "query-sev-capabilities",
            "query-sgx-capabilities",
        ]
        .map(Question::plain),
    );
    ask.extend(accelerator(session.kvm_enabled()));
    ask
}

/// The questions whose answers depend on the accelerator. They are asked of the second QEMU, which
/// runs without one, too.
pub fn accelerator(accelerated: bool) -> Vec<Question> {
    let mut ask = vec![
        Question::plain("query-machines"),
        Question::plain("query-cpu-definitions"),
    ];
    let model = if accelerated { "host" } else { "max" };
    ask.push(expansion("static", model, Value::Null));
    ask.push(expansion("static", model, json!({"migratable": false})));
    if accelerated {
        let props = json!({"migratable": false, "hv-passthrough": true});
        ask.push(expansion("full", model, props));
    }
    ask
}

fn expansion(kind: &str, model: &str, props: Value) -> Question {
    let model = match props {
        Value::Null => json!({ "name": model }),
        props => json!({ "name": model, "props": props }),
    };
    Question::with(
        "query-cpu-model-expansion",
        json!({ "type": kind, "model": model }),
    )
}
