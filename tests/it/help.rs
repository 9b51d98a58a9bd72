//! The help of every command, as it is shown.

use crate::workplace::Workplace;

const COMMANDS: [&str; 18] = [
    "run",
    "resume",
    "plan",
    "list",
    "compare",
    "show",
    "diff",
    "rerun",
    "evaluate",
    "predict",
    "logs",
    "gc",
    "explain",
    "data",
    "devices",
    "init",
    "schema",
    "completions",
];

#[test]
fn help_of_every_command() {
    let workplace = Workplace::new();
    let top = workplace.run(&["--help"]);
    insta::assert_snapshot!("help", top);
    for command in COMMANDS {
        insta::assert_snapshot!(format!("help_{command}"), workplace.run(&[command, "--help"]));
    }
    insta::assert_snapshot!("help_data_fetch", workplace.run(&["data", "fetch", "--help"]));
    // Nothing is listed that is not tested here, and the other way round.
    let listed: Vec<&str> = top
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(listed, COMMANDS);
}

#[test]
fn wrong_arguments_are_a_wrong_request() {
    let workplace = Workplace::new();
    for arguments in
        [&["train"][..], &["run"], &["run", "a.toml", "--jobs", "0"], &["list", "--json", "--csv"]]
    {
        let (code, said) = workplace.fail(arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("try '--help'"), "{said}");
    }
}
