//! Networks, pools, node devices, secrets, filters and interfaces are other daemons' work: a
//! client of ours gets through to them. The distribution's libvirtd plays all of them here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::symlink;

use virt_tests::host::Host;
use virt_tests::target::{Target, has_stock, skipped};

/// The host whose daemon clients talk to, and the other daemon behind it where there is one.
struct Pair {
    host: Host,
    _other: Option<Host>,
}

fn pair() -> Option<Pair> {
    if !has_stock() {
        return None;
    }
    let mut host = Host::without_daemon();
    let other = (host.target == Target::Ours).then(|| {
        let other = {
            let mut other = Host::of(Target::Stock);
            other.start_daemon();
            other
        };
        // As on a host where the monolithic daemon runs for everything but QEMU.
        for socket in ["libvirt-sock", "libvirt-sock-ro"] {
            symlink(
                other.path("run/libvirt").join(socket),
                host.path("run/libvirt").join(socket),
            )
            .unwrap();
        }
        other
    });
    host.start_daemon();
    Some(Pair {
        host,
        _other: other,
    })
}

#[test]
fn a_network_is_defined_listed_and_seen_in_events() {
    let Some(Pair { host, _other }) = pair() else {
        return;
    };
    let xml = host.write(
        "net.xml",
        "<network><name>elsewhere</name><bridge name='elsew0'/></network>",
    );
    let said = host.shell(&format!(
        "virsh net-event --event lifecycle --loop --timeout 60 >heard 2>&1 & listener=$!
         n=0; until [ -s heard ] || [ $n -ge 100 ]; do
             virsh -q net-define {xml}; virsh -q net-undefine elsewhere; sleep 0.2; n=$((n+1))
         done
         kill $listener; cat heard"
    ));
    assert!(
        said.out
            .contains("event 'lifecycle' for network elsewhere: "),
        "{said:?}"
    );
    host.virsh(&["net-define", &xml]).ok();
    let listed = host.virsh(&["net-list", "--all", "--name"]).ok();
    assert!(listed.contains("elsewhere"), "{listed}");
    assert!(
        host.virsh(&["net-dumpxml", "elsewhere"])
            .ok()
            .contains("elsew0")
    );
    let error = host.virsh(&["net-dumpxml", "nowhere"]).failed();
    assert!(
        error.contains("no network with matching name 'nowhere'"),
        "the other's own words: {error}"
    );
    host.virsh(&["net-undefine", "elsewhere"]).ok();
}

#[test]
fn a_volume_goes_up_and_comes_down() {
    let Some(Pair { host, _other }) = pair() else {
        return;
    };
    let folder = host.path("work/pool");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_string_lossy().into_owned();
    // Several packets long, and not a whole number of them.
    let sent: Vec<u8> = (0..3_000_017_u32)
        .map(|n| n.to_le_bytes()[usize::from(n % 7 == 0)])
        .collect();
    fs::write(host.work().join("sent"), &sent).unwrap();
    for words in [
        &["pool-define-as", "pool", "dir", "--target", &folder][..],
        &["pool-start", "pool"],
        &["vol-create-as", "pool", "vol", "4000000", "--format", "raw"],
        &["vol-upload", "vol", "sent", "--pool", "pool"],
        &[
            "vol-download",
            "vol",
            "received",
            "--pool",
            "pool",
            "--length",
            "3000017",
        ],
    ] {
        host.virsh(words).ok();
    }
    assert!(
        fs::read(host.work().join("received")).unwrap() == sent,
        "what came down is not what went up"
    );
    host.virsh(&["vol-delete", "vol", "--pool", "pool"]).ok();
    let error = host
        .virsh(&["vol-download", "vol", "received", "--pool", "pool"])
        .failed();
    assert!(error.contains("no storage vol with matching"), "{error}");
}

#[test]
fn every_kind_answers() {
    let Some(Pair { host, _other }) = pair() else {
        return;
    };
    let secret = host.write(
        "secret.xml",
        "<secret ephemeral='yes' private='no'><uuid>11111111-2222-3333-4444-555555555555</uuid>\
         <usage type='ceph'><name>said elsewhere</name></usage></secret>",
    );
    for (words, wanted) in [
        (&["nodedev-list"][..], "computer"),
        (
            &["secret-define", &secret],
            "11111111-2222-3333-4444-555555555555",
        ),
        (&["secret-list"], "said elsewhere"),
        (&["nwfilter-list"], "Name"),
        (&["iface-list", "--all"], "Name"),
        (&["pool-list", "--all"], "Name"),
        (&["pool-capabilities"], "<storagepoolCapabilities>"),
    ] {
        let said = host.virsh(words).ok();
        assert!(said.contains(wanted), "{words:?}: {said}");
    }
}

#[test]
fn a_reader_stays_a_reader() {
    let Some(Pair { host, _other }) = pair() else {
        return;
    };
    let xml = host.write("net.xml", "<network><name>readonly</name></network>");
    host.virsh(&["-r", "net-list"]).ok();
    let error = host.virsh(&["-r", "net-define", &xml]).failed();
    assert!(error.contains("read only access prevents"), "{error}");
}

#[test]
fn a_daemon_that_is_not_there_is_named() {
    let host = Host::start();
    if host.target == Target::Stock {
        skipped("the stock daemon is all of them itself");
        return;
    }
    let error = host.virsh(&["net-list"]).failed();
    assert!(error.contains("virtnetworkd-sock"), "{error}");
    let error = host.virsh(&["pool-list"]).failed();
    assert!(error.contains("virtstoraged-sock"), "{error}");
    host.virsh(&["list"]).ok();
}
