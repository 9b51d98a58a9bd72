//! Settings read part by part: each top-level key once for every choice of the axes that write into it.
//!
//! A grid of a hundred thousand runs has a few dozen different optimizers. Reading those and putting runs
//! together from them is what makes its plan a matter of a second.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

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
    /// The key, a line's end, the key's value as JSON, and the problems in as many lines.
    name: Arc<str>,
}

/// Everything that was read, each content once.
#[derive(Default)]
pub(super) struct Contents {
    known: HashMap<Arc<str>, u32>,
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
        let mut name = format!("{key}\n");
        if let Some(config) = &config {
            name.push_str(&config.text_of(key)?);
        }
        for problem in &problems {
            let _ = write!(name, "\n{problem:?}");
        }
        if let Some(number) = self.known.get(name.as_str()) {
            return Ok(*number);
        }
        let (name, number) = (Arc::<str>::from(name), self.all.len() as u32);
        self.known.insert(Arc::clone(&name), number);
        self.all.push(Content { config, problems, name });
        Ok(number)
    }

    /// Whether the condition, known by its address in the experiment, holds in the content.
    pub fn holds(&mut self, condition: &Condition, number: u32) -> bool {
        let id = std::ptr::from_ref(condition).addr();
        if let Some(known) = self.held.get(&(id, number)) {
            return *known;
        }
        let content = &self.all[number as usize];
        // JSON is the spelling in which contents are kept; a table of it reads as TOML does.
        let text = content.name.lines().nth(1).unwrap_or_default();
        let value = serde_json::from_str::<Value>(text).ok();
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
    /// The parts of slots without axes.
    fixed: Vec<Option<Part>>,
    buffer: Vec<u32>,
    /// What stands for all other keys while one is read.
    others: RunConfig,
    /// What the axes dropped.
    pub notes: Vec<String>,
}

impl<'a> Parts<'a> {
    /// Nothing is read yet.
    pub fn new(experiment: &'a Experiment, space: &'a Space) -> Self {
        let slots = slots(experiment, space);
        let read = slots.iter().map(|_| HashMap::new()).collect();
        let fixed = slots.iter().map(|_| None).collect();
        Self {
            experiment,
            space,
            slots,
            read,
            fixed,
            buffer: Vec::new(),
            others: RunConfig::default(),
            notes: Vec::new(),
        }
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
        // Most slots have no axis, and every run asks for all of them.
        if self.buffer.is_empty() {
            if self.fixed[slot].is_none() {
                self.fixed[slot] = Some(self.make(slot, choices, contents)?);
            }
            return self.fixed[slot].as_ref().ok_or_else(gone);
        }
        if !self.read[slot].contains_key(self.buffer.as_slice()) {
            let part = self.make(slot, choices, contents)?;
            self.read[slot].insert(self.buffer.as_slice().into(), part);
        }
        self.read[slot].get(self.buffer.as_slice()).ok_or_else(gone)
    }

    fn make(&mut self, slot: usize, choices: &[u32], contents: &mut Contents) -> Result<Part> {
        let Slot { key, axes } = &self.slots[slot];
        let mut trial = Trial::new(self.experiment, self.space, key, axes, choices);
        let (config, problems) = trial.read(key, &self.others);
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

fn gone() -> Error {
    Error::Bug("a part that was read is gone".into())
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
