//! Data that does not fit, one test a sort: the whole message with its place, or what happens instead of one.

use std::fmt::Write;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::workplace::{Workplace, one_line, record, run_folders, text};

const MLP: &str = "model = { kind = 'mlp', hidden = [4] }\ntrain = { epochs = 2, batch_size = 8 }\n";
const RNN: &str =
    "model = { kind = 'rnn', embedding = 4, hidden_size = 4 }\ntrain = { epochs = 1, batch_size = 8 }\n";
const TABLE: &str = "data = { source = 'csv', path = 'd.csv', target = 'y' }\n";
const TEXTS: &str = "data = { source = 'text', path = 't.csv', target = 'y' }\n";
const IMAGES: &str = "data = { source = 'images', path = 'pets' }\n";
const IDX: &str = "data = { source = 'idx', images = 'images', labels = 'labels' }\n";
/// The rows of the main file follow one another in the parts.
const IN_ORDER: &str = "data.split.shuffle=false";

/// 20 rows, p and q in turn.
fn table() -> String {
    rows(|row| format!("{row},{},{}", row % 3, if row % 2 == 0 { "q" } else { "p" }))
}

/// A table of the columns a, b and y, row by row.
fn rows(row: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..20).map(row).collect();
    format!("a,b,y\n{}\n", lines.join("\n"))
}

fn texts() -> String {
    let line =
        |row: usize| format!("word {row} here,{}\n", if row.is_multiple_of(2) { "neg" } else { "pos" });
    (0..20).map(line).fold("text,y\n".to_owned(), |text, line| text + &line)
}

fn png(side: u32, shade: u8) -> Vec<u8> {
    let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(side, side, Rgb([shade, 9, 9])));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// `dims` and then as many bytes, each of them its place modulo `modulus`.
fn idx(dims: &[u32], modulus: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|size| size.to_be_bytes()));
    let count: u32 = dims.iter().product();
    bytes.extend((0..count as usize).map(|place| (place % modulus) as u8));
    bytes
}

/// A folder in which the data of every experiment above lies.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("d.csv", table());
    workplace.write("t.csv", texts());
    for shade in 0..8 {
        workplace.write(&format!("pets/cat/{shade}.png"), png(4, shade));
        workplace.write(&format!("pets/dog/{shade}.png"), png(4, 200 + shade));
    }
    workplace.write("images", idx(&[20, 4, 4], 251));
    workplace.write("labels", idx(&[20], 3));
    workplace
}

/// Wrong requests one after the other, and what was said to each.
struct Said {
    workplace: Workplace,
    text: String,
}

impl Said {
    fn new() -> Self {
        Self { workplace: workplace(), text: String::new() }
    }

    /// A folder with one trained run, of which requests tell.
    fn of_run(experiment: &str) -> Self {
        let said = Self::new();
        said.workplace.write("a.toml", experiment);
        said.workplace.run(&["run", "a.toml", "--quiet"]);
        said
    }

    /// Trains `experiment` with the flags `sets`, which must be refused before anything is written.
    fn refused(&mut self, experiment: &str, sets: &[&str]) {
        self.workplace.write("a.toml", experiment);
        let flags: Vec<&str> = sets.iter().flat_map(|set| ["-s", *set]).collect();
        // Both commands find it.
        for command in ["plan", "run"] {
            let arguments: Vec<&str> = [command, "a.toml"].into_iter().chain(flags.iter().copied()).collect();
            let said = self.fail(&arguments);
            assert!(!self.workplace.path().join("runs").exists(), "{arguments:?}: something was written");
            if command == "run" {
                writeln!(self.text, "$ {}\n{said}", sets.join(" ")).unwrap();
            }
        }
    }

    /// A command on the trained run.
    fn refused_by(&mut self, arguments: &[&str]) {
        let said = self.fail(arguments);
        writeln!(self.text, "$ {}\n{said}", arguments.join(" ")).unwrap();
    }

