//! `experiment.toml`: the layers and what was left of the sweep, as one file that expands to the same runs.

use toml::{Table, Value};

use super::experiment::Experiment;
use crate::setting::KeyPath;
use crate::sweep::Axis;
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
        if !self.axes.is_empty() {
            tree.insert("sweep".to_owned(), Value::Table(sweep(&self.axes)));
        }
        toml::to_string(&tree).map_err(|error| Error::Bug(format!("failed to write the experiment: {error}")))
    }
}

fn sweep(axes: &[Axis]) -> Table {
    let mut table = Table::new();
    let mut grid = Table::new();
    for axis in axes {
        let values = Value::Array(axis.values.clone());
        if axis.written != KeyPath::parse("sweep.seeds") {
            grid.insert(axis.key.to_string(), values);
        } else if axis.listed {
            table.insert("seeds".to_owned(), values);
        } else {
            // A list that was made from a count is no longer than the most runs.
            table.insert("seeds".to_owned(), Value::Integer(axis.values.len().cast_signed() as i64));
        }
    }
    if !grid.is_empty() {
        table.insert("grid".to_owned(), Value::Table(grid));
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Layer;

    fn load(base: &str, text: &str, flags: &[&str]) -> Experiment {
        let mut layers = vec![Layer::parse("a.toml".into(), PathBuf::from(base), text).unwrap()];
        layers.extend(flags.iter().map(|flag| Layer::flag(flag).unwrap()));
        Experiment::from_layers(layers, "a").unwrap()
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
    fn without_an_axis_there_is_no_sweep() {
        let text = "data.source = 'digits'\nmodel.kind = 'mlp'\nsweep.seeds = [1, 2]\n";
        let written = load("", text, &["seed=3"]).render().unwrap();
        assert!(!written.contains("sweep"), "{written}");
        let written = load("", text, &[]).render().unwrap();
        assert!(written.contains("[sweep]\nseeds = [1, 2]\n"), "{written}");
    }
}
