//! Domains: definition, start to end, saving, metadata.

use virt_rpc_derive::procedures;

use super::{NonnullDomain, TypedParam, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    9 DOMAIN_CREATE DomainCreate "virDomainCreate"
        low hypervisor deny [domain.start]
        (dom: NonnullDomain);

    10 DOMAIN_CREATE_XML DomainCreateXml "virDomainCreateXML"
        low hypervisor deny [domain.write, domain.start]
        (xml_desc: String, flags: u32) -> (dom: NonnullDomain);

    11 DOMAIN_DEFINE_XML DomainDefineXml "virDomainDefineXML"
        high hypervisor deny [domain.write, domain.save]
        (xml: String) -> (dom: NonnullDomain);

    12 DOMAIN_DESTROY DomainDestroy "virDomainDestroy"
        high hypervisor deny [domain.stop]
        (dom: NonnullDomain);

    14 DOMAIN_GET_XML_DESC DomainGetXmlDesc "virDomainGetXMLDesc"
        low hypervisor deny(if flags any flag::DOMAIN_XML_SECURE | flag::DOMAIN_XML_MIGRATABLE) [
            domain.read,
            domain.read_secure if flags all flag::DOMAIN_XML_SECURE,
            domain.read_secure if flags all flag::DOMAIN_XML_MIGRATABLE,
        ]
        (dom: NonnullDomain, flags: u32) -> (xml: String);

    15 DOMAIN_GET_AUTOSTART DomainGetAutostart "virDomainGetAutostart"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (autostart: i32);

    16 DOMAIN_GET_INFO DomainGetInfo "virDomainGetInfo"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain)
        -> (state: u8, maxMem: u64, memory: u64, nrVirtCpu: u16, cpuTime: u64);

    19 DOMAIN_GET_OS_TYPE DomainGetOsType "virDomainGetOSType"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (r#type: String);

    22 DOMAIN_LOOKUP_BY_ID DomainLookupById "virDomainLookupByID"
        high hypervisor allow [domain.getattr]
        (id: i32) -> (dom: NonnullDomain);

    23 DOMAIN_LOOKUP_BY_NAME DomainLookupByName "virDomainLookupByName"
        high hypervisor allow [domain.getattr]
        (name: String) -> (dom: NonnullDomain);

    24 DOMAIN_LOOKUP_BY_UUID DomainLookupByUuid "virDomainLookupByUUID"
        high hypervisor allow [domain.getattr]
        (uuid: [u8; 16]) -> (dom: NonnullDomain);

    27 DOMAIN_REBOOT DomainReboot "virDomainReboot"
        low hypervisor deny [
            domain.init_control,
            domain.write if flags all flag::DOMAIN_REBOOT_GUEST_AGENT,
        ]
        (dom: NonnullDomain, flags: u32);

    28 DOMAIN_RESUME DomainResume "virDomainResume"
        low hypervisor deny [domain.suspend]
        (dom: NonnullDomain);

    29 DOMAIN_SET_AUTOSTART DomainSetAutostart "virDomainSetAutostart"
        high hypervisor deny [domain.write]
        (dom: NonnullDomain, autostart: i32);

    33 DOMAIN_SHUTDOWN DomainShutdown "virDomainShutdown"
        low hypervisor deny [domain.init_control]
        (dom: NonnullDomain);

    34 DOMAIN_SUSPEND DomainSuspend "virDomainSuspend"
        low hypervisor deny [domain.suspend]
        (dom: NonnullDomain);

    35 DOMAIN_UNDEFINE DomainUndefine "virDomainUndefine"
        high hypervisor deny [domain.delete]
        (dom: NonnullDomain);

    53 DOMAIN_CORE_DUMP DomainCoreDump "virDomainCoreDump"
        low hypervisor deny [domain.core_dump]
        (dom: NonnullDomain, to: String, flags: u32);

    54 DOMAIN_RESTORE DomainRestore "virDomainRestore"
        low hypervisor deny [domain.start, domain.write]
        (from: String);

    55 DOMAIN_SAVE DomainSave "virDomainSave"
        low hypervisor deny [domain.hibernate]
        (dom: NonnullDomain, to: String);

    150 DOMAIN_IS_ACTIVE DomainIsActive "virDomainIsActive"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (active: i32);

    151 DOMAIN_IS_PERSISTENT DomainIsPersistent "virDomainIsPersistent"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (persistent: i32);

    182 DOMAIN_MANAGED_SAVE DomainManagedSave "virDomainManagedSave"
        low hypervisor deny [domain.hibernate]
        (dom: NonnullDomain, flags: u32);

    183 DOMAIN_HAS_MANAGED_SAVE_IMAGE DomainHasManagedSaveImage "virDomainHasManagedSaveImage"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (result: i32);

    184 DOMAIN_MANAGED_SAVE_REMOVE DomainManagedSaveRemove "virDomainManagedSaveRemove"
        low hypervisor deny [domain.hibernate]
        (dom: NonnullDomain, flags: u32);

    196 DOMAIN_CREATE_WITH_FLAGS DomainCreateWithFlags "virDomainCreateWithFlags"
        low hypervisor deny [domain.start]
        (dom: NonnullDomain, flags: u32) -> (dom: NonnullDomain);

    202 DOMAIN_IS_UPDATED DomainIsUpdated "virDomainIsUpdated"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (updated: i32);

    212 DOMAIN_GET_STATE DomainGetState "virDomainGetState"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (state: i32, reason: i32);

    229 DOMAIN_GET_CONTROL_INFO DomainGetControlInfo "virDomainGetControlInfo"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (state: u32, details: u32, stateTime: u64);

    231 DOMAIN_UNDEFINE_FLAGS DomainUndefineFlags "virDomainUndefineFlags"
        high hypervisor deny [domain.delete]
        (dom: NonnullDomain, flags: u32);

    232 DOMAIN_SAVE_FLAGS DomainSaveFlags "virDomainSaveFlags"
        low hypervisor deny [domain.hibernate]
        (dom: NonnullDomain, to: String, dxml: Option<String>, flags: u32);

    233 DOMAIN_RESTORE_FLAGS DomainRestoreFlags "virDomainRestoreFlags"
        low hypervisor deny [domain.start, domain.write]
        (from: String, dxml: Option<String>, flags: u32);

    234 DOMAIN_DESTROY_FLAGS DomainDestroyFlags "virDomainDestroyFlags"
        high hypervisor deny [domain.stop]
        (dom: NonnullDomain, flags: u32);

    235 DOMAIN_SAVE_IMAGE_GET_XML_DESC DomainSaveImageGetXmlDesc "virDomainSaveImageGetXMLDesc"
        high hypervisor deny [domain.write]
        (file: String, flags: u32) -> (xml: String);

    236 DOMAIN_SAVE_IMAGE_DEFINE_XML DomainSaveImageDefineXml "virDomainSaveImageDefineXML"
        high hypervisor deny [domain.write, domain.hibernate]
        (file: String, dxml: String, flags: u32);

    245 DOMAIN_RESET DomainReset "virDomainReset"
        low hypervisor deny [domain.reset]
        (dom: NonnullDomain, flags: u32);

    258 DOMAIN_SHUTDOWN_FLAGS DomainShutdownFlags "virDomainShutdownFlags"
        low hypervisor deny [
            domain.init_control,
            domain.write if flags all flag::DOMAIN_SHUTDOWN_GUEST_AGENT,
        ]
        (dom: NonnullDomain, flags: u32);

    264 DOMAIN_SET_METADATA DomainSetMetadata "virDomainSetMetadata"
        low hypervisor deny [
            domain.write,
            domain.save if flags none flag::DOMAIN_AFFECT_CONFIG | flag::DOMAIN_AFFECT_LIVE,
            domain.save if flags all flag::DOMAIN_AFFECT_CONFIG,
        ]
        (
            dom: NonnullDomain, r#type: i32, metadata: Option<String>, key: Option<String>,
            uri: Option<String>, flags: u32,
        );

    265 DOMAIN_GET_METADATA DomainGetMetadata "virDomainGetMetadata"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, r#type: i32, uri: Option<String>, flags: u32)
        -> (metadata: String);

    309 DOMAIN_CREATE_XML_WITH_FILES DomainCreateXmlWithFiles "virDomainCreateXMLWithFiles"
        low hypervisor deny [domain.write, domain.start]
        (xml_desc: String, flags: u32) -> (dom: NonnullDomain);

    310 DOMAIN_CREATE_WITH_FILES DomainCreateWithFiles "virDomainCreateWithFiles"
        low hypervisor deny [domain.start]
        (dom: NonnullDomain, flags: u32) -> (dom: NonnullDomain);

    334 DOMAIN_CORE_DUMP_WITH_FORMAT DomainCoreDumpWithFormat "virDomainCoreDumpWithFormat"
        low hypervisor deny [domain.core_dump]
        (dom: NonnullDomain, to: String, dumpformat: u32, flags: u32);

    350 DOMAIN_DEFINE_XML_FLAGS DomainDefineXmlFlags "virDomainDefineXMLFlags"
        high hypervisor deny [domain.write, domain.save]
        (xml: String, flags: u32) -> (dom: NonnullDomain);

    358 DOMAIN_RENAME DomainRename "virDomainRename"
        low hypervisor deny [domain.write, domain.save]
        (dom: NonnullDomain, new_name: Option<String>, flags: u32) -> (retcode: i32);

    388 DOMAIN_MANAGED_SAVE_GET_XML_DESC DomainManagedSaveGetXmlDesc "virDomainManagedSaveGetXMLDesc"
        low hypervisor deny(if flags any flag::DOMAIN_SAVE_IMAGE_XML_SECURE) [
            domain.read,
            domain.read_secure if flags all flag::DOMAIN_SAVE_IMAGE_XML_SECURE,
        ]
        (dom: NonnullDomain, flags: u32) -> (xml: String);

    389 DOMAIN_MANAGED_SAVE_DEFINE_XML DomainManagedSaveDefineXml "virDomainManagedSaveDefineXML"
        low hypervisor deny [domain.write, domain.hibernate]
        (dom: NonnullDomain, dxml: Option<String>, flags: u32);

    390 DOMAIN_SET_LIFECYCLE_ACTION DomainSetLifecycleAction "virDomainSetLifecycleAction"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, r#type: u32, action: u32, flags: u32);

    426 DOMAIN_GET_MESSAGES DomainGetMessages "virDomainGetMessages"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_MESSAGES_MAX)] msgs: Vec<String>);

    440 DOMAIN_SAVE_PARAMS DomainSaveParams "virDomainSaveParams"
        low hypervisor deny [domain.hibernate]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_SAVE_PARAMS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    441 DOMAIN_RESTORE_PARAMS DomainRestoreParams "virDomainRestoreParams"
        low hypervisor deny [domain.start, domain.write]
        (#[xdr(max = limit::DOMAIN_SAVE_PARAMS_MAX)] params: Vec<TypedParam>, flags: u32);

    449 DOMAIN_GET_AUTOSTART_ONCE DomainGetAutostartOnce "virDomainGetAutostartOnce"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain) -> (autostart: i32);

    450 DOMAIN_SET_AUTOSTART_ONCE DomainSetAutostartOnce "virDomainSetAutostartOnce"
        high hypervisor deny [domain.write]
        (dom: NonnullDomain, autostart: i32);
}
