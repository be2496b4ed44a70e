//! A status file's text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::State;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Tree, Writer};

use super::{Kept, Status};
use crate::caps::CapFlag;
use crate::guest::{Taint, Vcpu};

impl Status {
    /// The file's text, without the warning on top.
    pub fn to_xml(&self) -> String {
        let mut out = Writer::new();
        let (state, reason) = self.state.words();
        out.open(
            "domstatus",
            |tag| {
                tag.text("state", state);
                tag.text("reason", reason);
                tag.attr("pid", &self.pid);
            },
            |out| self.content(out),
        );
        out.finish()
    }

    fn content(&self, out: &mut Writer) {
        for taint in &self.taints {
            out.open("taint", |tag| tag.text("flag", taint.word()), |_| {});
        }
        for deprecation in &self.deprecations {
            out.text_element("deprecation", deprecation);
        }
        let kept = &self.kept;
        out.open(
            "monitor",
            |tag| {
                tag.text("path", &kept.monitor.to_string_lossy());
                tag.text("type", "unix");
            },
            |_| {},
        );
        self.vcpus(out);
        if kept.flags.iter().next().is_some() {
            out.open(
                "qemuCaps",
                |_| {},
                |out| {
                    for flag in kept.flags.iter() {
                        out.open("flag", |tag| tag.text("name", flag.name()), |_| {});
                    }
                },
            );
        }
        if kept.reboot_wanted {
            out.empty("fakereboot");
        }
        if !kept.devices.is_empty() {
            out.open(
                "devices",
                |_| {},
                |out| {
                    for alias in &kept.devices {
                        out.open("device", |tag| tag.text("alias", alias), |_| {});
                    }
                },
            );
        }
        path(out, "libDir", &kept.lib_dir);
        path(out, "channelTargetDir", &kept.channel_dir);
        path(out, "memoryBackingDir", &kept.memory_dir);
        out.maybe("cpu", kept.cpu.as_ref());
        if let Some(allow) = kept.allow_reboot {
            let value = if allow { "yes" } else { "no" };
            out.open("allowReboot", |tag| tag.text("value", value), |_| {});
        }
        out.open(
            "nodename",
            |tag| tag.attr("index", &kept.node_index),
            |_| {},
        );
        out.open("fdset", |tag| tag.attr("index", &kept.fdset_index), |_| {});
        out.open("blockjobs", |tag| tag.text("active", "no"), |_| {});
        out.element("domain", &*self.domain);
    }

    fn vcpus(&self, out: &mut Writer) {
        if self.vcpus.is_empty() {
            return;
        }
        out.open(
            "vcpus",
            |_| {},
            |out| {
                for vcpu in &self.vcpus {
                    out.open(
                        "vcpu",
                        |tag| {
                            tag.attr("id", &vcpu.index);
                            tag.attr("pid", &vcpu.thread);
                        },
                        |_| {},
                    );
                }
            },
        );
    }

    /// Reads a status file, libvirt's or ours; what is not known of it is passed over.
    ///
    /// # Errors
    /// XML_ERROR when it is none, or lacks what a takeover needs.
    pub fn read(text: &str) -> Result<Self> {
        let tree = virt_xml::parse(text)?;
        if tree.name != "domstatus" {
            return Err(bad(format!(
                "expecting root element of 'domstatus', not '{}'",
                tree.name
            )));
        }
        let word = |name: &str| tree.attribute(name).unwrap_or_default();
        let state = State::from_words(word("state"), word("reason"))
            .ok_or_else(|| bad(format!("invalid domain state '{}'", word("state"))))?;
        let pid = word("pid")
            .parse()
            .map_err(|_| bad(format!("invalid pid '{}'", word("pid"))))?;
        let domain = tree
            .element("domain")
            .ok_or_else(|| bad("no domain config".to_owned()))?;
        let vcpus = children(&tree, "vcpus", "vcpu")
            .filter_map(|vcpu| {
                Some(Vcpu {
                    index: vcpu.attribute("id")?.parse().ok()?,
                    thread: vcpu.attribute("pid")?.parse().ok()?,
                })
            })
            .collect();
        Ok(Self {
            state,
            pid,
            taints: tree
                .elements()
                .filter(|element| element.name == "taint")
                .filter_map(|taint| Taint::from_word(taint.attribute("flag")?))
                .collect(),
            deprecations: tree
                .elements()
                .filter(|element| element.name == "deprecation")
                .map(Tree::text)
                .collect(),
            vcpus,
            kept: kept(&tree)?,
            domain: Arc::new(Domain::read_lenient(&domain.to_xml(0), |_| {})?.0),
        })
    }
}

fn path(out: &mut Writer, element: &str, path: &Path) {
    if !path.as_os_str().is_empty() {
        let path = path.to_string_lossy();
        out.open(element, |tag| tag.text("path", &path), |_| {});
    }
}

fn bad(detail: String) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, detail)
}

fn children<'t>(tree: &'t Tree, list: &str, name: &str) -> impl Iterator<Item = &'t Tree> {
    let all = tree.element(list).into_iter().flat_map(Tree::elements);
    all.filter(move |element| element.name == name)
}

fn kept(tree: &Tree) -> Result<Kept> {
    let attribute = |element: &str, name: &str| tree.element(element)?.attribute(name);
    let folder = |element: &str| PathBuf::from(attribute(element, "path").unwrap_or_default());
    let number = |element: &str| {
        let text = attribute(element, "index").unwrap_or("0");
        text.parse()
            .map_err(|_| bad(format!("invalid index '{text}' of '{element}'")))
    };
    if attribute("monitor", "type") != Some("unix") {
        return Err(bad("no monitor of type 'unix'".to_owned()));
    }
    let cpu = match tree.element("cpu") {
        Some(cpu) => Some(virt_xml::read(&cpu.to_xml(0))?.0),
        None => None,
    };
    Ok(Kept {
        monitor: folder("monitor"),
        flags: children(tree, "qemuCaps", "flag")
            .filter_map(|flag| CapFlag::from_name(flag.attribute("name")?))
            .collect(),
        devices: children(tree, "devices", "device")
            .filter_map(|device| Some(device.attribute("alias")?.to_owned()))
            .collect(),
        lib_dir: folder("libDir"),
        channel_dir: folder("channelTargetDir"),
        memory_dir: folder("memoryBackingDir"),
        cpu,
        reboot_wanted: tree.element("fakereboot").is_some(),
        allow_reboot: attribute("allowReboot", "value").map(|value| value == "yes"),
        node_index: number("nodename")?,
        fdset_index: number("fdset")?,
    })
}
