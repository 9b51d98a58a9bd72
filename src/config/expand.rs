//! From an experiment to its runs.

use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};

use super::experiment::{Draft, Experiment};
use super::locate;
use super::run_config::RunConfig;
use super::trial::Trial;
use crate::setting::{Diagnostic, Excerpt, Problem};
use crate::sweep::{self, MOST_RUNS};
use crate::{Error, Result};

/// The runs of an experiment.
#[derive(Debug, Clone)]
pub struct Expansion {
    /// Every run in order, each once.
    pub drafts: Vec<Draft>,
    /// What the axes dropped, a line each, beside the experiment's own notes.
    pub notes: Vec<String>,
    /// How many combinations the sweep has; more than there are runs where some are equal.
    pub combinations: usize,
}

/// A cause, where it stands, and the runs that it hits.
struct Found {
    excerpt: Option<Excerpt>,
    runs: IndexSet<String>,
}

impl Experiment {
    /// Every run in order, each once; or every problem of every run.
    pub fn expand(&self) -> Result<Expansion> {
        let combinations = self.count()?;
        let mut drafts = Vec::new();
        let mut seen = BTreeSet::new();
        let mut notes = IndexSet::new();
        let mut found: IndexMap<Problem, Found> = IndexMap::new();
        let mut failed = IndexSet::new();
        for choices in sweep::combinations(self.axes()) {
            let mut trial = Trial::new(self, &choices);
            let result = trial.run();
            notes.extend(std::mem::take(&mut trial.notes));
            match result {
                Ok(draft) if seen.insert(fingerprint(&draft.config)?) => drafts.push(draft),
                Ok(_) => {}
                Err(problems) => {
                    let run = trial.describe();
                    for problem in problems {
                        let excerpt = trial.place(&problem);
                        let found =
                            found.entry(problem).or_insert_with(|| Found { excerpt, runs: IndexSet::new() });
                        found.runs.insert(run.clone());
                    }
                    failed.insert(run);
                }
            }
        }
        if !found.is_empty() {
            return Err(Error::Settings(self.report(found, drafts.len() + failed.len())));
        }
        notes.retain(|note| !self.notes().contains(note));
        Ok(Expansion { drafts, notes: notes.into_iter().collect(), combinations })
    }

    fn count(&self) -> Result<usize> {
        let total = sweep::count(self.axes());
        if total <= MOST_RUNS {
            return Ok(total as usize);
        }
        let axes: Vec<String> =
            self.axes().iter().map(|axis| format!("{} × {}", axis.key, axis.values.len())).collect();
        let axes = axes.join(", ");
        Err(Error::Request(format!("the sweep has {total} runs ({axes}); the most is {MOST_RUNS}")))
    }

    fn report(&self, found: IndexMap<Problem, Found>, total: usize) -> Vec<Diagnostic> {
        let located = found.into_iter().map(|(problem, found)| {
            let runs: Vec<String> = found.runs.into_iter().collect();
            locate::diagnostic(problem, found.excerpt, locate::hit(&runs, total))
        });
        let mut report: Vec<Diagnostic> = located.collect();
        self.merged.sort(&mut report, |diagnostic| diagnostic.excerpt.as_ref());
        report
    }
}

