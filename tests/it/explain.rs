//! `runner explain`.

use serde_json::Value;

use crate::workplace::{Workplace, text};

fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write(
        "experiments/base.toml",
        "[data]\nsource = \"digits\"\n\n[model]\nkind = \"mlp\"\nweights = \"w.safetensors\"\n\n\
         [optimizer]\nkind = \"sgd\"\nlr = 0.1\nmomentum = 0.9\n",
    );
    workplace.write(
        "experiments/a.toml",
        "extends = \"base.toml\"\n\n[optimizer]\nlr = 0.01\n\n[sweep]\nseeds = 2\n\n[sweep.grid]\n\
         \"model.regularizer\" = [\"none\", { kind = \"dropout\", p = 0.3 }]\n",
    );
    workplace
}

fn explain(arguments: &[&str]) -> String {
    let arguments: Vec<&str> = ["explain", "experiments/a.toml"].iter().chain(arguments).copied().collect();
    workplace().run(&arguments)
}

#[test]
fn every_layer_is_named_and_the_strongest_marked() {
    let output = workplace()
        .command(&["explain", "experiments/a.toml", "optimizer.lr", "-s", "optimizer={ lr = 0.002 }"])
        .env("RUNNER__OPTIMIZER__LR", "0.005")
        .output()
        .unwrap();
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn an_axis_is_shown_with_its_values() {
    insta::assert_snapshot!("axis", explain(&["model.regularizer.p"]));
    insta::assert_snapshot!("seeds", explain(&["seed"]));
    insta::assert_snapshot!("typed_axis", explain(&["optimizer.lr", "--grid", "optimizer.lr=1e-3,3e-4"]));
}

#[test]
fn a_table_shows_all_that_is_in_it() {
    insta::assert_snapshot!("table", explain(&["optimizer"]));
    insta::assert_snapshot!("table_model", explain(&["model"]));
}

#[test]
fn what_was_dropped_and_what_is_a_default_says_so() {
    insta::assert_snapshot!("dropped", explain(&["optimizer.momentum", "-s", "optimizer.kind=adam"]));
    insta::assert_snapshot!("default", explain(&["train.batch_size"]));
    insta::assert_snapshot!("no_place", explain(&["optimizer.betas"]));
    insta::assert_snapshot!("no_value", explain(&["train.early_stopping"]));
}

#[test]
fn the_rule_by_which_runs_stop_is_explained() {
    let flags = |key: &str| explain(&[key, "-s", "sweep.prune.kind=asha", "-s", "sweep.prune.min_epochs=2"]);
    insta::assert_snapshot!("rule", flags("sweep.prune"));
    insta::assert_snapshot!("key_of_a_rule", flags("sweep.prune.reduction_factor"));
    insta::assert_snapshot!("key_of_another_rule", flags("sweep.prune.max"));
    insta::assert_snapshot!("no_rule", explain(&["sweep.prune.kind"]));
}

#[test]
fn a_path_is_shown_as_it_was_written_and_json_is_for_programs() {
    let shown: Value = serde_json::from_str(&explain(&["model.weights", "--json"])).unwrap();
    insta::assert_snapshot!(format!("{shown:#}"));
}

#[test]
fn an_unknown_key_is_a_wrong_request() {
    let (code, said) = workplace().fail(&["explain", "experiments/a.toml", "optimizer.momentun"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said);
}

#[test]
fn a_runs_own_file_is_explained_too() {
    let workplace = workplace();
    workplace.write("b.toml", "[data]\nsource = \"digits\"\n[model]\nkind = \"mlp\"\nhidden = [4]\n");
    workplace.run(&["run", "b.toml", "-q", "-s", "train.epochs=1"]);
    let own = workplace.only_run("b").join("config.toml");
    let output = workplace
        .command(&["explain", own.to_str().unwrap(), "train.epochs", "--json"])
        .env("RUNNER__TRAIN__EPOCHS", "9")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["mentions"].as_array().unwrap().len(), 1);
    assert_eq!(shown["mentions"][0]["value"], 1);
}
