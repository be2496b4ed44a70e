#![no_main]
use std::sync::LazyLock;
use virt_tests::fuzz::pipeline::Pipeline;

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(Pipeline::new);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Bytes are a guest as it is written, or the number of one that is changed by the schema.
    match data.first_chunk::<8>() {
        Some(number) if data.len() == 8 => PIPELINE.check_number(u64::from_be_bytes(*number)),
        _ => PIPELINE.check(&String::from_utf8_lossy(data)),
    }
});
