//! Events, and the calls that ask for them.

use virt_rpc_derive::procedures;

use super::{
    DomainEventGraphicsAddress, DomainEventGraphicsIdentity, NonnullDomain, NonnullNetwork,
    NonnullNodeDevice, NonnullSecret, NonnullStoragePool, TypedParam, limit,
};

procedures! {
    program Remote "REMOTE_PROC_";

    105 CONNECT_DOMAIN_EVENT_REGISTER ConnectDomainEventRegister "virConnectDomainEventRegister"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        () -> (cb_registered: i32);

    106 CONNECT_DOMAIN_EVENT_DEREGISTER ConnectDomainEventDeregister "virConnectDomainEventDeregister"
        high hypervisor allow [connect.read]
        () -> (cb_registered: i32);

    event 107 DOMAIN_EVENT_LIFECYCLE DomainEventLifecycle
        (dom: NonnullDomain, event: i32, detail: i32);

    167 CONNECT_DOMAIN_EVENT_REGISTER_ANY ConnectDomainEventRegisterAny "virConnectDomainEventRegisterAny"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        (eventID: i32);

    168 CONNECT_DOMAIN_EVENT_DEREGISTER_ANY ConnectDomainEventDeregisterAny "virConnectDomainEventDeregisterAny"
        high hypervisor allow [connect.read]
        (eventID: i32);

    event 169 DOMAIN_EVENT_REBOOT DomainEventReboot (dom: NonnullDomain);

    event 170 DOMAIN_EVENT_RTC_CHANGE DomainEventRtcChange (dom: NonnullDomain, offset: i64);

    event 171 DOMAIN_EVENT_WATCHDOG DomainEventWatchdog (dom: NonnullDomain, action: i32);

    event 172 DOMAIN_EVENT_IO_ERROR DomainEventIoError
        (dom: NonnullDomain, srcPath: String, devAlias: String, action: i32);

    event 173 DOMAIN_EVENT_GRAPHICS DomainEventGraphics
        (
            dom: NonnullDomain, phase: i32, local: DomainEventGraphicsAddress,
            remote: DomainEventGraphicsAddress, authScheme: String,
            #[xdr(max = limit::DOMAIN_EVENT_GRAPHICS_IDENTITY_MAX)] subject: Vec<DomainEventGraphicsIdentity>,
        );

    event 195 DOMAIN_EVENT_IO_ERROR_REASON DomainEventIoErrorReason
        (dom: NonnullDomain, srcPath: String, devAlias: String, action: i32, reason: String);

    event 224 DOMAIN_EVENT_CONTROL_ERROR DomainEventControlError (dom: NonnullDomain);

    event 241 DOMAIN_EVENT_BLOCK_JOB DomainEventBlockJob
        (dom: NonnullDomain, path: String, r#type: i32, status: i32);

    event 248 DOMAIN_EVENT_DISK_CHANGE DomainEventDiskChange
        (
            dom: NonnullDomain, oldSrcPath: Option<String>, newSrcPath: Option<String>,
            devAlias: String, reason: i32,
        );

    event 268 DOMAIN_EVENT_TRAY_CHANGE DomainEventTrayChange
        (dom: NonnullDomain, devAlias: String, reason: i32);

    event 269 DOMAIN_EVENT_PMWAKEUP DomainEventPmwakeup (dom: NonnullDomain);

    event 270 DOMAIN_EVENT_PMSUSPEND DomainEventPmsuspend (dom: NonnullDomain);

    event 276 DOMAIN_EVENT_BALLOON_CHANGE DomainEventBalloonChange
        (dom: NonnullDomain, actual: u64);

    event 292 DOMAIN_EVENT_PMSUSPEND_DISK DomainEventPmsuspendDisk (dom: NonnullDomain);

    event 311 DOMAIN_EVENT_DEVICE_REMOVED DomainEventDeviceRemoved
        (dom: NonnullDomain, devAlias: String);

    event 315 NETWORK_EVENT_LIFECYCLE NetworkEventLifecycle
        (callbackID: i32, net: NonnullNetwork, event: i32, detail: i32);

    316 CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY ConnectDomainEventCallbackRegisterAny "virConnectDomainEventRegisterAny"
        high hypervisor allow [connect.search_domains] filter [domain.getattr]
        (eventID: i32, dom: Option<NonnullDomain>) -> (callbackID: i32);

    317 CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY ConnectDomainEventCallbackDeregisterAny "virConnectDomainEventDeregisterAny"
        high hypervisor allow [connect.read]
        (callbackID: i32);

    event 318 DOMAIN_EVENT_CALLBACK_LIFECYCLE DomainEventCallbackLifecycle
        (callbackID: i32, msg: DomainEventLifecycleMsg);

    event 319 DOMAIN_EVENT_CALLBACK_REBOOT DomainEventCallbackReboot
        (callbackID: i32, msg: DomainEventRebootMsg);

    event 320 DOMAIN_EVENT_CALLBACK_RTC_CHANGE DomainEventCallbackRtcChange
        (callbackID: i32, msg: DomainEventRtcChangeMsg);

    event 321 DOMAIN_EVENT_CALLBACK_WATCHDOG DomainEventCallbackWatchdog
        (callbackID: i32, msg: DomainEventWatchdogMsg);

    event 322 DOMAIN_EVENT_CALLBACK_IO_ERROR DomainEventCallbackIoError
        (callbackID: i32, msg: DomainEventIoErrorMsg);

    event 323 DOMAIN_EVENT_CALLBACK_GRAPHICS DomainEventCallbackGraphics
        (callbackID: i32, msg: DomainEventGraphicsMsg);

    event 324 DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON DomainEventCallbackIoErrorReason
        (callbackID: i32, msg: DomainEventIoErrorReasonMsg);

    event 325 DOMAIN_EVENT_CALLBACK_CONTROL_ERROR DomainEventCallbackControlError
        (callbackID: i32, msg: DomainEventControlErrorMsg);

    event 326 DOMAIN_EVENT_CALLBACK_BLOCK_JOB DomainEventCallbackBlockJob
        (callbackID: i32, msg: DomainEventBlockJobMsg);

    event 327 DOMAIN_EVENT_CALLBACK_DISK_CHANGE DomainEventCallbackDiskChange
        (callbackID: i32, msg: DomainEventDiskChangeMsg);

    event 328 DOMAIN_EVENT_CALLBACK_TRAY_CHANGE DomainEventCallbackTrayChange
        (callbackID: i32, msg: DomainEventTrayChangeMsg);

    event 329 DOMAIN_EVENT_CALLBACK_PMWAKEUP DomainEventCallbackPmwakeup
        (callbackID: i32, reason: i32, msg: DomainEventPmwakeupMsg);

    event 330 DOMAIN_EVENT_CALLBACK_PMSUSPEND DomainEventCallbackPmsuspend
        (callbackID: i32, reason: i32, msg: DomainEventPmsuspendMsg);

    event 331 DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE DomainEventCallbackBalloonChange
        (callbackID: i32, msg: DomainEventBalloonChangeMsg);

    event 332 DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK DomainEventCallbackPmsuspendDisk
        (callbackID: i32, reason: i32, msg: DomainEventPmsuspendDiskMsg);

    event 333 DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED DomainEventCallbackDeviceRemoved
        (callbackID: i32, msg: DomainEventDeviceRemovedMsg);

    event 339 DOMAIN_EVENT_BLOCK_JOB_2 DomainEventBlockJob2
        (callbackID: i32, dom: NonnullDomain, dst: String, r#type: i32, status: i32);

    event 346 DOMAIN_EVENT_CALLBACK_TUNABLE DomainEventCallbackTunable
        (
            callbackID: i32, dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_EVENT_TUNABLE_MAX)] params: Vec<TypedParam>,
        );

    event 348 DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE DomainEventCallbackAgentLifecycle
        (callbackID: i32, dom: NonnullDomain, state: i32, reason: i32);

    event 354 DOMAIN_EVENT_CALLBACK_DEVICE_ADDED DomainEventCallbackDeviceAdded
        (callbackID: i32, dom: NonnullDomain, devAlias: String);

    event 359 DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION DomainEventCallbackMigrationIteration
        (callbackID: i32, dom: NonnullDomain, iteration: i32);

    360 CONNECT_REGISTER_CLOSE_CALLBACK ConnectRegisterCloseCallback "virConnectRegisterCloseCallback"
        high hypervisor allow [connect.getattr]
        ();

    361 CONNECT_UNREGISTER_CLOSE_CALLBACK ConnectUnregisterCloseCallback "virConnectUnregisterCloseCallback"
        high hypervisor allow [connect.getattr]
        ();

    event 362 CONNECT_EVENT_CONNECTION_CLOSED ConnectEventConnectionClosed (reason: i32);

    event 363 DOMAIN_EVENT_CALLBACK_JOB_COMPLETED DomainEventCallbackJobCompleted
        (
            callbackID: i32, dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_JOB_STATS_MAX)] params: Vec<TypedParam>,
        );

    365 DOMAIN_GET_PERF_EVENTS DomainGetPerfEvents "virDomainGetPerfEvents"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_PERF_EVENTS_MAX)] params: Vec<TypedParam>);

    366 DOMAIN_SET_PERF_EVENTS DomainSetPerfEvents "virDomainSetPerfEvents"
        low hypervisor deny [domain.write]
        (
            dom: NonnullDomain,
            #[xdr(max = limit::DOMAIN_PERF_EVENTS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    event 367 DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED DomainEventCallbackDeviceRemovalFailed
        (callbackID: i32, dom: NonnullDomain, devAlias: String);

    event 370 STORAGE_POOL_EVENT_LIFECYCLE StoragePoolEventLifecycle
        (callbackID: i32, pool: NonnullStoragePool, event: i32, detail: i32);

    event 373 STORAGE_POOL_EVENT_REFRESH StoragePoolEventRefresh
        (callbackID: i32, pool: NonnullStoragePool);

    event 376 NODE_DEVICE_EVENT_LIFECYCLE NodeDeviceEventLifecycle
        (callbackID: i32, dev: NonnullNodeDevice, event: i32, detail: i32);

    event 377 NODE_DEVICE_EVENT_UPDATE NodeDeviceEventUpdate
        (callbackID: i32, dev: NonnullNodeDevice);

    event 379 DOMAIN_EVENT_CALLBACK_METADATA_CHANGE DomainEventCallbackMetadataChange
        (callbackID: i32, dom: NonnullDomain, r#type: i32, nsuri: Option<String>);

    event 382 SECRET_EVENT_LIFECYCLE SecretEventLifecycle
        (callbackID: i32, secret: NonnullSecret, event: i32, detail: i32);

    event 383 SECRET_EVENT_VALUE_CHANGED SecretEventValueChanged
        (callbackID: i32, secret: NonnullSecret);

    event 385 DOMAIN_EVENT_BLOCK_THRESHOLD DomainEventBlockThreshold
        (
            callbackID: i32, dom: NonnullDomain, dev: String, path: Option<String>, threshold: u64,
            excess: u64,
        );

    event 423 DOMAIN_EVENT_MEMORY_FAILURE DomainEventMemoryFailure
        (callbackID: i32, dom: NonnullDomain, recipient: i32, action: i32, flags: u32);

    event 438 DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE DomainEventMemoryDeviceSizeChange
        (callbackID: i32, dom: NonnullDomain, alias: String, size: u64);

    event 446 NETWORK_EVENT_CALLBACK_METADATA_CHANGE NetworkEventCallbackMetadataChange
        (callbackID: i32, net: NonnullNetwork, r#type: i32, nsuri: Option<String>);

    event 453 DOMAIN_EVENT_NIC_MAC_CHANGE DomainEventNicMacChange
        (callbackID: i32, dom: NonnullDomain, alias: String, oldMAC: String, newMAC: String);
}
