//! Settings read part by part: each top-level key once for every choice of the axes that write into it.
//!
//! A grid of a hundred thousand runs has a few dozen different optimizers. Reading those and putting runs
//! together from them is what makes its plan a matter of a second.

use std::collections::HashMap;
use std::fmt::Write;

use toml::Value;

use super::experiment::Experiment;
use super::run_config::RunConfig;
use super::trial::Trial;
use crate::setting::{Problem, Segment};
use crate::sweep::{Condition, Space};
use crate::{Error, Result};

/// A top-level key, and the axes of a space that write into it.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// The key.
    pub key: String,
    /// In the order in which they write: whole tables first, and kinds before the keys beside them.
    pub axes: Vec<usize>,
}

/// A top-level key under one choice of its axes.
#[derive(Debug)]
pub(super) struct Part {
    /// The same for equal settings with equal problems.
    pub number: u32,
    /// The axes that have no say although they have a value.
    pub silent: Vec<usize>,
}

/// Settings of one top-level key that were read.
pub(super) struct Content {
    /// Holds the key, and of the others nothing that is meant; absent if it could not be read.
    pub config: Option<RunConfig>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    text: String,
}

/// Everything that was read, each content once.
#[derive(Default)]
pub(super) struct Contents {
    known: HashMap<(String, String), u32>,
    all: Vec<Content>,
    held: HashMap<(usize, u32), bool>,
}

impl Contents {
    /// The content with this number.
    pub fn get(&self, number: u32) -> &Content {
        &self.all[number as usize]
    }

    /// The number of what was read for `key`.
    pub fn number(&mut self, key: &str, config: Option<RunConfig>, problems: Vec<Problem>) -> Result<u32> {
        let text = match &config {
            Some(config) => config.text_of(key)?,
            None => String::new(),
        };
        let mut name = text.clone();
        for problem in &problems {
            let _ = write!(name, "\n{problem:?}");
        }
        let all = &mut self.all;
        Ok(*self.known.entry((key.to_owned(), name)).or_insert_with(|| {
            all.push(Content { config, problems, text });
            (all.len() - 1) as u32
        }))
    }

    /// Whether the condition, known by its address in the experiment, holds in the content.
    pub fn holds(&mut self, condition: &Condition, number: u32) -> bool {
        let id = std::ptr::from_ref(condition).addr();
        if let Some(known) = self.held.get(&(id, number)) {
            return *known;
        }
        let content = &self.all[number as usize];
        // JSON is the spelling in which contents are kept; a table of it reads as TOML does.
        let value = serde_json::from_str::<Value>(&content.text).ok();
        let holds = value.is_some_and(|value| {
            let Some(Segment::Key(key)) = condition.key.0.first() else { return false };
            condition.holds_in(&Value::Table(std::iter::once((key.clone(), value)).collect()))
        });
        self.held.insert((id, number), holds);
        holds
    }
}

/// The parts of one space, as far as they were asked for.
pub(super) struct Parts<'a> {
    experiment: &'a Experiment,
    space: &'a Space,
    slots: Vec<Slot>,
    /// One table a slot, by the choices of its axes.
    read: Vec<HashMap<Box<[u32]>, Part>>,
    buffer: Vec<u32>,
    /// What the axes dropped.
    pub notes: Vec<String>,
}

impl<'a> Parts<'a> {
    /// Nothing is read yet.
    pub fn new(experiment: &'a Experiment, space: &'a Space) -> Self {
        let slots = slots(experiment, space);
        let read = slots.iter().map(|_| HashMap::new()).collect();
        Self { experiment, space, slots, read, buffer: Vec::new(), notes: Vec::new() }
    }

    /// The keys.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The slot of a top-level key.
    pub fn slot(&self, key: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.key == key)
    }

    /// The part of a slot under these choices, one an axis of the space; read where it was not read before.
    pub fn part(&mut self, slot: usize, choices: &[u32], contents: &mut Contents) -> Result<&Part> {
        self.buffer.clear();
        self.buffer.extend(self.slots[slot].axes.iter().map(|axis| choices[*axis]));
        if !self.read[slot].contains_key(self.buffer.as_slice()) {
            let part = self.make(slot, choices, contents)?;
            self.read[slot].insert(self.buffer.as_slice().into(), part);
        }
        self.read[slot]
            .get(self.buffer.as_slice())
            .ok_or_else(|| Error::Bug("a part that was read is gone".into()))
    }

    fn make(&mut self, slot: usize, choices: &[u32], contents: &mut Contents) -> Result<Part> {
        let Slot { key, axes } = &self.slots[slot];
        let mut trial = Trial::new(self.experiment, self.space, key, axes, choices);
        let (config, problems) = trial.read(key);
        for note in std::mem::take(&mut trial.notes) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        let is_silent = |axis: &&usize| choices[**axis] != super::trial::NONE && !trial.has_say(**axis);
        let silent = axes.iter().filter(is_silent).copied().collect();
        Ok(Part { number: contents.number(key, config, problems)?, silent })
    }
}

/// Every key that a layer or an axis sets or a configuration must have.
fn slots(experiment: &Experiment, space: &Space) -> Vec<Slot> {
    let order = experiment.order_of(&space.axes);
    let first = |axis: usize| match space.axes[axis].key.0.first() {
        Some(Segment::Key(key)) => key.clone(),
        _ => String::new(),
    };
    let mut slots: Vec<Slot> = Vec::new();
    let keys = RunConfig::KEYS.iter().map(|key| (*key).to_owned()).chain(experiment.base.keys().cloned());
    for key in keys.chain((0..space.axes.len()).map(first)) {
        if slots.iter().all(|slot| slot.key != key) {
            let axes = order.iter().copied().filter(|axis| first(*axis) == key).collect();
            slots.push(Slot { key, axes });
        }
    }
    slots
}
