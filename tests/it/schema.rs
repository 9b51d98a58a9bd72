//! The JSON Schemas that editors check with: what they accept, what they refuse and where, held against what
//! the program itself does.

use std::collections::BTreeSet;
use std::fs;

use jsonschema::Validator;
use runner::config::schema;
use runner::setting::KeyPath;
use serde_json::Value;

use crate::readme::blocks;
use crate::workplace::{SMALL, Workplace, project, record};

const HEAD: &str = "data.source = 'digits'\nmodel.kind = 'mlp'\n";

fn printed(arguments: &[&str]) -> Value {
    serde_json::from_str(&Workplace::new().run(arguments)).unwrap()
}

fn validator() -> Validator {
    jsonschema::validator_for(schema::experiment()).unwrap()
}

fn document(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// Where the errors stand.
fn places(validator: &Validator, document: &Value) -> BTreeSet<String> {
    validator.iter_errors(document).map(|error| error.instance_path().to_string()).collect()
}

#[track_caller]
fn accepted(text: &str) {
    let found = places(&validator(), &document(text));
    assert!(found.is_empty(), "{found:?} in\n{text}");
}

#[track_caller]
fn refused(text: &str, at: &[&str]) {
    let found = places(&validator(), &document(&format!("{HEAD}{text}")));
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), at, "{text}");
}

#[test]
fn the_schemas_are_schemas() {
    for (arguments, title) in
        [(&["schema"][..], "An experiment of runner"), (&["schema", "run"], "The record of a run")]
    {
        let schema = printed(arguments);
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert_eq!(schema["title"], title);
        jsonschema::draft7::meta::validate(&schema).unwrap();
    }
    assert_eq!(printed(&["schema"]), *schema::experiment());
}

#[test]
fn what_ships_is_accepted() {
    let mut seen = 0;
    let files = fs::read_dir(project().join("experiments")).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|path| path.is_file()) {
        accepted(&fs::read_to_string(file).unwrap());
        seen += 1;
    }
    for block in blocks(&fs::read_to_string(project().join("README.md")).unwrap(), "toml") {
        accepted(&block);
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} were found");
}

#[test]
fn what_the_program_writes_is_accepted() {
    let workplace = Workplace::new();
    workplace.write("a.toml", SMALL);
    workplace.run(&["run", "a.toml", "-s", "train.epochs=1"]);
    let run = workplace.only_run("a");
    accepted(&fs::read_to_string(run.join("config.toml")).unwrap());
    accepted(&fs::read_to_string(run.parent().unwrap().join("experiment.toml")).unwrap());
    let records = jsonschema::validator_for(&printed(&["schema", "run"])).unwrap();
    let mut record = record(&run);
    assert_eq!(places(&records, &record), BTreeSet::new());
    record["test"]["loss"] = Value::Null;
    record["added_later"] = true.into();
    assert_eq!(places(&records, &record), BTreeSet::new());
    record["status"] = "done".into();
    record["test"]["accuracy"] = "high".into();
    record["data"]["train"] = (-1).into();
    let wrong: Vec<String> = places(&records, &record).into_iter().collect();
    assert_eq!(wrong, ["/data/train", "/status", "/test/accuracy"]);
}

