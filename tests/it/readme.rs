//! Every block of commands in the README is run, in its order, in a folder with the shipped experiments.

use std::fs;
use std::process::Command;

use crate::workplace::{Workplace, project, text};

/// The fenced blocks of a language.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        match (&mut current, line.trim()) {
            (None, fence) if fence == format!("```{language}") => current = Some(String::new()),
            (Some(block), "```") => {
                found.push(std::mem::take(block));
                current = None;
            }
            (Some(block), _) => {
                block.push_str(line);
                block.push('\n');
            }
            _ => {}
        }
    }
    found
}

#[test]
fn commands_of_the_readme_work_in_their_order() {
    let workplace = Workplace::new();
    let experiments = workplace.path().join("experiments");
    fs::create_dir(&experiments).unwrap();
    let files = |folder| {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    };
    for path in files(project().join("experiments")) {
        fs::copy(&path, experiments.join(path.file_name().unwrap())).unwrap();
    }
    fs::create_dir(experiments.join("data")).unwrap();
    for path in files(project().join("experiments/data")) {
        fs::copy(&path, experiments.join("data").join(path.file_name().unwrap())).unwrap();
    }
    // `runner` is on the PATH of a user who has installed it.
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_runner"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let mut run = 0;
    for block in blocks(&readme, "sh") {
        // Building and testing are what runs this test.
        if block.contains("cargo ") {
            continue;
        }
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &block])
            .current_dir(workplace.path())
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{block}\n{}\n{}", text(&output.stdout), text(&output.stderr));
        run += 1;
    }
    assert!(run >= 3, "only {run} blocks were found");
}

#[test]
fn experiments_of_the_readme_are_accepted() {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let found = blocks(&readme, "toml");
    assert!(!found.is_empty());
    for block in found {
        let workplace = Workplace::new();
        workplace.write("block.toml", &block);
        workplace.run(&["plan", "block.toml"]);
    }
}

/// The message that the README shows, of a file whose ninth line is wrong.
#[test]
fn the_error_of_the_readme_is_the_one_that_comes() {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let shown = blocks(&readme, "text").into_iter().find(|block| block.starts_with("error: ")).unwrap();
    let workplace = Workplace::new();
    let lines = [
        "data.source = 'digits'",
        "model.kind = 'mlp'",
        "",
        "",
        "",
        "",
        "[optimizer]",
        "kind = 'sgd'",
        "momentun = 0.9",
    ];
    workplace.write("a.toml", lines.join("\n"));
    let output = workplace.command(&["plan", "a.toml"]).env("COLUMNS", "80").output().unwrap();
    assert!(text(&output.stderr).starts_with(&shown), "{}", text(&output.stderr));
}
