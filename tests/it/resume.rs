//! Kills and interrupts lose nothing that was done.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::workplace::{Workplace, assert_same, record, text};

/// Long enough to be killed in the middle, short enough for a test.
const SWEEP: &str = "
    [data]
    source = 'digits'
    [model]
    kind = 'mlp'
    hidden = [48, 32]
    regularizer = ['batch_norm', { kind = 'dropout', p = 0.2 }]
    [optimizer]
    kind = 'adamw'
    [train]
    epochs = 8
    batch_size = 32
    [sweep]
    seeds = 4
";

fn rows(runs: &Path) -> usize {
    if !runs.is_dir() {
        return 0;
    }
    let count = |run: &Path| {
        std::fs::read_to_string(run.join("metrics.csv"))
            .map_or(0, |text| text.lines().count().saturating_sub(1))
    };
    crate::workplace::run_folders(runs).iter().map(|run| count(run)).sum()
}

#[test]
fn a_killed_sweep_completes_with_the_same_bytes() {
    let workplace = Workplace::new();
    workplace.write("sweep.toml", SWEEP);
    workplace.run(&["run", "sweep.toml", "--runs", "whole", "--jobs", "2"]);
    let whole = crate::workplace::run_folders(&workplace.path().join("whole/sweep"));

    let killed = workplace.path().join("killed/sweep");
    // Three kills at different depths; rows are counted, not seconds, so that speed does not matter.
    for wanted in [3, 9, 17] {
        let mut child = workplace
            .command(&["run", "sweep.toml", "--runs", "killed", "--jobs", "2"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_mins(2);
        while rows(&killed) < wanted && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the sweep does not get on");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let listed = workplace.run(&["list", "--runs", "killed", "--json"]);
    assert!(!listed.contains("\"running\""), "nobody trains any more: {listed}");
    workplace.run(&["run", "sweep.toml", "--runs", "killed", "--jobs", "2"]);
    let resumed = crate::workplace::run_folders(&killed);
    assert_eq!(resumed.len(), whole.len());
    for (left, right) in whole.iter().zip(&resumed) {
        assert_same(left, right);
        assert_eq!(record(right)["status"], "completed");
    }
    assert!(resumed.iter().any(|run| record(run)["attempts"].as_u64().unwrap() > 1), "no run was resumed");
}

#[cfg(unix)]
#[test]
fn one_interrupt_saves_and_says_how_to_go_on() {
    let workplace = Workplace::new();
    workplace
        .write("long.toml", SWEEP.replace("epochs = 8", "epochs = 5000").replace("seeds = 4", "seeds = 1"));
    let child = workplace
        .command(&["run", "long.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let runs = workplace.path().join("runs/long");
    let deadline = Instant::now() + Duration::from_mins(2);
    while rows(&runs) < 2 {
        assert!(Instant::now() < deadline, "the run does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked =
        std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(asked.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("continue with: "), "{}", text(&output.stderr));
    let run = workplace.only_run("long");
    assert_eq!(record(&run)["status"], "interrupted");
    let done = rows(&runs);
    assert!(done < 5000);
}

#[test]
fn a_damaged_checkpoint_costs_its_epochs_and_not_the_run() {
    let workplace = Workplace::new();
    workplace.write("one.toml", SWEEP.replace("seeds = 4", "seeds = 1"));
    workplace.run(&["run", "one.toml"]);
    let run = workplace.only_run("one");
    let whole = crate::workplace::deterministic(&run);
    let last = run.join("checkpoints/last.safetensors");
    let status = std::fs::read_to_string(run.join("run.json")).unwrap();
    std::fs::write(run.join("run.json"), status.replace("\"completed\"", "\"interrupted\"")).unwrap();
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let output = workplace.output(&["run", "one.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("starting from the beginning"), "{}", text(&output.stderr));
    assert_eq!(crate::workplace::deterministic(&run), whole);
    let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.contains("starting from the beginning"), "{log}");
}

#[test]
fn a_killed_run_with_a_flipped_bit_in_its_state_completes_with_the_same_bytes() {
    let workplace = Workplace::new();
    workplace.write("one.toml", SWEEP.replace("seeds = 4", "seeds = 1"));
    workplace.run(&["run", "one.toml", "--runs", "whole"]);
    let whole = crate::workplace::run_folders(&workplace.path().join("whole/one")).remove(0);
    let killed = workplace.path().join("killed/one");
    let mut child = workplace
        .command(&["run", "one.toml", "--runs", "killed"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    while rows(&killed) < 3 && child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the run does not get on");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let run = crate::workplace::run_folders(&killed).remove(0);
    assert_eq!(record(&run)["status"], "running", "it was not killed in time");
    let last = run.join("checkpoints/last.safetensors");
    let mut bytes = std::fs::read(&last).unwrap();
    // In the middle of a weight or of the optimizer's state: the header has no say in it.
    let position = bytes.len() * 3 / 4;
    bytes[position] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let output = workplace.output(&["run", "one.toml", "--runs", "killed"]);
    let said = crate::workplace::one_line(&text(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("does not match the checksum in it, so it was damaged: starting from"), "{said}");
    assert_same(&whole, &run);
    let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.contains("starting from the beginning"), "{log}");
}

#[test]
fn weights_that_do_not_fit_are_refused_before_anything_starts() {
    let workplace = Workplace::new();
    workplace.write("one.toml", SWEEP.replace("seeds = 4", "seeds = 1").replace("epochs = 8", "epochs = 1"));
    workplace.run(&["run", "one.toml", "--runs", "source"]);
    let run = crate::workplace::run_folders(&workplace.path().join("source/one"))[0].clone();
    let weights = run.join("checkpoints/best.safetensors");
    let setting = format!("model.weights={}", weights.display());
    workplace.run(&["run", "one.toml", "-s", &setting, "-s", "name=fits"]);
    let (code, said) = workplace.fail(&["run", "one.toml", "-s", &setting, "-s", "model.hidden=[40, 30]"]);
    assert_eq!(code, 2, "{said}");
    let said = crate::workplace::one_line(&said);
    assert!(said.contains("layers.0.weight has the shape [48, 64], the model wants [40, 64]"), "{said}");
    assert!(!workplace.path().join("runs/one").exists(), "something was written");
}