    /// Standard error without the notes of what flags drop, and without where the test runs.
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.workplace.command(arguments).env("COLUMNS", "80").output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        let folder = self.workplace.path().canonicalize().unwrap();
        let lines = said.lines().filter(|line| !line.starts_with("note: "));
        lines.collect::<Vec<_>>().join("\n").replace(folder.to_str().unwrap(), "[folder]") + "\n"
    }
}

/// The notes of a training that goes through.
fn notes(workplace: &Workplace, experiment: &str, sets: &[&str]) -> Vec<String> {
    workplace.write("a.toml", experiment);
    let arguments = ["run", "a.toml"].into_iter().chain(sets.iter().flat_map(|set| ["-s", *set]));
    let output = workplace.output(&arguments.collect::<Vec<_>>());
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.lines().filter_map(|line| line.strip_prefix("note: ")).map(str::to_owned).collect()
}

#[test]
fn wrong_shapes() {
    let mut said = Said::new();
    let table = format!("{TABLE}{MLP}");
    said.refused(&table, &["model={ kind = 'cnn' }"]);
    said.refused(&table, &["model={ kind = 'rnn' }"]);
    let texts = format!("{TEXTS}{RNN}");
    said.refused(&texts, &["model={ kind = 'mlp' }"]);
    said.refused(&texts, &["model={ kind = 'cnn' }"]);
    let images = format!("{IMAGES}{MLP}");
    said.refused(&images, &["model={ kind = 'rnn', embedding = 4 }"]);
    let layers =
        |first: &str| format!("model={{ kind = 'sequential', layers = [{first}, 'flatten', 'linear'] }}");
    said.refused(&images, &[&layers("{ kind = 'embedding', embedding_dim = 3 }")]);
    said.refused(&images, &[&layers("{ kind = 'conv2d', out_channels = 4, kernel_size = 9 }")]);
    said.refused(&images, &[&layers("{ kind = 'conv2d', out_channels = 4, kernel_size = 3, groups = 2 }")]);
    said.refused(&images, &["model={ kind = 'sequential', layers = ['flatten'] }"]);
    said.refused(&images, &["data.augment=['noise']", "data.source=csv", "data.path=d.csv", "data.target=y"]);
    said.refused(&table, &["loss.class_weights=[1, 2, 3]"]);
    said.workplace.write("pets/dog/9.png", png(5, 0));
    said.refused(&images, &[]);
    let idx_images = format!("{IDX}{MLP}");
    said.workplace.write("labels", idx(&[19], 3));
    said.refused(&idx_images, &[]);
    said.workplace.write("images", idx(&[20, 16], 251));
    said.refused(&idx_images, &[]);
    insta::assert_snapshot!(said.text);
}

#[test]
fn wrong_shapes_for_a_trained_model() {
    let mut said = Said::of_run(&format!("{IDX}{MLP}"));
    said.workplace.write("short.csv", "1,2,3\n");
    said.workplace.write("large.idx", idx(&[2, 5, 4], 251));
    said.refused_by(&["predict", "last", "short.csv"]);
    said.refused_by(&["predict", "last", "large.idx"]);
    let run = said.workplace.only_run("a");
    std::fs::rename(run, said.workplace.path().join("other")).unwrap();
    std::fs::remove_dir_all(said.workplace.path().join("runs")).unwrap();
    said.refused(&format!("{IDX}{MLP}"), &["model.weights=other", "model.hidden=[5]"]);
    said.workplace.write("text.pt", "no weights at all");
    said.refused(&format!("{IDX}{MLP}"), &["model.weights=text.pt"]);
    insta::assert_snapshot!(said.text);
}

