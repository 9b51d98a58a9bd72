//! `model.weights`: what is said of a file that fits, of one that does not, and of one in the wrong place.

use std::collections::HashMap;

use candle_core::Tensor;
use runner::model::read_tensors;
use serde_json::Value;

use crate::workplace::{SMALL, Workplace, one_line, project, record, text};

/// A trained run, and its weights under the names of another program: `features` for `layers`.
fn workplace() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("a.toml", SMALL.replace("epochs = 3", "epochs = 1"));
    workplace.run(&["run", "a.toml", "-q"]);
    let best = workplace.only_run("a").join("checkpoints/best.safetensors");
    let tensors = read_tensors(&best).unwrap().into_iter();
    let renamed: HashMap<String, Tensor> =
        tensors.map(|(name, tensor)| (name.replace("layers", "features"), tensor)).collect();
    candle_core::safetensors::save(&renamed, workplace.path().join("foreign.safetensors")).unwrap();
    workplace.write("b.toml", SMALL.replace("'mlp'", "'mlp'\nweights = 'foreign.safetensors'"));
    workplace
}

fn refused(workplace: &Workplace, flags: &[&str]) -> String {
    let arguments: Vec<&str> = ["plan", "b.toml"].iter().chain(flags).copied().collect();
    let (code, said) = workplace.fail(&arguments);
    assert_eq!(code, 2, "{said}");
    one_line(&said)
}

#[test]
fn a_refusal_shows_both_sides_and_points_at_what_is_wrong() {
    let workplace = workplace();
    let said = refused(&workplace, &[]);
    assert!(said.contains("the file has features.0.bias, features.0.weight, features.2.bias, … (8 in all)"));
    assert!(said.contains("the model has layers.0.weight, layers.0.bias, layers.2.weight, … (8 in all)"));
    assert!(said.contains("`model.match = \"order\"`") && said.contains("--> b.toml:6:11"), "{said}");

    let said = refused(&workplace, &["-s", "model.rename={ feature = 'layers' }"]);
    assert!(said.contains("has \"feature\", but no name in the file begins so;"), "{said}");
    assert!(said.contains("nearest beginnings are: features") && said.contains("--> --set:1:14"), "{said}");

    let rename = "model.rename={ 'features.0' = 'layers.0', features = 'layer' }";
    let said = refused(&workplace, &["-s", rename]);
    assert!(said.contains("the model has no features.2.bias → layer.2.bias,"), "{said}");

    let rename = "model.rename={ features = 'layers' }";
    let said = refused(&workplace, &["-s", rename, "-s", "model.freeze=['layers']"]);
    assert!(said.contains("leaves nothing to train --> --set:1:14"), "{said}");
    let said = refused(&workplace, &["-s", rename, "--grid", "model.freeze=['layers.0'],['layers.1']"]);
    assert!(said.contains("names \"layers.1\", but the layers with weights are: layers.0,"), "{said}");
    assert!(
        said.contains("model.freeze=['layers.0'],['layers.1']") && said.contains("in 1 of 2 runs"),
        "{said}"
    );
}

#[test]
fn what_is_taken_is_said_once_and_logged_in_every_run() {
    let workplace = workplace();
    let rename = "model.rename={ 'features.' = 'layers.' }";
    let taken = "model.weights: took all 8 tensors of foreign.safetensors, by name";
    let flags = ["run", "b.toml", "-s", rename, "-s", "train.epochs=1", "-s", "sweep.seeds=2", "-v"];
    let output = workplace.output(&flags);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        said.matches(&format!("note: {taken}\n  features.0.bias → layers.0.bias\n")).count(),
        1,
        "{said}"
    );
    assert_eq!((said.matches(taken).count(), said.matches(" → layers").count()), (1, 8), "{said}");
    let runs = workplace.runs("b");
    assert_eq!(runs.len(), 2);
    for run in runs {
        let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
        assert_eq!(log.matches(taken).count(), 1, "{log}");
    }
    let part = ["run", "b.toml", "-s", rename, "-s", "model.strict=false", "-s", "model.hidden=[16, 8]"];
    let output = workplace.output(&part);
    let said = text(&output.stderr);
    assert!(said.contains("note: model.weights: took 6 of the model's 14 tensors from foreign"), "{said}");
    assert!(said.contains("\n  not in the file: layers.6.weight, layers.6.bias, layers.6"), "{said}");
}

