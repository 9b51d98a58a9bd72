//! Several programs on the same folders at once.

use std::process::{Child, Stdio};

use crate::workplace::{SMALL, Workplace, record, text};

fn start(workplace: &Workplace, arguments: &[&str]) -> Child {
    workplace.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn two_programs_share_a_sweep_and_train_nothing_twice() {
    let workplace = Workplace::new();
    workplace.write("two.toml", format!("{SMALL}\n[sweep]\nseeds = 8\n"));
    let children: Vec<Child> =
        (0..3).map(|_| start(&workplace, &["run", "two.toml", "--jobs", "1"])).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let runs = workplace.runs("two");
    assert_eq!(runs.len(), 8);
    for run in runs {
        let record = record(&run);
        assert_eq!((&record["status"], &record["attempts"]), (&"completed".into(), &1.into()), "{record:#}");
        let rows = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
        assert_eq!(rows.lines().count(), 4, "{rows}");
    }
}

#[test]
fn the_same_file_twice_is_one_sweep() {
    let workplace = Workplace::new();
    workplace.write("two.toml", format!("{SMALL}\n[sweep]\nseeds = 2\n"));
    workplace.run(&["run", "two.toml", "two.toml"]);
    for run in workplace.runs("two") {
        assert_eq!(record(&run)["attempts"], 1);
    }
}

#[test]
fn reruns_at_once_have_folders_of_their_own() {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.run(&["run", "small.toml"]);
    let name = workplace.only_run("small").file_name().unwrap().to_str().unwrap().to_owned();
    let verify = start(&workplace, &["rerun", &name, "--verify"]);
    let rates = ["0.01", "0.002", "0.003"];
    let children: Vec<Child> = rates
        .iter()
        .map(|rate| start(&workplace, &["rerun", &name, "-s", &format!("optimizer.lr={rate}")]))
        .collect();
    let mut folders = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        folders.push(text(&output.stdout).trim().to_owned());
    }
    let verified = verify.wait_with_output().unwrap();
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    assert!(text(&verified.stdout).contains("same to the byte"), "{}", text(&verified.stdout));
    for (folder, rate) in folders.iter().zip(rates) {
        let rows = std::fs::read_to_string(std::path::Path::new(folder).join("metrics.csv")).unwrap();
        assert_eq!(rows.lines().count(), 4, "{rows}");
        let is_own = |row: &str| row.split(',').nth(2) == Some(rate);
        assert!(rows.lines().skip(1).all(is_own), "rows of several runs: {rows}");
    }
}
