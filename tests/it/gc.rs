//! What need not be kept goes when asked to, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use runner::store::RunLock;
use serde_json::Value;

use crate::workplace::{SMALL, Workplace, one_line, record, text};

/// Runs of one epoch, so many.
fn trained(seeds: usize) -> (Workplace, Vec<PathBuf>) {
    let workplace = Workplace::new();
    workplace
        .write("s.toml", format!("{}[sweep]\nseeds = {seeds}\n", SMALL.replace("epochs = 3", "epochs = 1")));
    workplace.run(&["run", "s.toml", "-q"]);
    let runs = workplace.runs("s");
    (workplace, runs)
}

fn name(run: &Path) -> &str {
    run.file_name().unwrap().to_str().unwrap()
}

fn stand(run: &Path, status: &str) {
    let text = fs::read_to_string(run.join("run.json")).unwrap();
    fs::write(
        run.join("run.json"),
        text.replace("\"status\": \"completed\"", &format!("\"status\": \"{status}\"")),
    )
    .unwrap();
}

fn has(run: &Path, file: &str) -> bool {
    run.join("checkpoints").join(file).exists()
}

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn only_the_best_keep_their_checkpoints_and_the_others_say_so() {
    let (workplace, mut runs) = trained(4);
    workplace.write("rows.csv", ["9"; 64].join(","));
    runs.sort_by(|a, b| {
        let loss = |run: &PathBuf| record(run)["best"]["valid_loss"].as_f64().unwrap();
        loss(a).total_cmp(&loss(b))
    });
    let compared = workplace.run(&["compare", "s"]);
    fs::write(runs[3].join("checkpoints/mine.txt"), "a note").unwrap();

    let shown = workplace.output(&["gc", "--keep-best", "2"]);
    let (out, err) = (text(&shown.stdout), text(&shown.stderr));
    assert!(shown.status.success() && err.contains("nothing is removed yet: add --yes"), "{err}");
    assert!(out.contains("--keep-best 2: 3 of 4 by valid_loss") && out.contains("\n2 runs, "), "{out}");
    assert!(runs.iter().all(|run| has(run, "best.safetensors") && has(run, "last.safetensors")));

    let planned = rows(&workplace.run(&["gc", "--keep-best", "2", "--json"]));
    let bytes: u64 = ["best", "last"]
        .map(|file| fs::metadata(runs[2].join(format!("checkpoints/{file}.safetensors"))).unwrap().len())
        .iter()
        .sum();
    let row = planned.iter().find(|row| row["run"] == name(&runs[2])).unwrap();
    assert_eq!((row["bytes"].as_u64(), row["removes"].as_str()), (Some(bytes), Some("checkpoints")));
    assert_eq!((planned.len(), row["status"].as_str()), (2, Some("completed")));

    let out = workplace.run(&["gc", "s", "--keep-best", "2", "--yes"]);
    assert!(out.contains("\nremoved: 2 runs, "), "{out}");
    for (place, run) in runs.iter().enumerate() {
        assert_eq!(has(run, "best.safetensors") && has(run, "last.safetensors"), place < 2, "{place}");
        assert_eq!(record(run)["status"], "completed");
        let sums = record(run)["checksums"].as_object().unwrap().len();
        assert_eq!(sums, if place < 2 { 4 } else { 2 });
    }
    assert_eq!(fs::read_to_string(runs[3].join("checkpoints/mine.txt")).unwrap(), "a note");
    let log = fs::read_to_string(runs[3].join("log.txt")).unwrap();
    let last = log.lines().last().unwrap();
    assert!(
        last.ends_with("gc removed checkpoints/best.safetensors and checkpoints/last.safetensors"),
        "{log}"
    );

    // Nothing is trained again, and nothing is lost that tables are made of.
    let output = workplace.output(&["run", "s.toml"]);
    assert!(text(&output.stderr).contains("0 to train, 4 completed before"), "{}", text(&output.stderr));
    assert_eq!(workplace.run(&["compare", "s"]), compared);
    workplace.run(&["predict", "best", "rows.csv"]);
    for arguments in [
        &["predict", name(&runs[3]), "rows.csv"][..],
        &["evaluate", name(&runs[3])],
        &["show", name(&runs[3]), "--path"],
        &["plan", "s.toml", "-s", &format!("model.weights=run:s/{}", name(&runs[3]))],
    ] {
        let (code, said) = workplace.fail(arguments);
        let said = one_line(&said);
        assert!(
            code == 2 && said.contains("`runner gc` removed them; `runner rerun "),
            "{arguments:?}: {said}"
        );
    }
    assert!(workplace.run(&["show", name(&runs[3])]).contains("valid"));
    let output = workplace.output(&["rerun", name(&runs[3]), "--verify"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("metrics and predictions are the same"),
        "{}",
        text(&output.stdout)
    );
    assert!(text(&output.stderr).contains("gc` removed checkpoints/best.safetensors and checkpoints/last"));
    let again = workplace.run(&["rerun", name(&runs[3]), "-q"]);
    workplace.run(&["predict", again.trim(), "rows.csv"]);

    let output = workplace.output(&["gc", "--last", "--keep-best", "5", "--older-than", "1h"]);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (String::new(), "nothing to remove\n".to_owned())
    );
    let gone = rows(&workplace.run(&["gc", "--last", "--older-than", "0s", "--json", "--yes"]));
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert!(runs[..2].iter().all(|run| has(run, "best.safetensors") && !has(run, "last.safetensors")));
    workplace.run(&["predict", "best", "rows.csv"]);
}

