//! What a user sees when something is wrong: the place, the caret, what to do.

use crate::workplace::Workplace;

/// Standard error of `plan` on a wrong experiment, at 80 columns.
fn refused(text: &str) -> String {
    let workplace = Workplace::new();
    workplace.write("a.toml", text);
    let (code, said) = workplace.fail(&["plan", "a.toml"]);
    assert_eq!(code, 2, "{said}");
    assert!(!workplace.path().join("runs").exists(), "something was written");
    said
}

const HEAD: &str = "[data]\nsource = \"digits\"\n\n[model]\nkind = \"mlp\"\n";

#[test]
fn an_unknown_key_gets_a_suggestion() {
    insta::assert_snapshot!(refused(&format!("{HEAD}\n[optimizer]\nkind = \"sgd\"\nmomentun = 0.9\n")));
}

#[test]
fn a_wrong_type_points_at_the_value() {
    insta::assert_snapshot!(refused(&format!("{HEAD}\n[train]\nepochs = \"twenty\"\n")));
}

#[test]
fn an_unknown_kind_lists_the_kinds() {
    insta::assert_snapshot!(refused("[data]\nsource = \"digits\"\n\n[model]\nkind = \"mpl\"\n"));
}

#[test]
fn a_missing_key_points_at_its_table() {
    insta::assert_snapshot!(refused("seed = 1\n\n[data]\nnormalize = \"unit\"\n\n[model]\nkind = \"mlp\"\n"));
}

#[test]
fn a_value_out_of_range_in_an_axis_points_into_the_list() {
    insta::assert_snapshot!(refused(&format!(
        "{HEAD}regularizer = {{ kind = \"dropout\" }}\n\n[sweep]\nseeds = 2\n\n[sweep.grid]\n\
         \"model.regularizer.p\" = [0.1, 0.5, 1.5]\n\"optimizer.lr\" = [1e-3, 1e-2]\n"
    )));
}

#[test]
fn all_problems_of_all_tables_are_reported_together() {
    insta::assert_snapshot!(refused(&format!(
        "sed = 1\n{HEAD}hidden = [64, 0]\n\n[train]\nbatch_size = 0\npatience = 3\n\n[optimizer]\nlr = -1\n"
    )));
}

#[test]
fn what_is_not_toml_says_where() {
    insta::assert_snapshot!(refused("[data\nsource = \"digits\"\n"));
}

#[test]
fn a_wrong_flag_is_shown_as_it_was_typed() {
    let workplace = Workplace::new();
    workplace.write("a.toml", HEAD);
    let (code, said) = workplace.fail(&["plan", "a.toml", "-s", "optimizer.lr=fast"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said);
}

#[test]
fn a_wrong_variable_is_shown_with_its_name() {
    let workplace = Workplace::new();
    workplace.write("a.toml", HEAD);
    let output =
        workplace.command(&["plan", "a.toml"]).env("RUNNER__TRAIN__BATCH_SIZE", "0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(crate::workplace::text(&output.stderr));
}

#[test]
fn an_absent_file_and_absent_data_are_told_plainly() {
    let workplace = Workplace::new();
    let (code, said) = workplace.fail(&["run", "absent.toml"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!("absent_file", said);
    workplace.write("a.toml", HEAD.replace("\"digits\"", "\"mnist\"\npath = \"nowhere\""));
    let (code, said) = workplace.fail(&["run", "a.toml"]);
    assert_eq!(code, 2);
    let place = workplace.path().canonicalize().unwrap();
    insta::assert_snapshot!("absent_data", said.replace(place.to_str().unwrap(), "[folder]"));
    assert!(!workplace.path().join("runs").exists(), "something was written");
}

#[test]
fn an_absent_device_is_the_environment() {
    let workplace = Workplace::new();
    workplace.write("a.toml", HEAD);
    let (code, said) = workplace.fail(&["run", "a.toml", "--device", "cuda:7"]);
    assert_eq!(code, 3);
    assert!(said.contains("there is no device cuda:7"), "{said}");
    assert!(!workplace.path().join("runs").exists(), "something was written");
    let (code, said) = workplace.fail(&["run", "a.toml", "--device", "tpu"]);
    assert_eq!(code, 2);
    assert!(said.contains("expected auto, cpu, cuda or cuda:N"), "{said}");
}

#[test]
fn damaged_data_is_refused_before_anything_starts() {
    let workplace = Workplace::new();
    let header = |count: u32, side: u32| {
        let mut bytes = vec![0, 0, 8, 3];
        for size in [count, side, side] {
            bytes.extend(size.to_be_bytes());
        }
        bytes
    };
    let mut cut = header(4, 2);
    cut.extend([0; 10]);
    for (name, images) in [
        ("cut", cut),
        ("huge", header(u32::MAX, u32::MAX)),
        ("other", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("empty", vec![]),
    ] {
        workplace.write("images", images);
        workplace.write("labels", [0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 0, 1]);
        workplace
            .write("a.toml", HEAD.replace("\"digits\"", "\"idx\"\nimages = \"images\"\nlabels = \"labels\""));
        let (code, said) = workplace.fail(&["run", "a.toml"]);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains("images"), "{name}: {said}");
        assert!(!workplace.path().join("runs").exists(), "something was written");
    }
}

#[test]
fn one_failing_run_leaves_the_others_alone() {
    let workplace = Workplace::new();
    // A rate that no network survives: the loss is no longer finite.
    workplace.write(
        "a.toml",
        format!(
            "{HEAD}regularizer = \"none\"\n[optimizer]\nkind = \"sgd\"\n[train]\nepochs = 3\n\
             [sweep.grid]\n\"optimizer.lr\" = [0.01, 1e30, 0.02]\n"
        ),
    );
    let (code, said) = workplace.fail(&["run", "a.toml"]);
    assert_eq!(code, 1);
    assert!(said.contains("diverged"), "{said}");
    let statuses: Vec<String> = workplace
        .runs("a")
        .iter()
        .map(|run| crate::workplace::record(run)["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses.iter().filter(|status| *status == "completed").count(), 2, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| *status == "diverged").count(), 1, "{statuses:?}");
    // It is left alone the next time, and still counts.
    let (code, said) = workplace.fail(&["run", "a.toml"]);
    assert_eq!(code, 1);
    assert!(said.contains("0 to train, 2 completed before, 1 diverged before"), "{said}");
}
