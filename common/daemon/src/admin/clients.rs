//! The clients of a server.

use std::time::UNIX_EPOCH;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::admin::*;
use virt_rpc::server::{Client, Router};

use super::servers::on_the_wire;
use super::{Admin, Named, Session, no_flags};

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ServerListClients>(|call| {
        no_flags(call.args.flags)?;
        let server = call.session().server(&call.args.srv.name)?;
        let clients = server.server.clients();
        let ret = u32::try_from(clients.len()).unwrap_or(u32::MAX);
        let clients = match call.args.need_results {
            0 => Vec::new(),
            _ => clients
                .iter()
                .map(|client| described(server, client))
                .collect(),
        };
        Ok(ServerListClientsRet { clients, ret })
    });
    router.call::<ServerLookupClient>(|call| {
        no_flags(call.args.flags)?;
        let server = call.session().server(&call.args.srv.name)?;
        let clnt = described(server, &client(server, call.args.id)?);
        Ok(ServerLookupClientRet { clnt })
    });
    router.call::<ClientGetInfo>(|call| {
        no_flags(call.args.flags)?;
        let client = named(call.session(), &call.args.clnt)?;
        let params = info(&client);
        Ok(ClientGetInfoRet { params })
    });
    router.call::<ClientClose>(|call| {
        no_flags(call.args.flags)?;
        named(call.session(), &call.args.clnt)?.close();
        Ok(())
    });
}

fn client(server: &Named, id: u64) -> Result<Client> {
    let clients = server.server.clients();
    clients.into_iter().find(|c| c.id() == id).ok_or_else(|| {
        let detail = format!("no client with matching id '{id}' found");
        Error::new(ErrorCode::NoClient, ErrorDomain::Admin, detail)
    })
}

fn named(admin: &Admin, wanted: &NonnullClient) -> Result<Client> {
    client(admin.server(&wanted.srv.name)?, wanted.id)
}

fn described(server: &Named, client: &Client) -> NonnullClient {
    let since = client.connected_since().duration_since(UNIX_EPOCH);
    NonnullClient {
        srv: on_the_wire(server),
        id: client.id(),
        // A clock before 1970 has no number here.
        timestamp: since.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        }),
        transport: 0,
    }
}

fn info(client: &Client) -> Vec<TypedParam> {
    let identity = client.identity();
    let mut params = vec![TypedParam::boolean("readonly", client.is_readonly())];
    let number = |id: u32| i32::try_from(id).unwrap_or(i32::MAX);
    params.push(TypedParam::int("unix_user_id", number(identity.uid)));
    if let Ok(Some(user)) = nix::unistd::User::from_uid(identity.uid.into()) {
        params.push(TypedParam::string("unix_user_name", user.name));
    }
    params.push(TypedParam::int("unix_group_id", number(identity.gid)));
    if let Ok(Some(group)) = nix::unistd::Group::from_gid(identity.gid.into()) {
        params.push(TypedParam::string("unix_group_name", group.name));
    }
    if let Some(pid) = identity.pid {
        params.push(TypedParam::int("unix_process_id", pid));
    }
    if let Some(context) = &identity.selinux_context {
        params.push(TypedParam::string("selinux_context", context.as_str()));
    }
    params
}
