//! `<lease>`: a lock that the guest holds while it runs.
//!
//! Facts: formatdomain "Device leases"; domaincommon.rng `lease`.

use virt_xml::Element;

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Lease {
    /// Where the lock lives.
    #[xml(child_text)]
    pub lockspace: Option<String>,
    /// Which lock.
    #[xml(child_text)]
    pub key: String,
    /// The file.
    #[xml(child)]
    pub target: LeaseTarget,
}

/// `<target …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct LeaseTarget {
    /// Path.
    #[xml(attr)]
    pub path: String,
    /// Byte in the file.
    #[xml(attr)]
    pub offset: Option<u64>,
}
