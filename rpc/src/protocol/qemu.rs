//! Program 0x20008087: QEMU's monitor and what else is QEMU's alone.

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};

use super::remote::NonnullDomain;

procedures! {
    program Qemu "QEMU_PROC_";

    1 DOMAIN_MONITOR_COMMAND DomainMonitorCommand "virDomainQemuMonitorCommand"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, cmd: String, flags: u32) -> (result: String);

    2 DOMAIN_ATTACH DomainAttach "virDomainQemuAttach"
        low hypervisor deny [domain.start, domain.write]
        (pid_value: u32, flags: u32) -> (dom: NonnullDomain);

    3 DOMAIN_AGENT_COMMAND DomainAgentCommand "virDomainQemuAgentCommand"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, cmd: String, timeout: i32, flags: u32)
        -> (result: Option<String>);

    4 CONNECT_DOMAIN_MONITOR_EVENT_REGISTER ConnectDomainMonitorEventRegister "virConnectDomainQemuMonitorEventRegister"
        high hypervisor deny [connect.search_domains, connect.write] filter [domain.getattr]
        (dom: Option<NonnullDomain>, event: Option<String>, flags: u32) -> (callbackID: i32);

    5 CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER ConnectDomainMonitorEventDeregister "virConnectDomainQemuMonitorEventDeregister"
        high hypervisor deny [connect.write]
        (callbackID: i32);

    event 6 DOMAIN_MONITOR_EVENT DomainMonitorEvent
        (
            callbackID: i32, dom: NonnullDomain, event: String, seconds: i64, micros: u32,
            details: Option<String>,
        );

    7 DOMAIN_MONITOR_COMMAND_WITH_FILES DomainMonitorCommandWithFiles "virDomainQemuMonitorCommandWithFiles"
        low hypervisor deny [domain.write]
        (dom: NonnullDomain, cmd: String, flags: u32) -> (result: String);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<7>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
