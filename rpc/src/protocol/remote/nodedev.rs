//! Devices of the host.

use virt_rpc_derive::procedures;

use super::{NonnullNodeDevice, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    111 NODE_NUM_OF_DEVICES NodeNumOfDevices "virNodeNumOfDevices"
        high nodedev allow [connect.search_node_devices] filter [node_device.getattr]
        (cap: Option<String>, flags: u32) -> (num: i32);

    112 NODE_LIST_DEVICES NodeListDevices "virNodeListDevices"
        high nodedev allow [connect.search_node_devices] filter [node_device.getattr]
        (cap: Option<String>, maxnames: i32, flags: u32)
        -> (#[xdr(max = limit::NODE_DEVICE_LIST_MAX)] names: Vec<String>);

    113 NODE_DEVICE_LOOKUP_BY_NAME NodeDeviceLookupByName "virNodeDeviceLookupByName"
        high nodedev allow [node_device.getattr]
        (name: String) -> (dev: NonnullNodeDevice);

    114 NODE_DEVICE_GET_XML_DESC NodeDeviceGetXmlDesc "virNodeDeviceGetXMLDesc"
        low nodedev allow [node_device.read]
        (name: String, flags: u32) -> (xml: String);

    115 NODE_DEVICE_GET_PARENT NodeDeviceGetParent "virNodeDeviceGetParent"
        high nodedev allow [node_device.read]
        (name: String) -> (parentName: Option<String>);

    116 NODE_DEVICE_NUM_OF_CAPS NodeDeviceNumOfCaps "virNodeDeviceNumOfCaps"
        high nodedev allow [node_device.read]
        (name: String) -> (num: i32);

    117 NODE_DEVICE_LIST_CAPS NodeDeviceListCaps "virNodeDeviceListCaps"
        high nodedev allow [node_device.read]
        (name: String, maxnames: i32)
        -> (#[xdr(max = limit::NODE_DEVICE_CAPS_LIST_MAX)] names: Vec<String>);

    118 NODE_DEVICE_DETTACH NodeDeviceDettach "virNodeDeviceDettach"
        low hypervisor deny [node_device.detach]
        (name: String);

    119 NODE_DEVICE_RE_ATTACH NodeDeviceReAttach "virNodeDeviceReAttach"
        low hypervisor deny [node_device.detach]
        (name: String);

    120 NODE_DEVICE_RESET NodeDeviceReset "virNodeDeviceReset"
        low hypervisor deny [node_device.detach]
        (name: String);

    123 NODE_DEVICE_CREATE_XML NodeDeviceCreateXml "virNodeDeviceCreateXML"
        low nodedev deny [node_device.write, node_device.start]
        (xml_desc: String, flags: u32) -> (dev: NonnullNodeDevice);

    124 NODE_DEVICE_DESTROY NodeDeviceDestroy "virNodeDeviceDestroy"
        high nodedev deny [node_device.stop]
        (name: String);

    285 CONNECT_LIST_ALL_NODE_DEVICES ConnectListAllNodeDevices "virConnectListAllNodeDevices"
        high nodedev allow [connect.search_node_devices] filter [node_device.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::NODE_DEVICE_LIST_MAX)] devices: Vec<NonnullNodeDevice>, ret: u32);

    297 NODE_DEVICE_LOOKUP_SCSI_HOST_BY_WWN NodeDeviceLookupScsiHostByWwn "virNodeDeviceLookupSCSIHostByWWN"
        high nodedev allow [node_device.getattr]
        (wwnn: String, wwpn: String, flags: u32) -> (dev: NonnullNodeDevice);

    301 NODE_DEVICE_DETACH_FLAGS NodeDeviceDetachFlags "virNodeDeviceDetachFlags"
        low hypervisor deny [node_device.detach]
        (name: String, driverName: Option<String>, flags: u32);

    374 CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY ConnectNodeDeviceEventRegisterAny "virConnectNodeDeviceEventRegisterAny"
        high nodedev allow [connect.search_node_devices] filter [node_device.getattr]
        (eventID: i32, dev: Option<NonnullNodeDevice>) -> (callbackID: i32);

    375 CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY ConnectNodeDeviceEventDeregisterAny "virConnectNodeDeviceEventDeregisterAny"
        high nodedev allow [connect.read]
        (callbackID: i32);

    428 NODE_DEVICE_DEFINE_XML NodeDeviceDefineXml "virNodeDeviceDefineXML"
        low nodedev deny [node_device.write, node_device.save]
        (xml_desc: String, flags: u32) -> (dev: NonnullNodeDevice);

    429 NODE_DEVICE_UNDEFINE NodeDeviceUndefine "virNodeDeviceUndefine"
        high nodedev deny [node_device.delete]
        (name: String, flags: u32);

    430 NODE_DEVICE_CREATE NodeDeviceCreate "virNodeDeviceCreate"
        high nodedev deny [node_device.start]
        (name: String, flags: u32);

    433 NODE_DEVICE_GET_AUTOSTART NodeDeviceGetAutostart "virNodeDeviceGetAutostart"
        high nodedev allow [node_device.read]
        (name: String) -> (autostart: i32);

    434 NODE_DEVICE_SET_AUTOSTART NodeDeviceSetAutostart "virNodeDeviceSetAutostart"
        high nodedev deny [node_device.write]
        (name: String, autostart: i32);

    435 NODE_DEVICE_IS_PERSISTENT NodeDeviceIsPersistent "virNodeDeviceIsPersistent"
        high nodedev allow [node_device.read]
        (name: String) -> (persistent: i32);

    436 NODE_DEVICE_IS_ACTIVE NodeDeviceIsActive "virNodeDeviceIsActive"
        high nodedev allow [node_device.read]
        (name: String) -> (active: i32);

    447 NODE_DEVICE_UPDATE NodeDeviceUpdate "virNodeDeviceUpdate"
        high nodedev deny [
            node_device.write,
            node_device.save if flags none flag::NODE_DEVICE_UPDATE_AFFECT_CONFIG | flag::NODE_DEVICE_UPDATE_AFFECT_LIVE,
            node_device.save if flags all flag::NODE_DEVICE_UPDATE_AFFECT_CONFIG,
        ]
        (name: String, xml_desc: String, flags: u32);
}
