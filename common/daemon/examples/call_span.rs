//! What it costs a call to be traced, in this process:
//!
//!     cargo run --release -p virt-daemon --example call_span

#![allow(
    clippy::unwrap_used,
    reason = "a developer's tool: failing loudly is its way to report"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use virt_daemon::conf::Document;
use virt_daemon::logging::{Logging, Place};
use virt_daemon::{DaemonConf, Paths};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::DomainCreate;
use virt_rpc::server::call_span;

const TIMES: u32 = 1_000_000;

fn main() {
    let row = DomainCreate::ROW;
    let nanoseconds = |what: &str, work: &dyn Fn()| {
        let began = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        let each = began.elapsed().as_nanos() / u128::from(TIMES);
        println!("{what}: {each} ns");
    };
    let span = || drop(black_box(call_span(3, row).entered()));
    let whole = || {
        let entered = call_span(3, row).entered();
        entered.record("guest.name", "web");
        entered.record("guest.uuid", 7_u128);
        tracing::debug!(target: "nobody", "not wanted");
    };
    nanoseconds("a span that nobody wants", &span);
    let place = Place {
        daemon: "example",
        virtlogd: "/nonexistent".into(),
        is_virtlogd: false,
    };
    let document = Document::parse(Path::new("x.conf"), "log_outputs = \"3:file:/dev/null\"\n");
    let conf = DaemonConf::read(document.unwrap(), &Paths::system(None)).unwrap();
    Logging::start(place, &conf, false, |_| None).unwrap();
    nanoseconds("a call's span", &span);
    nanoseconds(
        "the same with its guest, and a message below the level",
        &whole,
    );
    let told = || tracing::warn!(guest.name = "web", "it happened");
    nanoseconds("a message into a file", &told);
}
