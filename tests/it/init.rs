//! `runner init` and `runner completions`: what a user begins with.

use std::fs;
use std::process::Command;

use crate::experiments::small_mnist;
use crate::workplace::{Workplace, project, text};

/// The names in `runner init --list`.
fn templates(workplace: &Workplace) -> Vec<String> {
    let list = workplace.run(&["init", "--list"]);
    let rows = list.lines().skip(2).filter_map(|line| line.split_whitespace().next());
    rows.map(str::to_owned).collect()
}

#[test]
fn the_templates_are_listed_with_what_they_are_for() {
    let workplace = Workplace::new();
    let list = workplace.run(&["init", "--list"]);
    insta::assert_snapshot!(list);
    // Every experiment that ships is one.
    let mut shipped: Vec<String> = fs::read_dir(project().join("experiments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    shipped.sort();
    let mut listed = templates(&workplace);
    assert_eq!(listed[0], "quickstart");
    listed.sort();
    assert_eq!(listed, shipped);
}

#[test]
fn every_template_is_written_once_and_can_be_planned() {
    let workplace = Workplace::new();
    small_mnist(&workplace);
    let mut names = templates(&workplace);
    // What one experiment begins with another one leaves: that one first.
    names.sort_by_key(|name| name != "transfer_base");
    for name in names {
        let file = format!("{name}.toml");
        let output = workplace.output(&["init", &name]);
        assert!(output.status.success(), "{name}");
        let stdout = text(&output.stdout);
        let written: Vec<&str> = stdout.lines().collect();
        assert_eq!(written[0], file);
        assert!(written.iter().all(|path| workplace.path().join(path).is_file()), "{written:?}");
        let said = text(&output.stderr);
        let command = said.trim_end().strip_prefix("next: runner run ").unwrap_or_else(|| panic!("{said}"));
        let first = if name == "transfer" { "transfer_base.toml" } else { &file };
        assert!(command.starts_with(first), "{said}");
        let mut plan = vec!["plan", &file];
        if command.contains("data.path=FOLDER") {
            plan.extend(["-s", "data.path=mnist"]);
        }
        workplace.run(&plan);
        if name == "transfer_base" {
            workplace.run(&["run", &file, "-s", "train.epochs=1", "--quiet"]);
        }
        let written = fs::read_to_string(workplace.path().join(&file)).unwrap();
        assert_eq!(workplace.run(&["init", &name, "-o", "-"]), written);
        assert!(!written.contains("experiments/"), "{name} speaks of a folder that is not there");
        let (code, said) = workplace.fail(&["init", &name]);
        assert_eq!(code, 2);
        assert!(said.contains(&format!("{file} is there already")), "{said}");
        assert_eq!(fs::read_to_string(workplace.path().join(&file)).unwrap(), written);
    }
}

#[test]
fn another_name_is_used_in_the_comments_as_well() {
    let workplace = Workplace::new();
    fs::create_dir(workplace.path().join("sub")).unwrap();
    let output = workplace.output(&["init", "dropout_sweep", "-o", "sub/mine.toml"]);
    assert_eq!(text(&output.stdout), "sub/mine.toml\n");
    assert_eq!(text(&output.stderr), "next: runner run sub/mine.toml\n");
    let written = fs::read_to_string(workplace.path().join("sub/mine.toml")).unwrap();
    assert!(written.contains("#   runner run sub/mine.toml "), "{written}");
    assert!(written.contains("#   runner compare mine "), "{written}");
    assert!(!written.contains("dropout_sweep"), "{written}");
    let (code, said) = workplace.fail(&["init", "-o", "absent/mine.toml"]);
    assert_eq!(code, 2);
    assert!(said.contains("its folder does not exist"), "{said}");
}

#[test]
fn what_a_template_begins_with_is_written_beside_it() {
    let workplace = Workplace::new();
    let output = workplace.output(&["init", "transfer", "-o", "mine.toml"]);
    assert_eq!(text(&output.stdout), "mine.toml\ntransfer_base.toml\n");
    assert_eq!(text(&output.stderr), "next: runner run transfer_base.toml\n");
    workplace.run(&["run", "transfer_base.toml", "-s", "train.epochs=1", "--quiet"]);
    workplace.run(&["plan", "mine.toml"]);
}

#[test]
fn an_unknown_template_gets_a_suggestion() {
    let (code, said) = Workplace::new().fail(&["init", "droput_sweep"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said);
}

#[test]
fn every_shell_gets_a_script() {
    let workplace = Workplace::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workplace.run(&["completions", shell]);
        assert!(script.contains("runner") && script.contains("completions"), "{shell}: {script}");
    }
    let bash = workplace.write("runner.bash", workplace.run(&["completions", "bash"]));
    assert!(Command::new("bash").arg("-n").arg(&bash).status().unwrap().success());
    // What a user gets who types `runner pl` and the tabulator.
    let typed = "source runner.bash; COMP_WORDS=(runner pl); COMP_CWORD=1; _runner runner pl runner; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["-c", typed]).current_dir(workplace.path()).output().unwrap();
    assert_eq!(text(&output.stdout), "plan\n", "{}", text(&output.stderr));
}