#[test]
fn every_spelling_is_accepted() {
    for text in [
        "model.activation = 'relu'\nmodel.regularizer = 'none'\nmodel.init = 'zeros'\n",
        "model.regularizer = ['batch_norm', { kind = 'dropout', p = 0.2 }]\nmodel.hidden = []\n",
        "optimizer = 'sgd'\nloss = 'cross_entropy'\nmetrics = ['accuracy', { kind = 'accuracy' }]\n",
        "optimizer = { kind = 'adamw', betas = [0.9, 0.99], lr = 1 }\nscheduler = { kind = 'step', step_size = 3 }\n",
        // The kind may come from the file that this one extends.
        "extends = ['base.toml', 'more.toml']\noptimizer.momentum = 0.9\nmodel.regularizer.p = 0.3\n",
        "optimizer = { kind = 'lion', decay_bias = false, groups = [{ match = 'layers.0', lr = 1e-5 }] }\n\
         scheduler = { kind = 'lambda', expression = '0.95 ^ epoch', warmup = { epochs = 2 } }\n\
         train = { accumulate = 2, clip_grad_norm = 1, clip_grad_value = 0.5, log_every = 10 }\n",
        "device = 'cuda:1'\nseed = 0\nname = 'a.b-c_1'\ndata.split.valid = 0.1\n",
        "[sweep]\nseeds = [1, 2]\n[sweep.grid]\n'optimizer.lr' = [1e-3, 1]\noptimizer.kind = ['sgd', 'adam']\n\
         'model.regularizer' = ['none', ['batch_norm', 'dropout'], { kind = 'dropout', p = 0.1 }]\n\
         optimizer.momentum = { values = [0.0, 0.9], when = { 'optimizer.kind' = 'sgd' } }\n\
         'train.epochs' = { from = 5, to = 20, step = 5 }\n'model.hidden' = [[64], [64, 32]]\n\
         model.'regularizer.p' = { linspace = [0.0, 0.5], count = 4, when.data.source = ['digits', 'mnist'] }\n",
        "[sweep.grid]\noptimizer = [{ kind = 'sgd', momentum = 0.9 }, 'adam']\n\
         'optimizer.lr' = { logspace = [1e-4, 1e-1], count = 4 }\n",
        "[[sweep.zip]]\n'optimizer.lr' = [0.1, 0.2]\n'train.batch_size' = [32, 64]\n[[sweep.exclude]]\n\
         'optimizer.lr' = { min = 0.1 }\noptimizer.kind = ['sgd']\n'model.hidden' = [64, 32]\n\
         [[sweep.union]]\ngrid.seed = [1, 2]\n[[sweep.union]]\nrandom = { samples = 3, 'seed' = 1 }\n",
        "[sweep.random]\nsamples = 20\nseed = 1\n'optimizer.lr' = { log_uniform = [1e-5, 1e-1] }\n\
         train.batch_size = { int_uniform = [16, 64] }\nmodel.activation = { choice = ['relu', { kind = 'elu' }] }\n\
         'model.regularizer.p' = { uniform = [0, 0.5] }\n",
        "sweep.prune = 'asha'\n",
        "[sweep.prune]\nkind = 'threshold'\nmax = 2\nmonitor = 'valid_loss'\nmin_epochs = 3\n",
    ] {
        accepted(&format!("{HEAD}{text}"));
    }
}

#[test]
fn layers_are_held_to_their_kinds_however_deep_they_stand() {
    let head = "data.source = 'digits'\n[model]\n";
    let block = |inner: &str| {
        format!(
            "{head}kind = 'sequential'\nlayers = [{{ kind = 'residual', layers = ['relu', {inner}], shortcut = ['flatten'] }}]\n"
        )
    };
    for text in [
        format!(
            "{head}kind = 'cnn'\nchannels = [8]\nkernel_size = [3, 5]\nstride = 2\npadding = 0\npool = 3\n\
                 head = {{ hidden = [], dropout = 0.5 }}\n"
        ),
        format!(
            "{head}kind = 'cnn'\npool = {{ kind = 'avg', kernel_size = 3, stride = 2, padding = [1, 1] }}\n"
        ),
        format!("{head}kind = 'cnn'\npool = 'none'\nhead = {{ dropout = [0.5, 0.1, 0] }}\n"),
        block("{ kind = 'conv2d', out_channels = 3, kernel_size = [1, 2], groups = 1, bias = false }"),
        block("{ kind = 'residual', layers = ['log_softmax', { kind = 'batch_norm', momentum = 0.5 }] }"),
    ] {
        accepted(&text);
    }
    let validator = validator();
    for (inner, at) in [
        ("'rely'", "/model/layers/0/layers/1"),
        ("{ kind = 'linear', out_features = 'x' }", "/model/layers/0/layers/1/out_features"),
        ("{ kind = 'relu', p = 1 }", "/model/layers/0/layers/1/p"),
        (
            "{ kind = 'residual', layers = [{ kind = 'dropout', q = 1 }] }",
            "/model/layers/0/layers/1/layers/0/q",
        ),
    ] {
        let found = places(&validator, &document(&block(inner)));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [at]);
    }
}

