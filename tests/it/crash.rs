//! The crash harness: `SIGKILL` at random moments, started again until complete. Every deterministic file is then the
//! one of a sweep that nobody disturbed.
//!
//! `CRASH_KILLS` (20 a test) and `CRASH_SEED` (0) make it longer or other.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use runner::rng::{Draws, Purpose, Stream};

use crate::workplace::{Workplace, assert_same, record, run_folders, text};

/// 24 runs of some tenths of a second.
const SWEEP: &str = "
    [data]
    source = 'digits'
    [model]
    kind = 'mlp'
    hidden = [24, 16]
    regularizer = ['batch_norm', { kind = 'dropout', p = 0.2 }]
    [train]
    epochs = 6
    batch_size = 64
    [sweep]
    seeds = 4
    [sweep.grid]
    'optimizer.lr' = [1e-3, 3e-3, 1e-2]
    'model.regularizer.p' = [0.1, 0.3]
";
const RUNS: usize = 24;
/// No sweep of these takes longer, on any machine.
const LIMIT: Duration = Duration::from_mins(5);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A sweep that is disturbed, beside one that is not.
struct Harness {
    workplace: Workplace,
    whole: Vec<PathBuf>,
    draws: Draws,
    kills: u64,
    stops: u64,
    rounds: u64,
}

impl Harness {
    fn new(stream: u32) -> Self {
        let workplace = Workplace::new();
        workplace.write("sweep.toml", SWEEP);
        workplace.run(&["run", "sweep.toml", "--runs", "whole", "-q"]);
        let whole = run_folders(&workplace.path().join("whole/sweep"));
        assert_eq!(whole.len(), RUNS);
        let draws = Stream::new(number("CRASH_SEED", 0), Purpose::Synthetic, stream, 0).draws();
        Self { workplace, whole, draws, kills: 0, stops: 0, rounds: 0 }
    }

    /// Kills that are still to be made.
    fn goes_on(&self) -> bool {
        self.kills < number("CRASH_KILLS", 20)
    }

    fn folder(&self) -> PathBuf {
        self.workplace.path().join(format!("round{}", self.rounds))
    }

    fn start(&self, more: &[&str]) -> Child {
        let runs = format!("round{}", self.rounds);
        let arguments = [&["run", "sweep.toml", "--runs", &runs, "-q"], more].concat();
        self.workplace.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn pause(&mut self, most: u64) {
        std::thread::sleep(Duration::from_millis(self.draws.below(most)));
    }

    /// What must hold whenever nobody is at work.
    fn look(&mut self) {
        self.stops += 1;
        let listed = self.workplace.run(&["list", "--runs", &format!("round{}", self.rounds), "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let folder = self.folder().join("sweep");
        for row in listed.as_array().unwrap() {
            let dir = folder.join(row["run"].as_str().unwrap());
            let status = row["status"].as_str().unwrap();
            assert!(["completed", "interrupted", "failed"].contains(&status), "{row}");
            let epochs = epochs(&dir);
            assert_eq!(row["epochs"].as_u64().unwrap_or(0), epochs as u64, "{row}");
            assert_eq!(record(&dir)["status"] == "completed", status == "completed", "{row}");
            assert!(status != "completed" || epochs == 6, "{row}");
        }
    }

    /// The sweep is complete: it is the one that nobody disturbed. The next one begins anew.
    fn finish(&mut self) {
        self.look();
        let folder = self.folder();
        let runs = run_folders(&folder.join("sweep"));
        assert_eq!(runs.len(), RUNS);
        for (left, right) in self.whole.iter().zip(&runs) {
            assert_eq!(left.file_name(), right.file_name());
            assert_same(left, right);
            assert_eq!(record(right)["status"], "completed", "{}", right.display());
            assert_trained_once(right);
        }
        assert_eq!(files_beside(&folder), Vec::<PathBuf>::new(), "temporary files are left");
        self.rounds += 1;
    }

    #[expect(clippy::print_stdout, reason = "with --nocapture the counts are told")]
    fn tell(&self, what: &str) {
        let Self { kills, stops, rounds, .. } = self;
        println!("{what}: {kills} kills, {rounds} sweeps completed, {stops} looks at `list`");
    }
}

/// Whole rows of `metrics.csv`.
fn epochs(dir: &Path) -> usize {
    let text = std::fs::read_to_string(dir.join("metrics.csv")).unwrap_or_default();
    text.matches('\n').count().saturating_sub(1)
}

/// An epoch is logged behind its checkpoint, so one that is logged twice was trained again past a checkpoint.
fn assert_trained_once(dir: &Path) {
    let log = std::fs::read_to_string(dir.join("log.txt")).unwrap();
    let mut seen = BTreeSet::new();
    for line in log.lines() {
        let text = line.split_once(' ').map_or("", |(_, text)| text);
        if let Some(epoch) = text.strip_prefix("epoch ").and_then(|rest| rest.split(':').next()) {
            assert!(seen.insert(epoch.to_owned()), "epoch {epoch} was trained twice:\n{log}");
        }
    }
    assert!(log.matches("ended: completed").count() <= 1, "{log}");
}

/// Files that are written beside others before they take their place.
fn files_beside(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_beside(&path));
        } else if path.extension().is_some_and(|extension| extension == "tmp") {
            found.push(path);
        }
    }
    found
}

