//! Predictions and evaluations of a trained run, from files of every kind.

use crate::workplace::{SMALL, Workplace, record};

fn trained() -> Workplace {
    let workplace = Workplace::new();
    workplace.write("small.toml", SMALL);
    workplace.run(&["run", "small.toml", "--quiet"]);
    workplace
}

#[test]
fn evaluate_gives_the_numbers_of_the_record() {
    let workplace = trained();
    let run = workplace.only_run("small");
    let table: serde_json::Value =
        serde_json::from_str(&workplace.run(&["evaluate", "last", "--json"])).unwrap();
    let test = &record(&run)["test"];
    assert_eq!(table[0]["loss"], test["loss"]);
    assert_eq!(table[0]["accuracy"], test["accuracy"]);
    assert_eq!(table[0]["samples"], record(&run)["data"]["test"]);
    let train: serde_json::Value =
        serde_json::from_str(&workplace.run(&["evaluate", "last", "--split", "train", "--json"])).unwrap();
    assert_eq!(train[0]["samples"], 1078);
}

#[test]
fn a_checkpoint_alone_predicts_rows_of_csv() {
    let workplace = trained();
    let best = workplace.only_run("small").join("checkpoints/best.safetensors");
    std::fs::copy(&best, workplace.path().join("moved.safetensors")).unwrap();
    std::fs::remove_dir_all(workplace.path().join("runs")).unwrap();
    let rows: Vec<String> = (0..3).map(|row| vec![row.to_string(); 64].join(",")).collect();
    workplace.write("rows.csv", rows.join("\n"));
    let out = workplace.run(&["predict", "moved.safetensors", "rows.csv"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with("input,index,prediction,probability_0,"), "{}", lines[0]);
    assert!(lines[3].starts_with("rows.csv,2,"), "{}", lines[3]);
    let sum: f64 = lines[1].split(',').skip(3).map(|cell| cell.parse::<f64>().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "the probabilities add up to {sum}");
    let json = workplace.run(&["predict", "moved.safetensors", "rows.csv", "--json", "--limit", "2"]);
    let parsed: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed.len(), 2);
    assert_eq!(parsed[1]["index"], 1);
    assert!(parsed[1]["probabilities"]["9"].is_number());
}

#[test]
fn wrong_inputs_are_refused_with_their_place() {
    let workplace = trained();
    let refused = |name: &str, content: &[u8], wanted: &str| {
        workplace.write(name, content);
        let (code, said) = workplace.fail(&["predict", "last", name]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(name) && said.contains(wanted), "{name}: {said}");
    };
    refused("short.csv", b"1,2,3\n", "64");
    refused(
        "words.csv",
        format!("{}\n{}\n", vec!["1"; 64].join(","), vec!["x"; 64].join(",")).as_bytes(),
        "2",
    );
    refused("fake.png", b"\x89PNG\r\n\x1a\nno image at all", "PNG");
    refused("huge.idx", &[0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 8, 0, 0, 0, 8], "");
    let (code, said) = workplace.fail(&["predict", "last", "absent.csv"]);
    assert_eq!(code, 2);
    assert!(said.contains("absent.csv"), "{said}");
}

#[test]
fn broken_checkpoints_are_refused() {
    let workplace = trained();
    let best = std::fs::read(workplace.only_run("small").join("checkpoints/best.safetensors")).unwrap();
    workplace.write("rows.csv", vec!["1"; 64].join(","));
    let mut lying = best.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    for (name, bytes) in [
        ("empty.safetensors", &[][..]),
        ("cut.safetensors", &best[..best.len() / 2]),
        ("lying.safetensors", &lying),
        ("text.safetensors", b"this is not a checkpoint"),
    ] {
        workplace.write(name, bytes);
        let (code, said) = workplace.fail(&["predict", name, "rows.csv"]);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains(name), "{said}");
    }
}
