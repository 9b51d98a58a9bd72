//! `runner plan --probe`: a few steps say what runs would take.

use serde_json::Value;

use crate::workplace::{SMALL, Workplace, text};

#[test]
fn every_run_gets_a_time_and_a_size_and_nothing_is_written() {
    let workplace = Workplace::new();
    let sweep = "[sweep.grid]\n'model.hidden' = [[16], [512, 512]]\nseed = [1, 2]\n";
    workplace.write("a.toml", format!("{SMALL}{sweep}"));
    let output = workplace.command(&["plan", "a.toml", "--probe", "--json", "--jobs", "2"]).output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |key: &str| rows.iter().map(|row| row[key].as_f64().unwrap()).collect::<Vec<_>>();
    assert!(of("time").iter().all(|seconds| *seconds > 0.0));
    let memory = of("memory");
    assert!((memory[0] - memory[1]).abs() < 1.0 && memory[2] > 2.0 * memory[0], "{memory:?}");
    assert!(said.contains("from 5 steps of 2 shapes") && said.contains("nothing was written"), "{said}");
    assert!(!workplace.path().join("runs").exists());
}

#[test]
fn completed_runs_are_not_probed() {
    let workplace = Workplace::new();
    workplace.write("a.toml", SMALL);
    workplace.run(&["run", "a.toml", "-q", "-s", "train.epochs=1"]);
    let planned = workplace.run(&["plan", "a.toml", "--probe", "--json", "-s", "train.epochs=1"]);
    let rows: Vec<Value> = serde_json::from_str(&planned).unwrap();
    assert_eq!((&rows[0]["time"], &rows[0]["memory"]), (&Value::Null, &Value::Null));
    let forced = workplace.run(&["plan", "a.toml", "--probe", "--json", "--force", "-s", "train.epochs=1"]);
    let rows: Vec<Value> = serde_json::from_str(&forced).unwrap();
    assert!(rows[0]["time"].is_number());
}
