//! Sweeps from their text to their runs.

use super::*;
use crate::config::Layer;
use crate::setting::Diagnostic;
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
    Experiment::from_layers(layers, "a", None)
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
    let lr: Vec<_> = expansion.drafts.iter().map(|draft| setting(draft, "optimizer.lr").unwrap()).collect();
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
    assert_eq!(found[0].help.as_deref(), Some("`momentum` belongs to kind = \"sgd\" or \"rmsprop\""));
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
        ("'model.regularizer' = [[{ kind = 'dropout', p = 0.5 }]]", "'model.regularizer.p' = [0.1]", "0.5"),
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
    let flags =
        ["model.activation.negative_slope=0.2", "model.regularizer.eps=0.1", "optimizer.betas=[0.5, 0.6]"];
    let drafts = expand("", &flags).drafts;
    assert_eq!(setting(&drafts[0], "model.activation.negative_slope"), Some(0.2.into()));
    assert_eq!(setting(&drafts[0], "model.regularizer.eps"), Some(0.1.into()));
}

#[test]
fn unknown_keys_are_told_every_key_that_the_section_has() {
    let found = refused("data.normalise = 'unit'\noptimizer.momentum = 0.9\n", &[]);
    let texts: Vec<_> =
        found.iter().map(|found| (found.label.as_str(), found.help.as_deref().unwrap())).collect();
    assert_eq!(
        texts[0],
        ("expected one of: source, split, normalize, classes, augment, limit", "did you mean \"normalize\"?")
    );
    assert_eq!(texts[1].1, "`momentum` belongs to kind = \"sgd\" or \"rmsprop\"");
    let found = refused("data.samples = 3\n", &[]);
    assert_eq!(found[0].help.as_deref(), Some("`samples` belongs to source = \"synthetic\""));
}

