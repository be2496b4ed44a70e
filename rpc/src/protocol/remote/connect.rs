//! The connection itself, what it can do, and lists of domains.

use virt_rpc_derive::procedures;

use super::{AuthType, DomainStatsRecord, NonnullDomain, TypedParam, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    1 CONNECT_OPEN ConnectOpen "virConnectOpen"
        high own allow [connect.getattr]
        (name: Option<String>, flags: u32);

    2 CONNECT_CLOSE ConnectClose "virConnectClose"
        high own allow []
        ();

    3 CONNECT_GET_TYPE ConnectGetType "virConnectGetType"
        high hypervisor allow [connect.getattr]
        () -> (r#type: String);

    4 CONNECT_GET_VERSION ConnectGetVersion "virConnectGetVersion"
        high hypervisor allow [connect.getattr]
        () -> (hv_ver: u64);

    5 CONNECT_GET_MAX_VCPUS ConnectGetMaxVcpus "virConnectGetMaxVcpus"
        high hypervisor allow [connect.read]
        (r#type: Option<String>) -> (max_vcpus: i32);

    7 CONNECT_GET_CAPABILITIES ConnectGetCapabilities "virConnectGetCapabilities"
        low hypervisor allow [connect.read]
        () -> (capabilities: String);

    21 CONNECT_LIST_DEFINED_DOMAINS ConnectListDefinedDomains "virConnectListDefinedDomains"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::DOMAIN_LIST_MAX)] names: Vec<String>);

    25 CONNECT_NUM_OF_DEFINED_DOMAINS ConnectNumOfDefinedDomains "virConnectNumOfDefinedDomains"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        () -> (num: i32);

    37 CONNECT_LIST_DOMAINS ConnectListDomains "virConnectListDomains"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        (maxids: i32) -> (#[xdr(max = limit::DOMAIN_LIST_MAX)] ids: Vec<i32>);

    51 CONNECT_NUM_OF_DOMAINS ConnectNumOfDomains "virConnectNumOfDomains"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        () -> (num: i32);

    59 CONNECT_GET_HOSTNAME ConnectGetHostname "virConnectGetHostname"
        high hypervisor allow [connect.getattr]
        () -> (hostname: String);

    60 CONNECT_SUPPORTS_FEATURE ConnectSupportsFeature "virConnectSupportsFeature"
        high hypervisor allow [connect.getattr]
        (feature: i32) -> (supported: i32);

    66 AUTH_LIST AuthList
        high own pre_auth allow []
        () -> (#[xdr(max = limit::AUTH_TYPE_LIST_MAX)] types: Vec<AuthType>);

    67 AUTH_SASL_INIT AuthSaslInit
        high own pre_auth allow []
        () -> (mechlist: String);

    68 AUTH_SASL_START AuthSaslStart
        high own pre_auth allow []
        (mech: String, nil: i32, #[xdr(chars, max = limit::AUTH_SASL_DATA_MAX)] data: Vec<u8>)
        -> (
            complete: i32, nil: i32, #[xdr(chars, max = limit::AUTH_SASL_DATA_MAX)] data: Vec<u8>,
        );

    69 AUTH_SASL_STEP AuthSaslStep
        high own pre_auth allow []
        (nil: i32, #[xdr(chars, max = limit::AUTH_SASL_DATA_MAX)] data: Vec<u8>)
        -> (
            complete: i32, nil: i32, #[xdr(chars, max = limit::AUTH_SASL_DATA_MAX)] data: Vec<u8>,
        );

    70 AUTH_POLKIT AuthPolkit
        high own pre_auth allow []
        () -> (complete: i32);

    110 CONNECT_GET_URI ConnectGetUri "virConnectGetURI"
        high hypervisor allow [connect.getattr]
        () -> (uri: String);

    135 CONNECT_DOMAIN_XML_FROM_NATIVE ConnectDomainXmlFromNative "virConnectDomainXMLFromNative"
        low hypervisor deny [connect.write]
        (nativeFormat: String, nativeConfig: String, flags: u32) -> (domainXml: String);

    136 CONNECT_DOMAIN_XML_TO_NATIVE ConnectDomainXmlToNative "virConnectDomainXMLToNative"
        low hypervisor deny [connect.write]
        (nativeFormat: String, domainXml: String, flags: u32) -> (nativeConfig: String);

    149 CONNECT_IS_SECURE ConnectIsSecure "virConnectIsSecure"
        high hypervisor allow []
        () -> (secure: i32);

    157 CONNECT_GET_LIB_VERSION ConnectGetLibVersion "virConnectGetLibVersion"
        high hypervisor allow [connect.getattr]
        () -> (lib_ver: u64);

    158 CONNECT_COMPARE_CPU ConnectCompareCpu "virConnectCompareCPU"
        high hypervisor allow [connect.read]
        (xml: String, flags: u32) -> (result: i32);

    162 CONNECT_BASELINE_CPU ConnectBaselineCpu "virConnectBaselineCPU"
        low hypervisor allow [connect.read]
        (#[xdr(max = limit::CPU_BASELINE_MAX)] xmlCPUs: Vec<String>, flags: u32)
        -> (cpu: String);

    203 CONNECT_GET_SYSINFO ConnectGetSysinfo "virConnectGetSysinfo"
        high hypervisor allow [connect.read]
        (flags: u32) -> (sysinfo: String);

    273 CONNECT_LIST_ALL_DOMAINS ConnectListAllDomains "virConnectListAllDomains"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_LIST_MAX)] domains: Vec<NonnullDomain>, ret: u32);

    312 CONNECT_GET_CPU_MODEL_NAMES ConnectGetCpuModelNames "virConnectGetCPUModelNames"
        low hypervisor allow [connect.read]
        (arch: String, need_results: i32, flags: u32)
        -> (#[xdr(max = limit::CONNECT_CPU_MODELS_MAX)] models: Vec<String>, ret: i32);

    342 CONNECT_GET_DOMAIN_CAPABILITIES ConnectGetDomainCapabilities "virConnectGetDomainCapabilities"
        low hypervisor deny [connect.write]
        (
            emulatorbin: Option<String>, arch: Option<String>, machine: Option<String>,
            virttype: Option<String>, flags: u32,
        )
        -> (capabilities: String);

    344 CONNECT_GET_ALL_DOMAIN_STATS ConnectGetAllDomainStats "virConnectGetAllDomainStats"
        low hypervisor allow [connect.search_domains] filter [domain.read]
        (#[xdr(max = limit::DOMAIN_LIST_MAX)] doms: Vec<NonnullDomain>, stats: u32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_LIST_MAX)] retStats: Vec<DomainStatsRecord>);

    393 CONNECT_COMPARE_HYPERVISOR_CPU ConnectCompareHypervisorCpu "virConnectCompareHypervisorCPU"
        low hypervisor deny [connect.write]
        (
            emulator: Option<String>, arch: Option<String>, machine: Option<String>,
            virttype: Option<String>, xmlCPU: String, flags: u32,
        )
        -> (result: i32);

    394 CONNECT_BASELINE_HYPERVISOR_CPU ConnectBaselineHypervisorCpu "virConnectBaselineHypervisorCPU"
        low hypervisor deny [connect.write]
        (
            emulator: Option<String>, arch: Option<String>, machine: Option<String>,
            virttype: Option<String>, #[xdr(max = limit::CPU_BASELINE_MAX)] xmlCPUs: Vec<String>,
            flags: u32,
        )
        -> (cpu: String);

    419 CONNECT_SET_IDENTITY ConnectSetIdentity "virConnectSetIdentity"
        low hypervisor allow [connect.write]
        (#[xdr(max = limit::CONNECT_IDENTITY_PARAMS_MAX)] params: Vec<TypedParam>, flags: u32);
}
