//! Error numbers with the phrases clients print (observed from the stock 11.3 client library).

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $n:literal, $bare:literal, $template:literal;)*) => {
        /// libvirt's error numbers (`errors.json`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[allow(missing_docs, reason = "the phrase beside each number is its documentation")]
        pub enum ErrorCode { $($(#[$doc])* $name = $n,)* }

        impl ErrorCode {
            /// The number on the wire.
            pub const fn number(self) -> i32 { self as i32 }

            /// The code of a number received from a peer.
            pub const fn from_number(n: i32) -> Option<Self> {
                match n { $($n => Some(Self::$name),)* _ => None }
            }

            /// The sentence without a detail.
            pub const fn phrase(self) -> &'static str {
                match self { $(Self::$name => $bare,)* }
            }

            /// The sentence with a `%s` where the detail goes.
            pub const fn template(self) -> &'static str {
                match self { $(Self::$name => $template,)* }
            }
        }
    };
}

codes! {
    InternalError = 1, "internal error", "internal error: %s";
    NoMemory = 2, "out of memory", "out of memory: %s";
    NoSupport = 3, "this function is not supported by the connection driver", "this function is not supported by the connection driver: %s";
    UnknownHost = 4, "unknown host", "unknown host %s";
    NoConnect = 5, "no connection driver available", "no connection driver available for %s";
    InvalidConn = 6, "invalid connection pointer in", "invalid connection pointer in %s";
    InvalidDomain = 7, "invalid domain pointer in", "invalid domain pointer in %s";
    InvalidArg = 8, "invalid argument", "invalid argument: %s";
    OperationFailed = 9, "operation failed", "operation failed: %s";
    GetFailed = 10, "GET operation failed", "GET operation failed: %s";
    PostFailed = 11, "POST operation failed", "POST operation failed: %s";
    HttpError = 12, "got unknown HTTP error code", "got unknown HTTP error code %s";
    SexprSerial = 13, "failed to serialize S-Expr", "failed to serialize S-Expr: %s";
    NoXen = 14, "could not use Xen hypervisor entry", "could not use Xen hypervisor entry %s";
    XenCall = 15, "failed Xen syscall", "failed Xen syscall %s";
    OsType = 16, "unknown OS type", "unknown OS type %s";
    NoKernel = 17, "missing kernel information", "missing kernel information: %s";
    NoRoot = 18, "missing root device information", "missing root device information in %s";
    NoSource = 19, "missing source information for device", "missing source information for device %s";
    NoTarget = 20, "missing target information for device", "missing target information for device %s";
    NoName = 21, "missing name information", "missing name information in %s";
    NoOs = 22, "missing operating system information", "missing operating system information for %s";
    NoDevice = 23, "missing devices information", "missing devices information for %s";
    NoXenstore = 24, "could not connect to Xen Store", "could not connect to Xen Store %s";
    DriverFull = 25, "too many drivers registered", "too many drivers registered in %s";
    CallFailed = 26, "library call failed", "library call failed: %s";
    XmlError = 27, "XML description is invalid or not well formed", "XML error: %s";
    DomExist = 28, "this domain exists already", "domain %s exists already";
    OperationDenied = 29, "operation forbidden for read only access", "operation forbidden: %s";
    OpenFailed = 30, "failed to open configuration file", "failed to open configuration file %s";
    ReadFailed = 31, "failed to read configuration file", "failed to read configuration file %s";
    ParseFailed = 32, "failed to parse configuration file", "failed to parse configuration file %s";
    ConfSyntax = 33, "configuration file syntax error", "configuration file syntax error: %s";
    WriteFailed = 34, "failed to write configuration file", "failed to write configuration file: %s";
    XmlDetail = 35, "parser error", "%s";
    InvalidNetwork = 36, "invalid network pointer in", "invalid network pointer in %s";
    NetworkExist = 37, "this network exists already", "network %s exists already";
    SystemError = 38, "system call error", "%s";
    Rpc = 39, "RPC error", "%s";
    GnutlsError = 40, "GNUTLS call error", "%s";
    WarningNoNetwork = 41, "Failed to find the network", "Failed to find the network: %s";
    NoDomain = 42, "Domain not found", "Domain not found: %s";
    NoNetwork = 43, "Network not found", "Network not found: %s";
    InvalidMac = 44, "invalid MAC address", "invalid MAC address: %s";
    AuthFailed = 45, "authentication failed", "authentication failed: %s";
    InvalidStoragePool = 46, "invalid storage pool pointer in", "invalid storage pool pointer in %s";
    InvalidStorageVol = 47, "invalid storage volume pointer in", "invalid storage volume pointer in %s";
    WarningNoStorage = 48, "Failed to find a storage driver", "Failed to find a storage driver: %s";
    NoStoragePool = 49, "Storage pool not found", "Storage pool not found: %s";
    NoStorageVol = 50, "Storage volume not found", "Storage volume not found: %s";
    WarningNoNode = 51, "Failed to find a node driver", "Failed to find a node driver: %s";
    InvalidNodeDevice = 52, "invalid node device pointer", "invalid node device pointer in %s";
    NoNodeDevice = 53, "Node device not found", "Node device not found: %s";
    NoSecurityModel = 54, "Security model not found", "Security model not found: %s";
    OperationInvalid = 55, "Requested operation is not valid", "Requested operation is not valid: %s";
    WarningNoInterface = 56, "Failed to find the interface", "Failed to find the interface: %s";
    NoInterface = 57, "Interface not found", "Interface not found: %s";
    InvalidInterface = 58, "invalid interface pointer in", "invalid interface pointer in %s";
    MultipleInterfaces = 59, "multiple matching interfaces found", "multiple matching interfaces found: %s";
    WarningNoNwfilter = 60, "Failed to start the nwfilter driver", "Failed to start the nwfilter driver: %s";
    InvalidNwfilter = 61, "Invalid network filter", "Invalid network filter: %s";
    NoNwfilter = 62, "Network filter not found", "Network filter not found: %s";
    BuildFirewall = 63, "Error while building firewall", "Error while building firewall: %s";
    WarningNoSecret = 64, "Failed to find a secret storage driver", "Failed to find a secret storage driver: %s";
    InvalidSecret = 65, "Invalid secret", "Invalid secret: %s";
    NoSecret = 66, "Secret not found", "Secret not found: %s";
    ConfigUnsupported = 67, "unsupported configuration", "unsupported configuration: %s";
    OperationTimeout = 68, "Timed out during operation", "Timed out during operation: %s";
    MigratePersistFailed = 69, "Failed to make domain persistent after migration", "Failed to make domain persistent after migration: %s";
    HookScriptFailed = 70, "Hook script execution failed", "Hook script execution failed: %s";
    InvalidDomainSnapshot = 71, "Invalid domain snapshot", "Invalid domain snapshot: %s";
    NoDomainSnapshot = 72, "Domain snapshot not found", "Domain snapshot not found: %s";
    InvalidStream = 73, "invalid stream pointer", "invalid stream pointer in %s";
    ArgumentUnsupported = 74, "argument unsupported", "argument unsupported: %s";
    StorageProbeFailed = 75, "Storage pool probe failed", "Storage pool probe failed: %s";
    StoragePoolBuilt = 76, "Storage pool already built", "Storage pool already built: %s";
    SnapshotRevertRisky = 77, "revert requires force", "revert requires force: %s";
    OperationAborted = 78, "operation aborted", "operation aborted: %s";
    AuthCancelled = 79, "authentication cancelled", "authentication cancelled: %s";
    NoDomainMetadata = 80, "metadata not found", "metadata not found: %s";
    MigrateUnsafe = 81, "Unsafe migration", "Unsafe migration: %s";
    Overflow = 82, "numerical overflow", "numerical overflow: %s";
    BlockCopyActive = 83, "block copy still active", "block copy still active: %s";
    OperationUnsupported = 84, "Operation not supported", "Operation not supported: %s";
    Ssh = 85, "SSH transport error", "SSH transport error: %s";
    AgentUnresponsive = 86, "Guest agent is not responding", "Guest agent is not responding: %s";
    ResourceBusy = 87, "resource busy", "resource busy: %s";
    AccessDenied = 88, "access denied", "access denied: %s";
    DbusService = 89, "error from service", "error from service: %s";
    StorageVolExist = 90, "this storage volume exists already", "storage volume %s exists already";
    CpuIncompatible = 91, "the CPU is incompatible with host CPU", "the CPU is incompatible with host CPU: %s";
    XmlInvalidSchema = 92, "XML document failed to validate against schema", "XML document failed to validate against schema: %s";
    MigrateFinishOk = 93, "migration successfully aborted", "migration successfully aborted: %s";
    AuthUnavailable = 94, "authentication unavailable", "authentication unavailable: %s";
    NoServer = 95, "Server not found", "Server not found: %s";
    NoClient = 96, "Client not found", "Client not found: %s";
    AgentUnsynced = 97, "guest agent replied with wrong id to guest-sync command", "guest agent replied with wrong id to guest-sync command: %s";
    Libssh = 98, "libssh transport error", "libssh transport error: %s";
    DeviceMissing = 99, "device not found", "device not found: %s";
    InvalidNwfilterBinding = 100, "Invalid network filter binding", "Invalid network filter binding: %s";
    NoNwfilterBinding = 101, "Network filter binding not found", "Network filter binding not found: %s";
    InvalidDomainCheckpoint = 102, "Invalid domain checkpoint", "Invalid domain checkpoint: %s";
    NoDomainCheckpoint = 103, "Domain checkpoint not found", "Domain checkpoint not found: %s";
    NoDomainBackup = 104, "Domain backup job id not found", "Domain backup job id not found: %s";
    InvalidNetworkPort = 105, "Invalid network port pointer", "Invalid network port pointer: %s";
    NetworkPortExist = 106, "this network port exists already", "network port %s exists already";
    NoNetworkPort = 107, "network port not found", "network port not found: %s";
    NoHostname = 108, "no hostname found", "no hostname found: %s";
    CheckpointInconsistent = 109, "checkpoint inconsistent", "checkpoint inconsistent: %s";
    MultipleDomains = 110, "multiple matching domains found", "multiple matching domains found: %s";
    NoNetworkMetadata = 111, "metadata not found", "metadata not found: %s";
    AgentCommandTimeout = 112, "guest agent command timed out", "guest agent command timed out: %s";
    AgentCommandFailed = 113, "guest agent command failed", "guest agent command failed: %s";
}
