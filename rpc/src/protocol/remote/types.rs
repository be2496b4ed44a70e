//! Structures that several procedures share.

use crate::xdr::Xdr;

use super::{TypedParam, limit};

/// A domain: clients look it up by its UUID alone; `id` is -1 when it is inactive.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullDomain {
    pub name: String,
    pub uuid: [u8; 16],
    pub id: i32,
}

/// A virtual network.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullNetwork {
    pub name: String,
    pub uuid: [u8; 16],
}

/// A port of a virtual network.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullNetworkPort {
    pub net: NonnullNetwork,
    pub uuid: [u8; 16],
}

/// A network filter.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullNwfilter {
    pub name: String,
    pub uuid: [u8; 16],
}

/// A filter bound to a port.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullNwfilterBinding {
    pub portdev: String,
    pub filtername: String,
}

/// A network interface of the host.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullInterface {
    pub name: String,
    pub mac: String,
}

/// A storage pool.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullStoragePool {
    pub name: String,
    pub uuid: [u8; 16],
}

/// A storage volume.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullStorageVol {
    pub pool: String,
    pub name: String,
    pub key: String,
}

/// A device of the host.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullNodeDevice {
    pub name: String,
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullSecret {
    pub uuid: [u8; 16],
    pub usageType: i32,
    pub usageID: String,
}

/// A checkpoint of a domain.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullDomainCheckpoint {
    pub name: String,
    pub dom: NonnullDomain,
}

/// A snapshot of a domain.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullDomainSnapshot {
    pub name: String,
    pub dom: NonnullDomain,
}

/// One virtual processor's state.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct VcpuInfo {
    pub number: u32,
    pub state: i32,
    pub cpu_time: u64,
    pub cpu: i32,
}

/// One processor time of the host.
#[derive(Debug, Clone, PartialEq, Xdr)]
#[xdr(name = "NodeGetCpuStats")]
pub struct NodeCpuStat {
    pub field: String,
    pub value: u64,
}

/// One memory figure of the host.
#[derive(Debug, Clone, PartialEq, Xdr)]
#[xdr(name = "NodeGetMemoryStats")]
pub struct NodeMemoryStat {
    pub field: String,
    pub value: u64,
}

/// A disk's error.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainDiskError {
    pub disk: String,
    pub error: i32,
}

/// One memory figure of a domain.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainMemoryStat {
    pub tag: i32,
    pub val: u64,
}

/// An I/O thread.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIothreadInfo {
    pub iothread_id: u32,
    #[xdr(opaque, max = limit::CPUMAP_MAX)]
    pub cpumap: Vec<u8>,
}

/// One end of a graphics connection.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventGraphicsAddress {
    pub family: i32,
    pub node: String,
    pub service: String,
}

/// One identity of a graphics client.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainEventGraphicsIdentity {
    pub r#type: String,
    pub name: String,
}

/// A DHCP lease.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NetworkDhcpLease {
    pub iface: String,
    pub expirytime: i64,
    pub r#type: i32,
    pub mac: Option<String>,
    pub iaid: Option<String>,
    pub ipaddr: String,
    pub prefix: u32,
    pub hostname: Option<String>,
    pub clientid: Option<String>,
}

/// A domain with its statistics.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainStatsRecord {
    pub dom: NonnullDomain,
    #[xdr(max = limit::CONNECT_GET_ALL_DOMAIN_STATS_MAX)]
    pub params: Vec<TypedParam>,
}

/// A mounted file system in the guest.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainFsinfo {
    pub mountpoint: String,
    pub name: String,
    pub fstype: String,
    #[xdr(max = limit::DOMAIN_FSINFO_DISKS_MAX)]
    pub dev_aliases: Vec<String>,
}

/// An address of a guest's interface.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainIpAddr {
    pub r#type: i32,
    pub addr: String,
    pub prefix: u32,
}

/// An interface of a guest.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct DomainInterface {
    pub name: String,
    pub hwaddr: Option<String>,
    #[xdr(max = limit::DOMAIN_IP_ADDR_MAX)]
    pub addrs: Vec<DomainIpAddr>,
}
