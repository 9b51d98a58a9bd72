//! The folders of runs.

#![no_main]

use std::cell::RefCell;

#[path = "../src/run_folder.rs"]
mod run_folder;

thread_local! {
    static PLACE: RefCell<run_folder::Place> = RefCell::new(run_folder::Place::new());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| PLACE.with_borrow_mut(|place| place.check(data)));
