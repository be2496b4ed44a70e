//! Derive macros; see the parent crate.
