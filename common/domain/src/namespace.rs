//! Elements of the drivers' own namespaces: `qemu:commandline` and others, `lxc:namespace`.

use virt_xml::{Element, Words};

/// The namespace of QEMU's elements.
pub const QEMU_NAMESPACE: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

/// The namespace of the container driver's elements.
pub const LXC_NAMESPACE: &str = "http://libvirt.org/schemas/domain/lxc/1.0";

/// What is handed to QEMU unseen.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct QemuExtras {
    /// Arguments and environment.
    #[xml(child = "qemu:commandline")]
    pub commandline: Option<QemuCommandline>,
    /// Capabilities that are forced on or off.
    #[xml(child = "qemu:capabilities")]
    pub capabilities: Option<QemuCapabilities>,
    /// Properties of devices that are replaced.
    #[xml(child = "qemu:override")]
    pub overrides: Option<QemuOverride>,
    /// What happens to deprecated things.
    #[xml(child = "qemu:deprecation")]
    pub deprecation: Option<QemuDeprecation>,
}

impl QemuExtras {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `<qemu:commandline>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct QemuCommandline {
    /// Arguments.
    #[xml(child = "qemu:arg")]
    pub args: Vec<QemuArg>,
    /// Variables of the environment.
    #[xml(child = "qemu:env")]
    pub env: Vec<QemuEnv>,
}

/// `<qemu:arg/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct QemuArg {
    /// The argument.
    #[xml(attr)]
    pub value: String,
}

/// `<qemu:env/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct QemuEnv {
    /// The variable.
    #[xml(attr)]
    pub name: String,
    /// Its value.
    #[xml(attr)]
    pub value: Option<String>,
}

/// `<qemu:capabilities>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct QemuCapabilities {
    /// Forced on.
    #[xml(child = "qemu:add")]
    pub add: Vec<QemuCapability>,
    /// Forced off.
    #[xml(child = "qemu:del")]
    pub del: Vec<QemuCapability>,
}

/// A capability by libvirt's name.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct QemuCapability {
    /// Its name.
    #[xml(attr)]
    pub capability: String,
}

/// `<qemu:override>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct QemuOverride {
    /// The devices.
    #[xml(child = "qemu:device")]
    pub devices: Vec<OverriddenDevice>,
}

/// A device whose properties are replaced.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct OverriddenDevice {
    /// Its alias.
    #[xml(attr)]
    pub alias: String,
    /// The side the guest sees.
    #[xml(child = "qemu:frontend")]
    pub frontend: Option<OverriddenFrontend>,
}

/// `<qemu:frontend>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct OverriddenFrontend {
    /// The properties.
    #[xml(child = "qemu:property")]
    pub properties: Vec<OverriddenProperty>,
}

/// `<qemu:property/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct OverriddenProperty {
    /// QEMU's name of it.
    #[xml(attr)]
    pub name: String,
    /// What kind of value.
    #[xml(attr = "type")]
    pub kind: OverrideType,
    /// The value.
    #[xml(attr)]
    pub value: Option<String>,
}

/// What kind of value a property gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum OverrideType {
    /// A text.
    String,
    /// A number.
    Signed,
    /// A number that isn't negative.
    Unsigned,
    /// `true` or `false`.
    Bool,
    /// None: the property is left out.
    Remove,
}

/// `<qemu:deprecation/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct QemuDeprecation {
    /// What happens.
    #[xml(attr)]
    pub behavior: String,
}

/// `<lxc:namespace>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct LxcNamespace {
    /// Whose network is shared.
    #[xml(child = "lxc:sharenet")]
    pub sharenet: Option<LxcShare>,
    /// Whose interprocess communication is shared.
    #[xml(child = "lxc:shareipc")]
    pub shareipc: Option<LxcShare>,
    /// Whose host name is shared.
    #[xml(child = "lxc:shareuts")]
    pub shareuts: Option<LxcShare>,
}

/// Whose namespace is shared.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct LxcShare {
    /// How it is named.
    #[xml(attr = "type")]
    pub kind: LxcShareType,
    /// The name.
    #[xml(attr)]
    pub value: String,
}

/// How a namespace is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum LxcShareType {
    /// By its name below /run/netns.
    Netns,
    /// By a container.
    Name,
    /// By a process.
    Pid,
}
