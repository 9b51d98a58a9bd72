//! Weights and checkpoints.

#![no_main]

#[path = "../src/safetensors.rs"]
mod safetensors;

libfuzzer_sys::fuzz_target!(|data: &[u8]| safetensors::check(data));
