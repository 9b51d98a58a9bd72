//! Names for the folders of runs that have none yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::spec::RunSpec;
use crate::config::schema;
use crate::setting::KeyPath;
use crate::sweep::{run_name, short_key};

/// Digits of the id in a folder's name, unless two runs would share it.
const TAG: usize = 8;

fn address(key: &Arc<KeyPath>) -> usize {
    Arc::as_ptr(key).addr()
}

/// The names of folders, each given once.
pub(super) struct Names {
    taken: HashSet<String>,
    /// By the address of the key, which all runs of a plan share.
    short: HashMap<usize, String>,
}

impl Names {
    pub fn new(taken: impl Iterator<Item = String>) -> Self {
        Self { taken: taken.collect(), short: HashMap::new() }
    }

    /// A name for a run that has no folder yet, with more of its id where another has it.
    pub fn free(&mut self, spec: &RunSpec) -> String {
        for (key, _) in &spec.assignment {
            self.short
                .entry(address(key))
                .or_insert_with(|| short_key(&key.to_string(), schema::keys()).to_owned());
        }
        let named = |digits: usize| {
            let parts =
                spec.assignment.iter().map(|(key, value)| (self.short[&address(key)].as_str(), &**value));
            run_name(parts, &spec.id[..digits.min(spec.id.len())])
        };
        let mut digits = TAG;
        let mut name = named(digits);
        while self.taken.contains(&name) && digits < spec.id.len() {
            digits += 4;
            name = named(digits);
        }
        self.taken.insert(name.clone());
        name
    }
}