#[test]
fn folders_go_by_status_and_never_one_that_is_owned() {
    let (workplace, runs) = trained(4);
    stand(&runs[0], "failed");
    stand(&runs[1], "diverged");
    stand(&runs[2], "failed");
    let experiment = workplace.path().join("runs/s");
    let id = record(&runs[2])["id"].as_str().unwrap().to_owned();
    let lock = RunLock::try_acquire(&experiment, &id).unwrap();
    let output = workplace.output(&["gc", "--status", "failed,diverged", "--yes"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("removed: 2 runs, "), "{out}{err}");
    assert!(err.contains(&format!("{} is left: another process has it", name(&runs[2]))), "{err}");
    assert_eq!(runs.iter().map(|run| run.exists()).collect::<Vec<_>>(), [false, false, true, true]);
    stand_running(&runs[2]);
    let every = "completed,failed,diverged,interrupted,stopped";
    let listed = rows(&workplace.run(&["gc", "--status", every, "--json"]));
    assert_eq!(listed.len(), 1, "a running run is not even listed: {listed:?}");
    drop(lock);
    let listed = rows(&workplace.run(&["gc", "--status", "interrupted", "--json"]));
    assert_eq!((listed.len(), &listed[0]["removes"]), (1, &"folder".into()));

    // What goes is a run that was never there.
    let output = workplace.output(&["run", "s.toml"]);
    let err = text(&output.stderr);
    assert!(err.contains("2 to train, 1 to resume, 1 completed before"), "{err}");
    assert_eq!(workplace.runs("s"), runs);
    let names: Vec<String> = fs::read_dir(&experiment)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| name.starts_with(".trash")), "{names:?}");
}

fn stand_running(run: &Path) {
    let text = fs::read_to_string(run.join("run.json")).unwrap();
    fs::write(run.join("run.json"), text.replace("\"status\": \"failed\"", "\"status\": \"running\""))
        .unwrap();
}

#[test]
fn a_kill_half_way_leaves_nothing_that_looks_like_a_run() {
    let (workplace, runs) = trained(2);
    // Renamed and half deleted.
    let trash = workplace.path().join("runs/s/.trash-half");
    fs::create_dir_all(trash.join("checkpoints")).unwrap();
    fs::copy(runs[0].join("run.json"), trash.join("run.json")).unwrap();
    fs::write(trash.join("checkpoints/best.safetensors"), "half").unwrap();
    // The checksums of another are forgotten, and its files are still there.
    let mut half = record(&runs[1]);
    for file in ["best", "last"] {
        half["checksums"].as_object_mut().unwrap().remove(&format!("checkpoints/{file}.safetensors"));
    }
    fs::write(runs[1].join("run.json"), half.to_string()).unwrap();

    assert_eq!(rows(&workplace.run(&["list", "--json"])).len(), 2);
    let output = workplace.output(&["run", "s.toml"]);
    assert!(text(&output.stderr).contains("0 to train, 2 completed before"), "{}", text(&output.stderr));
    workplace.run(&["evaluate", name(&runs[1])]);

    let planned = rows(&workplace.run(&["gc", "--keep-best", "0", "--json"]));
    assert_eq!(planned.len(), 3, "{planned:?}");
    let rest = planned.iter().find(|row| row["run"] == "half").unwrap();
    assert_eq!(rest["why"], "the rest of an earlier removal");
    assert!(trash.exists());
    workplace.run(&["gc", "--keep-best", "0", "--yes"]);
    assert!(!trash.exists() && runs.iter().all(|run| !has(run, "best.safetensors")));
    assert_eq!(rows(&workplace.run(&["list", "--json"])).len(), 2);
}

#[test]
fn what_may_go_must_be_said() {
    let (workplace, runs) = trained(1);
    for (arguments, expected) in [
        (&["gc"][..], "say what may go: --keep-best N"),
        (&["gc", "--older-than", "7d"], "--older-than says of which runs, not what; say what may go"),
        (&["gc", "x", "--last"], "there is no experiment \"x\" in runs; there are: s"),
        (&["gc", "--last", "--older-than", "7"], "expected a length of time with its unit, as in 7d"),
        (&["gc", "--status", "running"], "invalid value 'running'"),
    ] {
        let (code, said) = workplace.fail(arguments);
        assert!(code == 2 && one_line(&said).contains(expected), "{arguments:?}: {said}");
    }
    assert!(has(&runs[0], "best.safetensors"));
    let empty = Workplace::new();
    let output = empty.output(&["gc", "--last", "--yes"]);
    assert!(output.status.success() && text(&output.stderr) == "nothing to remove\n");
}