#[test]
fn what_is_wrong_is_refused_at_its_key() {
    for (text, at) in [
        // Unknown keys, one for each table.
        ("sed = 1", &["/sed"][..]),
        ("data.normalise = 'unit'", &["/data/normalise"]),
        ("data.split = { trian = 0.8 }", &["/data/split/trian"]),
        ("model.layer = 3", &["/model/layer"]),
        ("model.activation = { kind = 'elu', beta = 1 }", &["/model/activation/beta"]),
        ("model.init = { kind = 'zeros', gain = 1 }", &["/model/init/gain"]),
        ("model.regularizer = [{ kind = 'dropout', q = 1 }]", &["/model/regularizer/0/q"]),
        ("loss.weight = 1", &["/loss/weight"]),
        ("optimizer.momentun = 0.9", &["/optimizer/momentun"]),
        ("scheduler = { kind = 'cosine', gamma = 1 }", &["/scheduler/gamma"]),
        ("train.epoch = 1", &["/train/epoch"]),
        ("train.early_stopping.patient = 1", &["/train/early_stopping/patient"]),
        ("train.checkpoint.keep_all = true", &["/train/checkpoint/keep_all"]),
        // Keys of another kind.
        ("optimizer = { kind = 'adam', momentum = 0.9 }", &["/optimizer/momentum"]),
        ("data.samples = 3", &["/data/samples"]),
        // Unknown kinds and words.
        ("optimizer.kind = 'sdg'", &["/optimizer/kind"]),
        ("optimizer = 'sdg'", &["/optimizer"]),
        ("model.regularizer = ['none', 'dropuot']", &["/model/regularizer/1"]),
        ("metrics = ['acuracy']", &["/metrics/0"]),
        ("data.normalize = 'units'", &["/data/normalize"]),
        ("device = 'gpu'", &["/device"]),
        // Wrong types.
        ("seed = '42'", &["/seed"]),
        ("train.epochs = 'twenty'", &["/train/epochs"]),
        ("train.shuffle = 1", &["/train/shuffle"]),
        ("model.regularizer = 3", &["/model/regularizer"]),
        ("optimizer = { kind = 'adam', betas = [0.9] }", &["/optimizer/betas"]),
        ("extends = 3", &["/extends"]),
        // Sweeps.
        ("sweep.sedes = 3", &["/sweep/sedes"]),
        ("sweep.prune = { kind = 'asha', reduction_factr = 4 }", &["/sweep/prune/reduction_factr"]),
        ("sweep.union = [{ prune = 'asha' }]", &["/sweep/union/0/prune"]),
        ("sweep.seeds = 0", &["/sweep/seeds"]),
        ("sweep.grid.'optimizer.lr' = [1e-3, 1e-2, -1]", &["/sweep/grid/optimizer.lr/2"]),
        ("sweep.grid.'optimizer.lr' = 1e-3", &["/sweep/grid/optimizer.lr"]),
        ("sweep.grid.optimizer.lr = [1, 'a']", &["/sweep/grid/optimizer/lr/1"]),
        ("sweep.grid.'optimizer.lrr' = [1]", &["/sweep/grid/optimizer.lrr"]),
        ("sweep.grid.'train.epochs' = []", &["/sweep/grid/train.epochs"]),
        ("sweep.grid.'train.epochs' = { from = 1, to = 2 }", &["/sweep/grid/train.epochs"]),
        (
            "sweep.grid.'train.epochs' = { linspace = [1, 2], step = 2, count = 2 }",
            &["/sweep/grid/train.epochs/step"],
        ),
        (
            "sweep.grid.'optimizer.lr' = { logspace = [0, 1], count = 2 }",
            &["/sweep/grid/optimizer.lr/logspace/0"],
        ),
        (
            "sweep.grid.optimizer = ['adam', { kind = 'adam', momentum = 1 }]",
            &["/sweep/grid/optimizer/1/momentum"],
        ),
        (
            "sweep.grid.'train.shuffle' = { linspace = [0, 1], count = 2 }",
            &[
                "/sweep/grid/train.shuffle",
                "/sweep/grid/train.shuffle/count",
                "/sweep/grid/train.shuffle/linspace",
            ],
        ),
        (
            "sweep.grid.seed = { values = [1], when = { 'optimizer.kind' = 'sdg' } }",
            &["/sweep/grid/seed/when/optimizer.kind"],
        ),
        (
            "[[sweep.zip]]\nseed = [1]\n[[sweep.zip]]\n'train.epochs' = [1, -1]",
            &["/sweep/zip/1/train.epochs/1"],
        ),
        ("[[sweep.exclude]]\n'optimizer.lr' = { least = 1 }", &["/sweep/exclude/0/optimizer.lr/least"]),
        ("[[sweep.union]]\nseeds = 3", &["/sweep/union/0/seeds"]),
        ("[sweep.random]\nsamples = 0", &["/sweep/random/samples"]),
        ("[sweep.random]\n'train.epochs' = { uniform = [1, 2] }", &["/sweep/random/train.epochs/uniform"]),
        ("[sweep.random]\n'optimizer.lr' = { choice = [0.1, 0] }", &["/sweep/random/optimizer.lr/choice/1"]),
    ] {
        refused(text, at);
    }
    let empty = places(&validator(), &document("seed = 1"));
    assert_eq!(empty.len(), 1, "`data` and `model` are missing at the root: {empty:?}");
}

