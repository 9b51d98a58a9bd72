//! Options of the training itself: accumulation, limits on gradients, groups, schedules, the log of steps.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::workplace::{Workplace, assert_same, one_line, record, run_folders};

const PLAIN: &str = "
    data = 'digits'
    model = { kind = 'mlp', hidden = [16], regularizer = 'none' }
    optimizer = { kind = 'adam', lr = 1e-2 }
    train = { epochs = 2, batch_size = 32 }
";

/// The columns of a table by name, as numbers.
fn column(run: &Path, table: &str, name: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_path(run.join(table)).unwrap();
    let position = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|row| row.unwrap()[position].parse().unwrap()).collect()
}

fn trained(workplace: &Workplace, name: &str, settings: &[&str]) -> std::path::PathBuf {
    workplace.write(&format!("{name}.toml"), PLAIN);
    let file = format!("{name}.toml");
    let flags = settings.iter().flat_map(|setting| ["-s", setting]);
    workplace.run(&["run", file.as_str()].into_iter().chain(flags).collect::<Vec<_>>());
    workplace.only_run(name)
}

/// How far apart the losses of two runs are, relative to those of the first, at most.
fn losses_apart(whole: &Path, parts: &Path) -> f64 {
    let losses = |run| ["train_loss", "valid_loss"].map(|of| column(run, "metrics.csv", of)).concat();
    let (whole, parts) = (losses(whole), losses(parts));
    assert_eq!((whole.len(), parts.len()), (4, 4));
    let pairs = whole.iter().zip(&parts);
    pairs.map(|(one, other)| (one - other).abs() / one).fold(0.0, |most, apart| {
        assert!(apart.is_finite(), "{whole:?} and {parts:?}");
        apart.max(most)
    })
}

#[test]
fn small_batches_that_are_accumulated_train_as_large_ones() {
    let workplace = Workplace::new();
    let whole = trained(&workplace, "whole", &[]);
    for (name, size, accumulate) in [("halves", 16, 2), ("quarters", 8, 4), ("thirds", 11, 3)] {
        let settings = [format!("train.batch_size={size}"), format!("train.accumulate={accumulate}")];
        let parts = trained(&workplace, name, &settings.each_ref().map(String::as_str));
        // 1,078 samples: the last step has fewer, and of 33 too.
        let steps = if name == "thirds" { [33.0, 66.0] } else { [34.0, 68.0] };
        assert_eq!(column(&parts, "metrics.csv", "step"), steps);
        // Steps over other samples come near, the same steps to the rounding of f32.
        let most = if name == "thirds" { 0.1 } else { 2e-5 };
        let apart = losses_apart(&whole, &parts);
        assert!(apart < most, "{name}: {apart:e} apart");
    }
}

#[test]
fn accumulated_batches_count_by_the_weights_of_their_classes() {
    let workplace = Workplace::new();
    // Batches of one sample often weigh nothing, and with smoothing move the other classes nevertheless.
    let loss = "loss={ label_smoothing = 0.1, class_weights = [3, 0.1, 0, 1, 1, 1, 0.5, 0, 2, 5] }";
    let whole = trained(&workplace, "whole", &[loss]);
    for (name, size, accumulate) in [("quarters", 8, 4), ("ones", 1, 32)] {
        let settings = [format!("train.batch_size={size}"), format!("train.accumulate={accumulate}")];
        let parts = trained(&workplace, name, &[loss, &settings[0], &settings[1]]);
        let apart = losses_apart(&whole, &parts);
        assert!(apart < 2e-5, "{name}: {apart:e} apart");
    }
}

#[test]
fn steps_in_which_no_sample_counts_have_no_gradient() {
    let workplace = Workplace::new();
    let loss = "loss={ label_smoothing = 0.1, class_weights = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] }";
    for (name, size, accumulate) in [("alone", 1, 1), ("pairs", 1, 2)] {
        let settings = [format!("train.batch_size={size}"), format!("train.accumulate={accumulate}")];
        let run = trained(&workplace, name, &[loss, &settings[0], &settings[1], "train.log_every=1"]);
        assert_eq!(record(&run)["status"], "completed");
        let pairs =
            column(&run, "steps.csv", "loss").into_iter().zip(column(&run, "steps.csv", "gradient_norm"));
        let (none, some): (Vec<_>, Vec<_>) = pairs.partition(|(loss, _)| !loss.is_finite());
        assert!(none.len() > 100 && some.len() > 100, "{} and {}", none.len(), some.len());
        assert!(none.iter().all(|(_, norm)| *norm == 0.0) && some.iter().all(|(_, norm)| *norm > 0.0));
    }
}

