//! Rows of numbers in text.

#![no_main]

#[path = "../src/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| input::check("a.csv", data));
