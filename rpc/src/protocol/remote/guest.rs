//! Consoles, input, the guest agent, labels of a domain.

use virt_rpc_derive::procedures;

use super::{DomainInterface, NonnullDomain, TypedParam, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    121 DOMAIN_GET_SECURITY_LABEL DomainGetSecurityLabel "virDomainGetSecurityLabel"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain)
        -> (#[xdr(chars, max = limit::SECURITY_LABEL_MAX)] label: Vec<u8>, enforcing: i32);

    201 DOMAIN_OPEN_CONSOLE DomainOpenConsole "virDomainOpenConsole"
        low hypervisor deny [domain.open_device] stream read
        (dom: NonnullDomain, dev_name: Option<String>, flags: u32);

    210 DOMAIN_INJECT_NMI DomainInjectNmi "virDomainInjectNMI"
        low hypervisor deny [domain.inject_nmi]
        (dom: NonnullDomain, flags: u32);

    211 DOMAIN_SCREENSHOT DomainScreenshot "virDomainScreenshot"
        low hypervisor deny [domain.screenshot] stream read
        (dom: NonnullDomain, screen: u32, flags: u32) -> (mime: Option<String>);

    226 DOMAIN_SEND_KEY DomainSendKey "virDomainSendKey"
        low hypervisor deny [domain.send_input]
        (
            dom: NonnullDomain, codeset: u32, holdtime: u32,
            #[xdr(max = limit::DOMAIN_SEND_KEY_MAX)] keycodes: Vec<u32>, flags: u32,
        );

    249 DOMAIN_OPEN_GRAPHICS DomainOpenGraphics "virDomainOpenGraphics"
        low hypervisor deny [domain.open_graphics]
        (dom: NonnullDomain, idx: u32, flags: u32);

    261 DOMAIN_PM_SUSPEND_FOR_DURATION DomainPmSuspendForDuration "virDomainPMSuspendForDuration"
        low hypervisor deny [domain.pm_control]
        (dom: NonnullDomain, target: u32, duration: u64, flags: u32);

    267 DOMAIN_PM_WAKEUP DomainPmWakeup "virDomainPMWakeup"
        low hypervisor deny [domain.pm_control]
        (dom: NonnullDomain, flags: u32);

    277 DOMAIN_GET_HOSTNAME DomainGetHostname "virDomainGetHostname"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, flags: u32) -> (hostname: String);

    278 DOMAIN_GET_SECURITY_LABEL_LIST DomainGetSecurityLabelList "virDomainGetSecurityLabelList"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain)
        -> (
            #[xdr(max = limit::SECURITY_LABEL_LIST_MAX)] labels: Vec<DomainGetSecurityLabelRet>,
            ret: i32,
        );

    295 DOMAIN_SEND_PROCESS_SIGNAL DomainSendProcessSignal "virDomainSendProcessSignal"
        low hypervisor deny [domain.send_signal]
        (dom: NonnullDomain, pid_value: i64, signum: u32, flags: u32);

    296 DOMAIN_OPEN_CHANNEL DomainOpenChannel "virDomainOpenChannel"
        low hypervisor deny [domain.open_device] stream read
        (dom: NonnullDomain, name: Option<String>, flags: u32);

    337 DOMAIN_GET_TIME DomainGetTime "virDomainGetTime"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, flags: u32) -> (seconds: i64, nseconds: u32);

    338 DOMAIN_SET_TIME DomainSetTime "virDomainSetTime"
        low hypervisor deny [domain.set_time]
        (dom: NonnullDomain, seconds: i64, nseconds: u32, flags: u32);

    343 DOMAIN_OPEN_GRAPHICS_FD DomainOpenGraphicsFd "virDomainOpenGraphicsFD"
        low hypervisor deny [domain.open_graphics]
        (dom: NonnullDomain, idx: u32, flags: u32);

    353 DOMAIN_INTERFACE_ADDRESSES DomainInterfaceAddresses "virDomainInterfaceAddresses"
        low hypervisor deny(if source == flag::DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT) [
            domain.read,
            domain.write if source == flag::DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
        ]
        (dom: NonnullDomain, source: u32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_INTERFACE_MAX)] ifaces: Vec<DomainInterface>);

    357 DOMAIN_SET_USER_PASSWORD DomainSetUserPassword "virDomainSetUserPassword"
        low hypervisor deny [domain.set_password]
        (dom: NonnullDomain, user: Option<String>, password: Option<String>, flags: u32);

    396 DOMAIN_GET_LAUNCH_SECURITY_INFO DomainGetLaunchSecurityInfo "virDomainGetLaunchSecurityInfo"
        low hypervisor deny [domain.read]
        (dom: NonnullDomain, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_LAUNCH_SECURITY_INFO_PARAMS_MAX)] params: Vec<TypedParam>);

    418 DOMAIN_GET_GUEST_INFO DomainGetGuestInfo "virDomainGetGuestInfo"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, types: u32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_GUEST_INFO_PARAMS_MAX)] params: Vec<TypedParam>);

    420 DOMAIN_AGENT_SET_RESPONSE_TIMEOUT DomainAgentSetResponseTimeout "virDomainAgentSetResponseTimeout"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, timeout: i32, flags: u32) -> (result: i32);

    424 DOMAIN_AUTHORIZED_SSH_KEYS_GET DomainAuthorizedSshKeysGet "virDomainAuthorizedSSHKeysGet"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, user: String, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_AUTHORIZED_SSH_KEYS_MAX)] keys: Vec<String>);

    425 DOMAIN_AUTHORIZED_SSH_KEYS_SET DomainAuthorizedSshKeysSet "virDomainAuthorizedSSHKeysSet"
        low hypervisor deny [domain.write]
        (
            dom: NonnullDomain, user: String,
            #[xdr(max = limit::DOMAIN_AUTHORIZED_SSH_KEYS_MAX)] keys: Vec<String>, flags: u32,
        );

    439 DOMAIN_SET_LAUNCH_SECURITY_STATE DomainSetLaunchSecurityState "virDomainSetLaunchSecurityState"
        low hypervisor deny [domain.write]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_LAUNCH_SECURITY_STATE_PARAMS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    443 DOMAIN_FD_ASSOCIATE DomainFdAssociate "virDomainFDAssociate"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, name: String, flags: u32);
}
