//! Wrong experiments of every class: the message, word for word, and the place that it points at.
//!
//! Each case says its places by itself, so that a snapshot that was accepted without a look cannot move them.

use crate::workplace::{Workplace, text};

const HEAD: &str = "[data]\nsource = \"digits\"\n\n[model]\nkind = \"mlp\"\n";

/// One wrong request: `plan a.toml` with files beside it, flags and variables.
struct Case {
    workplace: Workplace,
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
}

impl Case {
    /// `a.toml` whose first five lines are data and model.
    fn new(rest: &str) -> Self {
        Self::whole(format!("{HEAD}{rest}"))
    }

    fn whole(content: impl AsRef<[u8]>) -> Self {
        let workplace = Workplace::new();
        workplace.write("a.toml", content);
        Self { workplace, arguments: vec!["plan".into(), "a.toml".into()], variables: Vec::new() }
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.workplace.write(name, content);
        self
    }

    fn flags(mut self, flags: &[&str]) -> Self {
        self.arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Holds the message to its snapshot, and the places in it to `places`, in order.
    fn points_at(self, name: &str, places: &[&str]) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut command = self.workplace.command(&arguments);
        command.envs(self.variables.iter().copied()).env("COLUMNS", "80");
        let output = command.output().unwrap();
        // A swept path stands in the words for a run; where the test runs must not.
        let folder = self.workplace.path().canonicalize().unwrap();
        let said = text(&output.stderr).replace(folder.to_str().unwrap(), "[folder]");
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(output.stdout.is_empty(), "{name}: {}", text(&output.stdout));
        assert!(!self.workplace.path().join("runs").exists(), "{name}: something was written");
        let found: Vec<&str> = said
            .lines()
            .filter_map(|line| {
                line.trim_start().strip_prefix("--> ").or(line.trim_start().strip_prefix("::: "))
            })
            .collect();
        assert_eq!(found, places, "{name}:\n{said}");
        let too_wide: Vec<&str> = said.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(too_wide.is_empty(), "{name}: wider than 80 columns: {too_wide:#?}");
        insta::assert_snapshot!(format!("wrong_{name}"), said);
    }
}

#[test]
fn unknown_keys_and_kinds() {
    Case::new("\n[optimizer]\nkind = \"sgd\"\nmomentun = 0.9\n").points_at("key", &["a.toml:9:1"]);
    Case::new("\n[optimzer]\nlr = 1\n").points_at("table", &["a.toml:7:2"]);
    Case::new("\n[optimizer]\nkind = \"adam\"\nmomentum = 0.9\n")
        .points_at("key_of_another_kind", &["a.toml:9:1"]);
    Case::new("activation = \"rely\"\n").points_at("kind_by_name", &["a.toml:6:14"]);
    Case::new("regularizer = [\"batch_norm\", { kind = \"dropuot\", p = 0.1 }]\n")
        .points_at("kind_in_a_list", &["a.toml:6:39"]);
    Case::whole("[data]\nsource = \"mnits\"\n[model]\nkind = \"mlp\"\n")
        .points_at("source", &["a.toml:2:10"]);
    Case::new("\n[train]\nearly_stopping = { patience = 3, monitr = \"valid_loss\" }\n")
        .points_at("key_in_a_nested_table", &["a.toml:8:34"]);
}

#[test]
fn wrong_types_and_values() {
    Case::new("hidden = [64, \"32\"]\n").points_at("type_in_a_list", &["a.toml:6:15"]);
    Case::new("\n[train]\nepochs = 2.5\n").points_at("fraction_for_a_count", &["a.toml:8:10"]);
    Case::new("\n[train]\nbatch_size = -4\n").points_at("negative_count", &["a.toml:8:14"]);
    Case::new("\n[optimizer]\nlr = nan\n").points_at("not_a_number", &["a.toml:8:6"]);
    Case::new("\n[optimizer]\nbetas = [0.9]\n").points_at("list_of_wrong_length", &["a.toml:8:9"]);
    Case::whole(format!("seed = 1979-05-27\n{HEAD}")).points_at("date", &["a.toml:1:8"]);
    Case::whole(format!("name = \"a/b\"\n{HEAD}")).points_at("name", &["a.toml:1:8"]);
    Case::whole(format!("device = \"gpu\"\n{HEAD}")).points_at("device", &["a.toml:1:10"]);
    Case::whole("data = 3\nmodel.kind = \"mlp\"\n").points_at("value_for_a_table", &["a.toml:1:8"]);
}

