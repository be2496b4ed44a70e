//! The end of a password, `YYYY-MM-DDTHH:MM:SS` in UTC, as seconds since 1970.

/// The seconds; `None` for what is no such time, or before 1970.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let valid = (1970..10_000).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    valid.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01, by counting years that begin in March.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year / 4 - year / 100 + year / 400;
    365 * year + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(seconds("1970-01-01T00:00:00"), Some(0));
        assert_eq!(seconds("2000-02-29T00:00:01"), Some(951_782_401));
        assert_eq!(seconds("2026-11-24T04:48:45"), Some(1_795_495_725));
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "now",
            "2026-11-24",
            "2026-13-01T00:00:00",
            "1960-01-01T00:00:00",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
