//! Snapshots, checkpoints, backups.

use virt_rpc_derive::procedures;

use super::{NonnullDomain, NonnullDomainCheckpoint, NonnullDomainSnapshot, flag, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    185 DOMAIN_SNAPSHOT_CREATE_XML DomainSnapshotCreateXml "virDomainSnapshotCreateXML"
        low hypervisor deny [
            domain.snapshot,
            domain.fs_freeze if flags all flag::DOMAIN_SNAPSHOT_CREATE_QUIESCE,
        ]
        (dom: NonnullDomain, xml_desc: String, flags: u32) -> (snap: NonnullDomainSnapshot);

    186 DOMAIN_SNAPSHOT_GET_XML_DESC DomainSnapshotGetXmlDesc "virDomainSnapshotGetXMLDesc"
        high hypervisor deny(if flags any flag::DOMAIN_SNAPSHOT_XML_SECURE) [
            domain.read,
            domain.read_secure if flags all flag::DOMAIN_SNAPSHOT_XML_SECURE,
        ]
        (snap: NonnullDomainSnapshot, flags: u32) -> (xml: String);

    187 DOMAIN_SNAPSHOT_NUM DomainSnapshotNum "virDomainSnapshotNum"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (num: i32);

    188 DOMAIN_SNAPSHOT_LIST_NAMES DomainSnapshotListNames "virDomainSnapshotListNames"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, maxnames: i32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_SNAPSHOT_LIST_MAX)] names: Vec<String>);

    189 DOMAIN_SNAPSHOT_LOOKUP_BY_NAME DomainSnapshotLookupByName "virDomainSnapshotLookupByName"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, name: String, flags: u32) -> (snap: NonnullDomainSnapshot);

    190 DOMAIN_HAS_CURRENT_SNAPSHOT DomainHasCurrentSnapshot "virDomainHasCurrentSnapshot"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (result: i32);

    191 DOMAIN_SNAPSHOT_CURRENT DomainSnapshotCurrent "virDomainSnapshotCurrent"
        low hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (snap: NonnullDomainSnapshot);

    192 DOMAIN_REVERT_TO_SNAPSHOT DomainRevertToSnapshot "virDomainRevertToSnapshot"
        low hypervisor deny [domain.snapshot]
        (snap: NonnullDomainSnapshot, flags: u32);

    193 DOMAIN_SNAPSHOT_DELETE DomainSnapshotDelete "virDomainSnapshotDelete"
        low hypervisor deny [domain.snapshot]
        (snap: NonnullDomainSnapshot, flags: u32);

    244 DOMAIN_SNAPSHOT_GET_PARENT DomainSnapshotGetParent "virDomainSnapshotGetParent"
        high hypervisor allow [domain.read]
        (snap: NonnullDomainSnapshot, flags: u32) -> (snap: NonnullDomainSnapshot);

    246 DOMAIN_SNAPSHOT_NUM_CHILDREN DomainSnapshotNumChildren "virDomainSnapshotNumChildren"
        high hypervisor allow [domain.read]
        (snap: NonnullDomainSnapshot, flags: u32) -> (num: i32);

    247 DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES DomainSnapshotListChildrenNames "virDomainSnapshotListChildrenNames"
        high hypervisor allow [domain.read]
        (snap: NonnullDomainSnapshot, maxnames: i32, flags: u32)
        -> (#[xdr(max = limit::DOMAIN_SNAPSHOT_LIST_MAX)] names: Vec<String>);

    271 DOMAIN_SNAPSHOT_IS_CURRENT DomainSnapshotIsCurrent "virDomainSnapshotIsCurrent"
        low hypervisor allow [domain.read]
        (snap: NonnullDomainSnapshot, flags: u32) -> (current: i32);

    272 DOMAIN_SNAPSHOT_HAS_METADATA DomainSnapshotHasMetadata "virDomainSnapshotHasMetadata"
        low hypervisor allow [domain.read]
        (snap: NonnullDomainSnapshot, flags: u32) -> (metadata: i32);

    274 DOMAIN_LIST_ALL_SNAPSHOTS DomainListAllSnapshots "virDomainListAllSnapshots"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, need_results: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_SNAPSHOT_LIST_MAX)] snapshots: Vec<NonnullDomainSnapshot>,
            ret: i32,
        );

    275 DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN DomainSnapshotListAllChildren "virDomainSnapshotListAllChildren"
        high hypervisor allow [domain.read]
        (snapshot: NonnullDomainSnapshot, need_results: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_SNAPSHOT_LIST_MAX)] snapshots: Vec<NonnullDomainSnapshot>,
            ret: i32,
        );

    411 DOMAIN_CHECKPOINT_CREATE_XML DomainCheckpointCreateXml "virDomainCheckpointCreateXML"
        low hypervisor deny [
            domain.checkpoint,
            domain.fs_freeze if flags all flag::DOMAIN_CHECKPOINT_CREATE_QUIESCE,
        ]
        (dom: NonnullDomain, xml_desc: String, flags: u32)
        -> (checkpoint: NonnullDomainCheckpoint);

    412 DOMAIN_CHECKPOINT_GET_XML_DESC DomainCheckpointGetXmlDesc "virDomainCheckpointGetXMLDesc"
        low hypervisor deny(if flags any flag::DOMAIN_CHECKPOINT_XML_SECURE) [
            domain.read,
            domain.read_secure if flags all flag::DOMAIN_CHECKPOINT_XML_SECURE,
        ]
        (checkpoint: NonnullDomainCheckpoint, flags: u32) -> (xml: String);

    413 DOMAIN_LIST_ALL_CHECKPOINTS DomainListAllCheckpoints "virDomainListAllCheckpoints"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, need_results: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_CHECKPOINT_LIST_MAX)] checkpoints: Vec<NonnullDomainCheckpoint>,
            ret: i32,
        );

    414 DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN DomainCheckpointListAllChildren "virDomainCheckpointListAllChildren"
        high hypervisor allow [domain.read]
        (checkpoint: NonnullDomainCheckpoint, need_results: i32, flags: u32)
        -> (
            #[xdr(max = limit::DOMAIN_CHECKPOINT_LIST_MAX)] checkpoints: Vec<NonnullDomainCheckpoint>,
            ret: i32,
        );

    415 DOMAIN_CHECKPOINT_LOOKUP_BY_NAME DomainCheckpointLookupByName "virDomainCheckpointLookupByName"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, name: String, flags: u32)
        -> (checkpoint: NonnullDomainCheckpoint);

    416 DOMAIN_CHECKPOINT_GET_PARENT DomainCheckpointGetParent "virDomainCheckpointGetParent"
        high hypervisor allow [domain.read]
        (checkpoint: NonnullDomainCheckpoint, flags: u32)
        -> (parent: NonnullDomainCheckpoint);

    417 DOMAIN_CHECKPOINT_DELETE DomainCheckpointDelete "virDomainCheckpointDelete"
        low hypervisor deny [domain.checkpoint]
        (checkpoint: NonnullDomainCheckpoint, flags: u32);

    421 DOMAIN_BACKUP_BEGIN DomainBackupBegin "virDomainBackupBegin"
        low hypervisor deny [domain.checkpoint, domain.block_write]
        (dom: NonnullDomain, backup_xml: String, checkpoint_xml: Option<String>, flags: u32);

    422 DOMAIN_BACKUP_GET_XML_DESC DomainBackupGetXmlDesc "virDomainBackupGetXMLDesc"
        high hypervisor allow [domain.read]
        (dom: NonnullDomain, flags: u32) -> (xml: String);
}
