//! Volumes of storage pools, looked up with the daemon that has the pools (WIRE.md section 14).

use virt_error::Result;
use virt_rpc::protocol::Connection as Kind;
use virt_rpc::protocol::remote::{
    StoragePoolGetXmlDesc, StoragePoolGetXmlDescArgs, StoragePoolIsActive, StoragePoolIsActiveArgs,
    StoragePoolLookupByName, StoragePoolLookupByNameArgs, StorageVolGetInfo, StorageVolGetInfoArgs,
    StorageVolGetPath, StorageVolGetPathArgs, StorageVolLookupByName, StorageVolLookupByNameArgs,
};

use crate::secondary::{Neighbours, answered};

/// What the daemon says of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The pool's own description, `<pool>`.
    pub pool: String,
    /// libvirt's `virStorageVolType`: 0 file, 1 block device, 2 folder, 3 on a server, 4 folder on a
    /// server.
    pub kind: i32,
    /// Where it is.
    pub path: String,
}

/// Looks a volume up; nothing where its pool is not active.
///
/// # Errors
/// SYSTEM_ERROR naming the socket where the daemon is not there, OPERATION_TIMEOUT when it does not
/// answer; its own errors, such as NO_STORAGE_POOL and NO_STORAGE_VOL.
pub async fn find(neighbours: &Neighbours, pool: &str, volume: &str) -> Result<Option<Volume>> {
    answered("storage pools", async {
        let connection = neighbours.connect(Kind::Storage).await?;
        let name = pool.to_owned();
        let found = connection
            .call::<StoragePoolLookupByName>(&StoragePoolLookupByNameArgs { name })
            .await?;
        let pool = found.pool;
        let is_active = StoragePoolIsActiveArgs { pool: pool.clone() };
        let state = connection.call::<StoragePoolIsActive>(&is_active).await?;
        if state.active == 0 {
            return Ok(None);
        }
        let args = StorageVolLookupByNameArgs {
            pool: pool.clone(),
            name: volume.to_owned(),
        };
        let found = connection.call::<StorageVolLookupByName>(&args).await?;
        let info = StorageVolGetInfoArgs {
            vol: found.vol.clone(),
        };
        let info = connection.call::<StorageVolGetInfo>(&info).await?;
        let path = StorageVolGetPathArgs { vol: found.vol };
        let path = connection.call::<StorageVolGetPath>(&path).await?;
        let description = StoragePoolGetXmlDescArgs { pool, flags: 0 };
        let description = connection
            .call::<StoragePoolGetXmlDesc>(&description)
            .await?;
        Ok(Some(Volume {
            pool: description.xml,
            kind: info.r#type.into(),
            path: path.name,
        }))
    })
    .await
}
