//! Capability names of libvirt that nothing depends on here: every QEMU that is driven has what they
//! stand for, or none has it any more. Old definitions and status files still name them.
//!
//! Facts: names seen in libvirt's status files; the stock daemon takes each of them in
//! `<qemu:capabilities>` and refuses others.

/// Whether it is such a name.
pub fn is_retired(name: &str) -> bool {
    RETIRED.binary_search(&name).is_ok()
}

/// In the order of their bytes.
#[rustfmt::skip]
const RETIRED: &[&str] = &[
    "0.10", "active-commit", "add-fd", "aes-key-wrap", "balloon-event", "bitmap-merge",
    "block-commit", "block-export-add", "block-job-async", "block-job-sync",
    "block-write-threshold", "blockdev", "blockdev-del", "blockdev-file-dynamic-auto-read-only",
    "blockdev-hostdev-scsi", "blockdev-reopen", "blockdev-snapshot-sync",
    "blockdev-snapshot.allow-write-only-overlay", "blockio", "boot-index", "boot-menu",
    "boot-strict", "bridge", "cache-directsync", "cache-unsafe", "change-backing-file",
    "chardev-fd-pass", "chardev-file-append", "chardev-logfile", "chardev-spicevmc", "cpu-cache",
    "cpu-host", "dea-key-wrap", "debug-threads", "device", "device-del-event",
    "device-tray-moved-event", "device-video-primary", "disable-s3", "disable-s4", "disk-share-rw",
    "disk-write-cache", "display", "drive", "drive-aio", "drive-boot", "drive-copy-on-read",
    "drive-detect-zeroes", "drive-discard", "drive-format", "drive-iotune", "drive-iotune-group",
    "drive-iotune-max", "drive-iotune-max-length", "drive-mirror", "drive-readonly", "drive-serial",
    "dtb", "dump-completed", "dump-guest-core", "dump-guest-memory", "enable-kvm", "fsdev",
    "fsdev-readonly", "fsdev-writeout", "fsdev.createmode", "fw_cfg", "gic-version",
    "gluster.debug_level", "gpex-pcihost", "host-pci-multidomain", "i440fx-pci-hole64-size",
    "ich9-disable-s3", "ich9-disable-s4", "ide-cd", "ide-drive.wwn", "incoming-defer",
    "incremental-backup", "iothread", "iothread.poll-max-ns", "ipv6-migration",
    "iscsi.password-secret", "ivshmem", "kernel-irqchip", "kernel-irqchip.split", "loadparm",
    "machine-opt", "machine-usb-opt", "mem-merge", "mem-path", "memory-backend-file",
    "memory-backend-file.align", "memory-backend-file.discard-data", "memory-backend-ram",
    "migrate-kvm-stdio", "migrate-qemu-exec", "migrate-qemu-tcp", "migrate-qemu-unix",
    "migration-event", "migration-param.bandwidth", "migration-param.block-bitmap-mapping",
    "migration-param.downtime", "migration-param.xbzrle-cache-size", "mlock", "monitor-json",
    "msg-timestamp", "name", "name-guest", "name-process", "nbd-bitmap", "nbd-server", "ncr53c90",
    "nec-usb-xhci-ports", "nesting", "netdev", "no-acpi", "no-hpet", "no-kvm-pit", "no-reboot",
    "no-shutdown", "no-user-config", "nodefconfig", "numa", "numa.dist", "overcommit",
    "pci-bootindex", "pci-configfd", "pci-device", "pci-multifunction", "q35-pci-hole64-size",
    "qcow2-luks", "qom-list-properties", "query-cpu-model-expansion.migratable", "query-cpus-fast",
    "query-current-machine", "query-hotpluggable-cpus", "query-named-block-nodes",
    "query-named-block-nodes.flat", "query-qmp-schema", "qxl-vga.vgamem_mb", "qxl.max_outputs",
    "reboot-timeout", "rtc", "rtc-td-hack", "savevm-monitor-nodes", "scsi-cd",
    "scsi-disk.device_id", "scsi-disk.wwn", "scsi-generic", "scsi-generic.bootindex", "sdl-gl",
    "seamless-migration", "seccomp-blacklist", "secret", "sga", "smbios-type", "smm",
    "smp-topology", "spice-file-xfer-disable", "spice-unix", "spiceport", "splash-timeout",
    "storage.werror", "system_wakeup", "tdf", "tls-creds-x509", "transaction", "usb-host.bootindex",
    "usb-net", "usb-redir.bootindex", "usb-storage.removable", "usb-storage.werror", "uuid",
    "vfio-pci.bootindex", "vfio-pci.display", "vga", "vga-none", "vga-qxl", "vhost-net",
    "vhost-user-multiqueue", "virtio-blk-pci.event_idx", "virtio-blk-pci.ioeventfd",
    "virtio-blk.num-queues", "virtio-gpu.max_outputs", "virtio-gpu.virgl",
    "virtio-net-pci.event_idx", "virtio-net.failover", "virtio-net.host_mtu",
    "virtio-net.rx_queue_size", "virtio-net.tx_queue_size", "virtio-pci-disable-legacy",
    "virtio-scsi-pci.iothread", "virtio-tx-alg", "virtio.ats", "virtio.iommu_platform",
    "virtio.packed", "vnc-colon", "vnc-multi-servers", "vnc-share-policy", "vnc-websocket",
    "vnet-hdr", "vserport-change-event", "vxhs", "xen-domid",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caps::CapFlag;

    #[test]
    fn names_are_sorted_and_no_flag_is_retired() {
        assert!(RETIRED.is_sorted());
        assert!(CapFlag::ALL.iter().all(|flag| !is_retired(flag.name())));
        assert!(is_retired("vnc-colon") && !is_retired("vnc-semicolon"));
    }
}
