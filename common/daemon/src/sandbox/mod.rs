//! What is left to a small daemon once it serves, beside its capabilities. Each daemon has its own
//! tables, with a reason a line, of what it needs or never does; what both have in common is here.

pub mod files;
pub mod system_calls;
