//! A process of its own that tries locks as libvirt on another host would, again and again, while
//! clients of virtlockd write into a file which of them has which (tests/tests/locks.rs).
//!
//! `prober TABLE FILE...`: the table has four bytes for each file; not zero: a client has it. Who has
//! a lock here while a client believes to have it has found two owners. Ends at the end of its input
//! and prints how often it had a lock and how often that was so.

#![allow(
    clippy::expect_used,
    reason = "a part of tests: a failure is the test's failure"
)]

use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use virt_tests::lockd::lock;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let table = std::fs::File::open(arguments.next().expect("a table")).expect("the table");
    let files: Vec<_> = arguments.collect();
    static OVER: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        OVER.store(true, Ordering::Relaxed);
    });
    let (mut had, mut double) = (0_u64, 0_u64);
    while !OVER.load(Ordering::Relaxed) {
        for (place, path) in files.iter().enumerate() {
            let Some(held) = lock(path) else {
                continue;
            };
            let ours = held.metadata().expect("a file of ours");
            let named = std::fs::metadata(path);
            // A lease's file goes with the lease: the lock of one that is gone is nobody's.
            if !named.is_ok_and(|named| named.ino() == ours.ino()) {
                continue;
            }
            had += 1;
            let mut owner = [0; 4];
            table
                .read_exact_at(&mut owner, place as u64 * 4)
                .expect("the table");
            double += u64::from(owner != [0; 4]);
        }
        // The clients are to have most of the time.
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    println!("{had} {double}");
}
