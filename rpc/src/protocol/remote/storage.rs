//! Storage pools and volumes.

use virt_rpc_derive::procedures;

use super::{NonnullStoragePool, NonnullStorageVol, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    71 CONNECT_NUM_OF_STORAGE_POOLS ConnectNumOfStoragePools "virConnectNumOfStoragePools"
        high storage allow [connect.search_storage_pools] filter [storage_pool.getattr]
        () -> (num: i32);

    72 CONNECT_LIST_STORAGE_POOLS ConnectListStoragePools "virConnectListStoragePools"
        high storage allow [connect.search_storage_pools] filter [storage_pool.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::STORAGE_POOL_LIST_MAX)] names: Vec<String>);

    73 CONNECT_NUM_OF_DEFINED_STORAGE_POOLS ConnectNumOfDefinedStoragePools "virConnectNumOfDefinedStoragePools"
        high storage allow [connect.search_storage_pools] filter [storage_pool.getattr]
        () -> (num: i32);

    74 CONNECT_LIST_DEFINED_STORAGE_POOLS ConnectListDefinedStoragePools "virConnectListDefinedStoragePools"
        high storage allow [connect.search_storage_pools] filter [storage_pool.getattr]
        (maxnames: i32) -> (#[xdr(max = limit::STORAGE_POOL_LIST_MAX)] names: Vec<String>);

    75 CONNECT_FIND_STORAGE_POOL_SOURCES ConnectFindStoragePoolSources "virConnectFindStoragePoolSources"
        low storage deny [connect.detect_storage_pools]
        (r#type: String, srcSpec: Option<String>, flags: u32) -> (xml: String);

    76 STORAGE_POOL_CREATE_XML StoragePoolCreateXml "virStoragePoolCreateXML"
        low storage deny [storage_pool.start, storage_pool.write]
        (xml: String, flags: u32) -> (pool: NonnullStoragePool);

    77 STORAGE_POOL_DEFINE_XML StoragePoolDefineXml "virStoragePoolDefineXML"
        high storage deny [storage_pool.write, storage_pool.save]
        (xml: String, flags: u32) -> (pool: NonnullStoragePool);

    78 STORAGE_POOL_CREATE StoragePoolCreate "virStoragePoolCreate"
        low storage deny [storage_pool.start]
        (pool: NonnullStoragePool, flags: u32);

    79 STORAGE_POOL_BUILD StoragePoolBuild "virStoragePoolBuild"
        low storage deny [storage_pool.format]
        (pool: NonnullStoragePool, flags: u32);

    80 STORAGE_POOL_DESTROY StoragePoolDestroy "virStoragePoolDestroy"
        high storage deny [storage_pool.stop]
        (pool: NonnullStoragePool);

    81 STORAGE_POOL_DELETE StoragePoolDelete "virStoragePoolDelete"
        low storage deny [storage_pool.format]
        (pool: NonnullStoragePool, flags: u32);

    82 STORAGE_POOL_UNDEFINE StoragePoolUndefine "virStoragePoolUndefine"
        high storage deny [storage_pool.delete]
        (pool: NonnullStoragePool);

    83 STORAGE_POOL_REFRESH StoragePoolRefresh "virStoragePoolRefresh"
        low storage deny [storage_pool.refresh]
        (pool: NonnullStoragePool, flags: u32);

    84 STORAGE_POOL_LOOKUP_BY_NAME StoragePoolLookupByName "virStoragePoolLookupByName"
        high storage allow [storage_pool.getattr]
        (name: String) -> (pool: NonnullStoragePool);

    85 STORAGE_POOL_LOOKUP_BY_UUID StoragePoolLookupByUuid "virStoragePoolLookupByUUID"
        high storage allow [storage_pool.getattr]
        (uuid: [u8; 16]) -> (pool: NonnullStoragePool);

    86 STORAGE_POOL_LOOKUP_BY_VOLUME StoragePoolLookupByVolume "virStoragePoolLookupByVolume"
        high storage allow [storage_pool.getattr]
        (vol: NonnullStorageVol) -> (pool: NonnullStoragePool);

    87 STORAGE_POOL_GET_INFO StoragePoolGetInfo "virStoragePoolGetInfo"
        high storage allow [storage_pool.read]
        (pool: NonnullStoragePool)
        -> (state: u8, capacity: u64, allocation: u64, available: u64);

    88 STORAGE_POOL_GET_XML_DESC StoragePoolGetXmlDesc "virStoragePoolGetXMLDesc"
        high storage allow [storage_pool.read]
        (pool: NonnullStoragePool, flags: u32) -> (xml: String);

    89 STORAGE_POOL_GET_AUTOSTART StoragePoolGetAutostart "virStoragePoolGetAutostart"
        high storage allow [storage_pool.read]
        (pool: NonnullStoragePool) -> (autostart: i32);

    90 STORAGE_POOL_SET_AUTOSTART StoragePoolSetAutostart "virStoragePoolSetAutostart"
        high storage deny [storage_pool.write]
        (pool: NonnullStoragePool, autostart: i32);

    91 STORAGE_POOL_NUM_OF_VOLUMES StoragePoolNumOfVolumes "virStoragePoolNumOfVolumes"
        high storage allow [storage_pool.search_storage_vols] filter [storage_vol.getattr]
        (pool: NonnullStoragePool) -> (num: i32);

    92 STORAGE_POOL_LIST_VOLUMES StoragePoolListVolumes "virStoragePoolListVolumes"
        high storage allow [storage_pool.search_storage_vols] filter [storage_vol.getattr]
        (pool: NonnullStoragePool, maxnames: i32)
        -> (#[xdr(max = limit::STORAGE_VOL_LIST_MAX)] names: Vec<String>);

    93 STORAGE_VOL_CREATE_XML StorageVolCreateXml "virStorageVolCreateXML"
        low storage deny [storage_vol.create]
        (pool: NonnullStoragePool, xml: String, flags: u32) -> (vol: NonnullStorageVol);

    94 STORAGE_VOL_DELETE StorageVolDelete "virStorageVolDelete"
        low storage deny [storage_vol.delete]
        (vol: NonnullStorageVol, flags: u32);

    95 STORAGE_VOL_LOOKUP_BY_NAME StorageVolLookupByName "virStorageVolLookupByName"
        high storage allow [storage_vol.getattr]
        (pool: NonnullStoragePool, name: String) -> (vol: NonnullStorageVol);

    96 STORAGE_VOL_LOOKUP_BY_KEY StorageVolLookupByKey "virStorageVolLookupByKey"
        high storage allow [storage_vol.getattr]
        (key: String) -> (vol: NonnullStorageVol);

    97 STORAGE_VOL_LOOKUP_BY_PATH StorageVolLookupByPath "virStorageVolLookupByPath"
        high storage allow [storage_vol.getattr]
        (path: String) -> (vol: NonnullStorageVol);

    98 STORAGE_VOL_GET_INFO StorageVolGetInfo "virStorageVolGetInfo"
        high storage allow [storage_vol.read]
        (vol: NonnullStorageVol) -> (r#type: i8, capacity: u64, allocation: u64);

    99 STORAGE_VOL_GET_XML_DESC StorageVolGetXmlDesc "virStorageVolGetXMLDesc"
        high storage allow [storage_vol.read]
        (vol: NonnullStorageVol, flags: u32) -> (xml: String);

    100 STORAGE_VOL_GET_PATH StorageVolGetPath "virStorageVolGetPath"
        high storage allow [storage_vol.read]
        (vol: NonnullStorageVol) -> (name: String);

    125 STORAGE_VOL_CREATE_XML_FROM StorageVolCreateXmlFrom "virStorageVolCreateXMLFrom"
        low storage deny [storage_vol.create]
        (pool: NonnullStoragePool, xml: String, clonevol: NonnullStorageVol, flags: u32)
        -> (vol: NonnullStorageVol);

    154 STORAGE_POOL_IS_ACTIVE StoragePoolIsActive "virStoragePoolIsActive"
        high storage allow [storage_pool.read]
        (pool: NonnullStoragePool) -> (active: i32);

    155 STORAGE_POOL_IS_PERSISTENT StoragePoolIsPersistent "virStoragePoolIsPersistent"
        high storage allow [storage_pool.read]
        (pool: NonnullStoragePool) -> (persistent: i32);

    165 STORAGE_VOL_WIPE StorageVolWipe "virStorageVolWipe"
        low storage deny [storage_vol.format]
        (vol: NonnullStorageVol, flags: u32);

    208 STORAGE_VOL_UPLOAD StorageVolUpload "virStorageVolUpload"
        low storage deny [storage_vol.data_write] stream write sparse flag::STORAGE_VOL_UPLOAD_SPARSE_STREAM
        (vol: NonnullStorageVol, offset: u64, length: u64, flags: u32);

    209 STORAGE_VOL_DOWNLOAD StorageVolDownload "virStorageVolDownload"
        low storage deny [storage_vol.data_read] stream read sparse flag::STORAGE_VOL_DOWNLOAD_SPARSE_STREAM
        (vol: NonnullStorageVol, offset: u64, length: u64, flags: u32);

    259 STORAGE_VOL_WIPE_PATTERN StorageVolWipePattern "virStorageVolWipePattern"
        low storage deny [storage_vol.format]
        (vol: NonnullStorageVol, algorithm: u32, flags: u32);

    260 STORAGE_VOL_RESIZE StorageVolResize "virStorageVolResize"
        low storage deny [storage_vol.resize]
        (vol: NonnullStorageVol, capacity: u64, flags: u32);

    281 CONNECT_LIST_ALL_STORAGE_POOLS ConnectListAllStoragePools "virConnectListAllStoragePools"
        high storage allow [connect.search_storage_pools] filter [storage_pool.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::STORAGE_POOL_LIST_MAX)] pools: Vec<NonnullStoragePool>, ret: u32);

    282 STORAGE_POOL_LIST_ALL_VOLUMES StoragePoolListAllVolumes "virStoragePoolListAllVolumes"
        high storage allow [storage_pool.search_storage_vols] filter [storage_vol.getattr]
        (pool: NonnullStoragePool, need_results: i32, flags: u32)
        -> (#[xdr(max = limit::STORAGE_VOL_LIST_MAX)] vols: Vec<NonnullStorageVol>, ret: u32);

    368 CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY ConnectStoragePoolEventRegisterAny "virConnectStoragePoolEventRegisterAny"
        high storage allow [connect.search_storage_pools] filter [storage_pool.getattr]
        (eventID: i32, pool: Option<NonnullStoragePool>) -> (callbackID: i32);

    369 CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY ConnectStoragePoolEventDeregisterAny "virConnectStoragePoolEventDeregisterAny"
        high storage allow [connect.read]
        (callbackID: i32);

    378 STORAGE_VOL_GET_INFO_FLAGS StorageVolGetInfoFlags "virStorageVolGetInfoFlags"
        high storage allow [storage_vol.read]
        (vol: NonnullStorageVol, flags: u32) -> (r#type: i8, capacity: u64, allocation: u64);

    391 STORAGE_POOL_LOOKUP_BY_TARGET_PATH StoragePoolLookupByTargetPath "virStoragePoolLookupByTargetPath"
        high storage allow [storage_pool.getattr]
        (path: String) -> (pool: NonnullStoragePool);

    403 CONNECT_GET_STORAGE_POOL_CAPABILITIES ConnectGetStoragePoolCapabilities "virConnectGetStoragePoolCapabilities"
        low storage allow [connect.read]
        (flags: u32) -> (capabilities: String);
}
