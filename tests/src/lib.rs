//! End-to-end tests and benchmarks: stock clients, real QEMU, a daemon of the test's own.
//!
//! A test makes a [`host::Host`]: a folder of its own for everything a daemon writes, and a keeper
//! process that ends whatever was started there. The daemon under test is ours, or the stock one
//! with `VIRT_TEST_TARGET=stock`, so that every expectation can be seen to hold for the original.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "support code of tests: a failure is the test's failure, with its place"
)]

pub mod acld;
pub mod conformance;
pub mod containers;
pub mod differential;
pub mod fuzz;
pub mod groups;
pub mod guest;
pub mod host;
pub mod keeper;
pub mod lock_client;
pub mod lockd;
pub mod log_client;
pub mod logd;
pub mod machines;
pub mod measure;
pub mod polkit;
pub mod ran;
pub mod sanlock;
pub mod somebody;
pub mod supervisor;
pub mod target;
pub mod transcript;
pub mod wire;
