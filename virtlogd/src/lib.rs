//! virtlogd: what guests print. The driver asks for a pipe for each log; what comes through it is
//! appended to the log's file, which becomes a backup when it is full.
//!
//! The kernel moves the bytes (splice(2)); this program never has them, and so can be replaced
//! ([`state`]) or die at any moment without losing or doubling one.

mod api;
mod chain;
mod cleaning;
pub mod command;
mod cut;
pub mod daemon;
mod figures;
mod flow;
mod kept;
mod lanes;
mod limits;
mod lines;
mod log_file;
mod logs;
mod marks;
mod owner;
mod pipes;
mod plain_file;
mod privileges;
mod pump;
mod reading;
pub mod records;
mod sandbox;
mod source;
mod state;
mod totals;
mod trail;
mod writer;
