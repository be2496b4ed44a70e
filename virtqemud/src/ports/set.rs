//! A set of TCP ports.

/// Ports of which some are taken: a bit each, so that a guest with thousands of displays gets its
/// ports without a walk over all those before.
#[derive(Clone)]
pub(super) struct PortSet(Box<[u64; WORDS]>);

const WORDS: usize = (u16::MAX as usize + 1) / 64;

impl PortSet {
    /// No port.
    pub(super) fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Adds a port that may be there.
    pub(super) fn insert(&mut self, port: u16) {
        let (word, bit) = place(port);
        self.0[word] |= bit;
    }

    /// Takes a port out that may be there.
    pub(super) fn remove(&mut self, port: u16) {
        let (word, bit) = place(port);
        self.0[word] &= !bit;
    }

    /// The first port from `first` to `last`, both included, that isn't there.
    pub(super) fn first_missing(&self, first: u16, last: u16) -> Option<u16> {
        let (start, bit) = place(first);
        let found = (start..=place(last).0).find_map(|word| {
            // Those before the first count as there.
            let before = if word == start { bit - 1 } else { 0 };
            let missing = (self.0[word] | before).trailing_ones();
            // A word has 64 bits and there are 1024 words.
            (missing < 64).then(|| word as u16 * 64 + missing as u16)
        });
        found.filter(|port| (first..=last).contains(port))
    }
}

impl std::fmt::Debug for PortSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let there = |port: &u16| {
            let (word, bit) = place(*port);
            self.0[word] & bit != 0
        };
        f.debug_set().entries((0..=u16::MAX).filter(there)).finish()
    }
}

/// Word and bit of a port.
fn place(port: u16) -> (usize, u64) {
    (usize::from(port / 64), 1 << (port % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_port_is_found_across_words_and_within_bounds() {
        let mut ports = PortSet::new();
        assert_eq!(ports.first_missing(5900, 65535), Some(5900));
        assert_eq!(ports.first_missing(6, 5), None);
        (5900..6100).for_each(|port| ports.insert(port));
        assert_eq!(ports.first_missing(5900, 65535), Some(6100));
        assert_eq!(ports.first_missing(5899, 65535), Some(5899));
        assert_eq!(ports.first_missing(5950, 6099), None);
        ports.remove(6000);
        assert_eq!(ports.first_missing(5900, 65535), Some(6000));
        assert_eq!(ports.first_missing(6001, 65535), Some(6100));
        ports.insert(65535);
        assert_eq!(ports.first_missing(65535, 65535), None);
        assert_eq!(
            format!("{:?}", {
                let mut few = PortSet::new();
                few.insert(7);
                few
            }),
            "{7}"
        );
    }
}
