//! One combination after the other.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexSet;

use super::Expansion;
use super::causes::Causes;
use super::joints::{Joints, assemble};
use crate::config::conditional::order_of_conditions;
use crate::config::experiment::{Assignment, Draft, Experiment, words};
use crate::config::part::{Contents, Parts};
use crate::config::section::section_at;
use crate::config::trial::{NONE, Trial};
use crate::setting::{Excerpt, KeyPath, Place, Problem, Segment};
use crate::sweep::{self, Space, When};
use crate::{Error, Result};

/// Goes through the combinations of an experiment and gathers its runs and all that is wrong with them.
pub(super) struct Expander<'a> {
    experiment: &'a Experiment,
    contents: Contents,
    joints: Joints,
    seen: HashSet<Box<[u32]>>,
    /// The runs so far, each once.
    pub drafts: Vec<Draft>,
    failed: usize,
    causes: Causes,
    /// Combinations that came out as an earlier one.
    equal: usize,
    /// What the axes dropped.
    pub notes: IndexSet<String>,
    /// Combinations left out, by the rule.
    left_out: Vec<usize>,
    /// How many combinations are still to be looked at.
    pub budget: usize,
}

impl<'a> Expander<'a> {
    /// At the start, with nothing gathered.
    pub fn new(experiment: &'a Experiment) -> Self {
        Self {
            experiment,
            contents: Contents::default(),
            joints: Joints::default(),
            seen: HashSet::new(),
            drafts: Vec::new(),
            failed: 0,
            causes: Causes::default(),
            equal: 0,
            notes: IndexSet::new(),
            left_out: vec![0; experiment.exclude.len()],
            budget: usize::MAX,
        }
    }

    /// Goes through one space.
    pub fn walk(&mut self, space: &'a Space) -> Result<()> {
        let Some(mut positions) = space.first().filter(|_| self.budget > 0) else { return Ok(()) };
        let conditional = order_of_conditions(space).map_err(|problem| Error::Bug(problem.message))?;
        let mut parts = Parts::new(self.experiment, space);
        let mut numbers = vec![0; parts.slots().len()];
        let mut choices = vec![NONE; space.axes.len()];
        let mut has_held = vec![false; space.axes.len()];
        loop {
            for (choice, axis) in choices.iter_mut().zip(&space.axes) {
                let position = positions[axis.dimension];
                *choice = if axis.value(position).is_some() { position as u32 + 1 } else { NONE };
            }
            if self.decide(space, &conditional, &mut choices, &mut parts)? {
                for axis in &conditional {
                    has_held[*axis] |= choices[*axis] != NONE;
                }
                for (slot, number) in numbers.iter_mut().enumerate() {
                    *number = parts.part(slot, &choices, &mut self.contents)?.number;
                }
                if !self.leaves_out(&parts, &numbers) {
                    self.add(space, &mut parts, &choices, &numbers)?;
                }
            }
            self.budget -= 1;
            if self.budget == 0 || !space.advance(&mut positions) {
                break;
            }
        }
        self.notes.extend(parts.notes);
        // Of a space that was not walked to its end nothing can be said.
        let never = conditional.into_iter().filter(|axis| self.budget > 0 && !has_held[*axis]);
        for axis in never.collect::<Vec<_>>() {
            self.notes.extend(self.experiment.tell_never_swept(&space.axes[axis]));
        }
        Ok(())
    }

    /// Takes the say from the axes whose conditions do not hold; false for a combination that only repeats
    /// another without them.
    fn decide(
        &mut self,
        space: &Space,
        conditional: &[usize],
        choices: &mut [u32],
        parts: &mut Parts<'_>,
    ) -> Result<bool> {
        let wanted: Vec<u32> =
            conditional.iter().map(|axis| std::mem::replace(&mut choices[*axis], NONE)).collect();
        for (axis, wanted) in conditional.iter().zip(&wanted) {
            let holds = match &space.axes[*axis].when {
                When::Always => true,
                When::Folds => {
                    let folds = self.folds(choices, parts)?;
                    if folds > 0 && *wanted as usize > folds {
                        return Ok(false);
                    }
                    folds > 0
                }
                When::Holds(conditions) => {
                    let mut all = true;
                    for condition in conditions {
                        all &= self.holds(condition, choices, parts)?;
                    }
                    all
                }
            };
            if holds {
                choices[*axis] = *wanted;
            }
        }
        let repeats = |axis: usize, wanted: u32| {
            let dimension = space.axes[axis].dimension;
            let mut along =
                space.axes.iter().zip(choices.iter()).filter(|(axis, _)| axis.dimension == dimension);
            wanted > 1 && along.all(|(_, choice)| *choice == NONE)
        };
        Ok(!conditional.iter().zip(&wanted).any(|(axis, wanted)| repeats(*axis, *wanted)))
    }

    fn holds(
        &mut self,
        condition: &sweep::Condition,
        choices: &[u32],
        parts: &mut Parts<'_>,
    ) -> Result<bool> {
        let Some(slot) = slot_of(&condition.key, parts) else { return Ok(false) };
        let number = parts.part(slot, choices, &mut self.contents)?.number;
        Ok(self.contents.holds(condition, number))
    }

