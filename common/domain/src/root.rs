//! Reading and writing `<domain>` itself.

use crate::arch::VirtType;
use crate::domain::Domain;
use crate::features::Features;
use crate::lifecycle::LifecycleAction;
use crate::namespace::{LXC_NAMESPACE, QEMU_NAMESPACE};
use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Tree, Value, Writer};

fn error(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::Domain, text)
}

/// `type`, with the stock refusals.
fn virt_type(node: &mut Node<'_>) -> Result<VirtType> {
    let text = node
        .attr_text("type")
        .ok_or_else(|| error(ErrorCode::InternalError, "missing domain type attribute"))?;
    VirtType::from_word(text).ok_or_else(|| {
        error(
            ErrorCode::ConfigUnsupported,
            format!("invalid domain type {text}"),
        )
    })
}

fn name(node: &mut Node<'_>) -> Result<String> {
    let name: String = node
        .child_text("name")?
        .filter(|name: &String| !name.is_empty())
        .ok_or_else(|| Error::bare(ErrorCode::NoName, ErrorDomain::Domain))?;
    if name.contains('/') {
        return Err(node.error(format!("name {name} cannot contain '/'")));
    }
    Ok(name)
}

/// A UUID, nil when there is none.
fn uuid(node: &mut Node<'_>, element: &str) -> Result<Option<Uuid>> {
    let Some(text) = node.child_text::<String>(element)? else {
        return Ok(None);
    };
    if element == "genid" && text.is_empty() {
        return Ok(Some(Uuid::nil()));
    }
    Uuid::from_text(&text).map(Some).ok_or_else(|| {
        error(
            ErrorCode::InternalError,
            format!("malformed {element} element"),
        )
    })
}

/// What others keep, with the declarations that it needs.
fn metadata(node: &mut Node<'_>) -> Option<Tree> {
    let mut metadata = node.raw("metadata")?;
    metadata.declare_used(&node.tree().attributes);
    Some(metadata)
}

impl Element for Domain {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let virt_type = virt_type(node)?;
        let id: Option<i32> = node.attr("id")?;
        let name = name(node)?;
        let uuid_read = uuid(node, "uuid")?;
        let genid = uuid(node, "genid")?;
        let title: Option<String> = node.child_text("title")?;
        if title.as_ref().is_some_and(|title| title.contains('\n')) {
            return Err(node.error("Domain title can't contain newlines"));
        }
        let memory = node.child("memory")?;
        let current_memory = node.child("currentMemory")?;
        Ok(Self {
            virt_type,
            id: id.filter(|id| *id >= 0),
            name,
            uuid: uuid_read.unwrap_or_default(),
            genid,
            title,
            description: node.child_text("description")?,
            metadata: metadata(node),
            max_memory: node.child("maxMemory")?,
            memory: memory.unwrap_or_default(),
            current_memory: current_memory.unwrap_or_default(),
            asked_memory: current_memory.unwrap_or_default(),
            blkiotune: node.child("blkiotune")?,
            memtune: node.child("memtune")?,
            memory_backing: node.child("memoryBacking")?,
            vcpu: node.child("vcpu")?.unwrap_or_default(),
            vcpus: node.child("vcpus")?,
            iothreads: node.child_text("iothreads")?,
            iothreadids: node.child("iothreadids")?,
            defaultiothread: node.child("defaultiothread")?,
            throttlegroups: node.child("throttlegroups")?,
            cputune: node.child("cputune")?,
            numatune: node.child("numatune")?,
            resource: node.child("resource")?,
            sysinfo: node.children("sysinfo")?,
            bootloader: node.child_text("bootloader")?,
            bootloader_args: node.child_text("bootloader_args")?,
            os: node.child("os")?.unwrap_or_default(),
            idmap: node.child("idmap")?,
            features: node.child("features")?,
            cpu: node.child("cpu")?,
            clock: node.child("clock")?.unwrap_or_default(),
            on_poweroff: node.maybe_child_text("on_poweroff")?,
            on_reboot: node.maybe_child_text("on_reboot")?,
            on_crash: node.maybe_child_text("on_crash")?,
            on_lockfailure: node.maybe_child_text("on_lockfailure")?,
            pm: node.child("pm")?,
            perf: node.child("perf")?,
            devices: node.child("devices")?.unwrap_or_default(),
            seclabels: node.children("seclabel")?,
            qemu: Element::read(node)?,
            lxc: node.child("lxc:namespace")?,
            keywrap: node.child("keywrap")?,
            launch_security: node.child("launchSecurity")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.virt_type);
        tag.maybe("id", &self.id);
        if !self.qemu.is_empty() {
            tag.text("xmlns:qemu", QEMU_NAMESPACE);
        }
        if self.lxc.is_some() {
            tag.text("xmlns:lxc", LXC_NAMESPACE);
        }
    }

