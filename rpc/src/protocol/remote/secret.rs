//! Secrets.

use virt_rpc_derive::procedures;

use super::{NonnullSecret, limit};

procedures! {
    program Remote "REMOTE_PROC_";

    139 CONNECT_NUM_OF_SECRETS ConnectNumOfSecrets "virConnectNumOfSecrets"
        high secret allow [connect.search_secrets] filter [secret.getattr]
        () -> (num: i32);

    140 CONNECT_LIST_SECRETS ConnectListSecrets "virConnectListSecrets"
        high secret allow [connect.search_secrets] filter [secret.getattr]
        (maxuuids: i32) -> (#[xdr(max = limit::SECRET_LIST_MAX)] uuids: Vec<String>);

    141 SECRET_LOOKUP_BY_UUID SecretLookupByUuid "virSecretLookupByUUID"
        high secret allow [secret.getattr]
        (uuid: [u8; 16]) -> (secret: NonnullSecret);

    142 SECRET_DEFINE_XML SecretDefineXml "virSecretDefineXML"
        high secret deny [secret.write, secret.save]
        (xml: String, flags: u32) -> (secret: NonnullSecret);

    143 SECRET_GET_XML_DESC SecretGetXmlDesc "virSecretGetXMLDesc"
        high secret allow [secret.read]
        (secret: NonnullSecret, flags: u32) -> (xml: String);

    144 SECRET_SET_VALUE SecretSetValue "virSecretSetValue"
        high secret deny [secret.write]
        (
            secret: NonnullSecret, #[xdr(opaque, max = limit::SECRET_VALUE_MAX)] value: Vec<u8>,
            flags: u32,
        );

    145 SECRET_GET_VALUE SecretGetValue "virSecretGetValue"
        high secret deny [secret.read_secure]
        (secret: NonnullSecret, flags: u32)
        -> (#[xdr(opaque, max = limit::SECRET_VALUE_MAX)] value: Vec<u8>);

    146 SECRET_UNDEFINE SecretUndefine "virSecretUndefine"
        high secret deny [secret.delete]
        (secret: NonnullSecret);

    147 SECRET_LOOKUP_BY_USAGE SecretLookupByUsage "virSecretLookupByUsage"
        high secret allow [secret.getattr]
        (usageType: i32, usageID: String) -> (secret: NonnullSecret);

    287 CONNECT_LIST_ALL_SECRETS ConnectListAllSecrets "virConnectListAllSecrets"
        high secret allow [connect.search_secrets] filter [secret.getattr]
        (need_results: i32, flags: u32)
        -> (#[xdr(max = limit::SECRET_LIST_MAX)] secrets: Vec<NonnullSecret>, ret: u32);

    380 CONNECT_SECRET_EVENT_REGISTER_ANY ConnectSecretEventRegisterAny "virConnectSecretEventRegisterAny"
        high secret allow [connect.search_secrets] filter [secret.getattr]
        (eventID: i32, secret: Option<NonnullSecret>) -> (callbackID: i32);

    381 CONNECT_SECRET_EVENT_DEREGISTER_ANY ConnectSecretEventDeregisterAny "virConnectSecretEventDeregisterAny"
        high secret allow [connect.read]
        (callbackID: i32);
}