    /// How many folds the data is divided into; 0 for none, or where the fold is chosen.
    fn folds(&mut self, choices: &[u32], parts: &mut Parts<'_>) -> Result<usize> {
        let Some(slot) = parts.slot("data") else { return Ok(0) };
        let number = parts.part(slot, choices, &mut self.contents)?.number;
        let split =
            self.contents.get(number).config.as_ref().and_then(|config| config.data.common.split.as_ref());
        Ok(split.filter(|split| split.fold.is_none()).and_then(|split| split.folds).unwrap_or(0))
    }

    /// Whether an entry of `exclude` holds; the first one that does is counted.
    fn leaves_out(&mut self, parts: &Parts<'_>, numbers: &[u32]) -> bool {
        for (index, rule) in self.experiment.exclude.iter().enumerate() {
            let mut holds = |condition: &sweep::Condition| {
                slot_of(&condition.key, parts)
                    .is_some_and(|slot| self.contents.holds(condition, numbers[slot]))
            };
            if rule.conditions.iter().all(&mut holds) {
                self.left_out[index] += 1;
                return true;
            }
        }
        false
    }

    fn add(&mut self, space: &Space, parts: &mut Parts<'_>, choices: &[u32], numbers: &[u32]) -> Result<()> {
        let mut numbers = numbers.to_vec();
        let problems = self.joints.join(&mut self.contents, parts, &mut numbers)?;
        if !self.seen.insert(numbers.as_slice().into()) {
            self.equal += 1;
            return Ok(());
        }
        let assignment = assignment(space, parts, choices, &mut self.contents)?;
        if problems.is_empty() {
            let config = assemble(&self.contents, parts, &numbers);
            self.drafts.push(Draft { assignment, config });
            return Ok(());
        }
        self.failed += 1;
        for problem in problems {
            let excerpt = |problem: &Problem| excerpt(self.experiment, space, parts, choices, problem);
            self.causes.add(problem, || words(&assignment), excerpt);
        }
        Ok(())
    }

    /// The keys that no kind of their tables has, whatever the sweep would say.
    pub fn unknown_keys(mut self, space: &'a Space) -> Vec<Problem> {
        let mut parts = Parts::new(self.experiment, space);
        let mut found = Vec::new();
        for slot in 0..parts.slots().len() {
            if let Ok(part) = parts.part(slot, &[], &mut self.contents) {
                found.extend(self.contents.get(part.number).problems.iter().cloned());
            }
        }
        let sections = &self.experiment.sections;
        let is_known = |problem: &Problem| {
            let key = problem.path.last_key().unwrap_or_default();
            section_at(sections, &problem.path.parent()).is_some_and(|section| section.knows(key))
        };
        found.retain(|problem| problem.place == Place::Key && !is_known(problem));
        found
    }

    /// The runs, or everything that is wrong with them.
    pub fn finish(mut self, combinations: usize) -> Result<Expansion> {
        let runs = self.drafts.len() + self.failed;
        if !self.causes.is_empty() {
            let mut report = self.causes.into_report(runs);
            self.experiment.merged.sort(&mut report, |diagnostic| diagnostic.excerpt.as_ref());
            return Err(Error::Settings(report));
        }
        let left_out = self.left_out.iter().sum();
        if runs == 0 && left_out > 0 {
            return Err(self.experiment.nothing_is_left());
        }
        if let Some(wrong) = self.experiment.wrong_column(&self.drafts) {
            return Err(Error::Settings(vec![wrong]));
        }
        self.notes.retain(|note| !self.experiment.notes().contains(note));
        for (rule, count) in self.experiment.exclude.iter().zip(&self.left_out) {
            self.notes.insert(self.experiment.tell_left_out(rule, *count));
        }
        Ok(Expansion {
            drafts: self.drafts,
            notes: self.notes.into_iter().collect(),
            combinations,
            left_out,
            equal: self.equal,
        })
    }
}

fn slot_of(key: &KeyPath, parts: &Parts<'_>) -> Option<usize> {
    match key.0.first() {
        Some(Segment::Key(key)) => parts.slot(key),
        _ => None,
    }
}

/// The axes that have a say in the combination, and their values.
fn assignment(
    space: &Space,
    parts: &mut Parts<'_>,
    choices: &[u32],
    contents: &mut Contents,
) -> Result<Assignment> {
    let mut silent: Vec<usize> = Vec::new();
    for slot in 0..parts.slots().len() {
        silent.extend_from_slice(&parts.part(slot, choices, contents)?.silent);
    }
    let axes = space.axes.iter().enumerate().zip(choices).filter(|((index, _), _)| !silent.contains(index));
    let chosen = axes.filter_map(|((_, axis), choice)| {
        let value = axis.value((*choice as usize).checked_sub(1)?)?;
        Some((Arc::clone(&axis.key), Arc::clone(value)))
    });
    Ok(chosen.collect())
}

/// Where a problem of a combination was written.
fn excerpt(
    experiment: &Experiment,
    space: &Space,
    parts: &Parts<'_>,
    choices: &[u32],
    problem: &Problem,
) -> Option<Excerpt> {
    let slot = &parts.slots()[slot_of(&problem.path, parts)?];
    let trial = Trial::new(experiment, space, &slot.key, &slot.axes, choices);
    trial.place(problem)
}
