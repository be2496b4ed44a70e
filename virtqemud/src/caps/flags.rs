//! The capability flags of a QEMU binary, by the names libvirt uses for them, and what in a probe
//! session each of them follows from.
//!
//! Facts: the names are those seen in libvirt's own capability documents (status XML, cache); what
//! each follows from was found by comparing those with the transcripts of the same binaries.

use super::source::Source;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! flags {
    ($($variant:ident = $name:literal <- $source:ident $(($($argument:literal),*))?,)*) => {
        /// One thing that a QEMU binary may or may not be able to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each variant is its name, see the table")]
        pub enum CapFlag { $($variant,)* }

        impl CapFlag {
            /// Every flag, in the order libvirt lists them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// libvirt's word for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What in the replies says that the binary has it.
            pub(super) fn source(self) -> Source {
                match self { $(Self::$variant => Source::$source $(($($argument),*))?,)* }
            }
        }
    };
}

flags! {
    Kvm = "kvm" <- KvmEnabled,
    Sdl = "sdl" <- Schema("query-display-options/ret/type/^sdl"),
    Spice = "spice" <- CommandLineOption("spice"),
    HdaDuplex = "hda-duplex" <- Type("hda-duplex"),
    CcidEmulated = "ccid-emulated" <- Type("ccid-card-emulated"),
    CcidPassthru = "ccid-passthru" <- Type("ccid-card-passthru"),
    Piix3UsbUhci = "piix3-usb-uhci" <- Type("piix3-usb-uhci"),
    Piix4UsbUhci = "piix4-usb-uhci" <- Type("piix4-usb-uhci"),
    UsbEhci = "usb-ehci" <- Type("usb-ehci"),
    Ich9UsbEhci1 = "ich9-usb-ehci1" <- Type("ich9-usb-ehci1"),
    Vt82c686bUsbUhci = "vt82c686b-usb-uhci" <- Type("vt82c686b-usb-uhci"),
    PciOhci = "pci-ohci" <- Type("pci-ohci"),
    UsbRedir = "usb-redir" <- Type("usb-redir"),
    UsbHub = "usb-hub" <- Type("usb-hub"),
    Ich9Ahci = "ich9-ahci" <- Type("ich9-ahci"),
    VirtioBlkPciScsi = "virtio-blk-pci.scsi" <- Property("virtio-blk-pci", "scsi"),
    ScsiDiskChannel = "scsi-disk.channel" <- Property("scsi-hd", "channel"),
    ScsiBlock = "scsi-block" <- Type("scsi-block"),
    HdaMicro = "hda-micro" <- Type("hda-micro"),
    NecUsbXhci = "nec-usb-xhci" <- Type("nec-usb-xhci"),
    Lsi = "lsi" <- Type("lsi53c895a"),
    VirtioScsiPci = "virtio-scsi-pci" <- Type("virtio-scsi-pci"),
    UsbRedirFilter = "usb-redir.filter" <- Property("usb-redir", "filter"),
    SeccompSandbox = "seccomp-sandbox" <- CommandLineOption("sandbox"),
    Vnc = "vnc" <- CommandLineOption("vnc"),
    Qxl = "qxl" <- Type("qxl"),
    Vga = "VGA" <- Type("VGA"),
    CirrusVga = "cirrus-vga" <- Type("cirrus-vga"),
    S390Sclp = "s390-sclp" <- Type("s390-sclp-event-facility"),
    VmwareSvga = "vmware-svga" <- Type("vmware-svga"),
    UsbSerial = "usb-serial" <- Type("usb-serial"),
    VirtioRng = "virtio-rng" <- Type("virtio-rng-device"),
    RngRandom = "rng-random" <- Type("rng-random"),
    RngEgd = "rng-egd" <- Type("rng-egd"),
    Megasas = "megasas" <- Type("megasas"),
    TpmPassthrough = "tpm-passthrough" <- TpmBackend("passthrough"),
    Nvram = "nvram" <- Type("spapr-nvram"),
    TpmTis = "tpm-tis" <- TpmModel("tpm-tis"),
    VirtioCcw = "virtio-ccw" <- Type("virtio-ccw-bus"),
    PciBridge = "pci-bridge" <- Type("pci-bridge"),
    VfioPci = "vfio-pci" <- Type("vfio-pci"),
    DmiToPciBridge = "dmi-to-pci-bridge" <- Type("i82801b11-bridge"),
    UsbStorage = "usb-storage" <- Type("usb-storage"),
    VirtioMmio = "virtio-mmio" <- Type("virtio-mmio"),
    Ich9IntelHda = "ich9-intel-hda" <- Type("ich9-intel-hda"),
    KvmPitLostTickPolicy = "kvm-pit-lost-tick-policy" <- Property("kvm-pit", "lost_tick_policy"),
    Pvpanic = "pvpanic" <- Type("pvpanic"),
    UsbKbd = "usb-kbd" <- Type("usb-kbd"),
    UsbAudio = "usb-audio" <- Type("usb-audio"),
    RtcResetReinjection = "rtc-reset-reinjection" <- Schema("rtc-reset-reinjection"),
    MigrateRdma = "migrate-rdma" <- Schema("migrate-set-capabilities/arg/capabilities/capability/^rdma-pin-all"),
    VgaVgamemMb = "VGA.vgamem_mb" <- Property("VGA", "vgamem_mb"),
    VmwareSvgaVgamemMb = "vmware-svga.vgamem_mb" <- Property("vmware-svga", "vgamem_mb"),
    QxlVgamemMb = "qxl.vgamem_mb" <- Property("qxl", "vgamem_mb"),
    PcDimm = "pc-dimm" <- Type("pc-dimm"),
    MachineVmportOpt = "machine-vmport-opt" <- Property("generic-pc-machine", "vmport"),
    PciSerial = "pci-serial" <- Type("pci-serial"),
    Ioh3420 = "ioh3420" <- Type("ioh3420"),
    X3130Upstream = "x3130-upstream" <- Type("x3130-upstream"),
    Xio3130Downstream = "xio3130-downstream" <- Type("xio3130-downstream"),
    Rtl8139 = "rtl8139" <- Type("rtl8139"),
    E1000 = "e1000" <- Type("e1000"),
    VirtioNet = "virtio-net" <- Type("virtio-net-device"),
    VirtioGpu = "virtio-gpu" <- Type("virtio-gpu-device"),
    VirtioKeyboard = "virtio-keyboard" <- Type("virtio-keyboard-device"),
    VirtioMouse = "virtio-mouse" <- Type("virtio-mouse-device"),
    VirtioTablet = "virtio-tablet" <- Type("virtio-tablet-device"),
    VirtioInputHost = "virtio-input-host" <- Type("virtio-input-host-device"),
    VirtioBalloonPciDeflateOnOom = "virtio-balloon-pci.deflate-on-oom" <- Property("virtio-balloon-pci", "deflate-on-oom"),
    Mptsas1068 = "mptsas1068" <- Type("mptsas1068"),
    SpiceGl = "spice-gl" <- OptionParameter("spice", "gl"),
    QxlVram64SizeMb = "qxl.vram64_size_mb" <- Property("qxl", "vram64_size_mb"),
    Pxb = "pxb" <- Type("pxb"),
    PxbPcie = "pxb-pcie" <- Type("pxb-pcie"),
    IntelIommu = "intel-iommu" <- Type("intel-iommu"),
    VirtioVga = "virtio-vga" <- Type("virtio-vga"),
    IvshmemPlain = "ivshmem-plain" <- Type("ivshmem-plain"),
    IvshmemDoorbell = "ivshmem-doorbell" <- Type("ivshmem-doorbell"),
    VhostScsi = "vhost-scsi" <- Type("vhost-scsi"),
    QueryCpuModelExpansion = "query-cpu-model-expansion" <- Schema("query-cpu-model-expansion"),
    SpiceRendernode = "spice-rendernode" <- OptionParameter("spice", "rendernode"),
    Nvdimm = "nvdimm" <- Type("nvdimm"),
    PcieRootPort = "pcie-root-port" <- Type("pcie-root-port"),
    QueryCpuDefinitions = "query-cpu-definitions" <- Schema("query-cpu-definitions"),
    QemuXhci = "qemu-xhci" <- Type("qemu-xhci"),
    IntelIommuIntremap = "intel-iommu.intremap" <- Property("intel-iommu", "intremap"),
    IntelIommuCachingMode = "intel-iommu.caching-mode" <- Property("intel-iommu", "caching-mode"),
    IntelIommuEim = "intel-iommu.eim" <- Property("intel-iommu", "eim"),
    IntelIommuDeviceIotlb = "intel-iommu.device-iotlb" <- Property("intel-iommu", "device-iotlb"),
    SpaprPciHostBridge = "spapr-pci-host-bridge" <- Type("spapr-pci-host-bridge"),
    SpaprPciHostBridgeNumaNode = "spapr-pci-host-bridge.numa_node" <- Property("spapr-pci-host-bridge", "numa_node"),
    ChardevReconnect = "chardev-reconnect" <- Schema("chardev-add/arg/backend/+socket/data/reconnect"),
    Sclplmconsole = "sclplmconsole" <- Type("sclplmconsole"),
    SpaprVty = "spapr-vty" <- Type("spapr-vty"),
    VirtioGpuCcw = "virtio-gpu-ccw" <- Type("virtio-gpu-ccw"),
    VirtioKeyboardCcw = "virtio-keyboard-ccw" <- Type("virtio-keyboard-ccw"),
    VirtioMouseCcw = "virtio-mouse-ccw" <- Type("virtio-mouse-ccw"),
    VirtioTabletCcw = "virtio-tablet-ccw" <- Type("virtio-tablet-ccw"),
    Vmcoreinfo = "vmcoreinfo" <- Type("vmcoreinfo"),
    IsaSerial = "isa-serial" <- Type("isa-serial"),
    Pl011 = "pl011" <- Type("pl011"),
    PciePciBridge = "pcie-pci-bridge" <- Type("pcie-pci-bridge"),
    NbdTls = "nbd-tls" <- Schema("nbd-server-start/arg/tls-authz"),
    TpmCrb = "tpm-crb" <- TpmModel("tpm-crb"),
    PrManagerHelper = "pr-manager-helper" <- Type("pr-manager-helper"),
    VfioCcw = "vfio-ccw" <- Type("vfio-ccw"),
    ScreendumpDevice = "screendump_device" <- Schema("screendump/arg/device"),
    HdaOutput = "hda-output" <- Type("hda-output"),
    Vmgenid = "vmgenid" <- Type("vmgenid"),
    VhostVsock = "vhost-vsock" <- Type("vhost-vsock-device"),
    TpmEmulator = "tpm-emulator" <- TpmBackend("emulator"),
    Mch = "mch" <- Type("mch"),
    MchExtendedTsegMbytes = "mch.extended-tseg-mbytes" <- Property("mch", "extended-tseg-mbytes"),
    EglHeadless = "egl-headless" <- Schema("query-display-options/ret/type/^egl-headless"),
    VfioAp = "vfio-ap" <- Type("vfio-ap"),
    Zpci = "zpci" <- Type("zpci"),
    MemoryBackendMemfd = "memory-backend-memfd" <- Type("memory-backend-memfd"),
    MemoryBackendMemfdHugetlb = "memory-backend-memfd.hugetlb" <- Property("memory-backend-memfd", "hugetlb"),
    EglHeadlessRendernode = "egl-headless.rendernode" <- Schema("query-display-options/ret/+egl-headless/rendernode"),
    MemoryBackendFilePmem = "memory-backend-file.pmem" <- Property("memory-backend-file", "pmem"),
    NvdimmUnarmed = "nvdimm.unarmed" <- Property("nvdimm", "unarmed"),
    VirtioPciNonTransitional = "virtio-pci-non-transitional" <- Type("virtio-blk-pci-non-transitional"),
    MachineVirtIommu = "machine.virt.iommu" <- MachineProperty("virt", "iommu"),
    X86MaxCpu = "x86-max-cpu" <- Type("max-x86_64-cpu"),
    CpuUnavailableFeatures = "cpu-unavailable-features" <- Property("max-x86_64-cpu", "unavailable-features"),
    CanonicalCpuFeatures = "canonical-cpu-features" <- Property("max-x86_64-cpu", "unavailable-features"),
    BochsDisplay = "bochs-display" <- Type("bochs-display"),
    MigrationFileDropCache = "migration-file-drop-cache" <- Schema("blockdev-add/arg/+file/drop-cache"),
    DbusVmstate = "dbus-vmstate" <- Type("dbus-vmstate"),
    VhostUserGpu = "vhost-user-gpu" <- Type("vhost-user-gpu"),
    QueryCpuModelBaseline = "query-cpu-model-baseline" <- Schema("query-cpu-model-baseline"),
    QueryCpuModelComparison = "query-cpu-model-comparison" <- Schema("query-cpu-model-comparison"),
    VhostUserVga = "vhost-user-vga" <- Type("vhost-user-vga"),
    Ramfb = "ramfb" <- Type("ramfb"),
    ArmMaxCpu = "arm-max-cpu" <- Type("max-arm-cpu"),
    DriveNvme = "drive-nvme" <- Schema("blockdev-add/arg/+nvme"),
    SmpDies = "smp-dies" <- OptionParameter("smp-opts", "dies"),
    I8042 = "i8042" <- Type("i8042"),
    RngBuiltin = "rng-builtin" <- Type("rng-builtin"),
    CpuKvmNoAdjvtime = "cpu.kvm-no-adjvtime" <- Property("max-arm-cpu", "kvm-no-adjvtime"),
    TpmSpapr = "tpm-spapr" <- TpmModel("tpm-spapr"),
    VhostUserFs = "vhost-user-fs" <- Type("vhost-user-fs-device"),
    FsdevMultidevs = "fsdev.multidevs" <- OptionParameter("fsdev", "multidevs"),
    PcieRootPortHotplug = "pcie-root-port.hotplug" <- Property("pcie-root-port", "hotplug"),
    AioIoUring = "aio.io_uring" <- Schema("blockdev-add/arg/+file/aio/^io_uring"),
    Tcg = "tcg" <- Type("tcg-accel"),
    VirtioBlkPciScsiDefaultDisabled = "virtio-blk-pci.scsi.default.disabled" <- DefaultOff("virtio-blk-pci", "scsi"),
    Pvscsi = "pvscsi" <- Type("pvscsi"),
    CpuMigratable = "cpu.migratable" <- Property("max-x86_64-cpu", "migratable"),
    IntelIommuAwBits = "intel-iommu.aw-bits" <- Property("intel-iommu", "aw-bits"),
    SpaprTpmProxy = "spapr-tpm-proxy" <- Type("spapr-tpm-proxy"),
    NumaHmat = "numa.hmat" <- Schema("set-numa-node/arg/type/^hmat-lb"),
    UsbHostHostdevice = "usb-host.hostdevice" <- Property("usb-host", "hostdevice"),
    VirtioBalloonFreePageReporting = "virtio-balloon.free-page-reporting" <- Property("virtio-balloon-pci", "free-page-reporting"),
    NetdevVhostVdpa = "netdev.vhost-vdpa" <- Schema("netdev_add/arg/+vhost-vdpa"),
    Dc390 = "dc390" <- Type("dc390"),
    Am53c974 = "am53c974" <- Type("am53c974"),
    VirtioPmemPci = "virtio-pmem-pci" <- Type("virtio-pmem-pci"),
    VhostUserFsBootindex = "vhost-user-fs.bootindex" <- Property("vhost-user-fs-device", "bootindex"),
    VhostUserBlk = "vhost-user-blk" <- Type("vhost-user-blk"),
    CpuMax = "cpu-max" <- CpuModel("max"),
    MemoryBackendFileXUseCanonicalPathForRamblockId = "memory-backend-file.x-use-canonical-path-for-ramblock-id" <- Property("memory-backend-file", "x-use-canonical-path-for-ramblock-id"),
    VncPowerControl = "vnc-power-control" <- OptionParameter("vnc", "power-control"),
    RotationRate = "rotation-rate" <- Property("scsi-hd", "rotation_rate"),
    AcpiIndex = "acpi-index" <- Property("virtio-blk-pci", "acpi-index"),
    InputLinux = "input-linux" <- Type("input-linux"),
    VirtioGpuGlPci = "virtio-gpu-gl-pci" <- Type("virtio-gpu-gl-pci"),
    VirtioVgaGl = "virtio-vga-gl" <- Type("virtio-vga-gl"),
    ConfidentialGuestSupport = "confidential-guest-support" <- Property("none-machine", "confidential-guest-support"),
    S390PvGuest = "s390-pv-guest" <- Type("s390-pv-guest"),
    SetAction = "set-action" <- Schema("set-action"),
    VirtioBlkQueueSize = "virtio-blk.queue-size" <- Property("virtio-blk-pci", "queue-size"),
    VirtioMemPci = "virtio-mem-pci" <- Type("virtio-mem-pci"),
    MemoryBackendFileReserve = "memory-backend-file.reserve" <- Property("memory-backend-file", "reserve"),
    Piix4AcpiRootPciHotplug = "piix4.acpi-root-pci-hotplug" <- Property("PIIX4_PM", "acpi-root-pci-hotplug"),
    NetdevJson = "netdev.json" <- Schema("netdev_add/arg/+dgram"),
    QueryDirtyRate = "query-dirty-rate" <- Schema("query-dirty-rate"),
    RbdEncryption = "rbd-encryption" <- Schema("blockdev-add/arg/+rbd/encrypt"),
    SevGuestKernelHashes = "sev-guest-kernel-hashes" <- Schema("object-add/arg/+sev-guest/kernel-hashes"),
    SevInjectLaunchSecret = "sev-inject-launch-secret" <- Schema("sev-inject-launch-secret"),
    DeviceJson = "device.json+hotplug" <- Schema("device_add/$json-cli-hotplug"),
    Hvf = "hvf" <- Never,
    VirtioMemPciPrealloc = "virtio-mem-pci.prealloc" <- Property("virtio-mem-pci", "prealloc"),
    CalcDirtyRate = "calc-dirty-rate" <- Schema("calc-dirty-rate"),
    DirtyrateParamMode = "dirtyrate-param.mode" <- Schema("calc-dirty-rate/arg/mode"),
    BlockdevNbdTlsHostname = "blockdev.nbd.tls-hostname" <- Schema("blockdev-add/arg/+nbd/tls-hostname"),
    MemoryBackendFilePreallocThreads = "memory-backend-file.prealloc-threads" <- Property("memory-backend-file", "prealloc-threads"),
    VirtioIommuPci = "virtio-iommu-pci" <- Type("virtio-iommu-pci"),
    VirtioIommuBootBypass = "virtio-iommu.boot-bypass" <- Property("virtio-iommu-pci", "boot-bypass"),
    VirtioNetRss = "virtio-net.rss" <- Property("virtio-net-pci", "rss"),
    ChardevQemuVdagent = "chardev.qemu-vdagent" <- Schema("chardev-add/arg/backend/+qemu-vdagent"),
    DisplayDbus = "display-dbus" <- Schema("query-display-options/ret/type/^dbus"),
    IothreadThreadPoolMax = "iothread.thread-pool-max" <- Schema("object-add/arg/+iothread/thread-pool-max"),
    UsbHostGuestResetsAll = "usb-host.guest-resets-all" <- Property("usb-host", "guest-resets-all"),
    MigrationBlockedReasons = "migration.blocked-reasons" <- Schema("query-migrate/ret/blocked-reasons"),
    QueryStats = "query-stats" <- Schema("query-stats"),
    QueryStatsSchemas = "query-stats-schemas" <- Schema("query-stats-schemas"),
    SgxEpc = "sgx-epc" <- Answered("query-sgx-capabilities"),
    ThreadContext = "thread-context" <- Type("thread-context"),
    ScreenshotFormatPng = "screenshot-format-png" <- Schema("screendump/arg/format/^png"),
    MachineHpet = "machine-hpet" <- OptionParameter("machine", "hpet"),
    NetdevStream = "netdev.stream" <- Schema("netdev_add/arg/+stream"),
    VirtioCrypto = "virtio-crypto" <- Type("virtio-crypto-device"),
    CryptodevBackendLkcf = "cryptodev-backend-lkcf" <- Type("cryptodev-backend-lkcf"),
    PvpanicPci = "pvpanic-pci" <- Type("pvpanic-pci"),
    NetdevStreamReconnect = "netdev.stream.reconnect" <- Schema("netdev_add/arg/+stream/reconnect"),
    VirtioGpuBlob = "virtio-gpu.blob" <- Property("virtio-gpu-pci", "blob"),
    RbdEncryptionLayering = "rbd-encryption-layering" <- Schema("blockdev-add/arg/+rbd/encrypt/parent"),
    RbdEncryptionLuksAny = "rbd-encryption-luks-any" <- Schema("blockdev-add/arg/+rbd/encrypt/+luks-any"),
    Qcow2DiscardNoUnref = "qcow2-discard-no-unref" <- Schema("blockdev-add/arg/+qcow2/discard-no-unref"),
    RunWithAsyncTeardown = "run-with.async-teardown" <- OptionParameter("run-with", "async-teardown"),
    VirtioBlkVhostVdpa = "virtio-blk-vhost-vdpa" <- Schema("blockdev-add/arg/+virtio-blk-vhost-vdpa/$fdset"),
    VirtioBlkIothreadMapping = "virtio-blk.iothread-mapping" <- Property("virtio-blk-pci", "iothread-vq-mapping"),
    SmpClusters = "smp-clusters" <- Schema("query-hotpluggable-cpus/ret/props/cluster-id"),
    VirtioMemPciDynamicMemslots = "virtio-mem-pci.dynamic-memslots" <- Property("virtio-mem-pci", "dynamic-memslots"),
    BlockjobBackingMaskProtocol = "blockjob.backing-mask-protocol" <- Schema("block-stream/arg/backing-mask-protocol"),
    DisplayReload = "display-reload" <- Schema("display-reload"),
    UsbMtp = "usb-mtp" <- Type("usb-mtp"),
    MachineVirtRas = "machine.virt.ras" <- OptionParameter("machine", "ras"),
    VirtioSound = "virtio-sound" <- Type("virtio-sound-device"),
    NetdevUser = "netdev.user" <- Schema("netdev_add/arg/+user"),
    AcpiErst = "acpi-erst" <- Type("acpi-erst"),
    IntelIommuDmaTranslation = "intel-iommu.dma-translation" <- Property("intel-iommu", "dma-translation"),
    MachineI8042Opt = "machine-i8042-opt" <- Property("generic-pc-machine", "i8042"),
    ChardevReconnectMiliseconds = "chardev-reconnect-miliseconds" <- OptionParameter("chardev", "reconnect-ms"),
    NetdevStreamReconnectMiliseconds = "netdev-stream-reconnect-miliseconds" <- Schema("netdev_add/arg/+stream/reconnect-ms"),
    MigrateIncomingExitOnError = "migrate-incoming.exit-on-error" <- Schema("migrate-incoming/arg/exit-on-error"),
    BlockdevSetActive = "blockdev-set-active" <- Schema("blockdev-set-active"),
    MachineVirtAia = "machine.virt.aia" <- Property("virt-machine", "aia"),
    Shim = "shim" <- OptionParameter("machine", "shim"),
    VirtioScsiIothreadMapping = "virtio-scsi.iothread-mapping" <- Property("virtio-scsi-pci", "iothread-vq-mapping"),
    SevGuest = "sev-guest" <- TypeWith("sev-guest", "query-sev-capabilities"),
    SevSnpGuest = "sev-snp-guest" <- TypeWith("sev-snp-guest", "query-sev-capabilities"),
    ChardevJson = "chardev.json" <- Never,
}

