//! What the disk, other people and the clock do to runs loses nothing that was complete.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::failures::wait_for_rows;
use crate::workplace::{SMALL, Workplace, assert_same, record, run_folders, text};

/// Two small runs, and one between them that is not and goes first.
fn sizes() -> String {
    format!("{SMALL}\n[sweep.grid]\n'model.hidden' = [[4], [400], [5]]\n")
}

/// The program with files limited to so many blocks of 512 or 1024 bytes.
fn limited(workplace: &Workplace, blocks: u32, arguments: &[&str]) -> Output {
    let own = workplace.command(arguments);
    let program = own.get_program().to_str().unwrap().to_owned();
    let mut command = std::process::Command::new("sh");
    command.current_dir(workplace.path()).env("NO_COLOR", "1");
    let script = format!("ulimit -f {blocks}; exec \"$@\"");
    command.args(["-c", &script, "sh", &program]).args(arguments).output().unwrap()
}

#[test]
fn a_full_disk_ends_the_sweep_and_loses_nothing_that_was_complete() {
    let workplace = Workplace::new();
    workplace.write("sizes.toml", sizes());
    workplace.run(&["run", "sizes.toml", "--runs", "whole", "-q"]);
    for isolate in ["--isolate=never", "--isolate"] {
        let _ = fs::remove_dir_all(workplace.path().join("runs"));
        workplace.run(&["run", "sizes.toml", "--shard", "1/3", "-q"]);
        let output = limited(&workplace, 100, &["run", "sizes.toml", "--jobs", "1", isolate]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("no further run is begun: the disk takes nothing more"), "{said}");
        assert!(said.contains("1 run is left; continue with: "), "{said}");
        let runs = workplace.runs("sizes");
        assert_eq!(runs.len(), 2, "{runs:?}");
        let statuses: Vec<_> = runs.iter().map(|run| record(run)["status"].clone()).collect();
        assert_eq!(statuses, ["completed", "failed"], "{said}");
        assert_eq!(record(&runs[1])["failures"][0]["class"], "disk");
        let small = runs[0].file_name().unwrap();
        assert_same(&runs[0], &workplace.path().join("whole/sizes").join(small));
        // With room again everything completes, as if nothing had been.
        let before = record(&runs[0]);
        workplace.run(&["run", "sizes.toml", "-q"]);
        for run in workplace.runs("sizes") {
            assert_same(&run, &workplace.path().join("whole/sizes").join(run.file_name().unwrap()));
        }
        assert_eq!(record(&runs[0]), before, "a completed run was touched");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cannot_be_written_to_is_told_before_anything_starts() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    let (code, said) = workplace.fail(&["run", "small.toml", "--runs", "/sys/runner"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("failed to create /sys/runner/small/.locks"), "{said}");
}

#[test]
fn a_folder_that_is_deleted_under_way_is_one_failed_run() {
    let workplace = Workplace::new();
    workplace
        .write("two.toml", format!("{}\n[sweep]\nseeds = 2\n", SMALL.replace("epochs = 3", "epochs = 60")));
    workplace.run(&["run", "two.toml", "--runs", "whole", "-q"]);
    let child = workplace
        .command(&["run", "two.toml", "--jobs", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let run = wait_for_rows(&workplace.path().join("runs/two"), 2);
    // As a person would move it away; what is written meanwhile has no place any more.
    fs::rename(&run, workplace.path().join("gone")).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("failed: failed to "), "{said}");
    let left = workplace.runs("two");
    assert_eq!(left.len(), 1, "the folder is not made again by halves");
    assert_eq!(record(&left[0])["status"], "completed");
    workplace.run(&["run", "two.toml", "-q"]);
    for run in workplace.runs("two") {
        assert_same(&run, &workplace.path().join("whole/two").join(run.file_name().unwrap()));
    }
}

/// A run that was killed behind its second epoch, as far as its files tell.
fn killed(workplace: &Workplace, file: &str) -> std::path::PathBuf {
    let long = format!("-s train.epochs={}", 400);
    let mut arguments = vec!["run", file];
    arguments.extend(long.split(' '));
    let mut child =
        workplace.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let run = wait_for_rows(&workplace.path().join("runs/small"), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    run
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_torn_line_is_passed_over_and_cut_off() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    let run = killed(&workplace, "small.toml");
    let metrics = run.join("metrics.csv");
    append(&metrics, "399,99");
    append(&run.join("timing.csv"), "399,0.");
    append(&run.join("log.txt"), "2026-");
    let whole = fs::read_to_string(&metrics).unwrap().matches('\n').count() as u64 - 1;
    let listed: serde_json::Value = serde_json::from_str(&workplace.run(&["list", "--json"])).unwrap();
    assert_eq!(listed[0]["epochs"], whole);
    assert_eq!(listed[0]["status"], "interrupted");
    workplace.run(&["run", "small.toml", "-s", "train.epochs=400", "-q"]);
    let rows = fs::read_to_string(&metrics).unwrap();
    let epochs: Vec<usize> =
        rows.lines().skip(1).map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(epochs, (1..=400).collect::<Vec<_>>());
}

#[test]
fn a_clock_that_was_set_back_confuses_nobody() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.write("other.toml", SMALL);
    let run = killed(&workplace, "small.toml");
    workplace.run(&["run", "other.toml", "-q"]);
    // Everything so far was begun, and written, in what is now the future.
    let future = std::time::SystemTime::now() + std::time::Duration::from_hours(24 * 365);
    let other = workplace.only_run("other");
    for dir in [&run, &other] {
        let path = dir.join("run.json");
        let mut record = record(dir);
        record["started"] = "2099-01-01T00:00:00Z".into();
        fs::write(&path, record.to_string()).unwrap();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::File::options().append(true).open(path).unwrap().set_modified(future).unwrap();
            }
        }
    }
    let before = record(&other);
    workplace.run(&["run", "other.toml", "-q"]);
    assert_eq!(record(&other), before, "a completed run was trained again");
    workplace.run(&["run", "small.toml", "-s", "train.epochs=400", "-q"]);
    let after = record(&run);
    assert_eq!(after["status"], "completed");
    assert!(after["seconds"].as_f64().unwrap() > 0.0, "{after:#}");
    let listed = workplace.run(&["list", "--json"]);
    assert!(!listed.contains("-0.") && listed.matches("\"completed\"").count() == 2, "{listed}");
    workplace.run(&["gc", "--status", "completed", "--older-than", "1d"]);
    assert!(run_folders(&workplace.path().join("runs/small")).len() == 1);
}

#[test]
fn a_damaged_record_is_told_and_the_run_trained_again_in_its_place() {
    let workplace = Workplace::new();
    workplace.write("two.toml", format!("{SMALL}\n[sweep]\nseeds = 2\n"));
    workplace.run(&["run", "two.toml", "-q"]);
    let runs = workplace.runs("two");
    let before = crate::workplace::deterministic(&runs[0]);
    let untouched = record(&runs[1]);
    let whole = fs::read_to_string(runs[0].join("run.json")).unwrap();
    fs::write(runs[0].join("run.json"), &whole[..whole.len() / 2]).unwrap();
    let listed: serde_json::Value = serde_json::from_str(&workplace.run(&["list", "--json"])).unwrap();
    let row = &listed.as_array().unwrap().iter().find(|row| row["status"] == "failed").unwrap();
    assert!(row["reason"].as_str().unwrap().contains("not a run's record"), "{row}");
    workplace.run(&["run", "two.toml", "-q"]);
    assert_eq!(workplace.runs("two"), runs, "it has its folder");
    assert_eq!(crate::workplace::deterministic(&runs[0]), before);
    assert_eq!(record(&runs[0])["status"], "completed");
    assert_eq!(record(&runs[1]), untouched);
}