#[test]
fn unknown_columns() {
    let mut said = Said::new();
    said.refused(&format!("{TABLE}{MLP}"), &["data.features=['a', 'c']"]);
    said.refused(&format!("{TABLE}{MLP}"), &["data.delimiter=';'"]);
    said.refused(&format!("{TEXTS}{RNN}"), &["data.text=txt"]);
    said.workplace.write("other.csv", "a,y\n1,p\n");
    said.refused(&format!("{TABLE}{MLP}"), &["data.test_path=other.csv"]);
    let mut trained = Said::of_run(&format!("{TABLE}{MLP}"));
    trained.workplace.write("lacks.csv", "a,B\n1,2\n");
    trained.workplace.write("unlabelled.csv", "a,b\n1,2\n");
    trained.refused_by(&["predict", "last", "lacks.csv"]);
    trained.refused_by(&["evaluate", "last", "unlabelled.csv"]);
    insta::assert_snapshot!(said.text + &trained.text);
}

#[test]
fn empty_classes() {
    let mut said = Said::new();
    std::fs::create_dir(said.workplace.path().join("pets/emu")).unwrap();
    said.refused(&format!("{IMAGES}{MLP}"), &[]);
    std::fs::remove_dir(said.workplace.path().join("pets/emu")).unwrap();
    said.refused(&format!("{TABLE}{MLP}"), &["data.classes=['p', 'r']"]);
    said.refused(&format!("{TABLE}{MLP}"), &["data.classes=[-1, 1]"]);
    // Label 1 is never there.
    said.workplace.write("labels", [&idx(&[20], 1)[..8], [0, 2].repeat(10).as_slice()].concat());
    said.refused(&format!("{IDX}{MLP}"), &["data.classes=[0, 1]"]);
    insta::assert_snapshot!(said.text);

    let found = notes(&said.workplace, &format!("{IDX}{MLP}"), &[]);
    let note = "no training sample is of the class 1: a model cannot learn it; `data.split` says which samples train, \
                `data.classes` which classes there are";
    assert_eq!(found, [note]);
}

#[cfg(unix)]
#[test]
fn a_class_behind_a_link_that_leads_nowhere_is_not_left_out() {
    let mut said = Said::new();
    let pets = said.workplace.path().join("pets");
    std::os::unix::fs::symlink("nowhere", pets.join("emu")).unwrap();
    said.refused(&format!("{IMAGES}{MLP}"), &[]);
    assert!(said.text.contains("error: pets/emu: there is no such file\n --> a.toml:1:36"), "{}", said.text);
}

#[test]
fn files_of_one_class() {
    let mut said = Said::new();
    said.workplace.write("d.csv", table().replace(",p\n", ",q\n"));
    said.refused(&format!("{TABLE}{MLP}"), &[]);
    said.workplace.write("t.csv", texts().replace(",pos\n", ",neg\n"));
    said.refused(&format!("{TEXTS}{RNN}"), &[]);
    said.workplace.write("labels", idx(&[20], 1));
    said.refused(&format!("{IDX}{MLP}"), &[]);
    std::fs::remove_dir_all(said.workplace.path().join("pets/dog")).unwrap();
    said.refused(&format!("{IMAGES}{MLP}"), &[]);
    insta::assert_snapshot!(said.text);
}

/// The last 4 rows validate: they are all of the class q.
#[test]
fn parts_of_one_class() {
    let mut said = Said::new();
    said.workplace
        .write("d.csv", rows(|row| format!("{row},1,{}", if row < 12 && row % 2 == 0 { "p" } else { "q" })));
    let experiment = format!("{TABLE}{MLP}");
    let auc = "metrics=['accuracy', 'auc']";
    said.refused(&experiment, &[IN_ORDER, auc, "train.monitor=valid_auc"]);
    said.refused(&experiment, &[IN_ORDER, auc, "train.early_stopping={ monitor = 'valid_auc' }"]);
    insta::assert_snapshot!(said.text);

    // Beside another monitor it is NaN in the CSV, null in JSON, and nothing else suffers.
    assert!(notes(&said.workplace, &experiment, &[IN_ORDER, auc]).is_empty());
    let run = said.workplace.only_run("a");
    assert!(
        record(&run)["best"]["valid_auc"].is_null() && record(&run)["best"]["valid_accuracy"].is_number()
    );
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert!(metrics.lines().skip(1).all(|line| line.contains("NaN")), "{metrics}");
    assert!(said.workplace.run(&["evaluate", "last"]).contains("NaN"));

    // The first 16 rows train: p alone.
    said.workplace.write("d.csv", rows(|row| format!("{row},1,{}", if row < 16 { "p" } else { "q" })));
    let found = notes(&said.workplace, &experiment, &[IN_ORDER]);
    assert!(found.len() == 1 && found[0].starts_with("no training sample is of the class q: "), "{found:?}");
}

