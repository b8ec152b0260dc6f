#![no_main]

#[path = "common.rs"]
mod common;

use sluice::dialect::Wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| common::sse(Wire::Gemini, input));