#[test]
fn combinations_that_cannot_work() {
    Case::new("layers = 3\nhidden = [8]\n").points_at("two_ways_at_once", &["a.toml:7:10"]);
    Case::new("\n[optimizer]\nkind = \"sgd\"\nnesterov = true\n").points_at("nesterov", &["a.toml:9:12"]);
    Case::new("\n[train]\nmonitor = \"valid_los\"\n").points_at("monitor", &["a.toml:8:11"]);
    Case::new("\n[scheduler]\nkind = \"lambda\"\nexpression = \"0.95 ^ epochs\"\n")
        .points_at("variable_of_an_expression", &["a.toml:9:14"]);
    Case::new("\n[scheduler]\nkind = \"lambda\"\nexpression = \"1 - epoch / 9\"\n")
        .points_at("expression_below_zero", &["a.toml:9:14"]);
    Case::new("\n[optimizer]\nkind = \"adagrad\"\n\n[scheduler]\nkind = \"one_cycle\"\nmax_lr = 0.1\n")
        .points_at("no_momentum_to_cycle", &["a.toml:10:1"]);
    Case::new("\n[optimizer]\ngroups = [{ match = \"layers.0\" }, { match = \"layers.3\", lr = -1 }]\n")
        .points_at("rate_of_a_group", &["a.toml:8:62"]);
    Case::new("\n[train]\nmonitor = \"valid_loss\"\n\n[data.split]\ntrain = 1.0\n")
        .points_at("monitor_without_validation", &["a.toml:8:11"]);
    Case::whole(
        "[data]\nsource = \"digits\"\nsplit = { train = 0.8, test = 0.4 }\n[model]\nkind = \"mlp\"\n",
    )
    .points_at("parts_above_one", &["a.toml:3:9"]);
    Case::whole("[data]\nsource = \"digits\"\nsplit = { folds = 5, valid = 0.2 }\n[model]\nkind = \"mlp\"\n")
        .points_at("folds_and_a_validation_part", &["a.toml:3:30"]);
    let rnn = "[data]\nsource = \"digits\"\n[model]\nkind = \"rnn\"\n";
    Case::whole(format!("{rnn}embedding = 0\nhidden_size = 0\nnum_layers = 101\ndropout = 2\n"))
        .points_at("recurrent_sizes", &["a.toml:5:13", "a.toml:6:15", "a.toml:7:14", "a.toml:8:11"]);
    let grid = "[sweep.grid]\n\"optimizer.kind\" = [\"adam\", \"sgd\"]\n\"optimizer.nesterov\" = [false, true]\n\
                \"optimizer.momentum\" = [0.9, 0.0]\n";
    Case::new(&format!("\n{grid}")).points_at("in_one_run_of_a_grid", &["a.toml:9:32"]);
}

#[test]
fn layers_of_a_model() {
    let model = |rest: &str| Case::whole(format!("[data]\nsource = \"digits\"\n\n[model]\n{rest}\n"));
    let layers = |rest: &str| {
        model(&format!("kind = \"sequential\"\nlayers = [\n{rest}\n  \"flatten\",\n  \"linear\",\n]"))
    };
    layers("  \"flaten\",").points_at("layer_by_name", &["a.toml:7:3"]);
    layers("  { kind = \"conv2d\", out_channels = 8 },").points_at("layer_without_a_key", &["a.toml:7:3"]);
    layers("  { kind = \"conv2d\", out_channels = 8, kernel = 3, kernel_size = 3 },")
        .points_at("key_of_a_layer", &["a.toml:7:40"]);
    layers("  { kind = \"residual\", layers = [\"relu\", { kind = \"dropout\", p = 2 }] },")
        .points_at("value_in_a_block", &["a.toml:7:66"]);
    layers("  { kind = \"linear\" },").points_at("linear_without_a_width", &["a.toml:7:3"]);
    model("kind = \"cnn\"\nkernel_size = [3, 0]\npool = \"mean\"\nhead = { hidden = [8], dropout = [0.5] }")
        .points_at("settings_of_a_cnn", &["a.toml:6:15", "a.toml:7:8", "a.toml:8:34"]);
}

