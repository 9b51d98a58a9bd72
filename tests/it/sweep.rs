//! Sweeps as `runner plan` shows them.

use serde_json::Value;

use crate::workplace::{SMALL, Workplace};

fn plan(workplace: &Workplace, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = ["plan", "--json"].iter().chain(arguments).copied().collect();
    serde_json::from_str(&workplace.run(&arguments)).unwrap()
}

fn words<'a>(rows: &'a [Value], column: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[column].as_str().unwrap()).collect()
}

#[test]
fn a_kind_without_a_swept_key_is_one_run() {
    let workplace = Workplace::new();
    let grid = "[sweep.grid]\n'optimizer.momentum' = [0.0, 0.9]\n'optimizer.kind' = ['sgd', 'adam']\n";
    workplace.write("a.toml", format!("{SMALL}{grid}"));
    let rows = plan(&workplace, &["a.toml"]);
    let names: Vec<&str> = words(&rows, "run").iter().map(|name| name.rsplit_once('-').unwrap().0).collect();
    let sgd = |momentum: &str| format!("optimizer.momentum={momentum},optimizer.kind=sgd");
    assert_eq!(names, [sgd("0").as_str(), "optimizer.kind=adam", &sgd("0.9")]);
}

#[test]
fn a_count_of_seeds_beyond_reason_is_refused_at_once() {
    let workplace = Workplace::new();
    workplace.write("a.toml", format!("{SMALL}[sweep]\nseeds = 4000000000\n"));
    let (code, said) = workplace.fail(&["plan", "a.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said);
}

#[test]
fn what_a_sweep_left_behind_describes_the_same_runs() {
    let workplace = Workplace::new();
    let sweep = "[sweep]\nseeds = 2\n[sweep.grid]\n'train.batch_size' = [64, 128]\n\
                 optimizer = [{ kind = 'sgd', momentum = 0.9 }, 'adam']\n";
    workplace.write("a.toml", format!("{SMALL}{sweep}"));
    let flags = ["-s", "train.epochs=1", "-s", "train.batch_size=64", "-s", "optimizer.lr=0.01"];
    let arguments: Vec<&str> = ["run", "a.toml", "-q"].iter().chain(&flags).copied().collect();
    workplace.run(&arguments);
    let rows = plan(&workplace, &["runs/a/experiment.toml"]);
    assert_eq!(words(&rows, "action"), ["skip"; 4]);
}
