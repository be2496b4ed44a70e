//! Who may call what (WIRE.md sections 6 and 15).

/// One permission a call needs on its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRule {
    /// The kind of object.
    pub object: Object,
    /// The permission on it.
    pub permission: Permission,
    /// When the rule applies; always if there is none.
    pub condition: Option<Condition>,
}

/// Whether a read-only connection may make a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOnlyRule {
    /// It may.
    Allow,
    /// It may not.
    Deny,
    /// It may not when the condition holds.
    DenyIf(Condition),
}

/// A test of a call's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One of these bits is set in `flags`.
    FlagsAny(u32),
    /// All of these bits are set in `flags`.
    FlagsAll(u32),
    /// None of these bits is set in `flags`.
    FlagsNone(u32),
    /// An argument has this value.
    Parameter {
        /// The argument's name.
        name: &'static str,
        /// The value.
        equals: i64,
    },
}

impl Condition {
    /// Whether it holds for a call with these `flags` and parameters.
    pub fn holds(&self, flags: Option<u64>, parameter: impl Fn(&str) -> Option<i64>) -> bool {
        let flags = flags.unwrap_or(0);
        match *self {
            Self::FlagsAny(bits) => flags & u64::from(bits) != 0,
            Self::FlagsAll(bits) => flags & u64::from(bits) == u64::from(bits),
            Self::FlagsNone(bits) => flags & u64::from(bits) == 0,
            Self::Parameter { name, equals } => parameter(name) == Some(equals),
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($name:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[allow(missing_docs, reason = "the names are the access driver's")]
        pub enum $kind { $($name),* }

        impl $kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name with underscores, as in `access.json`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
        }
    };
}

names! {
    /// A kind of object.
    Object {
        Connect = "connect",
        Domain = "domain",
        Interface = "interface",
        Network = "network",
        NetworkPort = "network_port",
        NodeDevice = "node_device",
        Nwfilter = "nwfilter",
        NwfilterBinding = "nwfilter_binding",
        Secret = "secret",
        StoragePool = "storage_pool",
        StorageVol = "storage_vol",
    }
}

names! {
    /// Something one may do to an object; which go with which is in `access.json`.
    Permission {
        BlockRead = "block_read",
        BlockWrite = "block_write",
        Checkpoint = "checkpoint",
        CoreDump = "core_dump",
        Create = "create",
        DataRead = "data_read",
        DataWrite = "data_write",
        Delete = "delete",
        Detach = "detach",
        DetectStoragePools = "detect_storage_pools",
        Format = "format",
        FsFreeze = "fs_freeze",
        FsTrim = "fs_trim",
        Getattr = "getattr",
        Hibernate = "hibernate",
        InitControl = "init_control",
        InjectNmi = "inject_nmi",
        InterfaceTransaction = "interface_transaction",
        MemRead = "mem_read",
        Migrate = "migrate",
        OpenDevice = "open_device",
        OpenGraphics = "open_graphics",
        OpenNamespace = "open_namespace",
        PmControl = "pm_control",
        Read = "read",
        ReadSecure = "read_secure",
        Refresh = "refresh",
        Reset = "reset",
        Resize = "resize",
        Save = "save",
        Screenshot = "screenshot",
        SearchDomains = "search_domains",
        SearchInterfaces = "search_interfaces",
        SearchNetworks = "search_networks",
        SearchNodeDevices = "search_node_devices",
        SearchNwfilterBindings = "search_nwfilter_bindings",
        SearchNwfilters = "search_nwfilters",
        SearchPorts = "search_ports",
        SearchSecrets = "search_secrets",
        SearchStoragePools = "search_storage_pools",
        SearchStorageVols = "search_storage_vols",
        SendInput = "send_input",
        SendSignal = "send_signal",
        SetPassword = "set_password",
        SetTime = "set_time",
        Snapshot = "snapshot",
        Start = "start",
        Stop = "stop",
        Suspend = "suspend",
        Write = "write",
    }
}
