//! Virtual networks and their ports.

use virt_rpc_derive::procedures;

use super::{NetworkDhcpLease, NonnullNetwork, NonnullNetworkPort, TypedParam, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    36 CONNECT_LIST_DEFINED_NETWORKS ConnectListDefinedNetworks "virConnectListDefinedNetworks"
        high network allow [connect.search_networks] filter [network.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::NETWORK_LIST_MAX)] names: Vec<String>);

    38 CONNECT_LIST_NETWORKS ConnectListNetworks "virConnectListNetworks"
        high network allow [connect.search_networks] filter [network.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::NETWORK_LIST_MAX)] names: Vec<String>);

    39 NETWORK_CREATE NetworkCreate "virNetworkCreate"
        low network deny [network.start]
        (net: NonnullNetwork);

    40 NETWORK_CREATE_XML NetworkCreateXml "virNetworkCreateXML"
        low network deny [network.write, network.start]
        (xml: String) -> (net: NonnullNetwork);

    41 NETWORK_DEFINE_XML NetworkDefineXml "virNetworkDefineXML"
        high network deny [network.write, network.save]
        (xml: String) -> (net: NonnullNetwork);

    42 NETWORK_DESTROY NetworkDestroy "virNetworkDestroy"
        high network deny [network.stop]
        (net: NonnullNetwork);

    43 NETWORK_GET_XML_DESC NetworkGetXmlDesc "virNetworkGetXMLDesc"
        high network allow [network.read]
        (net: NonnullNetwork, flags: u32) -> (xml: String);

    44 NETWORK_GET_AUTOSTART NetworkGetAutostart "virNetworkGetAutostart"
        high network allow [network.read]
        (net: NonnullNetwork) -> (autostart: i32);

    45 NETWORK_GET_BRIDGE_NAME NetworkGetBridgeName "virNetworkGetBridgeName"
        high network allow [network.read]
        (net: NonnullNetwork) -> (name: String);

    46 NETWORK_LOOKUP_BY_NAME NetworkLookupByName "virNetworkLookupByName"
        high network allow [network.getattr]
        (name: String) -> (net: NonnullNetwork);

    47 NETWORK_LOOKUP_BY_UUID NetworkLookupByUuid "virNetworkLookupByUUID"
        high network allow [network.getattr]
        (uuid: [u8; 16]) -> (net: NonnullNetwork);

    48 NETWORK_SET_AUTOSTART NetworkSetAutostart "virNetworkSetAutostart"
        high network deny [network.write]
        (net: NonnullNetwork, autostart: i32);

    49 NETWORK_UNDEFINE NetworkUndefine "virNetworkUndefine"
        high network deny [network.delete]
        (net: NonnullNetwork);

    50 CONNECT_NUM_OF_DEFINED_NETWORKS ConnectNumOfDefinedNetworks "virConnectNumOfDefinedNetworks"
        high network allow [connect.search_networks] filter [network.getattr]
        () -> (num: i32);

    52 CONNECT_NUM_OF_NETWORKS ConnectNumOfNetworks "virConnectNumOfNetworks"
        high network allow [connect.search_networks] filter [network.getattr]
        () -> (num: i32);

    152 NETWORK_IS_ACTIVE NetworkIsActive "virNetworkIsActive"
        high network allow [network.read]
        (net: NonnullNetwork) -> (active: i32);

    153 NETWORK_IS_PERSISTENT NetworkIsPersistent "virNetworkIsPersistent"
        high network allow [network.read]
        (net: NonnullNetwork) -> (persistent: i32);

    283 CONNECT_LIST_ALL_NETWORKS ConnectListAllNetworks "virConnectListAllNetworks"
        high network allow [connect.search_networks] filter [network.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::NETWORK_LIST_MAX)] nets: Vec<NonnullNetwork>, ret: u32);

    291 NETWORK_UPDATE NetworkUpdate "virNetworkUpdate"
        high network deny [
            network.write,
            network.save if flags none flag::NETWORK_UPDATE_AFFECT_CONFIG | flag::NETWORK_UPDATE_AFFECT_LIVE,
            network.save if flags all flag::NETWORK_UPDATE_AFFECT_CONFIG,
        ]
        (
            net: NonnullNetwork, command: u32, section: u32, parentIndex: i32, xml: String,
            flags: u32,
        );

    313 CONNECT_NETWORK_EVENT_REGISTER_ANY ConnectNetworkEventRegisterAny "virConnectNetworkEventRegisterAny"
        high network allow [connect.search_networks] filter [network.getattr]
        (eventID: i32, net: Option<NonnullNetwork>) -> (callbackID: i32);

    314 CONNECT_NETWORK_EVENT_DEREGISTER_ANY ConnectNetworkEventDeregisterAny "virConnectNetworkEventDeregisterAny"
        high network allow [connect.read]
        (callbackID: i32);

    341 NETWORK_GET_DHCP_LEASES NetworkGetDhcpLeases "virNetworkGetDHCPLeases"
        low network allow [network.read]
        (net: NonnullNetwork, mac: Option<String>, need_results: i32, flags: u32)
        -> (
            #[xdr(max = limit::NETWORK_DHCP_LEASES_MAX)] leases: Vec<NetworkDhcpLease>, ret: u32,
        );

    404 NETWORK_LIST_ALL_PORTS NetworkListAllPorts "virNetworkListAllPorts"
        high network allow [network.search_ports] filter [network_port.getattr]
        (network: NonnullNetwork, need_results: i32, flags: u32)
        -> (#[xdr(max = limit::NETWORK_PORT_LIST_MAX)] ports: Vec<NonnullNetworkPort>, ret: u32);

    405 NETWORK_PORT_LOOKUP_BY_UUID NetworkPortLookupByUuid "virNetworkPortLookupByUUID"
        high network allow [network_port.getattr]
        (network: NonnullNetwork, uuid: [u8; 16]) -> (port: NonnullNetworkPort);

    406 NETWORK_PORT_CREATE_XML NetworkPortCreateXml "virNetworkPortCreateXML"
        low network deny [network_port.create]
        (network: NonnullNetwork, xml: String, flags: u32) -> (port: NonnullNetworkPort);

    407 NETWORK_PORT_GET_PARAMETERS NetworkPortGetParameters "virNetworkPortGetParameters"
        low network allow [network_port.read]
        (port: NonnullNetworkPort, nparams: i32, flags: u32)
        -> (
            #[xdr(max = limit::NETWORK_PORT_PARAMETERS_MAX)] params: Vec<TypedParam>, nparams: i32,
        );

    408 NETWORK_PORT_SET_PARAMETERS NetworkPortSetParameters "virNetworkPortSetParameters"
        low network deny [network_port.write]
        (
            port: NonnullNetworkPort,
            #[xdr(max = limit::NETWORK_PORT_PARAMETERS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    409 NETWORK_PORT_GET_XML_DESC NetworkPortGetXmlDesc "virNetworkPortGetXMLDesc"
        low network allow [network_port.read]
        (port: NonnullNetworkPort, flags: u32) -> (xml: String);

    410 NETWORK_PORT_DELETE NetworkPortDelete "virNetworkPortDelete"
        low network deny [network_port.delete]
        (port: NonnullNetworkPort, flags: u32);

    432 NETWORK_DEFINE_XML_FLAGS NetworkDefineXmlFlags "virNetworkDefineXMLFlags"
        high network deny [network.write, network.save]
        (xml: String, flags: u32) -> (net: NonnullNetwork);

    437 NETWORK_CREATE_XML_FLAGS NetworkCreateXmlFlags "virNetworkCreateXMLFlags"
        high network deny [network.write, network.start]
        (xml: String, flags: u32) -> (net: NonnullNetwork);

    444 NETWORK_SET_METADATA NetworkSetMetadata "virNetworkSetMetadata"
        low network deny [
            network.write,
            network.save if flags none flag::NETWORK_UPDATE_AFFECT_CONFIG | flag::NETWORK_UPDATE_AFFECT_LIVE,
            network.save if flags all flag::NETWORK_UPDATE_AFFECT_CONFIG,
        ]
        (
            network: NonnullNetwork, r#type: i32, metadata: Option<String>, key: Option<String>,
            uri: Option<String>, flags: u32,
        );

    445 NETWORK_GET_METADATA NetworkGetMetadata "virNetworkGetMetadata"
        low network allow [network.read]
        (network: NonnullNetwork, r#type: i32, uri: Option<String>, flags: u32)
        -> (metadata: String);
}