#[test]
fn problems_stand_in_the_order_of_the_text() {
    let text =
        "nothing = 1\n'x.y' = 2\nseed = 1979-05-27\n[train]\nepochs = 0\nbatch = 1\n[optimizer]\nlr = -1\n";
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

#[test]
fn a_condition_leaves_one_run_without_the_axis() {
    let text = "[sweep.grid]\n'optimizer.kind' = ['sgd', 'adam']\n\
                'optimizer.momentum' = { values = [0.0, 0.9], when = { 'optimizer.kind' = 'sgd' } }\n";
    let expected = [
        "optimizer.kind=sgd optimizer.momentum=0",
        "optimizer.kind=sgd optimizer.momentum=0.9",
        "optimizer.kind=adam",
    ];
    assert_eq!(runs(text, &[]), expected);
    // On a default that nobody wrote, and on other tables.
    let text = "[sweep.grid]\n'train.epochs' = { values = [3, 4], when = { 'optimizer.kind' = 'adam' } }\n\
                'optimizer.lr' = { values = [1, 2], when = { seed = { min = 7 } } }\nseed = [6, 7]\n";
    assert_eq!(
        runs(text, &[]),
        [
            "train.epochs=3 seed=6",
            "train.epochs=3 optimizer.lr=1 seed=7",
            "train.epochs=3 optimizer.lr=2 seed=7",
            "train.epochs=4 seed=6",
            "train.epochs=4 optimizer.lr=1 seed=7",
            "train.epochs=4 optimizer.lr=2 seed=7",
        ]
    );
}

#[test]
fn a_condition_that_never_holds_is_told() {
    let text =
        "[sweep.grid]\n'optimizer.momentum' = { values = [0.0, 0.9], when = { 'optimizer.kind' = 'sgd' } }\n";
    let expansion = expand(text, &[]);
    assert_eq!(expansion.drafts.len(), 1);
    let note =
        "`optimizer.momentum` is never swept (a.toml:4): optimizer.kind = \"sgd\" holds in no combination";
    assert_eq!(expansion.notes, [note]);
}

#[test]
fn conditions_may_depend_on_axes_with_conditions_but_not_in_a_circle() {
    let text = "[sweep.grid]\n\
                'optimizer.nesterov' = { values = [false, true], when = { 'optimizer.momentum' = 0.9 } }\n\
                'optimizer.momentum' = { values = [0.5, 0.9], when = { 'optimizer.kind' = 'sgd' } }\n\
                'optimizer.kind' = ['adam', 'sgd']\n";
    assert_eq!(
        runs(text, &[]),
        [
            "optimizer.kind=adam",
            "optimizer.momentum=0.5 optimizer.kind=sgd",
            "optimizer.nesterov=false optimizer.momentum=0.9 optimizer.kind=sgd",
            "optimizer.nesterov=true optimizer.momentum=0.9 optimizer.kind=sgd",
        ]
    );
    let text = "[sweep.grid]\nseed = { values = [1, 2], when = { 'train.epochs' = 3 } }\n\
                'train.epochs' = { values = [3, 4], when = { seed = 1 } }\n";
    let found = refused(text, &[]);
    assert_eq!(found[0].message, "whether `seed` is swept depends on itself");
    assert_eq!(marked(&found[0]), "{ 'train.epochs' = 3 }");
}

#[test]
fn zips_move_together_and_cross_with_the_rest() {
    let text = "[[sweep.zip]]\n'train.epochs' = [1, 2]\noptimizer.lr = [0.1, 0.2]\n\
                [sweep.grid]\n'train.batch_size' = [8, 16]\n";
    assert_eq!(
        runs(text, &[]),
        [
            "train.epochs=1 optimizer.lr=0.1 train.batch_size=8",
            "train.epochs=1 optimizer.lr=0.1 train.batch_size=16",
            "train.epochs=2 optimizer.lr=0.2 train.batch_size=8",
            "train.epochs=2 optimizer.lr=0.2 train.batch_size=16",
        ]
    );
    let found = refused("[[sweep.zip]]\nseed = [1, 2]\n'train.epochs' = [1]\n", &[]);
    assert_eq!(found[0].message, "`train.epochs` has 1 values, but `seed` has 2");
    assert_eq!(marked(&found[0]), "[1]");
    let found = refused("[[sweep.zip]]\nseed = [1]\n[sweep.grid]\nseed = [2]\n", &[]);
    assert_eq!((found[0].message.as_str(), marked(&found[0])), ("`seed` is swept twice", "[2]"));
    // A flag takes its key out of a zip; the others go on.
    assert_eq!(
        runs("[[sweep.zip]]\nseed = [1, 2]\n'train.epochs' = [1, 2]\n", &["seed=3"]),
        ["train.epochs=1", "train.epochs=2"]
    );
}

#[test]
fn excluded_combinations_are_left_out_and_told() {
    let text = "[sweep.grid]\n'optimizer.kind' = ['sgd', 'adam']\n'optimizer.lr' = [0.1, 0.01]\n\
                [[sweep.exclude]]\n'optimizer.kind' = 'adam'\n'optimizer.lr' = { min = 0.05 }\n\
                [[sweep.exclude]]\nseed = 1\n";
    let expansion = expand(text, &[]);
    assert_eq!((expansion.drafts.len(), expansion.combinations, expansion.left_out), (3, 4, 1));
    assert_eq!(
        expansion.notes,
        [
            "1 combination is left out by the exclude (a.toml:6): optimizer.kind = \"adam\" and optimizer.lr ≥ 0.05",
            "nothing is left out by the exclude (a.toml:9): seed = 1 holds in no combination",
        ]
    );
    let all = load("sweep.exclude = [{ 'optimizer.kind' = 'adam' }]\n", &[]).unwrap().expand();
    assert_eq!(all.unwrap_err().to_string(), "a.toml:3:18: `sweep.exclude` leaves out every combination");
    // What cannot work is left out before it is refused.
    let text = "optimizer.kind = 'sgd'\n[sweep.grid]\n'optimizer.nesterov' = [false, true]\n\
                'optimizer.momentum' = [0.0, 0.9]\n\
                [[sweep.exclude]]\noptimizer = { nesterov = true, momentum = 0 }\n";
    assert_eq!(expand(text, &[]).drafts.len(), 3);
    let found = refused("sweep.exclude = [{ 'optimizer.knd' = 1 }, { 'optimizer.kind' = 'adm' }]\n", &[]);
    assert_eq!(found[0].help.as_deref(), Some("did you mean \"optimizer.kind\"?"));
    assert_eq!((marked(&found[0]), marked(&found[1])), ("'optimizer.knd'", "'adm'"));
}

#[test]
fn unions_come_one_after_the_other_and_share_what_stands_beside() {
    let text = "[sweep]\nseeds = 2\n[sweep.grid]\n'train.epochs' = [1, 2]\n\
                [[sweep.union]]\n[sweep.union.grid]\n'optimizer.lr' = [0.1]\n\
                [[sweep.union]]\n[[sweep.union.zip]]\n'optimizer.kind' = ['sgd']\n'optimizer.lr' = [0.1]\n\
                [[sweep.union]]\n";
    let all = runs(text, &[]);
    assert_eq!(all.len(), 12);
    assert_eq!(all[0], "train.epochs=1 optimizer.lr=0.1 seed=42");
    assert_eq!(all[4], "train.epochs=1 optimizer.kind=sgd optimizer.lr=0.1 seed=42");
    assert_eq!(all[8..10], ["train.epochs=1 seed=42", "train.epochs=1 seed=43"]);
    // Equal combinations of two entries are one run.
    let twice = "[[sweep.union]]\ngrid.seed = [1, 2]\n[[sweep.union]]\ngrid.seed = [2, 3]\n";
    assert_eq!(runs(twice, &[]), ["seed=1", "seed=2", "seed=3"]);
    let found = refused("[[sweep.union]]\ngrid.seed = [1, 2]\n[[sweep.union]]\ngrid.seed = [2, -3]\n", &[]);
    assert_eq!((found.len(), marked(&found[0])), (1, "-3"));
    assert_eq!(found[0].notes, ["in 1 of 3 runs: seed=-3"]);
}

#[test]
fn random_keys_cross_with_the_grid() {
    let text = "[sweep.random]\nsamples = 3\n'optimizer.lr' = { log_uniform = [1e-4, 1e-1] }\n\
                'model.activation' = { choice = ['relu', 'tanh'] }\n[sweep.grid]\n'train.epochs' = [1, 2]\n";
    let few = runs(text, &[]);
    assert_eq!(few.len(), 6);
    let many = runs(&text.replace("= 3", "= 9"), &[]);
    assert_eq!(many[..6], few);
    let found =
        refused("sweep.random = { samples = 9, 'optimizer.kind' = { choice = ['sgd', 'admw'] } }\n", &[]);
    assert_eq!(marked(&found[0]), "'admw'");
}

#[test]
fn folds_are_an_axis_before_the_seeds() {
    let text = "data.split = { folds = 3 }\nsweep.seeds = 2\n";
    let all = runs(text, &[]);
    assert_eq!(all.len(), 6);
    assert_eq!(all[1], "data.split.fold=1 seed=43");
    assert_eq!(all[2], "data.split.fold=2 seed=42");
    assert_eq!(runs("data.split = { folds = 3 }\n", &["data.split.fold=2"]), [""]);
    assert_eq!(runs("data.split = { folds = 3 }\n", &["data.split.folds=2"]).len(), 2);
    // Each value of an axis has its own folds; without any there is one run.
    let text = "[sweep.grid]\n'data.split' = [{ train = 0.5 }, { folds = 3 }, { folds = 2 }]\n";
    assert_eq!(runs(text, &[]).len(), 6);
    assert_eq!(refused("data.split.folds = 5000000\n", &[])[0].message, "`folds` is 5000000");
    let found = refused("data.split = { folds = 1 }\n", &[]);
    assert_eq!((found.len(), marked(&found[0])), (1, "1"));
}

#[test]
fn rows_stand_for_the_sweep() {
    let layer = || Layer::parse("a.toml".into(), "".into(), &format!("{HEAD}sweep.seeds = 3\n")).unwrap();
    let rows = |text: &str| crate::config::Rows::parse("rows.csv".into(), text).unwrap();
    let text = "run,optimizer.kind,optimizer.momentum,seed\nx,sgd,0.9,1\ny,adam,,2\n,,,\n";
    let experiment = Experiment::from_layers(vec![layer()], "a", Some(rows(text))).unwrap();
    assert_eq!(experiment.notes(), ["the sweep gives way to rows.csv"]);
    let drafts = experiment.expand().unwrap().drafts;
    let all: Vec<String> = drafts.iter().map(assignment).collect();
    assert_eq!(all, ["optimizer.kind=sgd optimizer.momentum=0.9 seed=1", "optimizer.kind=adam seed=2", ""]);
    // The saved experiment has the same runs without the table.
    let written = experiment.render().unwrap();
    let again = Layer::parse("b.toml".into(), "".into(), &written).unwrap();
    let again = Experiment::from_layers(vec![again], "a", None).unwrap().expand().unwrap().drafts;
    assert_eq!(again, drafts, "{written}");
    let wrong = rows("optimizer.kind,optimizer.lr\nsgd,0.9\nadam,-1\n");
    let refused = Experiment::from_layers(vec![layer()], "a", Some(wrong)).unwrap().expand();
    let Err(Error::Settings(found)) = refused else { panic!("it was accepted") };
    assert_eq!(found[0].to_string(), "rows.csv:3:6: `lr` is -1");
}

#[test]
fn a_later_file_replaces_the_description_of_an_axis() {
    let file = |text: &str| Layer::parse("a.toml".into(), "".into(), text).unwrap();
    let base =
        file(&format!("{HEAD}[sweep.grid]\nseed = {{ from = 1, to = 9, step = 1 }}\n'train.epochs' = [1]\n"));
    let over = file("[sweep.grid]\n'optimizer.lr' = [1]\nseed = { linspace = [1, 3], count = 2 }\n");
    let drafts = Experiment::from_layers(vec![base, over], "a", None).unwrap().expand().unwrap().drafts;
    let all: Vec<String> = drafts.iter().map(assignment).collect();
    assert_eq!(all, ["seed=1 train.epochs=1 optimizer.lr=1", "seed=3 train.epochs=1 optimizer.lr=1"]);
}

#[test]
fn axes_change_in_the_order_in_which_they_stand_in_the_text() {
    let text = "[sweep.grid]\noptimizer.lr = [0.1]\ntrain.epochs = [1]\noptimizer.weight_decay = [0.5]\n";
    assert_eq!(runs(text, &[]), ["optimizer.lr=0.1 train.epochs=1 optimizer.weight_decay=0.5"]);
    let twice = "[sweep.grid]\noptimizer.lr = [0.1, 0.2]\n'optimizer.lr' = [0.5]\n";
    assert_eq!(refused(twice, &[])[0].message, "`optimizer.lr` is swept twice");
}

#[test]
fn whole_numbers_of_a_range_are_exact() {
    let text = "[sweep.grid]\nseed = { from = 1234567890123, to = 1234567890125, step = 1 }\n\
                'data.split.seed' = { linspace = [1234567890123, 1234567890125], count = 3 }\n";
    let all = runs(text, &[]);
    assert_eq!(all.len(), 9);
    assert_eq!(all[4], "seed=1234567890124 data.split.seed=1234567890124");
}

#[test]
fn the_name_is_not_swept_and_keys_have_an_end() {
    let found = refused("[sweep.grid]\nname = ['a', 'b']\n", &[]);
    assert_eq!(
        (found[0].message.as_str(), marked(&found[0])),
        ("`name` cannot change from run to run", "['a', 'b']")
    );
    let long = vec!["a"; 20_000].join(".");
    let found = refused(&format!("[sweep.grid]\n'{long}' = [1]\n"), &[]);
    assert_eq!(found[0].message, "a key of 20000 parts");
    let found = refused("[[sweep.exclude]]\n'optimizer.lr' = 1\noptimizer.lr = 2\n", &[]);
    assert_eq!(found[0].message, "`optimizer.lr` has two conditions");
}

#[test]
fn a_flag_that_sweeps_has_the_say_over_every_other_part() {
    let flag = Layer::grid_flag("optimizer.lr=0.5,0.6").unwrap();
    for rest in [
        "[[sweep.zip]]\n'optimizer.lr' = [1, 2, 3]\n'train.epochs' = [1, 2, 3]\n",
        "[sweep.random]\nsamples = 3\n'optimizer.lr' = { uniform = [0, 1] }\n'train.epochs' = { choice = [1] }\n",
        "[[sweep.union]]\ngrid = { optimizer.lr = [1], train.epochs = [1, 2, 3] }\n",
        "[sweep.grid]\n'optimizer.lr' = [1, 2]\n'train.epochs' = [1, 2, 3]\n",
    ] {
        let file = Layer::parse("a.toml".into(), "".into(), &format!("{HEAD}{rest}")).unwrap();
        let layers = vec![file, flag.clone()];
        let drafts = Experiment::from_layers(layers, "a", None).unwrap().expand().unwrap().drafts;
        let lr: std::collections::BTreeSet<String> =
            drafts.iter().map(|draft| setting(draft, "optimizer.lr").unwrap().to_string()).collect();
        assert_eq!(lr.into_iter().collect::<Vec<_>>(), ["0.5", "0.6"], "{rest}");
    }
}

#[test]
fn a_broken_sweep_hides_no_unknown_key_and_one_cause_is_one_message() {
    let text = "train.epoch = 3\noptimizer.momentum = 0.9\n[sweep.grid]\n'optimizer.kind' = []\n";
    let messages: Vec<String> = refused(text, &[]).iter().map(|found| found.message.clone()).collect();
    // What another kind has may be right once the sweep is.
    assert_eq!(messages, ["unknown key `epoch`", "`optimizer.kind` has no values"]);
    let range = "[sweep.grid]\n'optimizer.lr' = { from = -50, to = -1, step = 1 }\n";
    let found = refused(range, &[]);
    assert_eq!(
        (found.len(), found[0].notes.last().unwrap().as_str()),
        (1, "and so with 49 more values from there")
    );
    let many: Vec<String> = (0..500).map(|value| format!("-{value}.5")).collect();
    let found = refused(&format!("[sweep.grid]\n'optimizer.lr' = [{}]\n", many.join(",")), &[]);
    assert_eq!(found.last().unwrap().message, "more than 100 causes: the others are not shown");
}

#[test]
fn a_kind_that_changes_twice_has_lost_its_keys() {
    let file = |text: &str| Layer::parse("a.toml".into(), "".into(), text).unwrap();
    let layers =
        ["optimizer = { kind = 'sgd', momentum = 0.9 }", "optimizer.kind = 'adam'", "optimizer.kind = 'sgd'"];
    let layers = std::iter::once(HEAD).chain(layers).map(file).collect();
    let experiment = Experiment::from_layers(layers, "a", None).unwrap();
    assert_eq!(experiment.notes(), ["`optimizer.momentum` is dropped: a.toml sets kind = \"adam\""]);
    let drafts = experiment.expand().unwrap().drafts;
    assert_eq!(setting(&drafts[0], "optimizer.momentum"), Some(toml::Value::Float(0.0)));
}

#[test]
fn rows_are_values_like_any_other() {
    let layers = |flags: &[&str]| {
        let file =
            Layer::parse("a.toml".into(), "/e".into(), &format!("{HEAD}data.split.folds = 2\n")).unwrap();
        std::iter::once(file).chain(flags.iter().map(|flag| Layer::flag(flag).unwrap())).collect::<Vec<_>>()
    };
    let rows = || {
        crate::config::Rows::parse(
            "rows.csv".into(),
            "optimizer.lr,model.weights\n0.30000000000000004,w\n0.3,w\n",
        )
        .unwrap()
    };
    let drafts = Experiment::from_layers(layers(&[]), "a", Some(rows())).unwrap().expand().unwrap().drafts;
    assert_eq!(drafts.len(), 2, "two folds of one rounded rate");
    let weights = setting(&drafts[0], "model.weights").unwrap();
    assert!(std::path::Path::new(weights.as_str().unwrap()).is_absolute(), "{weights}");
    let flagged = Experiment::from_layers(layers(&["optimizer.lr=0.7"]), "a", Some(rows())).unwrap();
    assert_eq!(flagged.notes(), ["the sweep over `optimizer.lr` gives way to --set"]);
    let both = Experiment::from_layers(layers(&["sweep.seeds=2"]), "a", Some(rows()));
    assert_eq!(both.err().unwrap().to_string(), "--set:1:1: --set says what is swept, and rows.csv too");
}
