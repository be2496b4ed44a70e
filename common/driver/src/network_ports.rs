//! Ports of networks for the guests' interfaces, had from the daemon that has the networks
//! (WIRE.md section 14). Every wait has an end: a daemon that hangs holds up nothing but the guest
//! that needs it.

use std::future::Future;

use uuid::Uuid;
use virt_domain::network_port::NetworkPort;
use virt_error::{ErrorCode, Result};
use virt_rpc::client::Connection;
use virt_rpc::protocol::Connection as Kind;
use virt_rpc::protocol::remote::{
    NetworkLookupByName, NetworkLookupByNameArgs, NetworkPortCreateXml, NetworkPortCreateXmlArgs,
    NetworkPortDelete, NetworkPortDeleteArgs, NetworkPortGetXmlDesc, NetworkPortGetXmlDescArgs,
    NonnullNetwork, NonnullNetworkPort,
};

use crate::secondary::{Neighbours, answered};

/// A network of the daemon that has it, and a connection to that daemon.
#[derive(Debug)]
pub struct Network {
    connection: Connection,
    network: NonnullNetwork,
}

impl Network {
    /// Finds the network of that name.
    ///
    /// # Errors
    /// SYSTEM_ERROR naming the socket where the daemon is not there, OPERATION_TIMEOUT when it does
    /// not answer; its own errors, such as NO_NETWORK ("no network with matching name 'x'").
    pub async fn find(neighbours: &Neighbours, name: &str) -> Result<Self> {
        within(name, async {
            let connection = neighbours.connect(Kind::Network).await?;
            let network = look_up(&connection, name).await?;
            Ok(Self {
                connection,
                network,
            })
        })
        .await
    }

    /// Has the network make a port; the port as it came to be, with its plug. The port's UUID is
    /// the caller's choice: where the answer is lost (OPERATION_TIMEOUT, RPC), it may be there.
    ///
    /// # Errors
    /// OPERATION_TIMEOUT when the daemon does not answer; its own errors, such as OPERATION_INVALID
    /// ("network 'x' is not active").
    pub async fn create_port(&self, port: &NetworkPort) -> Result<NetworkPort> {
        within(&self.network.name, async {
            let create = NetworkPortCreateXmlArgs {
                network: self.network.clone(),
                xml: port.to_xml(),
                flags: 0,
            };
            let connection = &self.connection;
            let made = connection.call::<NetworkPortCreateXml>(&create).await?;
            let describe = NetworkPortGetXmlDescArgs {
                port: made.port,
                flags: 0,
            };
            let described = connection.call::<NetworkPortGetXmlDesc>(&describe).await?;
            NetworkPort::read(&described.xml)
        })
        .await
    }
}

/// Gives ports back: names of networks, UUIDs of ports. One that is not there any more is fine.
///
/// # Errors
/// As [`Network::find`]; the first one, when the others were tried.
pub async fn delete(neighbours: &Neighbours, ports: &[(String, Uuid)]) -> Result<()> {
    let Some((first, _)) = ports.first() else {
        return Ok(());
    };
    within(first, async {
        let connection = neighbours.connect(Kind::Network).await?;
        let mut outcome = Ok(());
        for (network, port) in ports {
            match delete_one(&connection, network, *port).await {
                // With its network or by hand.
                Err(gone) if gone.is(ErrorCode::NoNetwork) || gone.is(ErrorCode::NoNetworkPort) => {
                }
                deleted => outcome = outcome.and(deleted),
            }
        }
        outcome
    })
    .await
}

async fn delete_one(connection: &Connection, network: &str, port: Uuid) -> Result<()> {
    let port = NonnullNetworkPort {
        net: look_up(connection, network).await?,
        uuid: port.into_bytes(),
    };
    let delete = NetworkPortDeleteArgs { port, flags: 0 };
    connection.call::<NetworkPortDelete>(&delete).await
}

async fn look_up(connection: &Connection, name: &str) -> Result<NonnullNetwork> {
    let name = name.to_owned();
    let found = connection
        .call::<NetworkLookupByName>(&NetworkLookupByNameArgs { name })
        .await?;
    Ok(found.net)
}

async fn within<T>(network: &str, asked: impl Future<Output = Result<T>>) -> Result<T> {
    answered(&format!("network '{network}'"), asked).await
}
