//! A run's log, printed and followed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::workplace::{SMALL, Workplace, one_line, text};

#[test]
fn whole_lines_are_printed_all_or_the_last_ones() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.run(&["run", "small.toml", "-q"]);
    let path = workplace.only_run("small").join("log.txt");
    let log = std::fs::read_to_string(&path).unwrap();
    assert_eq!(workplace.run(&["logs", "last"]), log);
    std::fs::write(&path, format!("{log}2026-03-01T12:00:00.000Z torn")).unwrap();
    assert_eq!(workplace.run(&["logs", "last"]), log);
    // A run that nobody trains is not waited for.
    assert_eq!(workplace.run(&["logs", "last", "--follow"]), log);
    let last = workplace.run(&["logs", "last", "-n", "2"]);
    assert!(log.ends_with(&last) && last.lines().count() == 2 && last.contains("ended: completed"), "{last}");
    assert_eq!(workplace.run(&["logs", "last", "-n", "0"]), "");
    let json = workplace.run(&["logs", "last", "-n", "1", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(line["time"].as_str().unwrap().ends_with('Z') && line["text"] == "ended: completed", "{json}");

    std::fs::remove_file(&path).unwrap();
    let output = workplace.output(&["logs", "last"]);
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(text(&output.stderr).contains(" has no log yet"), "{}", text(&output.stderr));
    let (code, said) = workplace.fail(&["logs", "none at all"]);
    assert!(code == 2 && one_line(&said).contains("there is no run \"none at all\""), "{said}");
}

#[cfg(unix)]
#[test]
fn a_log_is_followed_until_the_run_ends() {
    let workplace = Workplace::new();
    workplace.write("long.toml", SMALL.replace("epochs = 3", "epochs = 100000"));
    let mut training = workplace
        .command(&["run", "long.toml", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    let is_there = || workplace.path().join("runs/long").is_dir() && !workplace.runs("long").is_empty();
    while !is_there() {
        assert!(Instant::now() < deadline, "the run does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut following =
        workplace.command(&["logs", "last", "-f", "-n", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    // More than were there when it began.
    let seen: Vec<String> = lines.by_ref().take(4).collect();
    assert!(following.try_wait().unwrap().is_none(), "it ended with the run still trained: {seen:?}");
    let asked =
        std::process::Command::new("kill").args(["-INT", &training.id().to_string()]).status().unwrap();
    assert!(asked.success());
    training.wait().unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(following.wait().unwrap().success());
    let end = rest.last().or(seen.last()).unwrap();
    assert!(end.ends_with("ended: interrupted"), "{end}");
    let log = std::fs::read_to_string(workplace.only_run("long").join("log.txt")).unwrap();
    let all: Vec<&str> = log.lines().collect();
    let printed: Vec<&str> = seen.iter().chain(&rest).map(String::as_str).collect();
    assert!(all.ends_with(&printed), "a line is missing or twice");
}