/// Values that the program refuses, and the schema as well.
#[expect(clippy::too_many_lines, reason = "one row a value")]
#[test]
fn the_schema_knows_the_ranges_of_the_program() {
    let table = [
        ("name", "'a/b'"),
        ("name", "'.hidden'"),
        ("seed", "-1"),
        ("device", "'cuda:x'"),
        ("data.split.train", "0"),
        ("data.split.train", "1.1"),
        ("data.split.valid", "-0.1"),
        ("data.split.test", "1.5"),
        ("data.classes", "[0]"),
        ("data.limit", "0"),
        ("data.augment", "[{ kind = 'random_crop', padding = 0 }]"),
        ("data.augment", "['horizontal_flip', { kind = 'horizontal_flip', p = 2 }]"),
        ("data.augment", "[{ kind = 'rotation', degrees = 181 }]"),
        ("data.augment", "[{ kind = 'translate', fraction = [0.1, 2] }]"),
        ("data.augment", "[{ kind = 'noise', std = -1 }]"),
        ("data.augment", "[{ kind = 'erasing', scale = [0.1, 2] }]"),
        ("data", "{ source = 'text', path = 'a', min_frequency = 0 }"),
        ("data", "{ source = 'text', path = 'a', vocabulary = 2 }"),
        ("data", "{ source = 'text', path = 'a', max_length = 0 }"),
        ("data", "{ source = 'text', path = 'a', tokenizer = 'bytes' }"),
        ("data", "{ source = 'images', path = 'a', size = [0, 28] }"),
        ("data", "{ source = 'images', path = 'a', size = [28, 4097] }"),
        ("data", "{ source = 'images', path = 'a', channels = 2 }"),
        ("data", "{ source = 'synthetic', samples = 0 }"),
        ("data", "{ source = 'synthetic', image_size = [0, 28] }"),
        ("data", "{ source = 'synthetic', image_size = [28, 4097] }"),
        ("data", "{ source = 'synthetic', channels = 65 }"),
        ("data", "{ source = 'synthetic', num_classes = 1 }"),
        ("data", "{ source = 'synthetic', num_classes = 10001 }"),
        ("data", "{ source = 'synthetic', noise = 1.5 }"),
        ("data", "{ source = 'synthetic', kind = 'blobs', features = 0 }"),
        ("data", "{ source = 'synthetic', kind = 'blobs', num_classes = 1 }"),
        ("data", "{ source = 'synthetic', kind = 'blobs', channels = 1 }"),
        ("data", "{ source = 'synthetic', kind = 'moons', samples = 0 }"),
        ("data", "{ source = 'synthetic', kind = 'moons', features = 2 }"),
        ("data", "{ source = 'synthetic', kind = 'spirals', noise = -1 }"),
        ("data", "{ source = 'synthetic', kind = 'regression', features = 65537 }"),
        ("data", "{ source = 'synthetic', kind = 'image' }"),
        ("data", "{ source = 'csv', path = 'a', target = 'y', features = [] }"),
        ("data", "{ source = 'csv', path = 'a', target = 'y', missing = 'skip' }"),
        ("data", "{ source = 'csv', path = 'a', target = 'y', task = 'ranking' }"),
        ("data", "{ source = 'csv', path = 'a', target = 'y', delimiter = ';;' }"),
        ("model.layers", "0"),
        ("model.layers", "1001"),
        ("model.hidden", "[64, 0]"),
        ("model.hidden", "[16777217]"),
        ("model", "{ kind = 'rnn', embedding = 0 }"),
        ("model", "{ kind = 'rnn', hidden_size = 0 }"),
        ("model", "{ kind = 'rnn', hidden_size = 16777217 }"),
        ("model", "{ kind = 'rnn', num_layers = 0 }"),
        ("model", "{ kind = 'rnn', num_layers = 101 }"),
        ("model", "{ kind = 'rnn', dropout = -0.1 }"),
        ("model", "{ kind = 'rnn', dropout = 1.5 }"),
        ("model", "{ kind = 'rnn', cell = 'lstn' }"),
        ("model", "{ kind = 'rnn', pooling = 'none' }"),
        ("model.activation", "{ kind = 'softplus', beta = 0 }"),
        ("model.regularizer", "{ kind = 'dropout', p = 1.5 }"),
        ("model.regularizer", "['none', { kind = 'dropout', p = -0.1 }]"),
        ("model.regularizer", "{ kind = 'batch_norm', eps = 0 }"),
        ("model.regularizer", "{ kind = 'batch_norm', momentum = 1.1 }"),
        ("model.regularizer", "{ kind = 'layer_norm', eps = 0 }"),
        ("model", "{ kind = 'cnn', channels = [] }"),
        ("model", "{ kind = 'cnn', channels = [8, 0] }"),
        ("model", "{ kind = 'cnn', kernel_size = 0 }"),
        ("model", "{ kind = 'cnn', kernel_size = [3, 0] }"),
        ("model", "{ kind = 'cnn', kernel_size = [3, 3, 3] }"),
        ("model", "{ kind = 'cnn', stride = 65537 }"),
        ("model", "{ kind = 'cnn', padding = -1 }"),
        ("model", "{ kind = 'cnn', pool = -1 }"),
        ("model", "{ kind = 'cnn', pool = 65537 }"),
        ("model", "{ kind = 'cnn', pool = { kernel_size = 0 } }"),
        ("model", "{ kind = 'cnn', pool = { kind = 'avg', stride = 0 } }"),
        ("model", "{ kind = 'cnn', head = { hidden = [0] } }"),
        ("model", "{ kind = 'cnn', head = { dropout = 1.5 } }"),
        ("model", "{ kind = 'cnn', head = { dropout = [0.5, 0.5, -0.1] } }"),
        ("model", "{ kind = 'sequential', layers = [] }"),
        ("model", "{ kind = 'sequential', layers = [{ kind = 'linear', out_features = 0 }] }"),
        (
            "model",
            "{ kind = 'sequential', layers = [{ kind = 'conv2d', out_channels = 0, kernel_size = 1 }, 'linear'] }",
        ),
        (
            "model",
            "{ kind = 'sequential', layers = [{ kind = 'conv2d', out_channels = 1, kernel_size = 1, groups = 0 }] }",
        ),
        ("model", "{ kind = 'sequential', layers = [{ kind = 'max_pool2d', kernel_size = 0 }] }"),
        (
            "model",
            "{ kind = 'sequential', layers = [{ kind = 'avg_pool2d', kernel_size = 2, padding = -1 }] }",
        ),
        ("model", "{ kind = 'sequential', layers = [{ kind = 'adaptive_avg_pool2d', output_size = 0 }] }"),
        ("model", "{ kind = 'sequential', layers = [{ kind = 'layer_norm', eps = -1 }] }"),
        ("model", "{ kind = 'sequential', layers = [{ kind = 'residual', layers = [] }] }"),
        (
            "model",
            "{ kind = 'sequential', layers = [{ kind = 'residual', layers = [{ kind = 'dropout', p = 2 }] }] }",
        ),
        ("model.init", "{ kind = 'orthogonal', gain = -1 }"),
        ("model.init", "{ kind = 'normal', std = -1 }"),
        ("model.init", "{ kind = 'xavier_uniform', gain = -1 }"),
        ("model.init", "{ kind = 'kaiming_normal', mode = 'fan' }"),
        ("loss", "{ kind = 'cross_entropy', label_smoothing = 1.5 }"),
        ("loss", "{ kind = 'cross_entropy', class_weights = [1, -1] }"),
        ("loss", "{ kind = 'bce_with_logits', pos_weight = [-1] }"),
        ("loss", "{ kind = 'huber', delta = 0 }"),
        ("metrics", "[{ kind = 'top_k', k = 0 }]"),
        ("optimizer", "{ kind = 'sgd', lr = 0 }"),
        ("optimizer", "{ kind = 'sgd', momentum = -0.1 }"),
        ("optimizer", "{ kind = 'sgd', weight_decay = -1 }"),
        ("optimizer", "{ kind = 'adam', lr = -1 }"),
        ("optimizer", "{ kind = 'adam', betas = [1.0, 0.9] }"),
        ("optimizer", "{ kind = 'adam', betas = [0.9, -0.1] }"),
        ("optimizer", "{ kind = 'adam', eps = -1e-9 }"),
        ("optimizer", "{ kind = 'adam', weight_decay = -1 }"),
        ("optimizer", "{ kind = 'adamw', lr = 0 }"),
        ("optimizer", "{ kind = 'adamw', betas = [0.9, 1] }"),
        ("optimizer", "{ kind = 'adamw', eps = -1 }"),
        ("optimizer", "{ kind = 'adamw', weight_decay = -1 }"),
        ("optimizer", "{ kind = 'nadam', momentum_decay = -1 }"),
        ("optimizer", "{ kind = 'radam', betas = [0.9, 1] }"),
        ("optimizer", "{ kind = 'rmsprop', alpha = 1.1 }"),
        ("optimizer", "{ kind = 'rmsprop', momentum = -1 }"),
        ("optimizer", "{ kind = 'adagrad', lr_decay = -1 }"),
        ("optimizer", "{ kind = 'adagrad', initial_accumulator_value = -1 }"),
        ("optimizer", "{ kind = 'adadelta', rho = -0.1 }"),
        ("optimizer", "{ kind = 'adadelta', eps = -1 }"),
        ("optimizer", "{ kind = 'lion', betas = [1, 0.9] }"),
        ("optimizer", "{ kind = 'lion', weight_decay = -1 }"),
        ("optimizer", "{ kind = 'sgd', groups = [{ match = '' }] }"),
        ("optimizer", "{ kind = 'sgd', groups = [{ match = 'layers.0', lr = 0 }] }"),
        ("optimizer", "{ kind = 'sgd', groups = [{ match = 'layers.0', weight_decay = -1 }] }"),
        ("optimizer", "{ kind = 'sgd', groups = [{ lr = 1 }] }"),
        ("optimizer", "{ kind = 'sgd', groups = [{ match = 'layers.0', momentum = 1 }] }"),
        ("scheduler", "{ kind = 'multi_step', milestones = [-1] }"),
        ("scheduler", "{ kind = 'multi_step', milestones = [1], gamma = 0 }"),
        ("scheduler", "{ kind = 'exponential', gamma = 0 }"),
        ("scheduler", "{ kind = 'linear', start_factor = 0 }"),
        ("scheduler", "{ kind = 'linear', start_factor = 1.1 }"),
        ("scheduler", "{ kind = 'linear', end_factor = -0.1 }"),
        ("scheduler", "{ kind = 'linear', total_iters = 0 }"),
        ("scheduler", "{ kind = 'polynomial', total_iters = 0 }"),
        ("scheduler", "{ kind = 'polynomial', power = 0 }"),
        ("scheduler", "{ kind = 'cosine_warm_restarts', t_0 = 0 }"),
        ("scheduler", "{ kind = 'cosine_warm_restarts', t_0 = 1, t_mult = 0 }"),
        ("scheduler", "{ kind = 'cosine_warm_restarts', t_0 = 1, eta_min = -1 }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 0 }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 1, pct_start = 1.1 }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 1, anneal_strategy = 'exp' }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 1, base_momentum = 1 }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 1, max_momentum = -0.1 }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 1, div_factor = 0 }"),
        ("scheduler", "{ kind = 'one_cycle', max_lr = 1, final_div_factor = 0 }"),
        ("scheduler", "{ kind = 'reduce_on_plateau', factor = 1 }"),
        ("scheduler", "{ kind = 'reduce_on_plateau', patience = -1 }"),
        ("scheduler", "{ kind = 'reduce_on_plateau', threshold = -1 }"),
        ("scheduler", "{ kind = 'reduce_on_plateau', threshold_mode = 'relative' }"),
        ("scheduler", "{ kind = 'reduce_on_plateau', min_lr = -1 }"),
        ("scheduler", "{ kind = 'reduce_on_plateau', eps = -1 }"),
        ("scheduler", "{ kind = 'constant', warmup = {} }"),
        ("scheduler", "{ kind = 'constant', warmup = { steps = 1, epochs = 1 } }"),
        ("scheduler", "{ kind = 'constant', warmup = { steps = -1 } }"),
        ("scheduler", "{ kind = 'step', step_size = 0 }"),
        ("scheduler", "{ kind = 'step', step_size = 1, gamma = 0 }"),
        ("scheduler", "{ kind = 'cosine', t_max = 0 }"),
        ("scheduler", "{ kind = 'cosine', eta_min = -1 }"),
        ("sweep.prune", "{ kind = 'asha', reduction_factor = 1 }"),
        ("sweep.prune", "{ kind = 'asha', min_epochs = 0 }"),
        ("sweep.prune", "{ kind = 'median', every = 0 }"),
        ("sweep.prune", "{ kind = 'median', min_runs = 0 }"),
        ("sweep.prune", "{ kind = 'median', max = 1 }"),
        ("sweep.prune", "'hyperband'"),
        ("train.epochs", "-1"),
        ("train.batch_size", "0"),
        ("train.accumulate", "0"),
        ("train.clip_grad_norm", "0"),
        ("train.clip_grad_value", "-1"),
        ("train.log_every", "0"),
        ("train.early_stopping.patience", "0"),
        ("train.early_stopping.min_delta", "-1"),
        ("train.checkpoint.every", "0"),
    ];
    let validator = validator();
    let workplace = Workplace::new();
    for (key, value) in table {
        let mut lines = vec!["data.source = 'digits'", "model.kind = 'mlp'"];
        lines.retain(|line| !line.starts_with(&format!("{key}.")));
        let text = format!("{}\n{key} = {value}\n", lines.join("\n"));
        workplace.write("a.toml", &text);
        assert_eq!(workplace.fail(&["plan", "a.toml"]).0, 2, "{text}");
        let found = places(&validator, &document(&text));
        let table = format!("/{}", key.replace('.', "/"));
        assert!(found.iter().any(|place| place.starts_with(&table)), "{text}{found:?}");
    }
}

