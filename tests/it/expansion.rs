//! What holds for every experiment: order and uniqueness of its runs, and ids that follow from the meaning of
//! settings and from nothing else.

use std::collections::HashSet;
use std::path::PathBuf;

use proptest::prelude::*;
use runner::config::{Draft, Experiment, Identity, Layer, RunConfig};
use runner::sweep::{run_name, short_key, text_of};

const HEAD: &str = "data.source = 'digits'\nmodel.kind = 'mlp'\n";

/// A setting, and for some values of it the ways to spell each.
type Setting = (&'static str, &'static [&'static [&'static str]]);

const SETTINGS: &[Setting] = &[
    ("seed", &[&["42"], &["7", "0x7", "0b111"], &["1000", "1_000"]]),
    ("optimizer.kind", &[&["'adam'", "\"adam\""], &["'sgd'"], &["'adamw'", "'''adamw'''"]]),
    ("optimizer.lr", &[&["0.001", "1e-3", "1.0E-3", "0.1e-2"], &["0.01", "10e-3"], &["1", "1.0", "1e0"]]),
    ("optimizer.weight_decay", &[&["0", "0.0", "-0.0"], &["0.5", "5e-1"]]),
    ("train.epochs", &[&["20", "2_0", "0x14"], &["3", "0o3"]]),
    ("train.batch_size", &[&["32", "0x20"], &["64"]]),
    ("train.shuffle", &[&["true"], &["false"]]),
    ("train.drop_last", &[&["true"], &["false"]]),
    ("model.hidden", &[&["[8, 4]", "[ 8, # wide\n 4, ]"], &["[16]"], &["[]"]]),
    ("model.activation", &[&["'relu'", "{ kind = 'relu' }"], &["'tanh'"], &["{ kind = 'elu', alpha = 2 }"]]),
    (
        "model.regularizer",
        &[
            &["'none'", "{ kind = 'none' }", "[]", "['none']"],
            &["'dropout'", "['dropout']", "{ p = 0.5, kind = 'dropout' }"],
            &["{ kind = 'dropout', p = 0.25 }", "[{ p = 2.5e-1, kind = 'dropout' }]"],
        ],
    ),
    ("data.normalize", &[&["'unit'"], &["'standardize'"], &["'none'"]]),
    ("data.split.seed", &[&["0"], &["5"]]),
    ("scheduler.kind", &[&["'constant'"], &["'cosine'"]]),
];

/// Settings whose value an earlier layer may set otherwise: tables would merge with it.
fn is_plain(key: &str) -> bool {
    !matches!(key, "model.activation" | "model.regularizer" | "optimizer.kind" | "scheduler.kind")
}

fn experiment(layers: Vec<Layer>) -> Experiment {
    Experiment::from_layers(layers, "a", None).unwrap_or_else(|error| panic!("{error}"))
}

