//! Tables in CSV files, from the file to predictions.

use crate::workplace::{Workplace, assert_same, one_line, record};

const EXPERIMENT: &str = "data = { source = 'csv', path = 'data/plants.csv', target = 'kind', ignore = ['id'], \
     missing = 'median' }\nmodel = { kind = 'mlp', hidden = [16] }\noptimizer.lr = 0.02\n\
     train = { epochs = 15, batch_size = 16 }\n";

/// Two kinds of plants that differ in their size and mostly in their color; some sizes are missing.
fn plants() -> String {
    let mut text = "id,size,kind,color\n".to_owned();
    for row in 0..120 {
        let tall = row % 2 == 1;
        let kind = if tall { "tree" } else { "herb" };
        let size = f64::from(row % 7) + if tall { 20.0 } else { 2.0 };
        let size = if row % 10 == 3 { "NA".to_owned() } else { size.to_string() };
        let color = if tall && row % 3 != 0 { "\"dark, green\"" } else { "green" };
        text.extend([row.to_string().as_str(), ",", &size, ",", kind, ",", color, "\n"]);
    }
    text
}

fn trained() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("data/plants.csv", plants());
    workplace.write("plants.toml", EXPERIMENT);
    workplace.run(&["run", "plants.toml", "--quiet"]);
    workplace
}

#[test]
fn a_table_trains_and_its_checkpoint_alone_predicts_raw_rows() {
    let workplace = trained();
    let run = workplace.only_run("plants");
    assert!(record(&run)["best"]["valid_accuracy"].as_f64().unwrap() > 0.9, "{}", record(&run)["best"]);
    let written = std::fs::read_to_string(run.join("config.toml")).unwrap();
    for line in ["task = \"classification\"", "normalize = \"standardize\"", "missing = \"median\""] {
        assert!(written.contains(line), "{written}");
    }

    let best = run.join("checkpoints/best.safetensors");
    std::fs::copy(&best, workplace.path().join("moved.safetensors")).unwrap();
    std::fs::remove_dir_all(workplace.path().join("runs")).unwrap();
    std::fs::remove_dir_all(workplace.path().join("data")).unwrap();
    workplace.write("rows.csv", "color,size\n\"dark, green\",24\ngreen,3\nblue,?\n");
    let out = workplace.run(&["predict", "moved.safetensors", "rows.csv"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "input,index,prediction,probability_herb,probability_tree");
    assert!(lines[1].starts_with("rows.csv,0,tree,") && lines[2].starts_with("rows.csv,1,herb,"), "{out}");
    assert!(lines.len() == 4 && lines[3].starts_with("rows.csv,2,"), "{out}");

    workplace.write("none.csv", "12,green\n");
    let (code, said) = workplace.fail(&["predict", "moved.safetensors", "none.csv"]);
    assert_eq!(code, 2);
    assert!(one_line(&said).contains("is without the columns size, color"), "{said}");
}

#[test]
fn a_run_is_evaluated_on_a_file_with_its_target() {
    let workplace = trained();
    workplace.write("more.csv", "color,kind,size\ngreen,herb,2\n\"dark, green\",tree,25\n");
    let table: serde_json::Value =
        serde_json::from_str(&workplace.run(&["evaluate", "last", "more.csv", "--json"])).unwrap();
    assert_eq!((&table[0]["samples"], &table[0]["accuracy"]), (&2.into(), &1.0.into()));
}

#[test]
fn the_same_table_elsewhere_is_the_same_run() {
    let (one, other) = (trained(), Workplace::new());
    other.write("tables/p.csv", plants());
    other.write("plants.toml", EXPERIMENT.replace("data/plants.csv", "tables/p.csv"));
    other.run(&["run", "plants.toml", "--quiet"]);
    let ids = [&one, &other].map(|workplace| record(&workplace.only_run("plants"))["id"].clone());
    assert_eq!(ids[0], ids[1]);
    let metrics = [&one, &other]
        .map(|workplace| std::fs::read(workplace.only_run("plants").join("metrics.csv")).unwrap());
    assert_eq!(metrics[0], metrics[1]);
}

#[test]
fn made_up_points_are_learned_and_come_out_the_same_twice() {
    let (one, other) = (Workplace::new(), Workplace::new());
    let text = "data = { source = 'synthetic', kind = 'blobs', samples = 300, noise = 0.05 }\n\
         model = { kind = 'mlp', hidden = [16] }\noptimizer.lr = 0.02\ntrain = { epochs = 10, batch_size = 32 }\n";
    for workplace in [&one, &other] {
        workplace.write("blobs.toml", text);
        workplace.run(&["run", "blobs.toml", "--quiet"]);
    }
    let run = one.only_run("blobs");
    assert!(record(&run)["best"]["valid_accuracy"].as_f64().unwrap() > 0.8, "{}", record(&run)["best"]);
    assert_same(&run, &other.only_run("blobs"));
}

#[test]
fn what_is_wrong_with_a_table_is_told_before_anything_starts() {
    let workplace = Workplace::new();
    workplace.write("data/plants.csv", plants());
    let refused = |from: &str, to: &str, wanted: &str| {
        workplace.write("plants.toml", EXPERIMENT.replace(from, to));
        let (code, said) = workplace.fail(&["run", "plants.toml"]);
        assert_eq!(code, 2, "{said}");
        assert!(one_line(&said).contains(wanted), "{wanted}: {said}");
    };
    refused("'kind'", "'kinds'", "no column \"kinds\", which `target` names; did you mean \"kind\"?");
    refused("['id']", "['ids']", "no column \"ids\", which `ignore` names; did you mean \"id\"?");
    refused("'median'", "'error'", "line 5: column \"size\" has no value, the first of 12");
    refused("plants.csv", "plant.csv", "there is no such file");
    refused("'median'", "'error', normalize = 'unit'", "a table has no maximum to divide by");
}