/// What only the data can tell: the entry is named.
#[test]
fn layers_that_samples_do_not_fit() {
    let wrong = |model: &str, expected: &str| {
        let workplace = Workplace::new();
        workplace.write("a.toml", format!("data.source = 'digits'\n[model]\n{model}"));
        let (code, said) = workplace.fail(&["plan", "a.toml"]);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let pool = "{ kind = 'max_pool2d', kernel_size = 4 }";
    wrong(
        &format!("kind = 'sequential'\nlayers = [{pool}, {pool}, 'flatten', 'linear']"),
        "model.layers[1]: max_pool2d with padding = 0 needs images that its window of 4 × 4 pixels fits into, but \
         gets [1, 2, 2]",
    );
    wrong(
        "kind = 'sequential'\nlayers = [{ kind = 'linear', out_features = 3 }]",
        "model.layers: the last layer gives [1, 8, 3] for samples of [1, 8, 8], but the loss wants [10]",
    );
    wrong(
        "kind = 'sequential'\nlayers = ['flatten', { kind = 'residual', layers = [{ kind = 'linear', out_features = 3 }] }, \
         'linear']",
        "model.layers[1]: residual adds what its layers make of [64] to its input, but they give [3] and without a \
         shortcut its input stays [64]",
    );
    wrong(
        "kind = 'sequential'\nlayers = ['flatten', { kind = 'residual', layers = ['relu'], \
         shortcut = [{ kind = 'conv2d', out_channels = 1, kernel_size = 1 }] }, 'linear']",
        "model.layers[1].shortcut[0]: conv2d needs images of the shape [C, H, W], but gets [64]",
    );
    wrong(
        "kind = 'cnn'\nchannels = [4, 4, 4, 4]",
        "layers[15]: max_pool2d with padding = 0 needs images that its window of 2 × 2 pixels fits into, but gets [4, 1, 1]",
    );
}

#[test]
fn what_is_not_toml() {
    Case::whole("[data\nsource = \"digits\"\n").points_at("open_bracket", &["a.toml:1:6"]);
    Case::new("kind = \"mlp\"\n").points_at("duplicate_key", &["a.toml:6:1"]);
    Case::new("\n[data]\nnormalize = \"unit\"\n").points_at("duplicate_table", &["a.toml:7:2"]);
    Case::new("hidden = [64, 32\n\n[train]\nepochs = 3\n").points_at("open_list", &["a.toml:8:1"]);
    Case::whole(b"[data]\nsource = \"dig\xffits\"\n").points_at("not_utf8", &["a.toml:2:14"]);
    Case::new("description = \"a tab\tand a very long line that goes on and on, far beyond what any terminal shows, to see what becomes of it\"\n")
        .points_at("long_line", &["a.toml:6:1"]);
}

#[test]
fn missing_things() {
    Case::whole("").points_at("empty_file", &["a.toml:1:1", "a.toml:1:1"]);
    Case::whole("[data]\nsource = \"digits\"\n\n[model]\nlayers = 3\n")
        .points_at("kind_missing", &["a.toml:4:1"]);
    Case::new("").flags(&["-s", "data.source=idx"]).points_at("data_path_missing", &["--set:1:13"]);
    Case::whole("[data]\nsource = \"mnist\"\npath = \"nowhere\"\n[model]\nkind = \"mlp\"\n")
        .points_at("data_absent", &["a.toml:3:8"]);
    Case::new("\n[sweep.grid]\n\"data\" = [\"digits\", { source = \"idx\", path = \"nowhere\" }]\n")
        .points_at("data_absent_in_an_axis", &["a.toml:8:46"]);
    Case::new("weights = \"absent.safetensors\"\n").points_at("weights_absent", &["a.toml:6:11"]);
}

#[test]
fn axes() {
    let grid = |text: &str| Case::new(&format!("\n[sweep.grid]\n{text}\n"));
    grid("\"optimizer.lr\" = [0.1, 0.2, -1]").points_at("third_value_of_an_axis", &["a.toml:8:29"]);
    grid("\"optimizer.lrr\" = [0.1, 0.2]").points_at("key_of_an_axis", &["a.toml:8:1"]);
    grid("\"optimizer.kind\" = [\"sgd\", \"adamm\"]").points_at("kind_in_an_axis", &["a.toml:8:28"]);
    grid("optimizer = [{ kind = \"sgd\", momentum = 0.9 }, { kind = \"adam\", betas = [0.9, 2.0] }]")
        .points_at("inside_a_table_of_an_axis", &["a.toml:8:79"]);
    grid("\"optimizer.lr\" = 0.1").points_at("axis_without_a_list", &["a.toml:8:18"]);
    grid("\"optimizer.lr\" = { from = 0.1, to = 0.5 }").points_at("range_without_a_step", &["a.toml:8:18"]);
    grid("\"optimizer.lr\" = { logspace = [0, 1], count = 3 }")
        .points_at("logspace_from_zero", &["a.toml:8:31"]);
    grid("\"optimizer.lr\" = { values = [1, 2], when = { \"optimizer.knd\" = \"sgd\" } }")
        .points_at("key_of_a_condition", &["a.toml:8:46"]);
    grid("\"optimizer.lr\" = { from = 1, to = 0, step = -0.25 }")
        .points_at("value_of_a_range", &["a.toml:8:18"]);
}

#[test]
fn the_rest_of_the_sweep() {
    let sweep = |text: &str| Case::new(&format!("\n{text}\n"));
    sweep("[[sweep.zip]]\n\"optimizer.lr\" = [0.1, 0.2]\n\"train.epochs\" = [1, 2, 3]")
        .points_at("zip_of_unequal_lists", &["a.toml:9:18"]);
    sweep("[sweep.grid]\n\"optimizer.lr\" = [0.1]\n\n[[sweep.zip]]\n\"optimizer.lr\" = [0.2]")
        .points_at("swept_twice", &["a.toml:11:18"]);
    sweep("[[sweep.exclude]]\n\"optimizer.kind\" = \"adma\"")
        .points_at("kind_in_an_exclude", &["a.toml:8:20"]);
    sweep("[[sweep.exclude]]\n\"optimizer.lr\" = { min = 2, max = 1 }")
        .points_at("empty_range", &["a.toml:8:18"]);
    sweep("[[sweep.exclude]]\n\"optimizer.kind\" = \"adam\"")
        .points_at("everything_excluded", &["a.toml:7:1"]);
    sweep("[sweep.random]\n\"optimizer.lr\" = { log_uniform = [1e-4, 1e-1] }")
        .points_at("random_without_samples", &["a.toml:7:1"]);
    sweep("[sweep.random]\nsamples = 3\n\"optimizer.lr\" = { log_unifrom = [1e-4, 1e-1] }")
        .points_at("unknown_distribution", &["a.toml:9:20"]);
    sweep("[[sweep.union]]\ngrid.seed = [1]\n\n[[sweep.union]]\ngird.seed = [2]")
        .points_at("union", &["a.toml:11:1"]);
    Case::whole(format!("sweep.seed = 3\n{HEAD}")).points_at("key_of_the_sweep", &["a.toml:1:7"]);
    Case::whole(format!("sweep.seeds = 0\n{HEAD}")).points_at("no_seeds", &["a.toml:1:15"]);
    let values: Vec<String> = (0..1000).map(|value| value.to_string()).collect();
    let axis = |key: &str| format!("\"{key}\" = [{}]\n", values.join(","));
    let keys = ["seed", "train.epochs", "train.batch_size", "model.layers"].map(axis).concat();
    sweep(&format!("[sweep.grid]\n{keys}")).points_at("a_trillion_runs", &[]);
}

#[test]
fn rules_by_which_runs_stop() {
    let prune = |text: &str| Case::new(&format!("\n[sweep.prune]\n{text}\n"));
    prune("min_epochs = 2").points_at("rule_without_a_kind", &["a.toml:7:1"]);
    prune("kind = \"hyperband\"").points_at("kind_of_a_rule", &["a.toml:8:8"]);
    prune("kind = \"asha\"\nreduction_factr = 4").points_at("key_of_a_rule", &["a.toml:9:1"]);
    prune("kind = \"asha\"\nmin_epoch = 4").points_at("key_of_every_rule", &["a.toml:9:1"]);
    prune("kind = \"median\"\nmax = 4").points_at("key_of_another_rule", &["a.toml:9:1"]);
    prune("kind = \"asha\"\nreduction_factor = 1\nmin_epochs = 0")
        .points_at("numbers_of_a_rule", &["a.toml:9:20", "a.toml:10:14"]);
    prune("kind = \"threshold\"").points_at("threshold_without_an_end", &["a.toml:7:1"]);
    prune("kind = \"threshold\"\nmax = 1\nmin = 2").points_at("threshold_of_nothing", &["a.toml:10:7"]);
    prune("kind = \"asha\"\nmonitor = \"valid_acuracy\"").points_at("column_of_a_rule", &["a.toml:9:11"]);
    Case::new("\n[sweep.prune]\nkind = \"asha\"\n[sweep.grid]\n\"train.monitor\" = [\"valid_loss\", \"valid_accuracy\"]\n")
        .points_at("runs_that_watch_different_columns", &["a.toml:7:1"]);
    Case::new("\n[sweep.prune]\nkind = \"asha\"\nmin_epochs = \"2\"\n")
        .points_at("type_in_a_rule", &["a.toml:9:14"]);
    Case::new("\n[[sweep.union]]\nprune = \"asha\"\n").points_at("rule_in_a_union", &["a.toml:8:1"]);
    Case::new("")
        .flags(&["-s", "sweep.prune={ kind = 'asha', every = 2 }"])
        .points_at("rule_in_a_flag", &["--set:1:30"]);
    Case::new("\n[sweep.grid]\n\"sweep.prune.kind\" = [\"asha\"]\n")
        .points_at("swept_rule", &["a.toml:8:22"]);
}

#[test]
fn layers() {
    Case::whole("extends = \"base.toml\"\n")
        .file("base.toml", &format!("{HEAD}\n[train]\nepoch = 3\n"))
        .points_at("in_an_extended_file", &["base.toml:8:1"]);
    Case::whole("extends = \"b/base.toml\"\n[train]\nbatch_size = 0\n")
        .file("b/base.toml", &format!("extends = \"../c.toml\"\n{HEAD}"))
        .file("c.toml", "[optimizer]\nlr = 0\n")
        .points_at("in_several_files", &["c.toml:2:6", "a.toml:3:14"]);
    Case::whole(format!("extends = \"base.tml\"\n{HEAD}"))
        .file("base.toml", "")
        .points_at("extended_file_absent", &["a.toml:1:11"]);
    Case::whole("extends = [\"b.toml\"]\n")
        .file("b.toml", "extends = \"c.toml\"\n")
        .file("c.toml", "extends = \"a.toml\"\n")
        .points_at("circle_of_files", &["c.toml:1:11"]);
    Case::whole(format!("extends = 3\n{HEAD}")).points_at("extends_a_number", &["a.toml:1:11"]);
    Case::whole(format!("extends = \"base.toml\"\n{HEAD}"))
        .file("base.toml", "[train\n")
        .points_at("extended_file_broken", &["base.toml:1:7"]);
    Case::new("").flags(&["-s", "extends=base.toml"]).points_at("extends_in_a_flag", &["--set:1:1"]);
}

#[test]
fn flags_and_variables() {
    Case::new("").flags(&["-s", "optimizer.lr=fast"]).points_at("flag", &["--set:1:14"]);
    Case::new("").flags(&["-s", "optimzer.lr=1"]).points_at("key_of_a_flag", &["--set:1:1"]);
    Case::new("")
        .flags(&["-s", "optimizer={ kind = 'sgd', momentun = 0.9 }"])
        .points_at("table_in_a_flag", &["--set:1:27"]);
    Case::new("").flags(&["-s", "optimizer.lr"]).points_at("flag_without_a_value", &[]);
    Case::new("")
        .flags(&["--grid", "optimizer.lr=0.1,0.2,-1"])
        .points_at("third_value_of_a_flag", &["--grid:1:22"]);
    Case::new("")
        .flags(&["--grid", "optimizer.kind=sgd,,adam"])
        .points_at("empty_value_of_a_flag", &["--grid:1:20"]);
    Case::new("").flags(&["--grid", "seed=1,2", "-s", "seed=3"]).points_at("set_and_swept", &["--grid:1:1"]);
    Case::new("")
        .variable("RUNNER__TRAIN__BATCH_SIZE", "0")
        .points_at("variable", &["RUNNER__TRAIN__BATCH_SIZE:1:27"]);
    Case::new("")
        .variable("RUNNER__TRAIN__EPOCH", "3")
        .points_at("key_of_a_variable", &["RUNNER__TRAIN__EPOCH:1:1"]);
    Case::new("")
        .variable("RUNNER__OPTIMIZER", "{ lr = -1 }")
        .points_at("inside_a_variable", &["RUNNER__OPTIMIZER:1:26"]);
}

#[test]
fn tables_of_runs() {
    let rows = |text: &str| Case::new("").file("rows.csv", text).flags(&["--rows", "rows.csv"]);
    rows("run,optimizer.lr\nx,0.1\ny,fast\n").points_at("cell_of_a_row", &["rows.csv:3:3"]);
    rows("optimizer.lrr\n0.1\n").points_at("column", &["rows.csv:1:1"]);
    rows("optimizer.lr,seed\n0.1\n").points_at("short_row", &["rows.csv:2:1"]);
    Case::new("").flags(&["--rows", "absent.csv"]).points_at("rows_absent", &[]);
}