#[test]
fn a_monitor_that_is_never_a_number_leaves_a_whole_run() {
    let workplace = workplace();
    workplace.write("d.csv", rows(|row| format!("{row},{},{}.5", row % 3, row)));
    // r² of the one sample that validates is none.
    let sets = ["data.split={ train = 0.95, shuffle = false }", "train.monitor=valid_r2"];
    notes(&workplace, &format!("{TABLE}{MLP}"), &sets);
    let run = workplace.only_run("a");
    assert_eq!(record(&run)["best"]["epoch"], 1);
    assert!(workplace.run(&["evaluate", "last"]).contains("valid"));
    workplace.run(&["predict", "last", "d.csv"]);
}

#[test]
fn all_missing_columns() {
    let mut said = Said::new();
    let experiment = format!("{TABLE}{MLP}");
    let kind = |row: usize| if row.is_multiple_of(2) { "p" } else { "q" };
    said.workplace.write("d.csv", rows(|row| format!("{row},NA,{}", kind(row))));
    said.refused(&experiment, &[]);
    said.refused(&experiment, &["data.missing=median"]);
    // Of the rows to train with only.
    let late = |row: usize| if row < 16 { String::new() } else { row.to_string() };
    said.workplace.write("d.csv", rows(|row| format!("{row},{},{}", late(row), kind(row))));
    said.refused(&experiment, &[IN_ORDER, "data.missing=median"]);
    said.workplace.write("d.csv", rows(|row| format!("{row},1,{}", if row == 7 { "?" } else { kind(row) })));
    said.refused(&experiment, &["data.missing=mean"]);
    said.workplace.write("d.csv", rows(|row| format!("{row},1,")));
    said.refused(&experiment, &[]);
    said.workplace.write("d.csv", rows(|row| format!(",{row},{}", kind(row))));
    said.refused(&experiment, &["data.missing=drop"]);
    insta::assert_snapshot!(said.text);
}

#[test]
fn a_target_that_is_missing_where_it_is_compared() {
    let mut said = Said::of_run(&format!("{TABLE}{MLP}"));
    said.workplace.write("gap.csv", "a,b,y\n1,2,p\n1,2,\n");
    // To predict nothing is missing.
    assert_eq!(said.workplace.run(&["predict", "last", "gap.csv"]).lines().count(), 3);
    said.refused_by(&["evaluate", "last", "gap.csv"]);
    insta::assert_snapshot!(said.text);
}

#[test]
fn ragged_csv() {
    let mut said = Said::new();
    said.workplace.write("d.csv", table() + "1,2\n");
    said.refused(&format!("{TABLE}{MLP}"), &[]);
    said.workplace.write("d.csv", table() + "1,2,p,3\n");
    said.refused(&format!("{TABLE}{MLP}"), &[]);
    said.workplace.write("d.csv", table() + "1,\"2,p\n");
    said.refused(&format!("{TABLE}{MLP}"), &[]);
    said.workplace.write("t.csv", texts() + "good\n");
    said.refused(&format!("{TEXTS}{RNN}"), &[]);
    let mut trained = Said::of_run(&format!("{TABLE}{MLP}"));
    trained.workplace.write("ragged.csv", "a,b\n1\n");
    trained.refused_by(&["predict", "last", "ragged.csv"]);
    insta::assert_snapshot!(said.text + &trained.text);
}