#[test]
fn steps_are_logged_and_make_no_other_run() {
    let workplace = Workplace::new();
    let quiet = trained(&workplace, "quiet", &["train.clip_grad_norm=0.5"]);
    assert!(!quiet.join("steps.csv").exists());
    let run = trained(&workplace, "logged", &["train.clip_grad_norm=0.5", "train.log_every=10"]);
    assert_eq!(record(&quiet)["id"], record(&run)["id"]);
    assert_eq!(column(&run, "steps.csv", "step"), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    assert_eq!(column(&run, "steps.csv", "lr"), [0.01; 6]);
    let norms = column(&run, "steps.csv", "gradient_norm");
    assert!(norms.iter().all(|norm| norm.is_finite() && *norm > 0.0), "{norms:?}");
    assert!(norms.iter().any(|norm| *norm > 0.5), "the norms are those before the limit: {norms:?}");
    let losses = column(&run, "steps.csv", "loss");
    assert!(losses[5] < losses[0], "{losses:?}");
    assert_eq!(
        std::fs::read(run.join("metrics.csv")).unwrap(),
        std::fs::read(quiet.join("metrics.csv")).unwrap()
    );
}

#[test]
fn the_rate_of_an_epoch_is_that_of_its_last_step() {
    let workplace = Workplace::new();
    let cycle = "scheduler={ kind = 'one_cycle', max_lr = 0.05 }";
    let run = trained(&workplace, "cycle", &[cycle, "train.log_every=1"]);
    let (steps, epochs) = (column(&run, "steps.csv", "lr"), column(&run, "metrics.csv", "lr"));
    assert_eq!((steps.len(), epochs.len()), (68, 2));
    assert_eq!(epochs, [steps[33], steps[67]]);
    assert!((epochs[1] - 0.05 / 25.0 / 1e4).abs() < 1e-12, "{epochs:?}");
    let warmup = "scheduler={ kind = 'cosine', warmup = { epochs = 1 } }";
    let run = trained(&workplace, "warm", &[warmup, "train.log_every=17"]);
    let steps = column(&run, "steps.csv", "lr");
    let expected = [0.01 * 16.0 / 34.0, 0.01 * 33.0 / 34.0, 0.01, 0.01];
    assert!(steps.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-12), "{steps:?}");
    assert!(std::fs::read_to_string(run.join("config.toml")).unwrap().contains("t_max = 1\n"));
}

#[test]
fn a_group_without_a_parameter_is_refused_before_anything_starts() {
    let workplace = Workplace::new();
    workplace.write("a.toml", PLAIN);
    let group = "optimizer.groups=[{ match = 'layers.0', lr = 1e-5 }, { match = 'layer.2' }]";
    let (code, said) = workplace.fail(&["run", "a.toml", "-s", group]);
    assert_eq!(code, 2, "{said}");
    let said = one_line(&said);
    assert!(
        said.contains("optimizer.groups[1] matches no parameter that is trained: there is no \"layer.2\""),
        "{said}"
    );
    assert!(!workplace.path().join("runs").exists(), "something was written");
}

#[test]
fn what_runs_away_is_not_hidden_by_limits() {
    let workplace = Workplace::new();
    workplace.write("a.toml", PLAIN.replace("'adam', lr = 1e-2", "'sgd', lr = 1e38"));
    for limit in ["train.clip_grad_norm=1e30", "train.clip_grad_value=1e30"] {
        let output = workplace.output(&["run", "a.toml", "-s", limit, "--runs", &limit[..21]]);
        assert!(!output.status.success());
        let run = run_folders(&workplace.path().join(&limit[..21]).join("a")).remove(0);
        assert_eq!(record(&run)["status"], "diverged");
    }
}

/// Everything whose state could be lost: moments and their product, a plateau, a warm-up, groups, accumulation.
const LONG: &str = "
    data = 'digits'
    model = { kind = 'mlp', hidden = [24, 16], regularizer = { kind = 'dropout', p = 0.2 } }
    [optimizer]
    kind = 'nadam'
    weight_decay = 1e-3
    decay_bias = false
    groups = [{ match = 'layers.0', lr = 1e-3 }]
    [train]
    epochs = 9
    batch_size = 8
    accumulate = 3
    clip_grad_norm = 0.5
    clip_grad_value = 0.2
    log_every = 5
    [sweep.grid]
    scheduler = [
        { kind = 'reduce_on_plateau', patience = 0, factor = 0.5, threshold = 0.2, warmup = { steps = 50 } },
        { kind = 'one_cycle', max_lr = 0.01, warmup = { epochs = 1 } },
    ]
";

#[test]
fn a_killed_run_goes_on_at_the_rate_that_it_had() {
    let workplace = Workplace::new();
    workplace.write("a.toml", LONG);
    workplace.run(&["run", "a.toml", "--runs", "whole", "--jobs", "1"]);
    let whole = run_folders(&workplace.path().join("whole/a"));
    let rates = column(&whole[0], "metrics.csv", "lr");
    let other_rates = column(&whole[1], "metrics.csv", "lr");
    assert!(
        [&rates, &other_rates].iter().all(|rates| rates.last() < rates.get(2)),
        "{rates:?} {other_rates:?}"
    );

    let killed = workplace.path().join("killed/a");
    let rows = || {
        let of = |run: &std::path::PathBuf| {
            std::fs::read_to_string(run.join("metrics.csv")).map_or(0, |text| text.lines().count())
        };
        if killed.is_dir() { run_folders(&killed).iter().map(of).sum() } else { 0 }
    };
    for wanted in [5, 15] {
        let mut child = workplace
            .command(&["run", "a.toml", "--runs", "killed", "--jobs", "1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_mins(2);
        while rows() < wanted && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the training does not get on");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    workplace.run(&["run", "a.toml", "--runs", "killed", "--jobs", "1"]);
    let resumed = run_folders(&killed);
    assert_eq!(resumed.len(), 2);
    for (left, right) in whole.iter().zip(&resumed) {
        assert_same(left, right);
        let steps = |run: &Path| std::fs::read_to_string(run.join("steps.csv")).unwrap();
        assert_eq!(steps(left), steps(right));
    }
    assert!(resumed.iter().any(|run| record(run)["attempts"].as_u64().unwrap() > 1), "no run was resumed");
}
