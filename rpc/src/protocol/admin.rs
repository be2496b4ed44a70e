//! Program 0x06900690: looking after a running daemon.

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};
use crate::xdr::Xdr;

pub use super::typed_param::{TypedParam, TypedParamValue};

/// Bounds of lists, in elements.
#[allow(missing_docs, reason = "named after what they bound")]
pub mod limit {
    pub const SERVER_LIST_MAX: usize = 16384;
    pub const SERVER_THREADPOOL_PARAMETERS_MAX: usize = 32;
    pub const CLIENT_LIST_MAX: usize = 16384;
    pub const CLIENT_INFO_PARAMETERS_MAX: usize = 64;
    pub const SERVER_CLIENT_LIMITS_MAX: usize = 32;
}

/// A server inside a daemon.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullServer {
    /// Its name, such as `virtqemud` or `admin`.
    pub name: String,
}

/// A client of a server.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct NonnullClient {
    /// The server it is connected to.
    pub srv: NonnullServer,
    /// Its number, unique in the server's life.
    pub id: u64,
    /// When it connected, in seconds since 1970.
    pub timestamp: i64,
    /// 0 UNIX socket, 1 TCP, 2 TLS.
    pub transport: u32,
}

procedures! {
    program Admin "ADMIN_PROC_";

    1 CONNECT_OPEN ConnectOpen "virAdmConnectOpen"
        low own allow []
        (flags: u32);

    2 CONNECT_CLOSE ConnectClose "virAdmConnectClose"
        low own allow []
        ();

    3 CONNECT_GET_LIB_VERSION ConnectGetLibVersion "virAdmConnectGetLibVersion"
        low own allow []
        () -> (libVer: u64);

    4 CONNECT_LIST_SERVERS ConnectListServers "virAdmConnectListServers"
        low own allow []
        (need_results: u32, flags: u32)
        -> (#[xdr(max = limit::SERVER_LIST_MAX)] servers: Vec<NonnullServer>, ret: u32);

    5 CONNECT_LOOKUP_SERVER ConnectLookupServer "virAdmConnectLookupServer"
        low own allow []
        (name: String, flags: u32) -> (srv: NonnullServer);

    6 SERVER_GET_THREADPOOL_PARAMETERS ServerGetThreadpoolParameters "virAdmServerGetThreadpoolParameters"
        low own allow []
        (srv: NonnullServer, flags: u32)
        -> (#[xdr(max = limit::SERVER_THREADPOOL_PARAMETERS_MAX)] params: Vec<TypedParam>);

    7 SERVER_SET_THREADPOOL_PARAMETERS ServerSetThreadpoolParameters "virAdmServerSetThreadpoolParameters"
        low own allow []
        (
            srv: NonnullServer,
            #[xdr(max = limit::SERVER_THREADPOOL_PARAMETERS_MAX)] params: Vec<TypedParam>,
            flags: u32,
        );

    8 SERVER_LIST_CLIENTS ServerListClients "virAdmServerListClients"
        low own allow []
        (srv: NonnullServer, need_results: u32, flags: u32)
        -> (#[xdr(max = limit::CLIENT_LIST_MAX)] clients: Vec<NonnullClient>, ret: u32);

    9 SERVER_LOOKUP_CLIENT ServerLookupClient "virAdmServerLookupClient"
        low own allow []
        (srv: NonnullServer, id: u64, flags: u32) -> (clnt: NonnullClient);

    10 CLIENT_GET_INFO ClientGetInfo "virAdmClientGetInfo"
        low own allow []
        (clnt: NonnullClient, flags: u32)
        -> (#[xdr(max = limit::CLIENT_INFO_PARAMETERS_MAX)] params: Vec<TypedParam>);

    11 CLIENT_CLOSE ClientClose "virAdmClientClose"
        low own allow []
        (clnt: NonnullClient, flags: u32);

    12 SERVER_GET_CLIENT_LIMITS ServerGetClientLimits "virAdmServerGetClientLimits"
        low own allow []
        (srv: NonnullServer, flags: u32)
        -> (#[xdr(max = limit::SERVER_CLIENT_LIMITS_MAX)] params: Vec<TypedParam>);

    13 SERVER_SET_CLIENT_LIMITS ServerSetClientLimits "virAdmServerSetClientLimits"
        low own allow []
        (
            srv: NonnullServer,
            #[xdr(max = limit::SERVER_CLIENT_LIMITS_MAX)] params: Vec<TypedParam>, flags: u32,
        );

    14 CONNECT_GET_LOGGING_OUTPUTS ConnectGetLoggingOutputs "virAdmConnectGetLoggingOutputs"
        low own allow []
        (flags: u32) -> (outputs: String, noutputs: u32);

    15 CONNECT_GET_LOGGING_FILTERS ConnectGetLoggingFilters "virAdmConnectGetLoggingFilters"
        low own allow []
        (flags: u32) -> (filters: Option<String>, nfilters: u32);

    16 CONNECT_SET_LOGGING_OUTPUTS ConnectSetLoggingOutputs "virAdmConnectSetLoggingOutputs"
        low own allow []
        (outputs: Option<String>, flags: u32);

    17 CONNECT_SET_LOGGING_FILTERS ConnectSetLoggingFilters "virAdmConnectSetLoggingFilters"
        low own allow []
        (filters: Option<String>, flags: u32);

    18 SERVER_UPDATE_TLS_FILES ServerUpdateTlsFiles "virAdmServerUpdateTlsFiles"
        low own allow []
        (srv: NonnullServer, flags: u32);

    19 CONNECT_SET_DAEMON_TIMEOUT ConnectSetDaemonTimeout "virAdmConnectSetDaemonTimeout"
        low own allow []
        (timeout: u32, flags: u32);

    20 CONNECT_DAEMON_SHUTDOWN ConnectDaemonShutdown "virAdmConnectDaemonShutdown"
        low own allow []
        (flags: u32);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<20>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
