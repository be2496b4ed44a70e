//! Values of secrets, had from the daemon that keeps them (WIRE.md section 14). The daemon asks in
//! its own name and shows the token that the daemons of a host share: values of secrets marked
//! private are told to nobody else.

use uuid::Uuid;
use virt_error::Result;
use virt_rpc::protocol::Connection as Kind;
use virt_rpc::protocol::remote::{
    ConnectSetIdentity, ConnectSetIdentityArgs, SecretGetValue, SecretGetValueArgs,
    SecretLookupByUsage, SecretLookupByUsageArgs, SecretLookupByUuid, SecretLookupByUuidArgs,
    TypedParam,
};

use crate::identity::{self, Identity};
use crate::secondary::{Neighbours, answered, system_token};

/// Which secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By its UUID.
    Uuid(Uuid),
    /// By what it is for.
    Usage {
        /// libvirt's `virSecretUsageType`.
        kind: i32,
        /// Of what.
        of: String,
    },
}

/// The secret's value.
///
/// # Errors
/// SYSTEM_ERROR naming the socket where the daemon is not there, OPERATION_TIMEOUT when it does not
/// answer; its own errors, such as NO_SECRET ("no secret with matching uuid 'x'").
pub async fn value(neighbours: &Neighbours, wanted: Wanted) -> Result<Vec<u8>> {
    answered("secrets", async {
        let connection = neighbours.connect(Kind::Secret).await?;
        if let Some(token) = system_token(&neighbours.run) {
            let mut params = identity::to_params(&Identity::of_this_process());
            params.push(TypedParam::string("system.token", token));
            let told = ConnectSetIdentityArgs { params, flags: 0 };
            connection.call::<ConnectSetIdentity>(&told).await?;
        }
        let secret = match wanted {
            Wanted::Uuid(uuid) => {
                let uuid = uuid.into_bytes();
                let args = SecretLookupByUuidArgs { uuid };
                connection.call::<SecretLookupByUuid>(&args).await?.secret
            }
            Wanted::Usage { kind, of } => {
                let args = SecretLookupByUsageArgs {
                    usageType: kind,
                    usageID: of,
                };
                connection.call::<SecretLookupByUsage>(&args).await?.secret
            }
        };
        let args = SecretGetValueArgs { secret, flags: 0 };
        Ok(connection.call::<SecretGetValue>(&args).await?.value)
    })
    .await
}