/// Equal for equal configurations, and short enough to keep one for each of a million runs.
fn fingerprint(config: &RunConfig) -> Result<[u8; 32]> {
    let text = serde_json::to_vec(config)
        .map_err(|error| Error::Bug(format!("a configuration is not JSON: {error}")))?;
    Ok(*blake3::hash(&text).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;
    use crate::sweep::text_of;

    const HEAD: &str = "data.source = 'digits'\nmodel.kind = 'mlp'\n";

    fn load(text: &str, flags: &[&str]) -> Result<Experiment> {
        let mut layers = vec![Layer::parse("a.toml".into(), "/exp".into(), &format!("{HEAD}{text}"))?];
        for flag in flags {
            layers.push(match flag.strip_prefix("RUNNER__").and_then(|_| flag.split_once('=')) {
                Some((name, value)) => Layer::variable(name, value).unwrap()?,
                None => Layer::flag(flag)?,
            });
        }
        Experiment::from_layers(layers, "a")
    }

    fn expand(text: &str, flags: &[&str]) -> Expansion {
        load(text, flags).and_then(|experiment| experiment.expand()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// `key=value` of every run, whole keys.
    fn runs(text: &str, flags: &[&str]) -> Vec<String> {
        expand(text, flags).drafts.iter().map(assignment).collect()
    }

    fn assignment(draft: &Draft) -> String {
        let parts = draft.assignment.iter().map(|(key, value)| format!("{key}={}", text_of(value)));
        parts.collect::<Vec<_>>().join(" ")
    }

    fn setting(draft: &Draft, key: &str) -> Option<toml::Value> {
        let config = toml::Value::try_from(&draft.config).unwrap();
        crate::setting::KeyPath::parse(key).find(&config).cloned()
    }

    fn refused(text: &str, flags: &[&str]) -> Vec<Diagnostic> {
        match load(text, flags).and_then(|experiment| experiment.expand()) {
            Err(Error::Settings(found)) => found,
            Err(other) => panic!("{other}"),
            Ok(expansion) => panic!("it has {} runs", expansion.drafts.len()),
        }
    }

    fn marked(diagnostic: &Diagnostic) -> &str {
        let excerpt = diagnostic.excerpt.as_ref().unwrap();
        &excerpt.text[excerpt.span.clone()]
    }

    #[test]
    fn a_table_of_an_axis_goes_into_the_table_of_the_base() {
        let text = "optimizer = { kind = 'sgd', lr = 0.5, momentum = 0.7 }\n[sweep.grid]\n\
                    optimizer = [{ kind = 'sgd', momentum = 0.9 }, { kind = 'adam' }]\n";
        let expansion = expand(text, &[]);
        let lr: Vec<_> =
            expansion.drafts.iter().map(|draft| setting(draft, "optimizer.lr").unwrap()).collect();
        assert_eq!(lr, [toml::Value::Float(0.5), toml::Value::Float(0.5)]);
        assert_eq!(setting(&expansion.drafts[0], "optimizer.momentum"), Some(toml::Value::Float(0.9)));
        assert_eq!(expansion.notes, ["`optimizer.momentum` is dropped where optimizer.kind = \"adam\""]);
    }

    #[test]
    fn names_and_tables_of_an_axis_keep_what_the_kind_has() {
        let text = "[model.regularizer]\nkind = 'dropout'\np = 0.4\n[sweep.grid]\n\
                    'model.regularizer' = ['none', 'batch_norm', 'dropout', { kind = 'dropout', p = 0.2 }]\n";
        let expansion = expand(text, &[]);
        let p: Vec<_> = expansion.drafts.iter().map(|draft| setting(draft, "model.regularizer.p")).collect();
        assert_eq!(p, [None, None, Some(0.4.into()), Some(0.2.into())]);
        assert_eq!(expansion.notes.len(), 2);
    }

    #[test]
    fn a_swept_key_leaves_the_runs_whose_swept_kind_does_not_have_it() {
        let momentum = "'optimizer.momentum' = [0.0, 0.9]\n";
        let kind = "'optimizer.kind' = ['sgd', 'adam']\n";
        let sgd = ["optimizer.momentum=0 optimizer.kind=sgd", "optimizer.momentum=0.9 optimizer.kind=sgd"];
        let text = format!("[sweep.grid]\n{momentum}{kind}");
        assert_eq!(runs(&text, &[]), [sgd[0], "optimizer.kind=adam", sgd[1]]);
        let expansion = expand(&text, &[]);
        assert_eq!(expansion.combinations, 4);
        assert_eq!(expansion.notes, ["`optimizer.momentum` is dropped where optimizer.kind = \"adam\""]);
        let text = format!("[sweep.grid]\n{kind}{momentum}");
        let swapped = [
            "optimizer.kind=sgd optimizer.momentum=0",
            "optimizer.kind=sgd optimizer.momentum=0.9",
            "optimizer.kind=adam",
        ];
        assert_eq!(runs(&text, &[]), swapped);
        let lists = "[sweep.grid]\n'model.regularizer.p' = [0.1, 0.2]\n\
                     'model.regularizer' = [['batch_norm'], ['batch_norm', 'dropout'], 'none']\n";
        assert_eq!(expand(lists, &[]).drafts.len(), 4);
    }

    #[test]
    fn a_swept_key_that_no_axis_misplaces_is_unknown() {
        let found = refused("optimizer.kind = 'adam'\n[sweep.grid]\n'optimizer.momentum' = [0, 0.9]\n", &[]);
        assert_eq!(found[0].message, "unknown key `momentum`");
        assert_eq!(found[0].help.as_deref(), Some("`momentum` belongs to kind = \"sgd\""));
        assert_eq!(marked(&found[0]), "'optimizer.momentum'");
        let text = "[sweep.grid]\n'optimizer.momentun' = [0]\n'optimizer.kind' = ['sgd', 'adam']\n";
        assert_eq!(refused(text, &[])[0].message, "unknown key `momentun`");
        // A mistake inside one value of an axis is no leftover.
        let found = refused("[sweep.grid]\noptimizer = ['sgd', { kind = 'adam', momentum = 0.9 }]\n", &[]);
        assert_eq!((found.len(), marked(&found[0])), (1, "momentum"));
    }

    #[test]
    fn axes_that_would_overwrite_each_other_are_refused() {
        for (one, other, mark) in [
            ("optimizer = ['sgd', { kind = 'sgd', lr = 0.5 }]", "'optimizer.lr' = [1, 2]", "0.5"),
            ("optimizer = ['sgd', 'adam']", "'optimizer.kind' = ['sgd']", "'sgd'"),
            (
                "'model.regularizer' = [[{ kind = 'dropout', p = 0.5 }]]",
                "'model.regularizer.p' = [0.1]",
                "0.5",
            ),
        ] {
            let found = refused(&format!("[sweep.grid]\n{other}\n{one}\n"), &[]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].message.ends_with("is swept by an axis of its own"), "{}", found[0]);
            assert_eq!(marked(&found[0]), mark);
        }
    }

    #[test]
    fn paths_in_the_tables_of_an_axis_are_meant_from_its_file() {
        let text = "[sweep.grid]\ndata = ['digits', { source = 'mnist', path = 'here' }]\n";
        let expansion = expand(text, &[]);
        assert_eq!(setting(&expansion.drafts[1], "data.path"), Some("/exp/here".into()));
    }

    #[test]
    fn seeds_are_refused_before_they_are_made_and_count_from_a_readable_seed() {
        let found = refused("sweep.seeds = 4000000000\n", &[]);
        assert_eq!((found[0].message.as_str(), marked(&found[0])), ("`seeds` is 4000000000", "4000000000"));
        for (seed, message) in
            [("-5", "wrong value for `seed`: -5"), ("'abc'", "wrong value for `seed`: the string \"abc\"")]
        {
            let found = refused(&format!("seed = {seed}\nsweep.seeds = 3\n"), &[]);
            assert_eq!((found[0].message.as_str(), marked(&found[0])), (message, seed));
        }
        assert_eq!(refused("[sweep]\nseeds = 2\ngrid.seed = [1]\n", &[]).len(), 1);
    }

    #[test]
    fn a_flag_gives_an_axis_its_end_or_has_the_last_word() {
        let text = "[sweep]\nseeds = 3\n[sweep.grid]\noptimizer = [{ kind = 'sgd', lr = 0.1 }, 'adam']\n";
        let experiment = load(text, &["seed=7", "RUNNER__OPTIMIZER__LR=0.5"]).unwrap();
        assert_eq!(experiment.notes(), ["the sweep over `seed` gives way to --set"]);
        let drafts = experiment.expand().unwrap().drafts;
        let lr: Vec<_> = drafts.iter().map(|draft| setting(draft, "optimizer.lr").unwrap()).collect();
        assert_eq!(lr, [toml::Value::Float(0.5), toml::Value::Float(0.5)]);
        assert!(drafts.iter().all(|draft| draft.config.seed == 7));
        // The kind, too: what is then equal is one run, and what the kind lacks goes.
        let momentum = "[sweep.grid]\noptimizer = [{ kind = 'sgd', momentum = 0.1 }, 'adam']\n";
        assert_eq!(runs(momentum, &["optimizer.kind=adam"]), ["optimizer=kind=adam"]);
        let found = refused(text, &["optimizer.lr=-1"]);
        assert_eq!((found.len(), marked(&found[0])), (1, "-1"));
    }

    #[test]
    fn a_flag_above_an_axis_replaces_it_where_it_speaks_of_it() {
        let text = "optimizer.kind = 'sgd'\n[sweep.grid]\n'optimizer.momentum' = [0.1, 0.2]\n";
        assert_eq!(runs(text, &["optimizer={ kind = 'sgd', momentum = 0.5 }"]), [""]);
        assert_eq!(runs(text, &["optimizer={ lr = 0.5 }"]).len(), 2);
        let experiment = load(text, &["optimizer=adam"]).unwrap();
        let note = "the sweep over `optimizer.momentum` is dropped: --set sets optimizer.kind = \"adam\"";
        assert_eq!(experiment.notes(), [note]);
        assert_eq!(experiment.expand().unwrap().drafts.len(), 1);
    }

    #[test]
    fn a_flag_reaches_into_a_list_of_the_base_and_of_an_axis() {
        let list = "['batch_norm', { kind = 'dropout', p = 0.2 }]";
        let base = format!("model.regularizer = {list}\n");
        for flag in ["model.regularizer.p=0.4", "RUNNER__MODEL__REGULARIZER__P=0.4"] {
            let drafts = expand(&base, &[flag]).drafts;
            let found = setting(&drafts[0], "model.regularizer").unwrap();
            assert_eq!(found[1]["p"], 0.4.into());
        }
        let axis = format!("[sweep.grid]\n'model.regularizer' = ['none', {list}]\n");
        let drafts = expand(&axis, &["model.regularizer.p=0.4"]).drafts;
        assert_eq!(setting(&drafts[1], "model.regularizer").unwrap()[1]["p"], 0.4.into());
        let found = refused(&base, &["model.regularizer.p=4"]);
        assert_eq!((found[0].message.as_str(), marked(&found[0])), ("`p` is 4", "4"));
        let found = refused(&base, &["model.regularizer.q=4"]);
        assert_eq!(found[0].message, "no entry of `model.regularizer` has a `q`");
        assert_eq!(marked(&found[0]), "model.regularizer.q");
    }

    #[test]
    fn keys_of_default_kinds_need_no_kind() {
        let flags = [
            "model.activation.negative_slope=0.2",
            "model.regularizer.eps=0.1",
            "optimizer.betas=[0.5, 0.6]",
        ];
        let drafts = expand("", &flags).drafts;
        assert_eq!(setting(&drafts[0], "model.activation.negative_slope"), Some(0.2.into()));
        assert_eq!(setting(&drafts[0], "model.regularizer.eps"), Some(0.1.into()));
    }

    #[test]
    fn unknown_keys_are_told_every_key_that_the_section_has() {
        let found = refused("data.normalise = 'unit'\noptimizer.momentum = 0.9\n", &[]);
        let texts: Vec<_> =
            found.iter().map(|found| (found.label.as_str(), found.help.as_deref().unwrap())).collect();
        assert_eq!(texts[0], ("expected one of: source, split, normalize", "did you mean \"normalize\"?"));
        assert_eq!(texts[1].1, "`momentum` belongs to kind = \"sgd\"");
        let found = refused("data.samples = 3\n", &[]);
        assert_eq!(found[0].help.as_deref(), Some("`samples` belongs to source = \"synthetic\""));
    }

    #[test]
    fn problems_stand_in_the_order_of_the_text() {
        let text = "nothing = 1\n'x.y' = 2\nseed = 1979-05-27\n[train]\nepochs = 0\nbatch = 1\n[optimizer]\nlr = -1\n";
        let found = refused(text, &["train.shuffle=3"]);
        let marks: Vec<&str> = found.iter().map(marked).collect();
        assert_eq!(marks, ["nothing", "'x.y'", "1979-05-27", "batch", "-1", "3"]);
        assert_eq!(found[2].message, "wrong value for `seed`: a date");
    }

    #[test]
    fn a_flag_may_write_an_axis() {
        let flag = "sweep.grid.\"optimizer.lr\"=[1e-3, 1e-2]";
        assert_eq!(runs("", &[flag]), ["optimizer.lr=0.001", "optimizer.lr=0.01"]);
    }

    #[test]
    fn an_axis_that_decides_nothing_is_told() {
        let experiment = load("[sweep.grid]\ndescription = ['a', 'b']\n", &[]).unwrap();
        assert!(experiment.notes()[0].starts_with("`description` does not change the result"));
    }
}
