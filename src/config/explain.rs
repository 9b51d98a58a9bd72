//! Where the value of a setting comes from.

mod reach;

use indexmap::IndexSet;
use toml::{Table, Value};

use self::reach::{as_written, collect_leaves, reach, unwritten};
use super::assignment::quoted_path;
use super::experiment::Experiment;
use super::extends;
use super::layer::{Layer, nested};
use super::patch::misplaced;
use super::schema::{self, KeyDoc};
use super::section::section_at;
use crate::setting::{Diagnostic, Excerpt, KeyPath, Segment, keys_of, nearest};
use crate::sweep::{Axis, SweepConfig, When, short_key};
use crate::{Error, Result};

/// So many combinations of a sweep are tried for what their kinds drop; nobody waits for a million.
const MOST_TRIED: usize = 1000;

/// What the layers say of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The key.
    pub key: KeyPath,
    /// Whether it is a table of settings.
    pub is_table: bool,
    /// Every place that speaks of the key, the strongest first. Of a table, the place in force for each setting in it.
    pub mentions: Vec<Mention>,
    /// What became of values that are not in force.
    pub notes: Vec<String>,
    /// What the key means, of the kind that the first run has; absent where that kind does not have it.
    pub doc: Option<KeyDoc>,
}

/// A value, and where it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Mention {
    /// What was set there: the key itself, or what holds it and was written as a whole.
    pub key: KeyPath,
    /// The value as it was written; of an axis, the list of its values.
    pub value: Value,
    /// The place; absent for a default.
    pub place: Option<Excerpt>,
    /// Whether it is an axis of the sweep.
    pub is_swept: bool,
    /// Whether a run of the experiment has the value.
    pub is_in_force: bool,
}

/// A mention that is in force if nothing stronger is.
struct Spoken {
    mention: Mention,
    /// Whether weaker ones have a say beside it: tables merge, and an axis may say nothing in some runs.
    leaves_room: bool,
}

impl Explanation {
    /// The strongest of the mentions that are in force.
    pub fn in_force(&self) -> Option<&Mention> {
        self.mentions.iter().find(|mention| mention.is_in_force)
    }
}

impl Experiment {
    /// Every place that speaks of `key`, or the default; an error if no experiment can have the key.
    pub fn explain(&self, key: &str) -> Result<Explanation> {
        let key = known(key)?;
        let (config, tried) = self.try_out();
        let value = key.find_in(&self.merged.tree).or_else(|| key.find_in(config.as_ref()?));
        let is_swept = self.axes().any(|axis| axis.key.covers(&key));
        let is_table = !is_swept && value.is_some_and(Value::is_table);
        let mentions = if is_table {
            self.settings_below(&key, config.as_ref())
        } else {
            self.mentions_or_default(&key, config.as_ref())
        };
        let (whole, below) = (format!("`{key}`"), format!("`{key}."));
        let mut notes = self.notes().to_vec();
        notes.extend(tried.into_iter().filter(|note| !self.notes().contains(note)));
        notes.retain(|note| note.contains(&whole) || note.contains(&below));
        let is_open = is_table || !mentions.iter().any(|mention| mention.is_in_force);
        match &config {
            None if is_open => {
                notes.push("defaults are not known while the experiment has errors".to_owned());
            }
            Some(config) if is_open && notes.is_empty() => {
                let foreign = misplaced(config, &key, &self.sections);
                notes.extend(foreign.map(|(_, why)| format!("`{key}` has no place where {}", why.reason)));
            }
            _ => {}
        }
        let doc = self.document(&key, config.as_ref());
        Ok(Explanation { key, is_table, mentions, notes, doc })
    }

    fn document(&self, key: &KeyPath, config: Option<&Table>) -> Option<KeyDoc> {
        let parent = key.parent();
        let section =
            section_at(&self.sections, &parent).filter(|section| key.last_key() != Some(section.tag));
        let table = || parent.find_in(config?)?.as_table();
        match section.and_then(|section| section.kind_of(table()?)) {
            Some(kind) => schema::describe_of_kind(key, kind).or_else(|| schema::describe(key)),
            None => schema::describe(key),
        }
    }