#[test]
fn text_that_is_not_utf8() {
    let mut said = Said::new();
    said.workplace.write("d.csv", [table().as_bytes(), b"1,2,caf\xe9\n"].concat());
    said.refused(&format!("{TABLE}{MLP}"), &[]);
    said.workplace.write("t.csv", [texts().as_bytes(), b"caf\xe9,pos\n"].concat());
    said.refused(&format!("{TEXTS}{RNN}"), &[]);
    let mut trained = Said::of_run(&format!("{TEXTS}{RNN}"));
    trained.workplace.write("latin.txt", b"good\ncaf\xe9\n");
    trained.refused_by(&["predict", "last", "latin.txt"]);
    insta::assert_snapshot!(said.text + &trained.text);
}

#[test]
fn a_text_file_as_png() {
    let mut said = Said::of_run(&format!("{IMAGES}{MLP}"));
    said.workplace.write("words.png", "this is a text");
    said.workplace.write("new/words.JPG", "this is a text");
    said.workplace.write("empty/one.png", "");
    for input in ["words.png", "new", "empty"] {
        said.refused_by(&["predict", "last", input]);
    }
    said.refused_by(&["evaluate", "last", "words.png"]);
    std::fs::remove_dir_all(said.workplace.path().join("runs")).unwrap();
    said.workplace.write("pets/dog/words.png", "this is a text");
    said.refused(&format!("{IMAGES}{MLP}"), &[]);
    said.workplace.write("pets/dog/words.png", "");
    said.refused(&format!("{IMAGES}{MLP}"), &[]);
    insta::assert_snapshot!(said.text);
}

#[test]
fn a_1x1_image_under_two_poolings() {
    let mut said = Said::new();
    let images = "data = { source = 'images', path = 'pets', size = [1, 1] }\ntrain.epochs = 1\n";
    let pools = |kind: &str, key: &str| {
        let pool = |size: usize| format!("{{ kind = '{kind}', {key} = {size} }}");
        format!("model={{ kind = 'sequential', layers = [{}, {}, 'flatten', 'linear'] }}", pool(2), pool(2))
    };
    said.refused(images, &["model={ kind = 'cnn', channels = [4, 4] }"]);
    said.refused(images, &[&pools("max_pool2d", "kernel_size")]);
    said.refused(images, &[&pools("avg_pool2d", "kernel_size")]);
    insta::assert_snapshot!(said.text);
    // An adaptive pooling repeats pixels where there are too few, as PyTorch's does.
    notes(&said.workplace, images, &[&pools("adaptive_avg_pool2d", "output_size")]);
    notes(&said.workplace, images, &["model={ kind = 'cnn', channels = [4, 4], pool = 'none' }"]);
}

/// 16 rows train.
#[test]
fn a_last_batch_of_one_under_batch_norm() {
    let mut said = Said::new();
    let experiment = format!("{TABLE}{MLP}");
    said.refused(&experiment, &["train.batch_size=5"]);
    said.refused(&experiment, &["train.batch_size=1"]);
    said.refused(&experiment, &["data.limit=1"]);
    said.refused(&experiment, &["train.batch_size=17", "train.drop_last=true"]);
    insta::assert_snapshot!(said.text);
    notes(&said.workplace, &experiment, &["train.batch_size=5", "train.drop_last=true"]);
    notes(&said.workplace, &experiment, &["train.batch_size=5", "model.regularizer=layer_norm"]);
    notes(&said.workplace, &experiment, &["train.batch_size=1000"]);
    assert_eq!(said.workplace.runs("a").len(), 3);
}

#[test]
fn folders_of_images_without_classes_are_no_evaluation() {
    let said = Said::of_run(&format!("{IMAGES}{MLP}"));
    said.workplace.write("flat/a.png", png(4, 1));
    let words = one_line(&said.fail(&["evaluate", "last", "flat"]));
    assert_eq!(words, "error: flat: holds images, but no folder for each class that tells what they are of");
}