    fn content(&self, out: &mut Writer) {
        out.text_element("name", &self.name);
        out.text_element("uuid", &self.uuid);
        maybe_text(out, "genid", self.genid.as_ref());
        maybe_text(out, "title", self.title.as_ref());
        maybe_text(out, "description", self.description.as_ref());
        if let Some(metadata) = &self.metadata {
            out.tree(metadata);
        }
        out.maybe("maxMemory", self.max_memory.as_ref());
        out.element("memory", &self.memory);
        out.element("currentMemory", &self.current_memory);
        unless_empty(out, "blkiotune", self.blkiotune.as_ref());
        unless_empty(out, "memtune", self.memtune.as_ref());
        unless_empty(out, "memoryBacking", self.memory_backing.as_ref());
        out.element("vcpu", &self.vcpu);
        out.maybe("vcpus", self.vcpus.as_ref());
        maybe_text(out, "iothreads", self.iothreads.as_ref());
        out.maybe("iothreadids", self.iothreadids.as_ref());
        out.maybe("defaultiothread", self.defaultiothread.as_ref());
        out.maybe("throttlegroups", self.throttlegroups.as_ref());
        unless_empty(out, "cputune", self.cputune.as_ref());
        unless_empty(out, "numatune", self.numatune.as_ref());
        unless_empty(out, "resource", self.resource.as_ref());
        for sysinfo in &self.sysinfo {
            out.element("sysinfo", sysinfo);
        }
        maybe_text(out, "bootloader", self.bootloader.as_ref());
        maybe_text(out, "bootloader_args", self.bootloader_args.as_ref());
        out.element("os", &self.os);
        unless_empty(out, "idmap", self.idmap.as_ref());
        if let Some(features) = self
            .features
            .as_ref()
            .filter(|f| **f != Features::default())
        {
            out.element("features", features);
        }
        out.maybe("cpu", self.cpu.as_ref());
        out.element("clock", &self.clock);
        let lifecycle = |out: &mut Writer, name, action: Option<LifecycleAction>, default| {
            out.text_element(name, &action.unwrap_or(default));
        };
        lifecycle(
            out,
            "on_poweroff",
            self.on_poweroff,
            LifecycleAction::Destroy,
        );
        lifecycle(out, "on_reboot", self.on_reboot, LifecycleAction::Restart);
        lifecycle(out, "on_crash", self.on_crash, LifecycleAction::Destroy);
        maybe_text(out, "on_lockfailure", self.on_lockfailure.as_ref());
        unless_empty(out, "pm", self.pm.as_ref());
        unless_empty(out, "perf", self.perf.as_ref());
        out.element("devices", &self.devices);
        for seclabel in &self.seclabels {
            out.element("seclabel", seclabel);
        }
        unless_empty(out, "keywrap", self.keywrap.as_ref());
        out.maybe("launchSecurity", self.launch_security.as_ref());
        self.qemu.content(out);
        out.maybe("lxc:namespace", self.lxc.as_ref());
    }
}

fn maybe_text<V: Value>(out: &mut Writer, name: &str, value: Option<&V>) {
    if let Some(value) = value {
        out.text_element(name, value);
    }
}

/// An element that says nothing is left out.
fn unless_empty<E: Element + Default + PartialEq>(out: &mut Writer, name: &str, value: Option<&E>) {
    if let Some(value) = value.filter(|value| **value != E::default()) {
        out.element(name, value);
    }
}
