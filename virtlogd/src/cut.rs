//! Where the text is cut that does not fit into a file any more (WIRE.md section 17).

/// How far before the end of the file a line's end is looked for, in bytes.
pub const WINDOW: usize = 80;

/// How many of the last bytes that fit still go into the file: those up to the last line's end among
/// them, else all.
pub fn cut(last: &[u8]) -> usize {
    let end = last.iter().rposition(|byte| *byte == b'\n');
    end.map_or(last.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_whole_where_they_can() {
        assert_eq!(cut(b"ab\ncd\nef"), 6);
        assert_eq!(cut(b"ab\n"), 3);
        assert_eq!(cut(b"abcdef"), 6);
        assert_eq!(cut(b""), 0);
    }
}