    fn axes(&self) -> impl Iterator<Item = &Axis> {
        self.spaces.iter().flat_map(|space| &space.axes)
    }

    /// The settings of the first run that has no errors, with every default, and what the runs dropped.
    fn try_out(&self) -> (Option<Table>, IndexSet<String>) {
        let (config, notes) = self.try_combinations(MOST_TRIED);
        let mut config = config.and_then(|config| Table::try_from(&config).ok());
        if let (Some(config), Some(prune)) =
            (&mut config, self.prune().and_then(|prune| Table::try_from(prune).ok()))
        {
            let sweep = std::iter::once(("prune".to_owned(), Value::Table(prune))).collect();
            config.insert("sweep".to_owned(), Value::Table(sweep));
        }
        for section in &self.sections {
            if let Some(config) = &mut config {
                section.write_out(config);
            }
        }
        (config, notes)
    }

    fn mentions_or_default(&self, key: &KeyPath, config: Option<&Table>) -> Vec<Mention> {
        let mut mentions = self.mentions(key);
        let is_open = !mentions.iter().any(|mention| mention.is_in_force);
        let default = config.filter(|_| is_open).and_then(|config| {
            let at = reach(config, key).filter(|at| at.without_indices() == *key);
            at.and_then(|at| at.find_in(config).cloned()).or_else(|| unwritten(key, config))
        });
        mentions.extend(default.map(|value| Mention {
            key: key.clone(),
            value,
            place: None,
            is_swept: false,
            is_in_force: true,
        }));
        mentions
    }

