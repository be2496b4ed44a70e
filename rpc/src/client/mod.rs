//! The client's side of a connection: our own daemons are clients of each other, and tests of
//! all of them.
//!
//! [`Uri`] → [`Route`] → [`Connection::connect`] → [`Connection::open`] → calls, streams, events.
//! [`Lazy`] does all of it on first use, and again when the connection was lost.

mod connection;
mod lazy;
mod queue;
mod route;
mod stream;
mod task;
mod uri;

pub use connection::{Connection, Event};
pub use lazy::{Lazy, Target};
pub use route::{Mode, Places, Route};
pub use stream::{ClientStream, Item};
pub use uri::Uri;
