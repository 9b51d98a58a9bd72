//! Files of a run that were changed since the run wrote them are noticed where they are used.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workplace::{SMALL, Workplace, one_line, text};

/// A short run, and a file of two samples.
fn trained() -> (Workplace, PathBuf) {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL.replace("epochs = 3", "epochs = 1"));
    workplace.run(&["run", "small.toml", "-q"]);
    workplace.write("rows.csv", format!("{0}\n{0}\n", ["9"; 64].join(",")));
    let run = workplace.only_run("small");
    (workplace, run)
}

/// Changes one bit in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_changed_checkpoint_is_refused_wherever_it_is_used() {
    let (workplace, run) = trained();
    let best = run.join("checkpoints/best.safetensors");
    let name = run.file_name().unwrap().to_str().unwrap();
    let before = workplace.run(&["predict", name, "rows.csv"]);
    fs::copy(&best, workplace.path().join("moved.safetensors")).unwrap();
    flip(&best);
    flip(&workplace.path().join("moved.safetensors"));
    let weights = format!("model.weights={}", run.display());
    for arguments in [
        &["predict", name, "rows.csv"][..],
        &["predict", best.to_str().unwrap(), "rows.csv"],
        &["evaluate", name],
        &["run", "small.toml", "-s", "model.weights=run:small", "-s", "name=again"],
        &["plan", "small.toml", "-s", &weights, "-s", "name=again"],
    ] {
        let (code, said) = workplace.fail(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        let said = one_line(&said);
        for part in
            ["best.safetensors: was damaged or changed since the run wrote it", "`runner rerun ", "--force"]
        {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
    // Elsewhere there is nothing to hold it against.
    workplace.run(&["predict", "moved.safetensors", "rows.csv"]);
    let output = workplace.output(&["show", name]);
    assert!(output.status.success() && text(&output.stdout).contains("valid"), "{}", text(&output.stdout));
    assert!(
        one_line(&text(&output.stderr)).contains("note: the model is not shown: "),
        "{}",
        text(&output.stderr)
    );

    let output = workplace.output(&["rerun", name, "--verify"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("differs: checkpoints/best.safetensors: "), "{out}");
    assert!(err.contains("checkpoints/best.safetensors of the original is not what the run wrote"), "{err}");
    assert!(!err.contains("of the copy is not"), "{err}");

    let copy = workplace.runs("small").pop().unwrap();
    assert_eq!(workplace.run(&["predict", copy.to_str().unwrap(), "rows.csv"]), before);
    workplace.run(&["run", "small.toml", "--force", "-q"]);
    assert_eq!(workplace.run(&["predict", name, "rows.csv"]), before);
}

#[test]
fn a_checkpoint_cut_short_is_refused_and_one_of_an_older_program_believed() {
    let (workplace, run) = trained();
    let best = run.join("checkpoints/best.safetensors");
    let whole = fs::read(&best).unwrap();
    fs::write(&best, &whole[..whole.len() - 1]).unwrap();
    let (code, said) = workplace.fail(&["evaluate", "last"]);
    assert!(code == 2 && one_line(&said).contains("was damaged or changed"), "{said}");
    fs::write(&best, &whole).unwrap();
    let mut record = crate::workplace::record(&run);
    record["checksums"] = serde_json::json!({});
    fs::write(run.join("run.json"), record.to_string()).unwrap();
    flip(&best);
    workplace.run(&["evaluate", "last"]);
    fs::remove_file(&best).unwrap();
    let (code, said) = workplace.fail(&["predict", "last", "rows.csv"]);
    assert!(code == 2 && one_line(&said).contains("has lost its checkpoint"), "{said}");
}

#[test]
fn changed_metrics_are_noted_and_shown() {
    let (workplace, run) = trained();
    let metrics = run.join("metrics.csv");
    let name = run.file_name().unwrap().to_str().unwrap();
    let whole = workplace.output(&["show", name]);
    assert_eq!(text(&whole.stderr), "");
    let table = fs::read_to_string(&metrics).unwrap();
    for damaged in [table.trim_end().to_owned(), table.replace("1,", "one,"), table.replace(",0.0", ",1.0")] {
        assert_ne!(damaged, table);
        fs::write(&metrics, damaged).unwrap();
        let output = workplace.output(&["show", name]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("metrics.csv is not what the run wrote"), "{said}");
    }
}

#[test]
fn no_state_of_a_training_is_taken_for_weights_when_damaged() {
    let (workplace, run) = trained();
    let last = run.join("checkpoints/last.safetensors");
    let weights = format!("model.weights={}", last.display());
    let arguments = ["plan", "small.toml", "-s", &weights, "-s", "name=again"];
    workplace.run(&arguments);
    flip(&last);
    let (code, said) = workplace.fail(&arguments);
    assert!(code == 2 && one_line(&said).contains("does not match the checksum in it"), "{said}");
}