/// The rows in order: the first 16 train, 4 validate.
#[test]
fn parts_in_which_no_sample_counts() {
    let mut said = Said::new();
    let rows = rows(|row| format!("{row},{},{}", row % 3, if row < 16 { "p" } else { "q" }));
    said.workplace.write("d.csv", rows);
    let experiment = format!("{TABLE}{MLP}");
    said.refused(&experiment, &[IN_ORDER, "loss.class_weights=[1, 0]"]);
    said.refused(&experiment, &[IN_ORDER, "loss.class_weights=[0, 1]"]);
    insta::assert_snapshot!(said.text);
    notes(&said.workplace, &experiment, &[IN_ORDER, "loss.class_weights=[1, 0.1]"]);
}

#[test]
fn sequences_of_any_length_cannot_be_flattened() {
    let mut said = Said::new();
    let model = |layers: &str| {
        format!(
            "{TEXTS}[model]\nkind = 'sequential'\nlayers = [{{ kind = 'embedding', embedding_dim = 4 }}, {layers}]"
        )
    };
    said.refused(&model("'flatten', 'linear'"), &[]);
    said.refused(&model("{ kind = 'lstm', hidden_size = 4 }, 'flatten', 'linear'"), &[]);
    insta::assert_snapshot!(said.text);
    notes(
        &said.workplace,
        &model("{ kind = 'lstm', hidden_size = 4, pooling = 'max' }, 'flatten', 'linear'"),
        &[],
    );
}

#[test]
fn groups_over_frozen_layers_are_refused() {
    let mut said = Said::new();
    said.workplace.write("b.toml", format!("{TABLE}{MLP}"));
    said.workplace.run(&["run", "b.toml", "--quiet", "--runs", "others"]);
    let run = run_folders(&said.workplace.path().join("others/b")).remove(0);
    std::fs::rename(run, said.workplace.path().join("others/b/best")).unwrap();
    let experiment = format!("{TABLE}{MLP}");
    let (weights, frozen) = ("model.weights=others/b/best", "model.freeze=['layers.0']");
    let group = |prefix: &str| format!("optimizer.groups=[{{ match = '{prefix}', lr = 1e-5 }}]");
    said.refused(&experiment, &[weights, frozen, &group("layers.0")]);
    insta::assert_snapshot!(said.text);
}

/// A frozen batch norm goes by its running statistics.
#[test]
fn a_single_sample_trains_under_a_frozen_batch_norm() {
    let workplace = workplace();
    workplace.write("b.toml", format!("{TABLE}{MLP}"));
    workplace.run(&["run", "b.toml", "--quiet"]);
    let experiment = format!("{TABLE}{MLP}");
    let frozen = ["model.weights=run:b", "model.freeze=['layers.0', 'layers.2']", "train.batch_size=5"];
    notes(&workplace, &experiment, &frozen);
    // The file that was found stands in the configuration wherever it is read from.
    let run = workplace.only_run("a");
    let config: toml::Table = std::fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert!(std::path::Path::new(config["model"]["weights"].as_str().unwrap()).is_absolute());
    let said = workplace.run(&["rerun", run.to_str().unwrap(), "--verify"]);
    assert!(said.contains("the same to the byte"), "{said}");
}

#[test]
fn warm_ups_as_long_as_the_training_are_noted() {
    let workplace = workplace();
    let experiment = format!("{TABLE}{MLP}");
    let said = |sets: &[&str]| notes(&workplace, &experiment, sets).join("\n");
    let noted = said(&["scheduler.kind=cosine", "scheduler.warmup.epochs=2"]);
    assert!(
        noted.starts_with("`scheduler.warmup` takes 2 epochs, the training 2: the learning rate never"),
        "{noted}"
    );
    assert!(said(&["scheduler.warmup.steps=9"]).contains("takes 9 steps, the training 4:"));
    assert_eq!(said(&["scheduler.warmup.steps=3"]), "");
    assert_eq!(said(&["scheduler.kind=cosine", "scheduler.warmup.epochs=1"]), "");
}