    /// Every place that speaks of the key, the strongest first.
    fn mentions(&self, key: &KeyPath) -> Vec<Mention> {
        let layers = self.merged.layers();
        let mut axes: Vec<&Axis> = self.axes().filter(|axis| axis.key.covers(key)).collect();
        // An axis below another one is written behind it.
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.key.0.len()));
        let highest = axes.iter().filter_map(|axis| self.merged.layer_of(&axis.written)).max();
        // A flag has the last word where it speaks of a part of an axis.
        let is_above =
            |layer: usize| layers[layer].assigned().is_some() && highest.is_some_and(|axis| layer > axis);
        let (above, below): (Vec<usize>, Vec<usize>) = (0..layers.len()).rev().partition(|l| is_above(*l));
        let all = |layers: Vec<usize>| -> Vec<Spoken> {
            layers.into_iter().filter_map(|layer| self.mention(&self.merged.layers()[layer], key)).collect()
        };
        let mut found = all(above);
        found.extend(axes.into_iter().filter_map(|axis| self.mention_of_axis(axis, key)));
        found.extend(all(below));
        // What a change of kind dropped is in nobody's force.
        let is_kept = reach(&self.merged.tree, key).is_some();
        let mut is_open = true;
        let settle = |Spoken { mut mention, leaves_room }| {
            mention.is_in_force &= is_open && (is_kept || mention.is_swept);
            is_open &= leaves_room;
            mention
        };
        found.into_iter().map(settle).collect()
    }

    fn mention(&self, layer: &Layer, key: &KeyPath) -> Option<Spoken> {
        let table = as_written(layer, &self.sections);
        let at = reach(&table, key)?;
        let value = at.find_in(&table)?.clone();
        let place = Some(layer.excerpt(&at, false));
        let leaves_room = value.is_table();
        let mention = Mention { key: at.without_indices(), value, place, is_swept: false, is_in_force: true };
        Some(Spoken { mention, leaves_room })
    }

    fn mention_of_axis(&self, axis: &Axis, key: &KeyPath) -> Option<Spoken> {
        if let Some(rows) = &self.rows {
            let value = Value::Array(axis.values.iter().flatten().map(|value| (**value).clone()).collect());
            let (key, place) = ((*axis.key).clone(), rows.excerpt(&axis.key, None));
            let leaves_room = axis.values.contains(&None);
            let mention = Mention { key, value, place, is_swept: true, is_in_force: true };
            return Some(Spoken { mention, leaves_room });
        }
        let layer = &self.merged.layers()[self.merged.layer_of(&axis.written)?];
        let values = || axis.values.iter().flatten();
        // A number of seeds or of folds stands for its values.
        let written = axis.written.find_in(&layer.table).filter(|value| value.is_array() || value.is_table());
        let written = written.cloned();
        let listed = || Value::Array(values().map(|value| (**value).clone()).collect());
        let value = written.unwrap_or_else(listed);
        let place = Some(layer.excerpt(&axis.written, false));
        let said: Vec<bool> = values().map(|value| self.says(axis, value, key)).collect();
        let has_table = *axis.key == *key && values().any(|value| value.is_table());
        // Where its condition does not hold, it has no say.
        let leaves_room =
            has_table || said.contains(&false) || axis.when != When::Always || self.spaces.len() > 1;
        let is_in_force = said.contains(&true);
        let mention = Mention { key: (*axis.key).clone(), value, place, is_swept: true, is_in_force };
        Some(Spoken { mention, leaves_room })
    }

    /// Whether a value of an axis says something of the key.
    fn says(&self, axis: &Axis, value: &Value, key: &KeyPath) -> bool {
        let Value::Table(mut alone) = nested(&axis.key, value.clone()) else { return false };
        for section in &self.sections {
            section.write_out(&mut alone);
        }
        reach(&alone, key).is_some()
    }

    /// The settings in the table at `key`, in the order of a run's `config.toml`, and where each comes from.
    fn settings_below(&self, key: &KeyPath, config: Option<&Table>) -> Vec<Mention> {
        let mut leaves = IndexSet::new();
        for table in config.into_iter().chain([&self.merged.tree]) {
            collect_leaves(key, key.find_in(table), &mut leaves);
        }
        let known = schema::keys().iter().map(|known| KeyPath::parse(known));
        let known =
            known.filter(|known| known.parent() == *key && known.find_in(&self.merged.tree).is_none());
        leaves.extend(known.filter(|known| config.is_some_and(|config| unwritten(known, config).is_some())));
        // What is swept is one line, however many settings it is.
        let swept = self.axes().map(|axis| (*axis.key).clone()).filter(|axis| key.covers(axis));
        let swept: Vec<KeyPath> = swept.collect();
        let whole = |leaf: KeyPath| swept.iter().find(|axis| axis.covers(&leaf)).cloned().unwrap_or(leaf);
        let leaves: IndexSet<KeyPath> = leaves.into_iter().map(whole).chain(swept.iter().cloned()).collect();
        let in_force = |leaf: &KeyPath| {
            let mut mentions = self.mentions_or_default(leaf, config).into_iter();
            mentions.find(|mention| mention.is_in_force)
        };
        leaves.iter().filter_map(in_force).collect()
    }
}

