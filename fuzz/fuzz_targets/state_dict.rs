//! The files of `torch.save`, and their pickles by themselves.

#![no_main]

#[path = "../src/state_dict.rs"]
mod state_dict;

libfuzzer_sys::fuzz_target!(|data: &[u8]| state_dict::check(data));
