//! The time in front of a line.

use time::OffsetDateTime;

/// The time as libvirt writes it into guests' logs: `2026-11-24 04:48:45.683+0000`, UTC.
pub fn timestamp() -> String {
    format(OffsetDateTime::now_utc())
}

fn format(now: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}+0000",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let at = |millis: i128| {
            let time = OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000);
            format(time.unwrap())
        };
        assert_eq!(at(1_795_495_725_683), "2026-11-24 04:48:45.683+0000");
        assert_eq!(at(951_782_400_000), "2000-02-29 00:00:00.000+0000");
        assert_eq!(at(7), "1970-01-01 00:00:00.007+0000");
    }
}
