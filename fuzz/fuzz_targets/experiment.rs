//! Experiment files, the files that they extend, flags, variables and tables of runs.

#![no_main]

#[path = "../src/experiment.rs"]
mod experiment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| experiment::check(data));
