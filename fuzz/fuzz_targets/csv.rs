//! Rows of numbers, tables and texts in CSV files.

#![no_main]

#[path = "../src/csv.rs"]
mod csv;
#[path = "../src/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| csv::check(data));
