//! The fuzz targets' seeds, whole and damaged, on the stable toolchain. `fuzz/` has the targets themselves.

use std::fs;

use crate::workplace::project;

#[path = "../../fuzz/src/csv.rs"]
mod csv;
#[path = "../../fuzz/src/experiment.rs"]
mod experiment;
#[path = "../../fuzz/src/idx.rs"]
mod idx;
#[path = "../../fuzz/src/input.rs"]
mod input;
#[path = "../../fuzz/src/run_folder.rs"]
mod run_folder;
#[path = "../../fuzz/src/safetensors.rs"]
mod safetensors;
#[path = "../../fuzz/src/state_dict.rs"]
mod state_dict;

/// Every seed of a target, by name.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = project().join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The seed cut short, with a stretch left out, a byte changed, or a stretch of another seed put in.
fn damaged(seed: &[u8], other: &[u8], step: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for at in (0..seed.len()).step_by(step) {
        all.push(seed[..at].to_vec());
        all.push([&seed[..at], &seed[(at + 3).min(seed.len())..]].concat());
        let mut changed = seed.to_vec();
        changed[at] = b"09-.=[]{}\"'#,\n\x01"[at % 15];
        all.push(changed);
        let from = at % other.len();
        all.push([&seed[..at], &other[from..(from + 12).min(other.len())], &seed[at..]].concat());
    }
    all
}

#[test]
fn experiments_survive_damage() {
    let seeds = seeds("experiment");
    assert!(seeds.len() >= 8);
    for (index, seed) in seeds.iter().enumerate() {
        experiment::check(seed);
        for input in damaged(seed, &seeds[(index + 1) % seeds.len()], 3) {
            experiment::check(&input);
        }
    }
}

/// Every seed of a target, whole, damaged as texts are, and with single bits changed.
fn survive(target: &str, step: usize, check: impl Fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 3);
    for (index, seed) in seeds.iter().enumerate() {
        check(seed);
        for input in damaged(seed, &seeds[(index + 1) % seeds.len()], step) {
            check(&input);
        }
        for at in 0..seed.len() {
            let mut changed = seed.clone();
            changed[at] ^= 1 << (at % 8);
            check(&changed);
        }
    }
}

#[test]
fn state_dicts_survive_damage() {
    survive("state_dict", 3, state_dict::check);
}

#[test]
fn safetensors_survive_damage() {
    survive("safetensors", 1, safetensors::check);
}

#[test]
fn idx_files_survive_damage() {
    survive("idx", 1, idx::check);
}

#[test]
fn pictures_survive_damage() {
    survive("png", 1, |data| input::check("a.png", data));
}

#[test]
fn rows_of_text_survive_damage() {
    survive("csv", 1, csv::check);
}

#[test]
fn folders_of_runs_survive_damage() {
    // Each input is files to write and to read in every way: some milliseconds.
    const STEP: usize = 211;
    let seeds = seeds("run_folder");
    assert!(seeds.len() >= 3);
    let mut place = run_folder::Place::new();
    for (index, seed) in seeds.iter().enumerate() {
        place.check(seed);
        for input in damaged(seed, &seeds[(index + 1) % seeds.len()], STEP) {
            place.check(&input);
        }
    }
}
