//! What happens in all daemons: records come over a socket of their own, go into the outputs that
//! `log_outputs` names, and into files of JSON lines that `virtlogd query` and `virtlogd tail` read.

mod api;
mod figures;
mod limits;
pub mod reader;
mod store;
pub mod stored;
mod writer;

pub use api::router;
pub use figures::Figures;
pub use limits::RecordsLimits;
pub use store::{FILE, Store};
pub use writer::Writer;
