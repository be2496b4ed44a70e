//! How far the host's local time is ahead of universal time, for clocks that follow it.

#![allow(
    unsafe_code,
    reason = "the C library's rules of time zones have no safe interface"
)]

/// Seconds by which local time is ahead at that moment.
pub(super) fn offset(now: i64) -> i64 {
    // SAFETY: all-zero is a valid tm (its zone pointer may be null).
    let mut local: nix::libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live over the call; localtime_r is thread-safe and
    // reads TZ, which nothing here changes.
    let filled = unsafe { nix::libc::localtime_r(&raw const now, &raw mut local) };
    if filled.is_null() {
        return 0; // A year beyond what the type holds.
    }
    local.tm_gmtoff
}
