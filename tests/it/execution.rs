//! What decides which runs are trained, how long, and what follows.
#![cfg(unix)]

use std::path::PathBuf;

use crate::workplace::{SMALL, Workplace, assert_same, record, run_folders, text};

fn sweep(workplace: &Workplace, seeds: usize) {
    workplace.write("sweep.toml", format!("{SMALL}\n[sweep]\nseeds = {seeds}\n"));
}

fn statuses(workplace: &Workplace, experiment: &str) -> Vec<String> {
    let status = |run: &PathBuf| record(run)["status"].as_str().unwrap().to_owned();
    workplace.runs(experiment).iter().map(status).collect()
}

#[test]
fn shards_of_two_machines_merge_into_one_sweep() {
    let workplace = Workplace::new();
    sweep(&workplace, 5);
    workplace.run(&["run", "sweep.toml", "--runs", "whole", "-q"]);
    workplace.run(&["run", "sweep.toml", "--runs", "runs", "--shard", "1/2", "-q"]);
    workplace.run(&["run", "sweep.toml", "--runs", "other", "--shard", "2/2", "-q"]);
    assert_eq!(workplace.runs("sweep").len(), 3);
    let other = run_folders(&workplace.path().join("other/sweep"));
    assert_eq!(other.len(), 2);
    for run in other {
        let target = workplace.path().join("runs/sweep").join(run.file_name().unwrap());
        std::fs::rename(run, target).unwrap();
    }
    let output = workplace.output(&["run", "sweep.toml"]);
    assert!(text(&output.stderr).contains("0 to train, 5 completed before"), "{}", text(&output.stderr));
    for (left, right) in
        workplace.runs("sweep").iter().zip(run_folders(&workplace.path().join("whole/sweep")))
    {
        assert_same(left, &right);
    }
    let (code, said) = workplace.fail(&["run", "sweep.toml", "--shard", "3/2"]);
    assert!(code == 2 && said.contains("expected I/N with I from 1 to N"), "{said}");
}

#[test]
fn time_that_is_up_saves_what_there_is_and_says_how_to_go_on() {
    let workplace = Workplace::new();
    sweep(&workplace, 3);
    let long = ["run", "sweep.toml", "-s", "train.epochs=3000", "--jobs", "1", "--max-time", "500ms"];
    let output = workplace.output(&long);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the time is up: finishing the epoch and saving"), "{said}");
    assert!(said.contains("3 runs are left; continue with: "), "{said}");
    assert_eq!(output.stdout, b"", "a table of a part would be taken for the result");
    assert_eq!(statuses(&workplace, "sweep"), ["interrupted"]);
    let (code, said) = workplace.fail(&["run", "sweep.toml", "--max-time", "soon"]);
    assert!(code == 2 && said.contains("as in 90s, 45m, 1h30m"), "{said}");
}

