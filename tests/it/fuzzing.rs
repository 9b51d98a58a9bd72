//! The fuzz targets' seeds, whole and damaged, on the stable toolchain. `fuzz/` has the targets themselves.

use std::fs;

use crate::workplace::project;

#[path = "../../fuzz/src/experiment.rs"]
mod experiment;

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
