//! The same run gives the same bytes, whatever runs beside it and however often.

use std::fs;

use crate::workplace::{SMALL, Workplace, assert_same, record, text};

#[test]
fn jobs_threads_and_company_do_not_change_a_byte() {
    let workplace = Workplace::new();
    let sweep = format!("{SMALL}\n[sweep]\nseeds = 2\n[sweep.grid]\n'optimizer.lr' = [1e-3, 3e-3]\n");
    workplace.write("sweep.toml", &sweep);
    let folders = |name: &str, arguments: &[&str]| {
        let mut all = vec!["run", "sweep.toml", "--runs", name, "--quiet"];
        all.extend(arguments);
        workplace.run(&all);
        crate::workplace::run_folders(&workplace.path().join(name).join("sweep"))
    };
    let alone = folders("one", &["--jobs", "1"]);
    assert_eq!(alone.len(), 4);
    let beside = folders("two", &["--jobs", "2"]);
    let threads = folders("three", &["--jobs", "1", "--threads", "2"]);
    for (left, right) in alone.iter().zip(&beside).chain(alone.iter().zip(&threads)) {
        assert_eq!(left.file_name(), right.file_name());
        assert_same(left, right);
    }
    // One of them on its own, from nothing but its saved configuration.
    let config = alone[3].join("config.toml");
    workplace.run(&["run", config.to_str().unwrap(), "--runs", "four", "--quiet"]);
    let again = crate::workplace::run_folders(&workplace.path().join("four/sweep"));
    assert_eq!(again.len(), 1);
    assert_eq!(record(&again[0])["id"], record(&alone[3])["id"]);
    assert_same(&again[0], &alone[3]);
}

#[test]
fn verify_passes_on_a_true_copy_and_names_the_first_difference() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.run(&["run", "small.toml"]);
    let run = workplace.only_run("small");
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    let said = workplace.run(&["rerun", &name, "--verify"]);
    assert!(said.contains("same to the byte"), "{said}");
    assert_eq!(workplace.runs("small"), std::slice::from_ref(&run), "the copy is removed");

    let metrics = run.join("metrics.csv");
    let before = fs::read_to_string(&metrics).unwrap();
    let line = before.lines().nth(2).unwrap().to_owned();
    let cell = line.split(',').nth(3).unwrap();
    fs::write(&metrics, before.replace(cell, "0.125")).unwrap();
    let output = workplace.output(&["rerun", &name, "--verify"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains(&format!("metrics.csv: line 3, column train_loss: 0.125 became {cell}")), "{said}");
    assert_eq!(workplace.runs("small").len(), 2, "a copy that differs is kept");
}

#[test]
fn a_rerun_with_a_change_is_a_run_of_its_own() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.run(&["run", "small.toml"]);
    let original = workplace.only_run("small");
    let before = crate::workplace::deterministic(&original);
    workplace.run(&["rerun", "last", "-s", "optimizer.lr=0.01"]);
    let runs = workplace.runs("small");
    assert_eq!(runs.len(), 2);
    assert_eq!(crate::workplace::deterministic(&original), before);
    let copy = &runs[1];
    assert!(copy.to_str().unwrap().ends_with("~2"), "{copy:?}");
    assert_ne!(record(copy)["id"], record(&original)["id"]);
    let diff = workplace.run(&["diff", copy.to_str().unwrap(), original.to_str().unwrap()]);
    assert!(diff.contains("optimizer.lr") && diff.contains("0.01") && diff.contains("0.001"), "{diff}");
}

#[test]
fn a_widened_sweep_trains_only_what_is_new() {
    let workplace = Workplace::new();
    let sweep = |rates: &str| format!("{SMALL}\n[sweep.grid]\n'optimizer.lr' = [{rates}]\n");
    workplace.write("wide.toml", sweep("1e-3, 2e-3"));
    workplace.run(&["run", "wide.toml"]);
    let before: Vec<_> = workplace.runs("wide").iter().map(|run| (run.clone(), record(run))).collect();
    workplace.write("wide.toml", sweep("5e-4, 1e-3, 2e-3"));
    let output = workplace.output(&["run", "wide.toml"]);
    assert!(text(&output.stderr).contains("1 to train, 2 completed before"), "{}", text(&output.stderr));
    let after = workplace.runs("wide");
    assert_eq!(after.len(), 3);
    for (run, record_before) in before {
        assert_eq!(record(&run), record_before, "{} was touched", run.display());
    }
    assert!(workplace.path().join("runs/wide/experiment.1.toml").is_file(), "the older file is kept");
}
