//! Images and labels in IDX files, packed or not.

#![no_main]

#[path = "../src/idx.rs"]
mod idx;
#[path = "../src/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| idx::check(data));
