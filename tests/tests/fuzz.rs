//! The fuzz targets' bodies with random input, for machines without a fuzzer: shallow, but always
//! there. Real fuzzing: `cd tests && cargo +nightly fuzz run TARGET`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use virt_tests::{fuzz, guest};

/// Marsaglia's xorshift: the same input on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    /// Bytes of which many are small, as lengths and counts on the wire are.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| match self.next() % 4 {
                0 => u8::try_from(self.next() % 256).unwrap(),
                1 => u8::try_from(self.next() % 4).unwrap(),
                _ => 0,
            })
            .collect()
    }

    /// The text with some pieces changed for others of its own.
    fn mutated(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            let (from, to) = (self.below(bytes.len()), self.below(bytes.len()));
            let length = self.below(40).min(bytes.len() - from);
            let piece = bytes[from..from + length].to_vec();
            let end = (to + self.below(40)).min(bytes.len());
            bytes.splice(to..end, piece);
        }
        bytes
    }
}

const SEED: u64 = 0x2545_f491_4f6c_dd1d;

#[test]
fn framing_takes_any_bytes() {
    let mut random = Random(SEED);
    for _ in 0..20_000 {
        let mut bytes = random.bytes(200);
        if bytes.len() > 12 {
            // A believable length, so that there is something behind the first check.
            bytes[1..5].copy_from_slice(&(28 + random.next() as u32 % 64).to_be_bytes());
        }
        fuzz::framing(&bytes);
    }
}

#[test]
fn every_procedure_takes_any_arguments() {
    let mut random = Random(SEED);
    for _ in 0..100_000 {
        let mut bytes = vec![
            random.next().to_be_bytes()[0],
            random.next().to_be_bytes()[0],
        ];
        bytes.extend(random.bytes(300));
        fuzz::xdr_arguments(&bytes);
    }
}

#[test]
fn definitions_may_be_anything() {
    let devices = "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
        <source file='/a'/><target dev='vda' bus='virtio'/></disk>\
        <interface type='bridge'><source bridge='b'/><mac address='52:54:00:00:00:01'/></interface>\
        <serial type='pty'/><channel type='unix'><target type='virtio' name='a'/></channel>\
        <graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>";
    let text = guest::firmware_only("fuzzed", devices);
    fuzz::domain_xml(text.as_bytes());
    let mut random = Random(SEED);
    for _ in 0..3_000 {
        let bytes = random.mutated(&text);
        fuzz::domain_xml(&bytes);
    }
}
