//! `experiment.toml`: the layers and what was left of the sweep, as one file that expands to the same runs.

use std::fmt::Write;

use toml::{Table, Value};

use super::experiment::Experiment;
use crate::sweep::{Axis, Condition, Dimension, Origin, Rule, Space, Test, When};
use crate::{Error, Result};

impl Experiment {
    /// The text of `experiment.toml`: the layers as one file, its paths absolute.
    pub fn render(&self) -> Result<String> {
        let mut tree = Table::new();
        for key in ["name", "description", "seed", "device", "metrics"] {
            tree.extend(self.base.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        for (key, value) in &self.base {
            if !tree.contains_key(key) {
                tree.insert(key.clone(), value.clone());
            }
        }
        let mut text = toml::to_string(&tree)
            .map_err(|error| Error::Bug(format!("failed to write the experiment: {error}")))?;
        // By hand: the order of axes counts, and a serializer puts tables behind plain values.
        let mut sweep = self.sweep();
        if let Some(prune) = self.prune() {
            let prune = Value::try_from(prune)
                .map_err(|error| Error::Bug(format!("failed to write the experiment: {error}")))?;
            sweep.insert("prune".to_owned(), prune);
        }
        write_table(&mut text, "sweep", &sweep);
        Ok(text)
    }

    fn sweep(&self) -> Table {
        let mut sweep = Table::new();
        match self.spaces.as_slice() {
            [space] if space.dimensions.iter().any(|dimension| dimension.origin == Origin::Rows) => {
                sweep.insert("union".to_owned(), Value::Array(rows(space)));
            }
            spaces => {
                if let Some(first) = spaces.first() {
                    sweep = of_space(first, false);
                }
                let members: Vec<Table> = spaces.iter().map(|space| of_space(space, true)).collect();
                if spaces.len() > 1 || members.iter().any(|member| !member.is_empty()) {
                    let members = members.into_iter().map(Value::Table).collect();
                    sweep.insert("union".to_owned(), Value::Array(members));
                }
            }
        }
        if !self.exclude.is_empty() {
            let rules = self.exclude.iter().map(|rule: &Rule| conditions(&rule.conditions)).collect();
            sweep.insert("exclude".to_owned(), Value::Array(rules));
        }
        let seeds = self.spaces.iter().find_map(|space| {
            let mut dimensions = space.dimensions.iter();
            let dimension = dimensions.position(|dimension| dimension.origin == Origin::Seeds)?;
            space.axes.iter().find(|axis| axis.dimension == dimension)
        });
        if let Some(axis) = seeds {
            sweep.insert("seeds".to_owned(), axis.described.clone().unwrap_or_else(|| list(axis)));
        }
        sweep
    }
}

/// Writes `[name]` with a line a key, and below it the parts of a sweep as tables of their own.
fn write_table(text: &mut String, name: &str, table: &Table) {
    let is_part = |key: &str, value: &Value| match value {
        Value::Table(_) => ["grid", "random", "prune"].contains(&key),
        Value::Array(_) => ["zip", "union", "exclude"].contains(&key),
        _ => false,
    };
    let mut lines = table.iter().filter(|(key, value)| !is_part(key, value)).peekable();
    if lines.peek().is_some() {
        let _ = write!(text, "\n[{name}]\n");
        lines.for_each(|(key, value)| write_line(text, key, value));
    }
    for (key, value) in table.iter().filter(|(key, value)| is_part(key, value)) {
        let name = format!("{name}.{key}");
        match value {
            Value::Table(axes) => {
                let _ = write!(text, "\n[{name}]\n");
                axes.iter().for_each(|(key, value)| write_line(text, key, value));
            }
            Value::Array(entries) => {
                for entry in entries.iter().filter_map(Value::as_table) {
                    let _ = write!(text, "\n[[{name}]]\n");
                    if key == "union" {
                        write_table(text, &name, entry);
                    } else {
                        entry.iter().for_each(|(key, value)| write_line(text, key, value));
                    }
                }
            }
            _ => {}
        }
    }
}

fn write_line(text: &mut String, key: &str, value: &Value) {
    let is_bare = key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    let key =
        if is_bare && !key.is_empty() { key.to_owned() } else { Value::String(key.to_owned()).to_string() };
    let _ = writeln!(text, "{key} = {value}");
}

/// Grid, zips and random part, in the order in which they stand: those of the entry of `union`, or those beside.
fn of_space(space: &Space, in_union: bool) -> Table {
    let mut sweep = Table::new();
    for (index, dimension) in space.dimensions.iter().enumerate() {
        let Dimension { length, origin, .. } = dimension;
        if dimension.in_union != in_union {
            continue;
        }
        let axes = space.axes.iter().filter(|axis| axis.dimension == index);
        match origin {
            Origin::Grid => {
                let grid = sweep.entry("grid").or_insert_with(|| Value::Table(Table::new()));
                if let Value::Table(grid) = grid {
                    grid.extend(axes.map(|axis| (axis.key.to_string(), values(axis))));
                }
            }
            Origin::Random(seed) => {
                let mut random = Table::new();
                random.insert("samples".to_owned(), Value::Integer(length.cast_signed() as i64));
                random.insert("seed".to_owned(), Value::Integer(seed.cast_signed()));
                random.extend(axes.map(|axis| (axis.key.to_string(), values(axis))));
                sweep.insert("random".to_owned(), Value::Table(random));
            }
            Origin::Zip => {
                let group = axes
                    .map(|axis| (axis.key.to_string(), axis.described.clone().unwrap_or_else(|| list(axis))));
                let group = Value::Table(group.collect());
                if let Value::Array(groups) = sweep.entry("zip").or_insert_with(|| Value::Array(Vec::new())) {
                    groups.push(group);
                }
            }
            // The folds follow from the data, the seeds stand beside.
            Origin::Folds | Origin::Seeds | Origin::Rows => {}
        }
    }
    sweep
}

fn list(axis: &Axis) -> Value {
    Value::Array(axis.values.iter().flatten().map(|value| (**value).clone()).collect())
}

/// The values of an axis of the grid, as they were described if they were.
fn values(axis: &Axis) -> Value {
    match (&axis.described, &axis.when) {
        (Some(described), _) => described.clone(),
        (None, When::Holds(when)) => {
            let entries = [("values".to_owned(), list(axis)), ("when".to_owned(), conditions(when))];
            Value::Table(entries.into_iter().collect())
        }
        (None, When::Always | When::Folds) => list(axis),
    }
}

fn conditions(conditions: &[Condition]) -> Value {
    let entry = |condition: &Condition| {
        let value = match &condition.test {
            Test::OneOf(values) => match values.as_slice() {
                [one] if !one.is_array() && !one.is_table() => one.clone(),
                many => Value::Array(many.to_vec()),
            },
            Test::Between(min, max) => {
                let ends = [("min", min), ("max", max)];
                let ends =
                    ends.into_iter().filter_map(|(key, end)| Some((key.to_owned(), Value::Float((*end)?))));
                Value::Table(ends.collect())
            }
        };
        (condition.key.to_string(), value)
    };
    Value::Table(conditions.iter().map(entry).collect())
}

/// A table of runs as zips, one for each stretch of rows that set the same keys.
fn rows(space: &Space) -> Vec<Value> {
    let length = space.dimensions.first().map_or(0, |dimension| dimension.length);
    let set = |row: usize| space.axes.iter().map(|axis| axis.value(row).is_some()).collect::<Vec<_>>();
    let mut members = Vec::new();
    let mut start = 0;
    while start < length {
        let keys = set(start);
        let end = (start..length).find(|row| set(*row) != keys).unwrap_or(length);
        let axes = space.axes.iter().zip(&keys).filter(|(_, is_set)| **is_set);
        let group: Table = axes
            .map(|(axis, _)| {
                let values = axis.values[start..end].iter().flatten().map(|value| (**value).clone());
                (axis.key.to_string(), Value::Array(values.collect()))
            })
            .collect();
        let mut member = Table::new();
        if !group.is_empty() {
            member.insert("zip".to_owned(), Value::Array(vec![Value::Table(group)]));
        }
        members.push(Value::Table(member));
        start = end;
    }
    members
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Layer;

    fn load(base: &str, text: &str, flags: &[&str]) -> Experiment {
        let mut layers = vec![Layer::parse("a.toml".into(), PathBuf::from(base), text).unwrap()];
        layers.extend(flags.iter().map(|flag| Layer::flag(flag).unwrap()));
        Experiment::from_layers(layers, "a", None).unwrap()
    }

    #[test]
    fn the_text_expands_to_the_same_runs_from_any_folder() {
        let text = "model = { kind = 'mlp', weights = 'w.safetensors' }\n[sweep]\nseeds = 2\n[sweep.grid]\n\
                    'train.epochs' = [1, 2]\ndata = ['digits', { source = 'mnist', path = 'here' }]\n\
                    optimizer = [{ kind = 'sgd', momentum = 0.9, lr = 0.1 }, 'adam']\n\
                    model.regularizer = ['none', ['batch_norm', { kind = 'dropout', p = 0.2 }]]\n";
        let flags = ["train.epochs=3", "optimizer.lr=0.5", "model.regularizer.p=0.4"];
        let experiment = load("/exp", text, &flags);
        let written = experiment.render().unwrap();
        let again = load("/elsewhere", &written, &[]);
        let drafts = experiment.expand().unwrap().drafts;
        assert_eq!(drafts.len(), 16);
        assert_eq!(again.expand().unwrap().drafts, drafts, "{written}");
        assert_eq!(again.render().unwrap(), written);
        assert!(written.contains("weights = \"/exp/w.safetensors\""), "{written}");
        assert!(written.contains("\"/exp/here\"") && written.contains("seeds = 2\n"), "{written}");
        assert!(!written.contains("train.epochs"), "{written}");
    }

    #[test]
    fn every_part_of_a_sweep_is_written() {
        let text = "data.source = 'digits'\nmodel.kind = 'mlp'\ndata.split.folds = 2\n[sweep]\nseeds = 2\n\
                    [[sweep.zip]]\n'train.epochs' = [1, 2]\n'train.batch_size' = { from = 8, to = 16, step = 8 }\n\
                    [sweep.grid]\n'optimizer.kind' = ['sgd', 'adam']\n\
                    'optimizer.momentum' = { values = [0.1, 0.9], when = { 'optimizer.kind' = 'sgd' } }\n\
                    [[sweep.exclude]]\n'train.epochs' = 2\n'optimizer.kind' = ['adam']\n\
                    [[sweep.exclude]]\n'optimizer.momentum' = { max = 0.5 }\n'train.epochs' = [1]\n\
                    [[sweep.union]]\n[[sweep.union]]\nrandom = { samples = 2, 'optimizer.lr' = { uniform = [0, 1] } }\n";
        let shared = "data.source = 'digits'\nmodel.kind = 'mlp'\n\
                      [sweep.random]\nsamples = 4\nseed = 3\n'optimizer.lr' = { log_uniform = [1e-4, 1] }\n\
                      'model.weights' = { choice = ['a/w', 'b/w'] }\n\
                      optimizer = { choice = ['sgd', { kind = 'adam', eps = 0.1 }], when = { seed = 42 } }\n\
                      [sweep.grid]\n'optimizer.weight_decay' = [0.1, 0.2]\n\
                      [[sweep.union]]\nrandom = { samples = 3, 'train.epochs' = { int_uniform = [1, 9] } }\n\
                      [[sweep.union]]\nzip = [{ 'train.epochs' = [1, 2], 'data.split.seed' = [3, 4] }]\n";
        for (text, flags) in [
            (text, &[][..]),
            (text, &["optimizer.lr=0.5"]),
            (shared, &[]),
            (shared, &["optimizer.eps=0.12345678901234567"]),
        ] {
            let experiment = load("/exp", text, flags);
            let written = experiment.render().unwrap();
            let again = load("/elsewhere", &written, &[]);
            let drafts = experiment.expand().unwrap().drafts;
            assert!(drafts.len() > 10, "{}", drafts.len());
            assert_eq!(again.expand().unwrap().drafts, drafts, "{written}");
            assert_eq!(again.render().unwrap(), written);
        }
    }

    #[test]
    fn without_an_axis_there_is_no_sweep() {
        let text = "data.source = 'digits'\nmodel.kind = 'mlp'\nsweep.seeds = [1, 2]\n";
        let written = load("", text, &["seed=3"]).render().unwrap();
        assert!(!written.contains("sweep"), "{written}");
        let written = load("", text, &[]).render().unwrap();
        assert!(written.contains("[sweep]\nseeds = [1, 2]\n"), "{written}");
    }
}