impl CapFlag {
    /// The flag of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flag| flag.name() == name)
    }
}

impl fmt::Display for CapFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapFlags([u64; 4]);

impl CapFlags {
    /// Whether the flag is in the set.
    pub fn has(&self, flag: CapFlag) -> bool {
        let bit = flag as usize;
        self.0[bit / 64] & (1 << (bit % 64)) != 0
    }

    /// Puts the flag in or takes it out.
    pub fn set(&mut self, flag: CapFlag, present: bool) {
        let bit = flag as usize;
        if present {
            self.0[bit / 64] |= 1 << (bit % 64);
        } else {
            self.0[bit / 64] &= !(1 << (bit % 64));
        }
    }

    /// The flags of the set, in libvirt's order.
    pub fn iter(&self) -> impl Iterator<Item = CapFlag> + '_ {
        CapFlag::ALL.iter().copied().filter(|flag| self.has(*flag))
    }
}

impl FromIterator<CapFlag> for CapFlags {
    fn from_iter<T: IntoIterator<Item = CapFlag>>(flags: T) -> Self {
        let mut set = Self::default();
        for flag in flags {
            set.set(flag, true);
        }
        set
    }
}

/// By name, so that a cache survives a change of the table.
impl Serialize for CapFlags {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(CapFlag::name))
    }
}

impl<'de> Deserialize<'de> for CapFlags {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names
            .iter()
            .map(|name| {
                CapFlag::from_name(name)
                    .ok_or_else(|| serde::de::Error::custom(format!("unknown capability '{name}'")))
            })
            .collect()
    }
}

const _: () = assert!(CapFlag::ALL.len() <= 256, "the set holds 256 flags");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_survives_its_cached_form() {
        let set: CapFlags = [CapFlag::Kvm, CapFlag::QemuXhci, CapFlag::ChardevJson]
            .into_iter()
            .collect();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, r#"["kvm","qemu-xhci","chardev.json"]"#);
        assert_eq!(serde_json::from_str::<CapFlags>(&text).unwrap(), set);
        assert!(serde_json::from_str::<CapFlags>(r#"["no-such-flag"]"#).is_err());
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = CapFlag::ALL.iter().map(|f| f.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CapFlag::ALL.len());
    }
}
