//! How the process's allocator (glibc's, mallopt(3), malloc_trim(3)) weighs memory against time.

#![allow(
    unsafe_code,
    reason = "mallopt and malloc_trim have no safe interface; the standard library's allocator is glibc's malloc"
)]

use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, c_int, malloc_trim, mallopt};

/// Larger allocations are mappings of their own and go back to the kernel when they are freed:
/// documents and replies about thousands of guests.
const LARGE: c_int = 256 * 1024;

/// Free memory at the heap's end above which it goes back to the kernel.
const SLACK: c_int = 1024 * 1024;

/// Keeps memory small: one heap for all threads, and what is free goes back. Work is done on one
/// thread; those beside it wait for disks, so that a heap for each would only hold what was freed.
///
/// Call it before there is a second thread.
pub(crate) fn keep_small() {
    for (option, value) in [
        (M_ARENA_MAX, 1),
        (M_MMAP_THRESHOLD, LARGE),
        (M_TRIM_THRESHOLD, SLACK),
    ] {
        // SAFETY: mallopt takes two numbers and there is no other thread yet. One that it does not
        // take leaves the allocator as it was.
        unsafe { mallopt(option, value) };
    }
}

/// Gives free memory back to the kernel wherever in the heap it is: after something large and rare,
/// whose pieces would stay the process's for good because something small lies behind them.
pub fn give_back() {
    // SAFETY: malloc_trim takes a number, locks what it looks at and moves nothing that is in use.
    unsafe { malloc_trim(0) };
}