/// Whether it ended by itself, which must be well.
fn has_ended(child: &mut Child) -> bool {
    let Some(status) = child.try_wait().unwrap() else { return false };
    let mut said = Vec::new();
    std::io::Read::read_to_end(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert!(status.success(), "{status}: {}", text(&said));
    true
}

fn finish(child: &mut Child) {
    let deadline = Instant::now() + LIMIT;
    while !has_ended(child) {
        assert!(Instant::now() < deadline, "the sweep does not come to its end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Kills the whole program and starts it again.
fn killed_as_a_whole(stream: u32, more: &[&str], what: &str) {
    let mut harness = Harness::new(stream);
    while harness.goes_on() {
        let mut child = harness.start(more);
        harness.pause(500);
        if has_ended(&mut child) {
            harness.finish();
            continue;
        }
        kill(&mut child);
        harness.kills += 1;
        // Workers go with the one that wants their runs, but not in the same instant.
        std::thread::sleep(Duration::from_millis(if more.is_empty() { 0 } else { 100 }));
        harness.look();
    }
    finish(&mut harness.start(more));
    harness.finish();
    harness.tell(what);
}

#[test]
fn a_sweep_in_threads_survives_its_kills() {
    killed_as_a_whole(1, &[], "in threads");
}

#[test]
fn a_sweep_in_workers_survives_its_kills() {
    killed_as_a_whole(2, &["--isolate"], "in workers, killed with their sweep");
}

/// The processes that `parent` has started.
pub fn children(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state ppid …`, where the name may hold anything.
    let parent_of = |pid: u32| {
        let stat = stat(pid);
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let entries =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    entries.filter_map(|name| name.parse().ok()).filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn workers_that_are_killed_alone_are_tried_again() {
    let mut harness = Harness::new(3);
    while harness.goes_on() {
        let mut child = harness.start(&["--isolate", "--retries", "1000"]);
        while !has_ended(&mut child) {
            harness.pause(150);
            let workers = children(child.id());
            if workers.is_empty() || !harness.goes_on() {
                continue;
            }
            let chosen = workers[harness.draws.below(workers.len() as u64) as usize];
            let mut kill = std::process::Command::new("kill");
            let sent = kill.args(["-9", &chosen.to_string()]).stderr(Stdio::null()).status().unwrap();
            harness.kills += u64::from(sent.success());
        }
        harness.finish();
    }
    harness.tell("workers killed alone");
}

#[test]
fn two_programs_on_one_sweep_survive_their_kills() {
    let mut harness = Harness::new(4);
    while harness.goes_on() {
        let mut pair = [harness.start(&["--jobs", "1"]), harness.start(&["--jobs", "1"])];
        loop {
            harness.pause(400);
            let chosen = harness.draws.below(2) as usize;
            if has_ended(&mut pair[chosen]) || !harness.goes_on() {
                break;
            }
            kill(&mut pair[chosen]);
            harness.kills += 1;
            pair[chosen] = harness.start(&["--jobs", "1"]);
        }
        for child in &mut pair {
            finish(child);
        }
        harness.finish();
    }
    harness.tell("two programs");
}