#[test]
fn a_file_of_pytorch_is_recognised_where_a_run_is_wanted() {
    let workplace = Workplace::new();
    let fixtures = project().join("tests/parity/fixtures/state_dict");
    for name in ["all_sorts.pt", "legacy.pt"] {
        std::fs::copy(fixtures.join(name), workplace.path().join(name)).unwrap();
        for arguments in [&["predict", name, name][..], &["evaluate", name], &["show", name]] {
            let (code, said) = workplace.fail(arguments);
            assert_eq!(code, 2, "{said}");
            let expected =
                format!("{name}: is a file of PyTorch and no run of runner: `model.weights` in an");
            assert!(one_line(&said).contains(&expected), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn without_an_epoch_a_run_measures_its_weights() {
    let workplace = workplace();
    let trained = workplace.only_run("a");
    let rename = "model.rename={ features = 'layers' }";
    // A scheduler whose length follows from the training, and one that has momenta to spread over it.
    for scheduler in ["cosine", "{ kind = 'one_cycle', max_lr = 0.1 }"] {
        let scheduler = format!("scheduler={scheduler}");
        workplace.run(&["plan", "b.toml", "-s", rename, "-s", "train.epochs=0", "-s", &scheduler]);
        let output =
            workplace.output(&["run", "b.toml", "-s", rename, "-s", "train.epochs=0", "-s", &scheduler]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("completed  test_loss ") && said.contains("  test_accuracy 0."), "{said}");
        assert!(text(&output.stdout).contains("test_accuracy"), "{}", text(&output.stdout));
    }
    let runs = workplace.runs("b");
    assert_eq!(runs.len(), 2);
    let run = &runs[0];
    let record = record(run);
    assert_eq!(record["status"], "completed");
    assert!(record["best"].is_null() && record["last"].is_null(), "{record:#}");
    let table = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert_eq!(table, "epoch,step,lr,train_loss,valid_loss,train_accuracy,valid_accuracy\n");
    let measured = |name: &std::path::Path| -> Value {
        let json = workplace.run(&["evaluate", name.to_str().unwrap(), "--json"]);
        serde_json::from_str::<Value>(&json).unwrap()[0].clone()
    };
    assert_eq!(measured(run), measured(&trained));
    assert_eq!(measured(run)["accuracy"], record["test"]["accuracy"]);
    assert_eq!(record["test"], crate::workplace::record(&trained)["test"]);
    let predictions = |run: &std::path::Path| std::fs::read(run.join("predictions.csv")).unwrap();
    assert_eq!(predictions(run), predictions(&trained));

    let name = run.to_str().unwrap();
    assert!(workplace.run(&["rerun", name, "--verify"]).contains("are the same to the byte"));
    let listed: Value = serde_json::from_str(&workplace.run(&["list", "b", "--json"])).unwrap();
    assert_eq!(listed[0]["epochs"], 0, "{listed:#}");
    assert!(workplace.run(&["compare", "b"]).contains("test_accuracy"));
    assert!(!workplace.run(&["show", name]).contains("nothing to draw"));

    // Killed between its checkpoint and its end, it goes on from the checkpoint.
    let whole = crate::workplace::deterministic(run);
    let status = std::fs::read_to_string(run.join("run.json")).unwrap();
    std::fs::write(run.join("run.json"), status.replace("\"completed\"", "\"interrupted\"")).unwrap();
    std::fs::remove_file(run.join("predictions.csv")).unwrap();
    let output = workplace.output(&["run", run.join("config.toml").to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(output.status.success() && !said.contains("starting from the beginning"), "{said}");
    assert_eq!(crate::workplace::deterministic(run), whole);
}
