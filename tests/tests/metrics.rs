//! Each daemon's figures, as Prometheus' own client reads them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use virt_tests::host::Host;
use virt_tests::lockd::Lockd;
use virt_tests::logd::Logd;
use virt_tests::target::{Target, skipped};

/// Reads the page behind a URL with the parser of Prometheus' client for OpenMetrics, which refuses what
/// breaks the format, and prints a line for each sample. Exit status 77: it is not installed.
const PARSE: &str = r#"
import subprocess, sys
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)
page = subprocess.check_output(["curl", "-sf", *sys.argv[1:]], text=True)
for family in text_string_to_metric_families(page):
    assert family.documentation, family.name
    for sample in family.samples:
        labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
        print(f"{sample.name}{{{labels}}} {sample.value:g}")
"#;

/// The samples; none where the parser is not installed.
fn samples(host: &Host, curl: &[&str]) -> Option<String> {
    let words = ["/usr/bin/python3", "-c", PARSE];
    let ran = host.inside(&[&words[..], curl].concat());
    match ran.code {
        77 => {
            skipped("takes Debian's python3-prometheus-client");
            None
        }
        _ => Some(ran.ok()),
    }
}

/// The samples of a daemon's socket.
fn samples_of(host: &Host, daemon: &str) -> Option<String> {
    let socket = host.path(&format!("run/libvirt/{daemon}-metrics-sock"));
    let socket = socket.to_string_lossy();
    samples(host, &["--unix-socket", &socket, "http://host/metrics"])
}

fn has(samples: &str, sample: &str) {
    assert!(
        samples.lines().any(|line| line == sample),
        "no {sample} in\n{samples}"
    );
}

#[test]
fn prometheus_reads_each_daemons_page_on_its_socket_and_on_the_port() {
    if Target::chosen() == Target::Stock {
        return skipped("the stock daemons have no figures");
    }
    let mut logd = Logd::start(Host::of(Target::Ours), "");
    // The host has a network of its own.
    let conf = logd.host.path("etc/libvirt/virtqemud.conf");
    let text = fs::read_to_string(&conf).unwrap_or_default();
    fs::write(&conf, format!("{text}\nmetrics_port = 9180\n")).unwrap();
    logd.host.start_daemon();
    let host = &logd.host;
    host.define(&virt_tests::guest::firmware_only("web", ""));
    host.virsh(&["start", "web"]).ok();
    let Some(driver) = samples_of(host, "virtqemud") else {
        return;
    };
    has(&driver, "virt_guests{state=running} 1");
    let created = "procedure=REMOTE_PROC_DOMAIN_CREATE";
    has(
        &driver,
        &format!("virt_calls_total{{{created},result=success,server=virtqemud}} 1"),
    );
    has(
        &driver,
        &format!("virt_call_duration_seconds_count{{{created},server=virtqemud}} 1"),
    );
    let on_port = samples(host, &["http://127.0.0.1:9180/metrics"]).unwrap();
    has(&on_port, "virt_guests{state=running} 1");
    let elsewhere = host.inside(&["curl", "-sf", "http://127.0.0.2:9180/metrics"]);
    assert_ne!(elsewhere.code, 0, "it listens on more than 127.0.0.1");
    has(
        &samples_of(host, "virtlogd").unwrap(),
        "virt_clients{server=records} 1",
    );
    host.virsh(&["destroy", "web"]).ok();
}

#[test]
fn virtlockds_page_counts_its_leases() {
    if Target::chosen() == Target::Stock {
        return skipped("the stock daemons have no figures");
    }
    let lockd = Lockd::start(Host::of(Target::Ours));
    if let Some(page) = samples_of(&lockd.host, "virtlockd") {
        has(&page, "virt_leases{} 0");
    }
}
