//! What one combination of the sweep makes of one top-level key of the settings.

use toml::{Table, Value};

use super::experiment::Experiment;
use super::patch::{misplaced, patch};
use super::run_config::RunConfig;
use super::unknown::explain;
use crate::setting::{Excerpt, KeyPath, Place, Problem, Problems, read_what_can_be_read};
use crate::sweep::Space;

/// The choice of an axis that has no say in a combination; others count their values from 1.
pub(super) const NONE: u32 = 0;

/// One top-level key under one choice for each axis of a space.
pub(super) struct Trial<'a> {
    experiment: &'a Experiment,
    space: &'a Space,
    /// One an axis, [`NONE`] or the number of its value.
    choices: &'a [u32],
    /// The key and its value alone.
    tree: Table,
    written: Vec<Written>,
    /// The sections whose kind an axis decided.
    decided: Vec<&'static str>,
    /// Why an axis could not write its value.
    failure: Option<Problem>,
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
    /// Writes what the axes say, in the order of `axes`, into the value that the layers give the key; what one
    /// of them cannot write is told by [`read`](Self::read).
    pub fn new(
        experiment: &'a Experiment,
        space: &'a Space,
        key: &str,
        axes: &[usize],
        choices: &'a [u32],
    ) -> Self {
        let tree =
            experiment.base.get(key).map(|value| (key.to_owned(), value.clone())).into_iter().collect();
        let mut trial = Self {
            experiment,
            space,
            choices,
            tree,
            written: Vec::new(),
            decided: Vec::new(),
            failure: None,
            notes: Vec::new(),
        };
        for index in axes {
            if let Err(problem) = trial.write(*index) {
                trial.failure = Some(problem);
                break;
            }
        }
        trial
    }

    fn write(&mut self, index: usize) -> Result<(), Problem> {
        let sections = &self.experiment.sections;
        let axis = &self.space.axes[index];
        let Some(value) = (self.choices[index] as usize).checked_sub(1).and_then(|value| axis.value(value))
        else {
            return Ok(());
        };
        if let Some((section, dropped)) = misplaced(&self.tree, &axis.key, sections)
            && self.decided.contains(&section)
        {
            self.notes.push(dropped.to_string());
            return Ok(());
        }
        let patched = patch(&mut self.tree, &axis.key, (**value).clone(), sections).map_err(|message| {
            let (path, below) = ((*axis.key).clone(), KeyPath::default());
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

    /// The key read into a copy of `others`, of which nothing else is meant, and everything that is wrong with it.
    pub fn read(&mut self, key: &str, others: &RunConfig) -> (Option<RunConfig>, Vec<Problem>) {
        if let Some(problem) = self.failure.take() {
            return (None, vec![problem]);
        }
        let mut config = others.clone();
        // Nearly all that is read has no mistake; a second reading finds all of them.
        let (config, unread) = match self.tree.get(key) {
            Some(value) if config.put(key, value) => (Some(config), Vec::new()),
            _ => self.read_with_mistakes(key),
        };
        match config {
            Some(config) => check(key, config, unread),
            None => (None, unread),
        }
    }

    fn read_with_mistakes(&mut self, key: &str) -> (Option<RunConfig>, Vec<Problem>) {
        // What else a configuration must have.
        for (required, value) in [("name", "x"), ("data", "digits"), ("model", "mlp")] {
            if required != key {
                self.tree.insert(required.to_owned(), Value::String(value.to_owned()));
            }
        }
        let tree = Value::Table(std::mem::take(&mut self.tree));
        let (config, mut unread) = read_what_can_be_read::<RunConfig>(&tree);
        let Value::Table(tree) = tree else { return (None, unread) };
        for problem in &mut unread {
            explain(problem, &tree, &self.experiment.sections);
        }
        self.tree = tree;
        (config, unread)
    }

    /// Whether the axis has a say.
    pub fn has_say(&self, axis: usize) -> bool {
        self.written.iter().any(|written| written.axis == axis)
    }

    /// Where a problem was written: in an axis, or in a layer.
    pub fn place(&self, problem: &Problem) -> Option<Excerpt> {
        let Experiment { merged, late, .. } = self.experiment;
        let of_key = problem.place == Place::Key;
        let is_late = late.iter().any(|path| path.covers(&problem.path));
        let Some(written) = self.culprit(problem).filter(|_| !is_late) else {
            return merged.excerpt(&problem.path, of_key);
        };
        let axis = &self.space.axes[written.axis];
        let value = (self.choices[written.axis] as usize).checked_sub(1)?;
        if let Some(rows) = &self.experiment.rows {
            return rows.excerpt(&axis.key, (!of_key).then_some(value));
        }
        let Some(layer) = merged.layer_of(&axis.written) else {
            return merged.excerpt(&axis.written, of_key);
        };
        let layer = &merged.layers()[layer];
        if of_key && written.path == problem.path && written.below.0.is_empty() {
            return Some(layer.excerpt(&axis.written, true));
        }
        let mut place = axis.place_of(value);
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

/// Resolves and checks what can be said of a top-level key alone, of which `unread` could not be read.
fn check(key: &str, mut config: RunConfig, mut unread: Vec<Problem>) -> (Option<RunConfig>, Vec<Problem>) {
    if let Err(error) = config.resolve_alone(key) {
        let (path, place, message) = (KeyPath::parse(key), Place::Value, error.to_string());
        unread.push(Problem { path, place, message, expected: String::new(), help: None });
        return (None, unread);
    }
    let mut problems = Problems::default();
    config.check_alone(key, &mut problems);
    let problems = beside(&unread, problems.into_found());
    (Some(config), problems.into_iter().chain(unread).collect())
}

/// What a check found, less what it says of tables that could not be read whole: there a default stands in for
/// what was written.
pub(super) fn beside(unread: &[Problem], mut found: Vec<Problem>) -> Vec<Problem> {
    found.retain(|problem| unread.iter().all(|known| known.path.parent() != problem.path.parent()));
    found
}