#[test]
fn fail_fast_ends_with_the_first_failure_and_only_selects_what_stands_so() {
    let workplace = Workplace::new();
    workplace.write(
        "rates.toml",
        format!("{SMALL}\n[optimizer]\nkind = 'sgd'\n[sweep.grid]\n'optimizer.lr' = [1e30, 1e-2, 1e-3]\n"),
    );
    let output = workplace.output(&["run", "rates.toml", "--jobs", "1", "--fail-fast"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(statuses(&workplace, "rates"), ["diverged"], "{}", text(&output.stderr));
    let output = workplace.output(&["run", "rates.toml", "--only", "queued", "--jobs", "1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(statuses(&workplace, "rates").iter().filter(|status| *status == "completed").count(), 2);
    let output = workplace.output(&["plan", "rates.toml", "--only", "diverged,failed", "--csv"]);
    assert_eq!(text(&output.stdout).lines().count(), 2, "{}", text(&output.stdout));
    let (code, said) = workplace.fail(&["run", "rates.toml", "--only", "broken"]);
    assert!(code == 2 && said.contains("queued, completed, failed"), "{said}");
}

#[test]
fn a_command_follows_the_end_whatever_it_is() {
    let workplace = Workplace::new();
    sweep(&workplace, 2);
    let script =
        "echo $RUNNER_EXIT_CODE $RUNNER_EXPERIMENTS $RUNNER_COMPLETED $RUNNER_FAILED $RUNNER_LEFT > told";
    workplace.run(&["run", "sweep.toml", "-q", "--on-end", script]);
    let told = || std::fs::read_to_string(workplace.path().join("told")).unwrap();
    assert_eq!(told(), "0 sweep 2 0 0\n");
    let diverging = ["-s", "optimizer.kind=sgd", "-s", "optimizer.lr=1e30"];
    let output =
        workplace.output(&[&["run", "sweep.toml", "-q", "--on-end", script], &diverging[..]].concat());
    assert_eq!((output.status.code(), told().as_str()), (Some(1), "1 sweep 0 2 0\n"));
    let output = workplace.output(&["run", "sweep.toml", "-q", "--on-end", "exit 7"]);
    assert!(output.status.success(), "the command decides nothing");
    assert!(text(&output.stderr).contains("--on-end ended with exit status: 7"), "{}", text(&output.stderr));
}

#[test]
fn several_devices_are_slots_and_jobs_share_them() {
    let workplace = Workplace::new();
    sweep(&workplace, 4);
    let output = workplace.output(&["run", "sweep.toml", "--device", "cpu,cpu", "--jobs", "3"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("sweep: 4 runs on cpu: 4 to train"), "{}", text(&output.stderr));
    let (code, said) = workplace.fail(&["run", "sweep.toml", "--device", "cpu,cuda:63"]);
    assert!(code == 3 && said.contains("there is no device cuda:63"), "{said}");
}

#[test]
fn resume_needs_neither_the_file_nor_the_flags() {
    let workplace = Workplace::new();
    sweep(&workplace, 3);
    let settings = ["-s", "train.epochs=5", "--grid", "optimizer.lr=1e-3,1e-2"];
    workplace.run(&[&["run", "sweep.toml", "--runs", "whole", "-q"], &settings[..]].concat());
    let output = workplace.output(&[&["run", "sweep.toml", "--shard", "1/3"], &settings[..]].concat());
    assert!(output.status.success());
    std::fs::remove_file(workplace.path().join("sweep.toml")).unwrap();
    let output = workplace.output(&["resume"]);
    assert!(text(&output.stderr).contains("sweep: 6 runs on cpu: 4 to train, 2 completed before"));
    let whole = run_folders(&workplace.path().join("whole/sweep"));
    for (left, right) in workplace.runs("sweep").iter().zip(&whole) {
        assert_same(left, right);
    }
    assert!(!workplace.path().join("runs/sweep/experiment.1.toml").exists(), "the file is the same");
    let (code, said) = workplace.fail(&["resume", "swept"]);
    assert!(code == 2 && said.contains("swept"), "{said}");
}

#[test]
fn a_run_goes_on_with_more_epochs_as_if_it_had_always_had_them() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.run(&["run", "small.toml", "-q"]);
    workplace.run(&["run", "small.toml", "-q", "--runs", "whole", "-s", "train.epochs=7"]);
    let original = workplace.only_run("small");
    let before = crate::workplace::deterministic(&original);
    workplace.run(&["rerun", "last", "--continue", "-s", "train.epochs=7", "-q"]);
    let runs = workplace.runs("small");
    let whole = &run_folders(&workplace.path().join("whole/small"))[0];
    assert_same(&runs[1], whole);
    assert_eq!(record(&runs[1])["id"], record(whole)["id"]);
    assert_eq!(record(&runs[1])["continued_from"]["exact"], true);
    assert_eq!(crate::workplace::deterministic(&original), before);
    // It counts as the run that it is.
    let output = workplace.output(&["run", "small.toml", "-s", "train.epochs=7"]);
    assert!(text(&output.stderr).contains("1 completed before"), "{}", text(&output.stderr));
    // With another rate it is what no training from the start would be.
    for isolate in ["--isolate=never", "--isolate"] {
        let changed = ["-s", "train.epochs=7", "-s", "optimizer.lr=1e-4", "-q", isolate];
        workplace.run(&[&["rerun", original.to_str().unwrap(), "--continue"], &changed[..]].concat());
    }
    let runs = workplace.runs("small");
    assert_same(&runs[2], &runs[3]);
    let direct =
        ["run", "small.toml", "-s", "train.epochs=7", "-s", "optimizer.lr=1e-4", "--runs", "direct", "-q"];
    workplace.run(&direct);
    let direct = &run_folders(&workplace.path().join("direct/small"))[0];
    assert_ne!(record(&runs[2])["id"], record(direct)["id"]);
    let (code, said) = workplace.fail(&["rerun", "last", "--continue", "-s", "train.epochs=2"]);
    assert!(code == 2 && said.contains("has 7 epochs already, and 2 are asked for"), "{said}");
}

#[test]
fn the_same_runs_stop_however_many_are_trained_at_once() {
    let workplace = Workplace::new();
    let rule = |rule: &str| {
        let epochs = SMALL.replace("epochs = 3", "epochs = 9");
        format!(
            "{epochs}\n[sweep.grid]\n'optimizer.lr' = {{ logspace = [1e-5, 1e-1], count = 9 }}\n[sweep.prune]\n{rule}\n"
        )
    };
    for (name, settings) in [
        ("asha", "kind = 'asha'"),
        ("median", "kind = 'median'\nevery = 2"),
        ("threshold", "kind = 'threshold'\nmax = 2.2\nmin_epochs = 2"),
    ] {
        workplace.write(&format!("{name}.toml"), rule(settings));
        let file = format!("{name}.toml");
        let arguments = [
            ["--jobs", "1", "--isolate=never"],
            ["--jobs", "4", "--isolate=never"],
            ["--jobs", "2", "--isolate"],
        ];
        for (runs, more) in ["one", "four", "apart"].into_iter().zip(arguments) {
            workplace.run(&[&["run", &file, "--runs", runs, "-q"], &more[..]].concat());
        }
        let folders = |runs: &str| run_folders(&workplace.path().join(runs).join(name));
        let (mut stopped, mut completed) = (0, 0);
        for ((one, four), apart) in folders("one").iter().zip(folders("four")).zip(folders("apart")) {
            for other in [&four, &apart] {
                assert_eq!(record(one)["status"], record(other)["status"], "{name}");
                assert_eq!(record(one)["stop_reason"], record(other)["stop_reason"], "{name}");
                let rows = |run: &PathBuf| std::fs::read(run.join("metrics.csv")).unwrap();
                assert_eq!(rows(one), rows(other), "{name}");
            }
            stopped += u32::from(record(one)["status"] == "stopped");
            completed += u32::from(record(one)["status"] == "completed");
        }
        assert_eq!(stopped + completed, 9, "{name}");
        assert!(stopped >= 2 && completed >= 1, "{name}: {stopped} stopped, {completed} completed");
        // Nothing is left to do under the same rule; without it, those that were stopped go on.
        let again = workplace.output(&["run", &file, "--runs", "one"]);
        assert!(again.status.success(), "{}", text(&again.stderr));
        assert!(!text(&again.stderr).contains("goes on behind"), "{}", text(&again.stderr));
        workplace.write(&file, rule("kind = 'threshold'\nmax = 1e9"));
        workplace.run(&["run", &file, "--runs", "one", "-q"]);
        assert!(folders("one").iter().all(|run| record(run)["status"] == "completed"), "{name}");
        assert!(folders("one").iter().all(|run| record(run)["stop_reason"].is_null()), "{name}");
    }
}
