//! A run is its own fault domain: whatever happens to it, the others complete, and the reason is told.
#![cfg(unix)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner::config::{Experiment, Overrides};
use runner::device::DeviceConfig;
use runner::run::{Audience, Ended, Halt, Library, Machine, Plan, Policy, Scheduler, Task, ThreadExecutor};
use runner::store::{RunsDir, Status};
use runner::train::event::{Event, Observer};

use crate::workplace::{SMALL, Workplace, record, run_folders, text};

const LIMIT: Duration = Duration::from_mins(2);

/// Waits until a run of the experiment has so many rows; its folder.
pub fn wait_for_rows(experiment: &Path, rows: usize) -> PathBuf {
    let deadline = Instant::now() + LIMIT;
    loop {
        let runs = if experiment.is_dir() { run_folders(experiment) } else { Vec::new() };
        let found = runs.into_iter().find(|run| {
            let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap_or_default();
            text.matches('\n').count() > rows
        });
        if let Some(run) = found {
            return run;
        }
        assert!(Instant::now() < deadline, "no run gets so far");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn start(workplace: &Workplace, arguments: &[&str]) -> Child {
    workplace.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The reason of a run in the three places where it has to stand; the class of its failure.
fn told(workplace: &Workplace, run: &Path, reason: &str) -> String {
    let record = record(run);
    assert_eq!(record["status"], "failed");
    assert!(record["error"].as_str().unwrap().contains(reason), "{record:#}");
    let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.contains("failed (") && log.contains(reason), "{log}");
    let listed: serde_json::Value = serde_json::from_str(&workplace.run(&["list", "--json"])).unwrap();
    let name = run.file_name().unwrap().to_str().unwrap();
    let row = listed.as_array().unwrap().iter().find(|row| row["run"] == name).unwrap();
    assert!(row["reason"].as_str().unwrap().contains(reason), "{row}");
    record["failures"].as_array().unwrap().last().unwrap()["class"].as_str().unwrap().to_owned()
}

fn rows(shift: f64) -> String {
    let row = |index: u32| {
        format!("{},{},{}\n", f64::from(index % 7) + shift, index % 5, ["a", "b"][index as usize % 2])
    };
    std::iter::once("x,y,label\n".to_owned()).chain((0..60).map(row)).collect()
}

#[test]
fn a_run_that_diverges_and_one_whose_data_is_gone_leave_the_others_alone() {
    let workplace = Workplace::new();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        workplace.write(&format!("{name}.csv"), rows(index as f64));
    }
    workplace.write(
        "mixed.toml",
        "
        [data]
        source = 'csv'
        path = 'a.csv'
        target = 'label'
        [model]
        kind = 'mlp'
        hidden = [4]
        [optimizer]
        kind = 'sgd'
        [train]
        epochs = 200
        [sweep.grid]
        'data.path' = ['a.csv', 'b.csv', 'c.csv']
        'optimizer.lr' = [1e-3, 1e30]
        ",
    );
    let child = start(&workplace, &["run", "mixed.toml", "--jobs", "1", "--isolate"]);
    wait_for_rows(&workplace.path().join("runs/mixed"), 1);
    std::fs::remove_file(workplace.path().join("b.csv")).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let runs = workplace.runs("mixed");
    assert_eq!(runs.len(), 6);
    for run in runs {
        let (record, name) = (record(&run), run.file_name().unwrap().to_str().unwrap().to_owned());
        if name.contains("b.csv") {
            assert_eq!(told(&workplace, &run, "b.csv"), "data");
        } else if name.contains("lr=1e+30") || name.contains("lr=1e30") {
            assert_eq!(record["status"], "diverged", "{name}");
        } else {
            assert_eq!(record["status"], "completed", "{name}");
        }
    }
    // What was lost comes back with its data; what diverged is left alone.
    workplace.write("b.csv", rows(1.0));
    let output = workplace.output(&["run", "mixed.toml", "--only", "failed"]);
    assert!(text(&output.stderr).contains("mixed: 2 runs on cpu"), "{}", text(&output.stderr));
    let statuses: Vec<String> = workplace
        .runs("mixed")
        .iter()
        .map(|run| record(run)["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses.iter().filter(|status| *status == "completed").count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| *status == "diverged").count(), 3, "{statuses:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_is_killed_is_one_failed_run_or_tried_again() {
    let workplace = Workplace::new();
    workplace
        .write("three.toml", format!("{}\n[sweep]\nseeds = 3\n", SMALL.replace("epochs = 3", "epochs = 40")));
    for (runs, retries, code) in [("lost", "0", 1), ("runs", "1", 0)] {
        let arguments =
            ["run", "three.toml", "--runs", runs, "--jobs", "1", "--isolate", "--retries", retries];
        let child = start(&workplace, &arguments);
        let first = wait_for_rows(&workplace.path().join(runs).join("three"), 1);
        let worker = crate::crash::children(child.id())[0].to_string();
        assert!(std::process::Command::new("kill").args(["-9", &worker]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        let failures = record(&first)["failures"].clone();
        assert_eq!(failures[0]["class"], "killed", "{failures}");
        assert_eq!(failures[0]["attempt"], 1);
        let completed = |run: &PathBuf| record(run)["status"] == "completed";
        let runs = run_folders(&workplace.path().join(runs).join("three"));
        let count = runs.iter().filter(|run| completed(run)).count();
        if code == 0 {
            assert!(said.contains("trying again, with nothing beside it (1 of 1)"), "{said}");
            assert_eq!(count, 3);
        } else {
            assert!(said.contains("its process was killed"), "{said}");
            assert_eq!(count, 2);
        }
    }
}

/// Follows runs, and has a bug that one of them meets.
struct Faulty;

impl Audience for Faulty {
    fn follow(&self, task: &Task) -> Box<dyn Observer> {
        struct Follower(bool);
        impl Observer for Follower {
            fn on(&mut self, event: &Event<'_>) -> runner::Result<ControlFlow<()>> {
                let is_late = matches!(event, Event::EpochEnded { row, .. } if row.epoch >= 2);
                assert!(!(self.0 && is_late), "the second epoch was too much");
                Ok(ControlFlow::Continue(()))
            }
        }
        Box::new(Follower(task.spec.name.contains("seed=43")))
    }

    fn say(&self, _: &str) {}

    fn ended(&self, _: &Ended) {}
}

#[test]
fn a_run_that_panics_is_one_failed_run() {
    let workplace = Workplace::new();
    let file = workplace.write("three.toml", format!("{SMALL}\n[sweep]\nseeds = 3\n"));
    let library = Arc::new(Library::default());
    let experiment = Experiment::load(&file, &Overrides::default()).unwrap();
    let runs = RunsDir::new(workplace.path().join("runs"));
    let plan = Plan::new(&experiment, &runs, &library, false).unwrap();
    let tasks = plan.tasks(&library, false).unwrap();
    let scheduler = Scheduler {
        executor: &ThreadExecutor::new(Arc::clone(&library)),
        slots: &[DeviceConfig::Cpu; 2],
        threads: 1,
        policy: Policy { retries: 1, fail_fast: false },
        halt: &Halt::default(),
        audience: &Faulty,
        machine: &Machine::detect(),
    };
    let ended = scheduler.carry_out(&[plan], tasks).unwrap();
    let statuses: Vec<Status> = ended.iter().map(|run| run.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == Status::Completed).count(), 2);
    assert_eq!(statuses.iter().filter(|status| **status == Status::Failed).count(), 1);
    let folders = workplace.runs("three");
    assert_eq!(told(&workplace, &folders[1], "the second epoch was too much"), "panicked");
    assert_eq!(record(&folders[1])["failures"].as_array().unwrap().len(), 2, "it was tried twice");
    // The program itself has no such bug: it goes on behind the epochs that are saved.
    let output = workplace.output(&["run", "three.toml"]);
    assert!(text(&output.stderr).contains("goes on behind epoch"), "{}", text(&output.stderr));
    assert_eq!(record(&folders[1])["status"], "completed");
    assert_eq!(record(&folders[1])["error"], serde_json::Value::Null);
}
