//! Start-up that every daemon shares, in the order in which it happens:
//! [`Arguments`] → [`conf`] → [`Paths`] → [`logging`] → [`PidFile`] → [`listeners`] →
//! [`Signals`] and [`notify`] while serving.
//!
//! Nothing here knows what a guest is; what is specific to a daemon it passes in.

pub mod activation;
mod admin;
mod arguments;
pub mod conf;
mod drivers_conf;
mod folder;
mod handover;
mod launch;
pub mod listeners;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod notify;
mod paths;
mod pid_file;
pub mod privileges;
pub mod sandbox;
mod service_conf;
mod signals;
pub mod versioned;
mod watch;

pub use arguments::{Arguments, Invocation};
pub use drivers_conf::{DaemonConf, Pool, SocketAuth};
pub use folder::make_folder;
pub use handover::{Descriptors, Inherited, Saved};
pub use launch::{Foundation, RECORDS_SOCKET, RecordsService, Service, launch};
pub use paths::{Instance, Paths};
pub use pid_file::PidFile;
pub use signals::{Signal, Signals};
pub use watch::watch;
