//! Times of lines: the ones they say themselves, or those that virtlogd noted.

use std::collections::HashMap;

/// What came from a place of a file on, and when: by inode, in the order of the places.
#[derive(Debug, Default)]
pub(super) struct Times(HashMap<u64, Vec<(u64, String)>>);

impl Times {
    /// Notes that what begins there came then or later. Marks come in the order of their times.
    pub(super) fn note(&mut self, inode: u64, offset: u64, time: &str) {
        let places = self.0.entry(inode).or_default();
        // An inode's number is given anew when its file is gone.
        while places.last().is_some_and(|(place, _)| *place >= offset) {
            places.pop();
        }
        places.push((offset, time.to_owned()));
    }

    /// When the line that begins there came, or a little later; nothing when that is not known.
    pub(super) fn of(&self, inode: u64, offset: u64) -> Option<&str> {
        let places = self.0.get(&inode)?;
        let after = places.partition_point(|(place, _)| *place <= offset);
        let (_, time) = places.get(after.checked_sub(1)?)?;
        Some(time)
    }
}

/// The time at the beginning of a line of a main log, as records have it: `2026-11-24 04:48:45.683+0000: `
/// of a daemon, `2026-11-24T04:48:45.683000Z ` of QEMU.
pub(super) fn own(line: &str) -> Option<String> {
    const SHAPE: &str = "dddd-dd-dd?dd:dd:dd.";
    let (head, rest) = line.split_at_checked(SHAPE.len())?;
    let fits = head
        .chars()
        .zip(SHAPE.chars())
        .all(|(c, shape)| match shape {
            'd' => c.is_ascii_digit(),
            '?' => c == ' ' || c == 'T',
            other => c == other,
        });
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (fraction, rest) = rest.split_at_checked(digits)?;
    let ends = rest.starts_with("+0000: ") || rest.starts_with("Z ");
    let good = fits && ends && (1..=9).contains(&fraction.len());
    good.then(|| format!("{}{fraction:0<9}Z", head.replace(' ', "T")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_came_with_the_last_mark_before_it() {
        let mut times = Times::default();
        times.note(7, 0, "a");
        times.note(7, 100, "b");
        assert_eq!(times.of(7, 0), Some("a"));
        assert_eq!(times.of(7, 99), Some("a"));
        assert_eq!(times.of(7, 100), Some("b"));
        assert_eq!(times.of(8, 0), None);
        times.note(7, 50, "c");
        assert_eq!(times.of(7, 200), Some("c"));
    }

    #[test]
    fn lines_say_when_they_were_written() {
        let time = |line| own(line).unwrap_or_default();
        assert_eq!(
            time("2026-11-24 04:48:45.683+0000: shutting down"),
            "2026-11-24T04:48:45.683000000Z"
        );
        assert_eq!(
            time("2026-11-24T04:48:45.683001Z qemu-system-x86_64: x"),
            "2026-11-24T04:48:45.683001000Z"
        );
        for line in [
            "",
            "LC_ALL=C \\",
            "2026-11-24 04:48:45.683 x",
            "2026-11-24 04:48:45.ä",
        ] {
            assert_eq!(own(line), None, "{line}");
        }
    }
}