#[test]
fn every_key_is_described() {
    let document = schema::experiment();
    for key in schema::keys() {
        let doc =
            schema::describe(&KeyPath::parse(key)).unwrap_or_else(|| panic!("`{key}` is not in the schema"));
        assert!(!doc.meaning.trim().is_empty(), "`{key}` has no description");
        assert_ne!(doc.kind_of_value, "a value", "{key}");
        assert!(!doc.meaning.contains("[`") && !doc.meaning.contains("::"), "{key}: {}", doc.meaning);
        // Whatever can be set can be swept.
        for table in ["grid", "random"] {
            let properties = &document["properties"]["sweep"]["properties"][table]["properties"];
            assert!(properties[key.as_str()].is_object(), "`{key}` is missing in sweep.{table}");
        }
    }
    for section in schema::sections() {
        for kind in section.kinds {
            let meaning = schema::describe_kind(section.at(), kind);
            assert!(meaning.is_some_and(|text| !text.is_empty()), "{} {kind}", section.path);
        }
    }
}

#[test]
fn keys_are_explained_in_words() {
    let mut text = String::new();
    for key in [
        "seed",
        "device",
        "data",
        "data.source",
        "data.split",
        "data.split.train",
        "data.image_size",
        "data.normalize",
        "model.hidden",
        "model.layers",
        "model.kernel_size",
        "model.pool",
        "model.pool.kernel_size",
        "model.head.dropout",
        "model.regularizer",
        "model.regularizer.p",
        "metrics",
        "metrics.kind",
        "optimizer",
        "optimizer.lr",
        "optimizer.betas",
        "optimizer.weight_decay",
        "optimizer.groups",
        "scheduler.step_size",
        "scheduler.warmup",
        "scheduler.warmup.steps",
        "train.early_stopping.monitor",
        "sweep.seeds",
        "sweep.grid",
        "sweep.prune",
        "sweep.prune.kind",
        "sweep.prune.monitor",
        "sweep.prune.min_epochs",
        "sweep.prune.reduction_factor",
        "sweep.prune.max",
    ] {
        let doc = schema::describe(&KeyPath::parse(key)).unwrap_or_else(|| panic!("{key}"));
        let schema::KeyDoc { meaning, kind_of_value, default, kinds } = doc;
        let default = default.map(|value| format!("; default {value}")).unwrap_or_default();
        let kinds = if kinds.is_empty() { String::new() } else { format!("; of {}", kinds.join(", ")) };
        let meaning = meaning.replace('\n', "\n    ");
        text = format!("{text}{key}: {kind_of_value}{default}{kinds}\n    {meaning}\n");
    }
    insta::assert_snapshot!(text);
    let decay = KeyPath::parse("optimizer.weight_decay");
    let of = |kind: &str| schema::describe_of_kind(&decay, kind).unwrap();
    assert_eq!(of("adam").default, Some(0.0.into()));
    assert_eq!(of("adamw").default, Some(0.01.into()));
    assert_eq!(of("adamw").kind_of_value, "a number, 0 or more");
    assert_eq!(of("sgd").meaning, "L2 penalty, on every parameter.");
    let momentum = KeyPath::parse("optimizer.momentum");
    assert_eq!(schema::describe_of_kind(&momentum, "adam"), None);
    assert_eq!(schema::describe(&momentum).unwrap().kinds, ["sgd", "rmsprop"]);
    assert_eq!(schema::describe(&KeyPath::parse("optimizer.momentun")), None);
    let optimizer = KeyPath::parse("optimizer");
    assert_eq!(schema::describe_kind(&optimizer, "sgd").unwrap(), "Stochastic gradient descent.");
    assert_eq!(schema::describe_kind(&optimizer, "sdg"), None);
    let nested = "sweep.grid.optimizer.lr";
    assert_eq!(schema::describe(&KeyPath::parse(nested)).unwrap().kinds, [""; 0]);
}
