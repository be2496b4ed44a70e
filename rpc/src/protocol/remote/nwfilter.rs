//! Network filters and their bindings.

use virt_rpc_derive::procedures;

use super::{NonnullNwfilter, NonnullNwfilterBinding, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    175 NWFILTER_LOOKUP_BY_NAME NwfilterLookupByName "virNWFilterLookupByName"
        high nwfilter allow [nwfilter.getattr]
        (name: String) -> (nwfilter: NonnullNwfilter);

    176 NWFILTER_LOOKUP_BY_UUID NwfilterLookupByUuid "virNWFilterLookupByUUID"
        high nwfilter allow [nwfilter.getattr]
        (uuid: [u8; 16]) -> (nwfilter: NonnullNwfilter);

    177 NWFILTER_GET_XML_DESC NwfilterGetXmlDesc "virNWFilterGetXMLDesc"
        high nwfilter allow [nwfilter.read]
        (nwfilter: NonnullNwfilter, flags: u32) -> (xml: String);

    178 CONNECT_NUM_OF_NWFILTERS ConnectNumOfNwfilters "virConnectNumOfNWFilters"
        high nwfilter allow [connect.search_nwfilters] filter [nwfilter.getattr]
        () -> (num: i32);

    179 CONNECT_LIST_NWFILTERS ConnectListNwfilters "virConnectListNWFilters"
        high nwfilter allow [connect.search_nwfilters] filter [nwfilter.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::NWFILTER_LIST_MAX)] names: Vec<String>);

    180 NWFILTER_DEFINE_XML NwfilterDefineXml "virNWFilterDefineXML"
        high nwfilter deny [nwfilter.write, nwfilter.save]
        (xml: String) -> (nwfilter: NonnullNwfilter);

    181 NWFILTER_UNDEFINE NwfilterUndefine "virNWFilterUndefine"
        high nwfilter deny [nwfilter.delete]
        (nwfilter: NonnullNwfilter);

    286 CONNECT_LIST_ALL_NWFILTERS ConnectListAllNwfilters "virConnectListAllNWFilters"
        high nwfilter allow [connect.search_nwfilters] filter [nwfilter.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::NWFILTER_LIST_MAX)] filters: Vec<NonnullNwfilter>, ret: u32);

    397 NWFILTER_BINDING_LOOKUP_BY_PORT_DEV NwfilterBindingLookupByPortDev "virNWFilterBindingLookupByPortDev"
        high nwfilter allow [nwfilter_binding.getattr]
        (name: String) -> (nwfilter: NonnullNwfilterBinding);

    398 NWFILTER_BINDING_GET_XML_DESC NwfilterBindingGetXmlDesc "virNWFilterBindingGetXMLDesc"
        high nwfilter allow [nwfilter_binding.read]
        (nwfilter: NonnullNwfilterBinding, flags: u32) -> (xml: String);

    399 NWFILTER_BINDING_CREATE_XML NwfilterBindingCreateXml "virNWFilterBindingCreateXML"
        high nwfilter deny [nwfilter_binding.create]
        (xml: String, flags: u32) -> (nwfilter: NonnullNwfilterBinding);

    400 NWFILTER_BINDING_DELETE NwfilterBindingDelete "virNWFilterBindingDelete"
        high nwfilter deny [nwfilter_binding.delete]
        (nwfilter: NonnullNwfilterBinding);

    401 CONNECT_LIST_ALL_NWFILTER_BINDINGS ConnectListAllNwfilterBindings "virConnectListAllNWFilterBindings"
        high nwfilter allow [connect.search_nwfilter_bindings] filter [nwfilter_binding.getattr]
        (need_results: i32, flags: u32)
        -> (
            #[xdr(max = limit::NWFILTER_BINDING_LIST_MAX)] bindings: Vec<NonnullNwfilterBinding>,
            ret: u32,
        );

    431 NWFILTER_DEFINE_XML_FLAGS NwfilterDefineXmlFlags "virNWFilterDefineXMLFlags"
        high nwfilter deny [nwfilter.write, nwfilter.save]
        (xml: String, flags: u32) -> (nwfilter: NonnullNwfilter);
}
