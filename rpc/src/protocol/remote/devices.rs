//! Devices of a domain.

use virt_rpc_derive::procedures;

use super::{NonnullDomain, TypedParam, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    8 DOMAIN_ATTACH_DEVICE DomainAttachDevice "virDomainAttachDevice"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, xml: String);

    13 DOMAIN_DETACH_DEVICE DomainDetachDevice "virDomainDetachDevice"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, xml: String);

    65 DOMAIN_INTERFACE_STATS DomainInterfaceStats "virDomainInterfaceStats"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, device: String)
        -> (
            rx_bytes: i64, rx_packets: i64, rx_errs: i64, rx_drop: i64, tx_bytes: i64,
            tx_packets: i64, tx_errs: i64, tx_drop: i64,
        );

    160 DOMAIN_ATTACH_DEVICE_FLAGS DomainAttachDeviceFlags "virDomainAttachDeviceFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, xml: String, flags: u32);

    161 DOMAIN_DETACH_DEVICE_FLAGS DomainDetachDeviceFlags "virDomainDetachDeviceFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, xml: String, flags: u32);

    174 DOMAIN_UPDATE_DEVICE_FLAGS DomainUpdateDeviceFlags "virDomainUpdateDeviceFlags"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, xml: String, flags: u32);

    256 DOMAIN_SET_INTERFACE_PARAMETERS DomainSetInterfaceParameters "virDomainSetInterfaceParameters"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, device: String,
            #[xdr(max = limit::DOMAIN_INTERFACE_PARAMETERS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    257 DOMAIN_GET_INTERFACE_PARAMETERS DomainGetInterfaceParameters "virDomainGetInterfaceParameters"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, device: String, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_INTERFACE_PARAMETERS_MAX)] params: Vec<TypedParam>,
            nparams: i32,
        );

    392 DOMAIN_DETACH_DEVICE_ALIAS DomainDetachDeviceAlias "virDomainDetachDeviceAlias"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (dom: NonnullDomain, alias: String, flags: u32);

    448 DOMAIN_GRAPHICS_RELOAD DomainGraphicsReload "virDomainGraphicsReload"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, r#type: u32, flags: u32);
}
