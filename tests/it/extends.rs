//! Files that build on files, and flags that sweep, as a user sees them.

use serde_json::Value;

use crate::workplace::{Workplace, text};

const BASE: &str = "description = \"what all of them share\"\n\n[data]\nsource = \"digits\"\n\n\
                    [model]\nkind = \"mlp\"\nhidden = [8]\n\n[train]\nepochs = 1\n";

fn refused(workplace: &Workplace, arguments: &[&str]) -> String {
    let (code, said) = workplace.fail(arguments);
    assert_eq!(code, 2, "{said}");
    assert!(!workplace.path().join("runs").exists(), "something was written");
    said
}

fn plan(workplace: &Workplace, arguments: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = ["plan", "--json"].iter().chain(arguments).copied().collect();
    serde_json::from_str(&workplace.run(&arguments)).unwrap()
}

#[test]
fn a_run_of_layered_files_stands_for_itself() {
    let workplace = Workplace::new();
    workplace.write("experiments/base.toml", BASE);
    workplace.write(
        "experiments/a.toml",
        "extends = \"base.toml\"\n[model]\nhidden = [4]\n[sweep.grid]\n\"optimizer.lr\" = [0.1, 0.01]\n",
    );
    workplace.run(&["run", "experiments/a.toml", "-q"]);
    let runs = workplace.runs("a");
    assert_eq!(runs.len(), 2);
    let config = std::fs::read_to_string(runs[0].join("config.toml")).unwrap();
    assert!(config.contains("description = \"what all of them share\""), "{config}");
    assert!(config.contains("hidden = [4]"), "{config}");
    // The layered file is written as one, which describes the same runs wherever it lies.
    let written = std::fs::read_to_string(workplace.path().join("runs/a/experiment.toml")).unwrap();
    assert!(!written.contains("extends"), "{written}");
    let rows = plan(&workplace, &["runs/a/experiment.toml"]);
    assert!(rows.iter().all(|row| row["action"] == "skip"), "{rows:?}");
    // A run's own file takes no variables, and extends nothing.
    let own = runs[0].join("config.toml");
    let own = own.strip_prefix(workplace.path()).unwrap().to_str().unwrap().to_owned();
    let output = workplace.command(&["plan", "--json", &own]).env("RUNNER__SEED", "7").output().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows[0]["action"], "skip");
    std::fs::write(workplace.path().join(&own), format!("extends = \"base.toml\"\n{config}")).unwrap();
    let (code, said) = workplace.fail(&["plan", &own]);
    assert_eq!(code, 2);
    insta::assert_snapshot!("run_extends", said.replace(&own, "[run]/config.toml"));
}

#[test]
fn an_error_in_a_base_is_shown_there_and_says_who_extends_it() {
    let workplace = Workplace::new();
    workplace.write("experiments/base.toml", format!("{BASE}patience = 3\n"));
    workplace
        .write("experiments/a.toml", "extends = \"../experiments/./base.toml\"\n\n[train]\nepochs = 0\n");
    insta::assert_snapshot!(refused(&workplace, &["plan", "experiments/a.toml"]));
    workplace.write("experiments/base.toml", "[data\n");
    insta::assert_snapshot!("broken_base", refused(&workplace, &["plan", "experiments/a.toml"]));
}

#[test]
fn what_cannot_be_extended_is_marked() {
    let workplace = Workplace::new();
    workplace.write("base.toml", BASE);
    workplace.write("b.toml", "seed = 3\nextends = \"a.toml\"\n");
    workplace.write("a.toml", "extends = [\n  \"bsae.toml\",\n  \"b.toml\",\n]\n");
    insta::assert_snapshot!(refused(&workplace, &["run", "a.toml"]));
    workplace.write("c.toml", "extend = \"base.toml\"\n");
    let said = refused(&workplace, &["plan", "c.toml"]);
    assert!(said.contains("did you mean \"extends\"?"), "{said}");
}

#[test]
fn flags_and_variables_are_marked_where_they_are_wrong() {
    let workplace = Workplace::new();
    workplace.write("a.toml", BASE);
    let output = workplace
        .command(&[
            "plan",
            "a.toml",
            "-s",
            "optimizer.betas=[0.9, 2.0]",
            "-s",
            "train={ epochs = 3, batchsize = 8 }",
        ])
        .env("RUNNER__MODEL", "{ hidden = [8, 0] }")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("typed_values", text(&output.stderr));
    let output = workplace.command(&["plan", "a.toml"]).env("RUNNER__OPTIMIZER__LRR", "1").output().unwrap();
    insta::assert_snapshot!("unknown_variable", text(&output.stderr));
    let output = workplace.command(&["plan", "a.toml"]).env("RUNNER____X", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("empty_part", text(&output.stderr));
}

#[test]
fn an_axis_may_be_typed() {
    let workplace = Workplace::new();
    workplace.write("a.toml", format!("{BASE}[sweep.grid]\n\"optimizer.lr\" = [1, 2, 3]\n"));
    let grid = ["a.toml", "--grid", "optimizer.lr=1e-3,3e-4", "--grid", "model.hidden=[8],[8,4]"];
    let rows = plan(&workplace, &grid);
    let chosen: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["lr"], &row["hidden"])).collect();
    let (short, long) = (Value::from(vec![8]), Value::from(vec![8, 4]));
    let (high, low) = (Value::from(1e-3), Value::from(3e-4));
    assert_eq!(chosen, [(&high, &short), (&high, &long), (&low, &short), (&low, &long)]);
    let kinds = plan(&workplace, &["a.toml", "-s", "optimizer.lr=1", "--grid", "optimizer.kind=sgd,adam"]);
    assert_eq!(kinds.len(), 2);
}

#[test]
fn a_wrong_axis_is_marked_in_its_value() {
    let workplace = Workplace::new();
    workplace.write("a.toml", BASE);
    let said = |flags: &[&str]| refused(&workplace, &[&["plan", "a.toml"], flags].concat());
    insta::assert_snapshot!("third_value", said(&["--grid", "optimizer.lr=1e-3, 3e-4, fast"]));
    insta::assert_snapshot!("no_value", said(&["--grid", "optimizer.lr=1e-3,,3e-4"]));
    insta::assert_snapshot!("nothing", said(&["--grid", "optimizer.lr="]));
    insta::assert_snapshot!("both", said(&["--grid", "optimizer.lr=1,2", "-s", "optimizer.lr=3"]));
    insta::assert_snapshot!("extends_flag", said(&["-s", "extends=base.toml"]));
}
