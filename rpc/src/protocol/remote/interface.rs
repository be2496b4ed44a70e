//! Network interfaces of the host.

use virt_rpc_derive::procedures;

use super::{NonnullInterface, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    126 CONNECT_NUM_OF_INTERFACES ConnectNumOfInterfaces "virConnectNumOfInterfaces"
        high interface allow [connect.search_interfaces] filter [interface.getattr]
        () -> (num: i32);

    127 CONNECT_LIST_INTERFACES ConnectListInterfaces "virConnectListInterfaces"
        high interface allow [connect.search_interfaces] filter [interface.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::INTERFACE_LIST_MAX)] names: Vec<String>);

    128 INTERFACE_LOOKUP_BY_NAME InterfaceLookupByName "virInterfaceLookupByName"
        high interface allow [interface.getattr]
        (name: String) -> (iface: NonnullInterface);

    129 INTERFACE_LOOKUP_BY_MAC_STRING InterfaceLookupByMacString "virInterfaceLookupByMACString"
        high interface allow [interface.getattr]
        (mac: String) -> (iface: NonnullInterface);

    130 INTERFACE_GET_XML_DESC InterfaceGetXmlDesc "virInterfaceGetXMLDesc"
        low interface allow [interface.read]
        (iface: NonnullInterface, flags: u32) -> (xml: String);

    131 INTERFACE_DEFINE_XML InterfaceDefineXml "virInterfaceDefineXML"
        high interface deny [interface.write, interface.save]
        (xml: String, flags: u32) -> (iface: NonnullInterface);

    132 INTERFACE_UNDEFINE InterfaceUndefine "virInterfaceUndefine"
        high interface deny [interface.delete]
        (iface: NonnullInterface);

    133 INTERFACE_CREATE InterfaceCreate "virInterfaceCreate"
        low interface deny [interface.start]
        (iface: NonnullInterface, flags: u32);

    134 INTERFACE_DESTROY InterfaceDestroy "virInterfaceDestroy"
        high interface deny [interface.stop]
        (iface: NonnullInterface, flags: u32);

    137 CONNECT_NUM_OF_DEFINED_INTERFACES ConnectNumOfDefinedInterfaces "virConnectNumOfDefinedInterfaces"
        high interface allow [connect.search_interfaces] filter [interface.getattr]
        () -> (num: i32);

    138 CONNECT_LIST_DEFINED_INTERFACES ConnectListDefinedInterfaces "virConnectListDefinedInterfaces"
        high interface allow [connect.search_interfaces] filter [interface.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::INTERFACE_LIST_MAX)] names: Vec<String>);

    156 INTERFACE_IS_ACTIVE InterfaceIsActive "virInterfaceIsActive"
        high interface allow [interface.read]
        (iface: NonnullInterface) -> (active: i32);

    220 INTERFACE_CHANGE_BEGIN InterfaceChangeBegin "virInterfaceChangeBegin"
        low interface deny [connect.interface_transaction]
        (flags: u32);

    221 INTERFACE_CHANGE_COMMIT InterfaceChangeCommit "virInterfaceChangeCommit"
        low interface deny [connect.interface_transaction]
        (flags: u32);

    222 INTERFACE_CHANGE_ROLLBACK InterfaceChangeRollback "virInterfaceChangeRollback"
        low interface deny [connect.interface_transaction]
        (flags: u32);

    284 CONNECT_LIST_ALL_INTERFACES ConnectListAllInterfaces "virConnectListAllInterfaces"
        high interface allow [connect.search_interfaces] filter [interface.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::INTERFACE_LIST_MAX)] ifaces: Vec<NonnullInterface>, ret: u32);
}
