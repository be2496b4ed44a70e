//! The time as libvirt's logs write it.

use std::fmt::Write;
use std::time::SystemTime;

/// `2026-01-31 09:05:00.042+0000` (WIRE.md section 21).
pub fn timestamp(time: SystemTime) -> String {
    let mut out = String::with_capacity(28);
    push_timestamp(&mut out, time);
    out
}

/// Appends the same.
pub(super) fn push_timestamp(out: &mut String, time: SystemTime) {
    let time = time::OffsetDateTime::from(time);
    // Writing to a String can't fail.
    let _ = write!(
        out,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}+0000",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_format_is_libvirts() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_850_300_042);
        assert_eq!(timestamp(time), "2026-01-31 09:05:00.042+0000");
    }
}