fn file(text: &str) -> Layer {
    Layer::parse("a.toml".into(), PathBuf::from("/exp"), text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn drafts(text: &str) -> Vec<Draft> {
    experiment(vec![file(&format!("{HEAD}{text}"))])
        .expand()
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .drafts
}

fn id(config: &RunConfig) -> String {
    Identity::new(config, "the data", None).unwrap().id()
}

fn only(layers: Vec<Layer>) -> RunConfig {
    let mut drafts = experiment(layers).expand().unwrap_or_else(|error| panic!("{error}")).drafts;
    assert_eq!(drafts.len(), 1);
    drafts.remove(0).config
}

/// The name of a run's folder before its id.
fn name(draft: &Draft) -> String {
    let keys = runner::config::schema::keys();
    let parts: Vec<(String, &toml::Value)> = draft
        .assignment
        .iter()
        .map(|(key, value)| (short_key(&key.to_string(), keys).to_owned(), &**value))
        .collect();
    run_name(parts.iter().map(|(key, value)| (key.as_str(), *value)), &id(&draft.config)[..8])
}

/// Some settings, each with the number of its value.
fn chosen() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let setting = |index: usize| (Just(index), 0..SETTINGS[index].1.len());
    proptest::sample::subsequence((0..SETTINGS.len()).collect::<Vec<_>>(), 1..SETTINGS.len())
        .prop_flat_map(move |indices| indices.into_iter().map(setting).collect::<Vec<_>>())
}

/// How one setting is written: spelling, layer, decoy below it, and rank in the order of keys.
type Manner = (usize, usize, bool, u32);

/// Two base files, a file, a variable or a flag a setting.
fn layers(chosen: &[(usize, usize)], manners: &[Manner]) -> Vec<Layer> {
    let mut files = vec![vec![(0, HEAD.to_owned())], Vec::new(), Vec::new()];
    let (mut variables, mut flags) = (Vec::new(), Vec::new());
    for ((setting, value), (spelling, layer, decoy, rank)) in chosen.iter().zip(manners) {
        let (key, values) = SETTINGS[*setting];
        let spellings = values[*value];
        let text = spellings[spelling % spellings.len()];
        if *decoy && *layer > 0 && is_plain(key) {
            let other = values[(value + 1) % values.len()][0];
            files[0].push((*rank, format!("{key} = {other}\n")));
        }
        match layer {
            0..=2 => files[*layer].push((*rank, format!("# says {key}\n{key} = {text} # so\n"))),
            3 => variables
                .push(Layer::variable(&format!("RUNNER__{}", key.replace('.', "__").to_uppercase()), text)),
            _ => flags.push(Layer::flag(&format!("{key}={text}"))),
        }
    }
    let mut layers: Vec<Layer> = files
        .into_iter()
        .map(|mut lines| {
            lines.sort();
            file(&lines.into_iter().map(|(_, line)| line).collect::<String>())
        })
        .collect();
    layers.extend(variables.into_iter().map(|layer| layer.unwrap().unwrap()));
    layers.extend(flags.into_iter().map(|layer| layer.unwrap()));
    layers
}

fn manners() -> impl Strategy<Value = Vec<Manner>> {
    proptest::collection::vec((0..8usize, 0..5usize, any::<bool>(), 1..1000u32), SETTINGS.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn an_id_follows_from_what_settings_mean(chosen in chosen(), one in manners(), two in manners()) {
        let (one, two) = (only(layers(&chosen, &one)), only(layers(&chosen, &two)));
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(id(&one), id(&two));
    }

    #[test]
    fn an_id_differs_when_anything_that_matters_does(
        chosen in chosen(),
        manner in manners(),
        which in any::<prop::sample::Index>(),
    ) {
        let before = only(layers(&chosen, &manner));
        let mut other = chosen.clone();
        let changed = which.index(other.len());
        let (setting, value) = other[changed];
        other[changed] = (setting, (value + 1) % SETTINGS[setting].1.len());
        let after = only(layers(&other, &manner));
        prop_assert_ne!(id(&before), id(&after), "{}", SETTINGS[setting].0);
        // What does not decide the result does not count.
        let more = ["name=b", "description=other", "device=cpu", "train.checkpoint.every=3"];
        let mut with_more = layers(&chosen, &manner);
        with_more.extend(more.map(|flag| Layer::flag(flag).unwrap()));
        prop_assert_eq!(id(&before), id(&only(with_more)));
    }

    #[test]
    fn a_saved_configuration_is_the_same_run(chosen in chosen(), manner in manners()) {
        let config = only(layers(&chosen, &manner));
        let text = config.render().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, &text).unwrap();
        prop_assert_eq!(&RunConfig::load(&path).unwrap(), &config);
        let again = only(vec![Layer::parse("config.toml".into(), PathBuf::new(), &text).unwrap()]);
        prop_assert_eq!(&again, &config);
        prop_assert_eq!(again.render().unwrap(), text);
    }

    #[test]
    fn a_grid_has_every_combination_once_in_order(lengths in proptest::collection::vec(1..4usize, 0..5), seeds in 1..4usize) {
        let (text, keys) = grid(&lengths);
        let drafts = drafts(&format!("{text}[sweep]\nseeds = {seeds}\n"));
        let count: usize = lengths.iter().product::<usize>() * seeds;
        prop_assert_eq!(drafts.len(), count);
        let ids: HashSet<String> = drafts.iter().map(|draft| id(&draft.config)).collect();
        prop_assert_eq!(ids.len(), count);
        // Every run counts up like an odometer whose last wheel is the seed.
        for (position, draft) in drafts.iter().enumerate() {
            let mut rest = position;
            let mut expected = vec![("seed".to_owned(), (42 + rest % seeds).to_string())];
            rest /= seeds;
            for (key, length) in keys.iter().zip(&lengths).rev() {
                expected.push((key.clone(), text_of(&value_of(key, rest % length))));
                rest /= length;
            }
            expected.reverse();
            let found: Vec<(String, String)> =
                draft.assignment.iter().map(|(key, value)| (key.to_string(), text_of(value))).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_wider_sweep_keeps_its_runs(lengths in proptest::collection::vec(1..4usize, 1..4), seeds in 1..3usize, which in any::<prop::sample::Index>()) {
        let named = |text: &str| -> Vec<(String, String)> {
            drafts(text).iter().map(|draft| (id(&draft.config), name(draft))).collect()
        };
        let before = named(&format!("{}[sweep]\nseeds = {seeds}\n", grid(&lengths).0));
        let mut wider = lengths.clone();
        wider[which.index(lengths.len())] += 1;
        let after: HashSet<_> = named(&format!("{}[sweep]\nseeds = {}\n", grid(&wider).0, seeds + 1)).into_iter().collect();
        prop_assert!(before.iter().all(|run| after.contains(run)), "{:?} of {:?}", before, after);
    }

    #[test]
    fn an_added_axis_keeps_the_runs_that_have_its_old_value(lengths in proptest::collection::vec(1..4usize, 1..4), last in any::<bool>()) {
        // The last axis of the grid is new; its first value is what the runs had before.
        let mut more = lengths.clone();
        more.push(2);
        let (text, keys) = grid(&more);
        let old_value = value_of(&keys[lengths.len()], 0);
        let old = drafts(&format!("{} = {old_value}\n{}", keys[lengths.len()], grid(&lengths).0));
        // It may as well be written in front: the order of axes does not matter to an id.
        let new = if last { drafts(&text) } else { drafts(&text.replacen("[sweep.grid]", "[sweep.grid]\nseed = [42]", 1)) };
        let ids: HashSet<String> = new.iter().map(|draft| id(&draft.config)).collect();
        for draft in &old {
            prop_assert!(ids.contains(&id(&draft.config)));
            // What stood in the name stands in it still: keys are cut against the schema, not against each other.
            let name = name(draft);
            let parts: Vec<&str> = name.rsplit_once('-').unwrap().0.split(',').collect();
            let same = new.iter().find(|run| id(&run.config) == id(&draft.config)).unwrap();
            let new_name = self::name(same);
            prop_assert!(parts.iter().all(|part| new_name.contains(part)), "{} {}", name, new_name);
        }
    }
}

/// A grid over as many keys as there are lengths, and the keys.
fn grid(lengths: &[usize]) -> (String, Vec<String>) {
    const KEYS: [&str; 5] =
        ["optimizer.lr", "model.hidden", "train.batch_size", "model.activation", "data.split.seed"];
    let mut text = "[sweep.grid]\n".to_owned();
    for (key, length) in KEYS.iter().zip(lengths) {
        let values: Vec<String> = (0..*length).map(|index| value_of(key, index).to_string()).collect();
        text = format!("{text}'{key}' = [{}]\n", values.join(", "));
    }
    (text, KEYS.iter().take(lengths.len()).map(|key| (*key).to_owned()).collect())
}

fn value_of(key: &str, index: usize) -> toml::Value {
    const ACTIVATIONS: [&str; 5] = ["relu", "tanh", "elu", "gelu", "sigmoid"];
    match key {
        "optimizer.lr" => toml::Value::Float([0.1, 0.2, 0.3, 0.4, 0.5][index]),
        "model.hidden" => toml::Value::Array(vec![toml::Value::Integer(index.cast_signed() as i64 + 1)]),
        "model.activation" => toml::Value::String(ACTIVATIONS[index].to_owned()),
        _ => toml::Value::Integer(index.cast_signed() as i64 + 1),
    }
}

#[test]
fn one_setting_more_or_less_and_every_value_gives_another_id() {
    let mut ids = HashSet::new();
    let mut count = 0;
    // The first values stand; one setting after the other takes its other ones.
    let base: Vec<(usize, usize)> = (0..SETTINGS.len()).map(|setting| (setting, 0)).collect();
    let plain: Vec<Manner> = vec![(0, 0, false, 1); SETTINGS.len()];
    ids.insert(id(&only(layers(&base, &plain))));
    for (setting, (_, values)) in SETTINGS.iter().enumerate() {
        for value in 1..values.len() {
            let mut chosen = base.clone();
            chosen[setting].1 = value;
            ids.insert(id(&only(layers(&chosen, &plain))));
            count += 1;
        }
    }
    assert_eq!(ids.len(), count + 1);
}