/// The path that a key stands for, if an experiment can have it.
fn known(key: &str) -> Result<KeyPath> {
    let path = quoted_path(key.trim());
    let dotted = path.to_string();
    let of_sweep = || match path.0.as_slice() {
        [Segment::Key(sweep)] => sweep == "sweep",
        [Segment::Key(sweep), Segment::Key(key), ..] => {
            sweep == "sweep" && keys_of::<SweepConfig>().contains(&key.as_str())
        }
        _ => false,
    };
    let keys = schema::keys();
    if keys.contains(&dotted) || of_sweep() {
        return Ok(path);
    }
    let short = || keys.iter().find(|key| short_key(key, keys) == dotted).map(String::as_str);
    let near = short().or_else(|| nearest(&dotted, keys.iter().map(String::as_str)));
    let (message, help) = if dotted == extends::KEY {
        (format!("`{dotted}` is not a setting: it names the files that settings come from"), None)
    } else {
        (format!("unknown key `{dotted}`"), near.map(|key| format!("did you mean \"{key}\"?")))
    };
    Err(Error::Settings(vec![Diagnostic {
        message,
        excerpt: None,
        label: String::new(),
        notes: Vec::new(),
        help,
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "data.source = 'digits'\nmodel.kind = 'mlp'\n";

    fn load(base: &str, text: &str, flags: &[&str]) -> Experiment {
        let file = |name: &str, text: &str| Layer::parse(name.into(), "/exp".into(), text).unwrap();
        let mut layers = vec![file("base.toml", &format!("{HEAD}{base}")), file("a.toml", text)];
        for flag in flags {
            let grid = flag.strip_prefix("grid ").map(Layer::grid_flag);
            layers.push(grid.unwrap_or_else(|| Layer::flag(flag)).unwrap());
        }
        Experiment::from_layers(layers, "a", None).unwrap()
    }

    /// `key = value @ place` of every mention; those in force with a star.
    fn lines(experiment: &Experiment, key: &str) -> Vec<String> {
        let line = |mention: &Mention| {
            let place = mention.place.as_ref().map_or_else(|| "default".to_owned(), Excerpt::place);
            let star = if mention.is_in_force { "*" } else { "" };
            format!("{star}{} = {} @ {place}", mention.key, mention.value)
        };
        experiment.explain(key).unwrap().mentions.iter().map(line).collect()
    }

    #[test]
    fn every_layer_that_speaks_of_a_key_is_there_strongest_first() {
        let experiment = load("optimizer.lr = 0.1\n", "[optimizer]\nlr = 0.2\n", &["optimizer.lr=0.3"]);
        let expected = [
            "*optimizer.lr = 0.3 @ --set:1:14",
            "optimizer.lr = 0.2 @ a.toml:2:6",
            "optimizer.lr = 0.1 @ base.toml:3:16",
        ];
        assert_eq!(lines(&experiment, "optimizer.lr"), expected);
        assert_eq!(lines(&experiment, "optimizer.kind"), ["*optimizer.kind = \"adam\" @ default"]);
        assert_eq!(lines(&experiment, "name"), ["*name = \"a\" @ default"]);
    }

    #[test]
    fn a_name_of_a_kind_is_the_value_of_its_tag() {
        let experiment = load("optimizer = 'sgd'\n", "", &[]);
        assert_eq!(lines(&experiment, "optimizer.kind"), ["*optimizer.kind = \"sgd\" @ base.toml:3:13"]);
    }

    #[test]
    fn what_a_change_of_kind_dropped_is_in_no_force_and_says_why() {
        let base = "optimizer = { kind = 'sgd', momentum = 0.9 }\n";
        let experiment = load(base, "optimizer.kind = 'adam'\n", &[]);
        assert_eq!(lines(&experiment, "optimizer.momentum"), ["optimizer.momentum = 0.9 @ base.toml:3:40"]);
        let notes = experiment.explain("optimizer.momentum").unwrap().notes;
        assert_eq!(notes, ["`optimizer.momentum` is dropped: a.toml sets kind = \"adam\""]);
        let unset = load("", "", &[]).explain("optimizer.momentum").unwrap();
        assert_eq!(unset.mentions, []);
        assert_eq!(unset.notes, ["`optimizer.momentum` has no place where optimizer.kind = \"adam\""]);
    }

    #[test]
    fn an_axis_is_stronger_than_the_files_and_one_of_tables_may_leave_room() {
        let text = "optimizer.lr = 0.2\n[sweep.grid]\n'optimizer.lr' = [1, 2]\n";
        let expected = ["*optimizer.lr = [1, 2] @ a.toml:3:18", "optimizer.lr = 0.2 @ a.toml:1:16"];
        assert_eq!(lines(&load("", text, &[]), "optimizer.lr"), expected);
        let grid = ["*optimizer.lr = [3, 4] @ --grid:1:14", "optimizer.lr = 0.2 @ a.toml:1:16"];
        assert_eq!(lines(&load("", text, &["grid optimizer.lr=3,4"]), "optimizer.lr"), grid);
        let tables = "optimizer.lr = 0.2\n[sweep.grid]\noptimizer = [{ lr = 1 }, 'sgd']\n";
        let experiment = load("optimizer.lr = 0.1\n", tables, &[]);
        let expected = [
            "*optimizer = [{ lr = 1 }, \"sgd\"] @ a.toml:3:13",
            "*optimizer.lr = 0.2 @ a.toml:1:16",
            "optimizer.lr = 0.1 @ base.toml:3:16",
        ];
        assert_eq!(lines(&experiment, "optimizer.lr"), expected);
        let flag = lines(&load("", tables, &["optimizer.lr=0.5"]), "optimizer.lr");
        assert_eq!(flag[0], "*optimizer.lr = 0.5 @ --set:1:14");
        assert_eq!(flag.iter().filter(|line| line.starts_with('*')).count(), 1);
        let seeds = load("", "sweep.seeds = 2\n", &[]);
        assert_eq!(lines(&seeds, "seed"), ["*seed = [42, 43] @ a.toml:1:15"]);
    }

    #[test]
    fn a_key_in_a_list_is_found_in_the_one_entry_that_has_it() {
        let list = "model.regularizer = ['batch_norm', { kind = 'dropout', p = 0.2 }]\n";
        let key = "model.regularizer.p";
        let expected =
            ["*model.regularizer.p = 0.5 @ --set:1:21", "model.regularizer.p = 0.2 @ base.toml:3:60"];
        assert_eq!(lines(&load(list, "", &["model.regularizer.p=0.5"]), key), expected);
        let replaced = lines(&load(list, "model.regularizer = ['batch_norm']\n", &[]), key);
        assert_eq!(replaced[0], "*model.regularizer = [\"batch_norm\"] @ a.toml:1:21");
    }

    #[test]
    fn a_table_shows_each_setting_in_it_once() {
        let text = "optimizer.kind = 'sgd'\n[sweep.grid]\n'optimizer.lr' = [1, 2]\n";
        let experiment = load("optimizer.momentum = 0.9\n", text, &[]);
        let found = lines(&experiment, "optimizer");
        let expected = [
            "*optimizer.kind = \"sgd\" @ a.toml:1:18",
            "*optimizer.lr = [1, 2] @ a.toml:3:18",
            "*optimizer.momentum = 0.9 @ base.toml:3:22",
        ];
        assert_eq!(found[..3], expected);
        assert!(found[3..].iter().all(|line| line.ends_with("@ default")), "{found:?}");
    }

    #[test]
    fn paths_are_shown_as_they_were_written() {
        let experiment = load("model.weights = 'w.safetensors'\n", "", &[]);
        let found = lines(&experiment, "model.weights");
        assert_eq!(found, ["*model.weights = \"w.safetensors\" @ base.toml:3:17"]);
    }

    #[test]
    fn an_unknown_key_is_refused_and_errors_of_runs_are_not() {
        let experiment = load("optimizer.lr = -1\n", "", &[]);
        let help = |key: &str| match experiment.explain(key) {
            Err(Error::Settings(found)) => found[0].help.clone().unwrap_or_default(),
            other => panic!("{other:?}"),
        };
        assert_eq!(help("optimiser.lr"), "did you mean \"optimizer.lr\"?");
        assert_eq!(help("lr"), "did you mean \"optimizer.lr\"?");
        assert_eq!(help("extends"), "");
        assert_eq!(help(""), "");
        assert_eq!(lines(&experiment, "optimizer.lr"), ["*optimizer.lr = -1 @ base.toml:3:16"]);
        let notes = experiment.explain("train.epochs").unwrap().notes;
        assert_eq!(notes, ["defaults are not known while the experiment has errors"]);
    }
}
