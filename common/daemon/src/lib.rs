//! Start-up that every daemon shares, in the order in which it happens:
//! [`Arguments`] → [`conf`] → [`Paths`] → [`logging`] → [`PidFile`] → [`activation`] →
//! [`Signals`] and [`notify`] while serving.
//!
//! Nothing here knows what a guest is; what is specific to a daemon it passes in.

pub mod activation;
mod arguments;
pub mod conf;
mod drivers_conf;
pub mod logging;
pub mod notify;
mod paths;
mod pid_file;
mod signals;

pub use arguments::{Arguments, Invocation};
pub use drivers_conf::{DaemonConf, Pool, SocketAuth};
pub use paths::{Instance, Paths};
pub use pid_file::PidFile;
pub use signals::{Signal, Signals};
