//! Cuts a stream of bytes into lines, with a bound on each.

/// Longest line taken from a QEMU, in bytes. `query-qmp-schema`, the longest known reply, has
/// less than a quarter of a mebibyte; a QEMU taken over by its guest must not fill our memory.
pub const MAX_LINE: usize = 64 * 1024 * 1024;

/// Capacity that is kept between lines; a larger buffer is given back after use.
const KEPT_CAPACITY: usize = 64 * 1024;

/// A line passed [`MAX_LINE`] (or the bound given) without ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of more than {limit} bytes")]
pub struct TooLong {
    /// The bound, in bytes.
    pub limit: usize,
}

/// Bytes received and not yet taken as lines.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Start of the first line not taken yet.
    start: usize,
    /// No line end lies between `start` and here.
    scanned: usize,
    limit: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self::with_limit(MAX_LINE)
    }
}

impl LineBuffer {
    /// A buffer with its own bound in bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            scanned: 0,
            limit,
        }
    }

    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_CAPACITY);
            (self.start, self.scanned) = (0, 0);
        } else if self.start >= KEPT_CAPACITY {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its end (`\n`, also `\r\n`), or `None` when more bytes are
    /// needed.
    ///
    /// # Errors
    /// [`TooLong`] when a line, ended or not, is longer than the bound. The stream can't be used
    /// after that.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let limit = self.limit;
        let Some(offset) = self.bytes[self.scanned..].iter().position(|b| *b == b'\n') else {
            self.scanned = self.bytes.len();
            return match self.bytes.len() - self.start > limit {
                true => Err(TooLong { limit }),
                false => Ok(None),
            };
        };
        let end = self.scanned + offset;
        let line = &self.bytes[self.start..end];
        self.start = end + 1;
        self.scanned = end + 1;
        if line.len() > limit {
            return Err(TooLong { limit });
        }
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(buffer: &mut LineBuffer) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut found = Vec::new();
        while let Some(line) = buffer.next_line()? {
            found.push(line.to_vec());
        }
        Ok(found)
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut buffer = LineBuffer::with_limit(8);
        buffer.push(b"12345678");
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"9");
        assert_eq!(buffer.next_line(), Err(TooLong { limit: 8 }));
    }

    #[test]
    fn an_ended_line_is_bounded_as_well() {
        let mut buffer = LineBuffer::with_limit(3);
        buffer.push(b"ab\nabcd\n");
        assert_eq!(buffer.next_line(), Ok(Some(&b"ab"[..])));
        assert_eq!(buffer.next_line(), Err(TooLong { limit: 3 }));
    }

    proptest! {
        #[test]
        fn how_the_bytes_arrive_does_not_matter(
            text in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..400),
            cuts in proptest::collection::vec(1usize..60, 0..40),
        ) {
            let mut whole = LineBuffer::default();
            whole.push(&text);
            let expected = lines(&mut whole).expect("far below the bound");

            let mut pieces = LineBuffer::default();
            let mut found = Vec::new();
            let mut rest = &text[..];
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                pieces.push(now);
                found.extend(lines(&mut pieces).expect("far below the bound"));
                rest = later;
            }
            prop_assert_eq!(found, expected);
        }
    }
}
