//! What depends on several tables of a run: resolved and checked once for each group of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::Result;
use crate::config::part::{Contents, Parts};
use crate::config::run_config::RunConfig;
use crate::config::trial::beside;
use crate::setting::{Problem, Problems};

/// The tables that are resolved and checked together.
const JOINED: [&str; 6] = ["data", "loss", "metrics", "optimizer", "scheduler", "train"];

/// Those tables, resolved, by the numbers of what they were made from.
struct Joint {
    numbers: [u32; JOINED.len()],
    problems: Vec<Problem>,
}

/// All such groups so far, by the numbers of what they were made from.
#[derive(Default)]
pub(super) struct Joints(HashMap<[u32; JOINED.len()], Joint>);

impl Joints {
    /// Resolves and checks what depends on several tables; `numbers` then stand for resolved ones. All problems
    /// of the run.
    pub fn join(
        &mut self,
        contents: &mut Contents,
        parts: &Parts<'_>,
        numbers: &mut [u32],
    ) -> Result<Vec<Problem>> {
        let mut problems: Vec<Problem> = Vec::new();
        let mut readable = true;
        for number in numbers.iter() {
            let content = contents.get(*number);
            problems.extend(content.problems.iter().cloned());
            readable &= content.config.is_some();
        }
        if !readable {
            return Ok(problems);
        }
        let slots = JOINED.map(|key| parts.slot(key).unwrap_or_default());
        let key = slots.map(|slot| numbers[slot]);
        let joint = match self.0.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let mut config = assemble(contents, parts, numbers);
                config.resolve_together();
                let mut found = Problems::default();
                config.check_together(&mut found);
                let found = beside(&problems, found.into_found());
                let mut made = [0; JOINED.len()];
                for (made, name) in made.iter_mut().zip(JOINED) {
                    *made = contents.number(name, Some(config.clone()), Vec::new())?;
                }
                place.insert(Joint { numbers: made, problems: found })
            }
        };
        problems.extend(joint.problems.iter().cloned());
        if problems.is_empty() {
            for (slot, made) in slots.into_iter().zip(joint.numbers) {
                numbers[slot] = made;
            }
        }
        Ok(problems)
    }
}

/// The settings of a run, put together from its tables.
pub(super) fn assemble(contents: &Contents, parts: &Parts<'_>, numbers: &[u32]) -> RunConfig {
    let mut config = RunConfig::default();
    for (slot, number) in parts.slots().iter().zip(numbers) {
        if let Some(own) = &contents.get(*number).config {
            config.take(&slot.key, own);
        }
    }
    config
}
