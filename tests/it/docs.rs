//! The documentation says what the program does: its table of sweeps is expanded, its commands are run.

use std::fs;
use std::process::Command;

use crate::workplace::{Workplace, project, text};

const DATA: &str = "[data]\nsource = \"digits\"\n";
const MODEL: &str = "[model]\nkind = \"mlp\"\n";

/// The code spans of a table's cell, one a line.
fn code(cell: &str) -> String {
    let spans = cell.split('`').skip(1).step_by(2);
    spans.fold(String::new(), |lines, span| lines + span + "\n")
}

/// The cells of a Markdown row; a bar inside a code span would have to be escaped, and none is there.
fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split(" | ").map(str::trim).collect()
}

#[test]
fn every_row_of_the_table_of_sweeps_expands_as_it_says() {
    let page = fs::read_to_string(project().join("docs/sweeps.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() >= 12, "only {} rows were found", rows.len());
    for row in rows {
        let [_, written, runs] = cells(row)[..] else { panic!("not three cells: {row}") };
        let workplace = Workplace::new();
        // Settings come before tables, whichever table the example begins with.
        let written = code(written);
        let (data, rest) = match written.strip_prefix("[data.split]") {
            Some(split) => (format!("{DATA}[data.split]{split}"), ""),
            None => (DATA.to_owned(), written.as_str()),
        };
        workplace.write("a.toml", format!("{data}{MODEL}{rest}"));
        let planned = workplace.run(&["plan", "a.toml", "--json"]);
        let planned: Vec<serde_json::Value> = serde_json::from_str(&planned).unwrap();
        let names = planned.iter().fold(String::new(), |names, run| {
            let name = run["run"].as_str().unwrap();
            names + name.rsplit_once('-').unwrap().0 + "\n"
        });
        assert_eq!(names, code(runs), "{row}");
    }
}

#[test]
fn the_commands_on_sweeps_work() {
    let page = fs::read_to_string(project().join("docs/sweeps.md")).unwrap();
    let workplace = Workplace::new();
    fs::copy(project().join("experiments/quickstart.toml"), workplace.path().join("quickstart.toml"))
        .unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_runner"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", block]).current_dir(workplace.path()).env("PATH", &path);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{block}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    }
    assert_eq!(workplace.runs("quickstart").len(), 4);
}
