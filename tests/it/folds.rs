//! Cross validation: a run a fold, and what is said of all of them.

use serde_json::Value;

use crate::workplace::{SMALL, Workplace, record};

#[test]
fn runs_of_two_folds_are_one_line_of_the_comparison() {
    let workplace = Workplace::new();
    workplace.write("a.toml", format!("{SMALL}[data.split]\nfolds = 5\ntest = 0.2\n"));
    for fold in ["data.split.fold=1", "data.split.fold=2"] {
        workplace.run(&["run", "a.toml", "-q", "-s", fold]);
    }
    let parts: Vec<Value> = workplace.runs("a").iter().map(|run| record(run)["data"].clone()).collect();
    assert_eq!(parts.len(), 2);
    // 1,797 rows, 360 of them for the test; 1,437 = 2 · 288 + 3 · 287.
    for part in &parts {
        assert_eq!([&part["train"], &part["valid"], &part["test"]], [1149, 288, 360]);
    }
    let compared: Value = serde_json::from_str(&workplace.run(&["compare", "a", "--json"])).unwrap();
    let rows = compared["a"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{compared:#}");
    assert_eq!(rows[0]["n"], 2);
}

#[test]
fn what_cannot_be_divided_is_refused_with_its_place() {
    let workplace = Workplace::new();
    workplace.write("a.toml", SMALL);
    let refused = |settings: &[&str]| {
        let flags = settings.iter().flat_map(|setting| ["-s", *setting]);
        let arguments: Vec<&str> = ["run", "a.toml"].into_iter().chain(flags).collect();
        let (code, said) = workplace.fail(&arguments);
        assert_eq!(code, 2, "{said}");
        said
    };
    insta::assert_snapshot!(refused(&["data.split.folds=5", "data.split.fold=6", "data.split.train=0.8"]));
    let said = refused(&["data.split.folds=2000", "data.split.fold=1"]);
    assert!(said.contains("2000") && said.contains("1797"), "{said}");
    assert!(!workplace.path().join("runs").exists(), "something was started");
}
