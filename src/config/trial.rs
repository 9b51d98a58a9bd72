//! One combination of the sweep, written into the settings, read and checked.

use toml::{Table, Value};

use super::experiment::{Draft, Experiment};
use super::patch::{misplaced, patch};
use super::run_config::RunConfig;
use super::schema;
use super::unknown::explain;
use crate::setting::{Excerpt, KeyPath, Place, Problem, Problems, read_what_can_be_read};
use crate::sweep::{self, text_of};

/// One combination.
pub(super) struct Trial<'a> {
    experiment: &'a Experiment,
    choices: &'a [usize],
    tree: Table,
    written: Vec<Written>,
    /// The sections whose kind an axis decided.
    decided: Vec<&'static str>,
    /// What the axes dropped.
    pub notes: Vec<String>,
}

/// What an axis wrote.
struct Written {
    axis: usize,
    /// The setting.
    path: KeyPath,
    /// Where it lies in the value of the axis.
    below: KeyPath,
}

impl<'a> Trial<'a> {
    /// The settings of the combination, before anything is written.
    pub fn new(experiment: &'a Experiment, choices: &'a [usize]) -> Self {
        let tree = experiment.base.clone();
        Self { experiment, choices, tree, written: Vec::new(), decided: Vec::new(), notes: Vec::new() }
    }

    /// The run, or everything that is wrong with it.
    pub fn run(&mut self) -> Result<Draft, Vec<Problem>> {
        for index in &self.experiment.order {
            self.write(*index).map_err(|problem| vec![problem])?;
        }
        self.read()
    }

    fn write(&mut self, index: usize) -> Result<(), Problem> {
        let Experiment { axes, sections, .. } = self.experiment;
        let axis = &axes[index];
        if let Some((section, dropped)) = misplaced(&self.tree, &axis.key, sections)
            && self.decided.contains(&section)
        {
            self.notes.push(dropped.to_string());
            return Ok(());
        }
        let value = axis.values[self.choices[index]].clone();
        let patched = patch(&mut self.tree, &axis.key, value, sections).map_err(|message| {
            let (path, below) = (axis.key.clone(), KeyPath::default());
            self.written.push(Written { axis: index, path: path.clone(), below });
            Problem { path, place: Place::Value, message, expected: String::new(), help: None }
        })?;
        self.decided.extend(patched.decided);
        for dropped in &patched.dropped {
            self.written.retain(|written| !dropped.path.covers(&written.path));
            self.notes.push(dropped.to_string());
        }
        let written = patched.written.into_iter();
        self.written.extend(written.map(|(path, below)| Written { axis: index, path, below }));
        Ok(())
    }

    fn read(&self) -> Result<Draft, Vec<Problem>> {
        let (config, mut unread) = read_what_can_be_read::<RunConfig>(&Value::Table(self.tree.clone()));
        for problem in &mut unread {
            explain(problem, &self.tree, &self.experiment.sections);
        }
        let Some(mut config) = config else { return Err(unread) };
        if let Err(error) = config.resolve() {
            let (path, place) = (KeyPath::parse("data"), Place::Value);
            let message = error.to_string();
            return Err(vec![Problem { path, place, message, expected: String::new(), help: None }]);
        }
        let mut problems = Problems::default();
        config.check(&mut problems);
        let mut problems = problems.into_found();
        // A default stands in for what could not be read: what the checks say of its table may be wrong.
        problems.retain(|problem| unread.iter().all(|known| known.path.parent() != problem.path.parent()));
        problems.extend(unread);
        if !problems.is_empty() {
            return Err(problems);
        }
        let assignment = self.kept().map(|(axis, value)| (axis.key.clone(), value.clone())).collect();
        Ok(Draft { assignment, config })
    }

    /// The axes that have a say in the run, and their values.
    fn kept(&self) -> impl Iterator<Item = (&'a sweep::Axis, &'a Value)> + '_ {
        let axes = self.experiment.axes.iter().zip(self.choices).enumerate();
        let has_say = |index: usize| self.written.iter().any(|written| written.axis == index);
        axes.filter(move |(index, _)| has_say(*index))
            .map(|(_, (axis, choice))| (axis, &axis.values[*choice]))
    }

    /// The run in words, by its swept keys.
    pub fn describe(&self) -> String {
        let keys = schema::keys();
        let parts = self.kept().map(|(axis, value)| {
            format!("{}={}", sweep::short_key(&axis.key.to_string(), keys), text_of(value))
        });
        parts.collect::<Vec<_>>().join(",")
    }

    /// Where a problem was written: in an axis, or in a layer.
    pub fn place(&self, problem: &Problem) -> Option<Excerpt> {
        let Experiment { merged, axes, late, .. } = self.experiment;
        let of_key = problem.place == Place::Key;
        let is_late = late.iter().any(|path| path.covers(&problem.path));
        let Some(written) = self.culprit(problem).filter(|_| !is_late) else {
            return merged.excerpt(&problem.path, of_key);
        };
        let axis = &axes[written.axis];
        let layer = &merged.layers()[merged.layer_of(&axis.written)?];
        if of_key && written.path == problem.path && written.below.0.is_empty() {
            return Some(layer.excerpt(&axis.written, true));
        }
        let mut place = axis.place_of(self.choices[written.axis]);
        place.0.extend(written.below.0.iter().cloned());
        place.0.extend(written.path.way_to(&problem.path).unwrap_or_default().0);
        Some(layer.excerpt(&place, of_key))
    }

    /// What an axis wrote that the problem is about: the setting, else a part of a table that it made wrong.
    fn culprit(&self, problem: &Problem) -> Option<&Written> {
        let mut latest = self.written.iter().rev();
        let table = match problem.place {
            Place::Table => problem.path.parent(),
            _ => problem.path.clone(),
        };
        // A fault of a whole section may lie anywhere in it.
        let is_inside = |written: &&Written| table.0.len() > 1 && table.covers(&written.path);
        let made = |written: &&Written| problem.place == Place::Table && table.covers(&written.path);
        latest
            .clone()
            .find(|written| written.path.covers(&problem.path))
            .or_else(|| latest.find(|written| is_inside(written) || made(written)))
    }
}
