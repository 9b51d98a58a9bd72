//! What numbers in files of labels mean to a model of some of the classes.

use std::fmt::Write;

use crate::workplace::{Workplace, one_line, record};

/// Digits of 3 and 7, told apart.
const TWO_DIGITS: &str = "data = { source = 'digits', classes = [3, 7] }\nmodel = { kind = 'mlp', hidden = [4] }\n\
                          train.epochs = 2\n";
/// T-shirts and sandals of files with the names of Fashion-MNIST, told apart.
const TWO_CLOTHES: &str = "data = { source = 'fashion-mnist', path = 'clothes', classes = ['T-shirt/top', 'Sandal'] }\n\
     model = { kind = 'mlp', hidden = [8] }\ntrain = { epochs = 20, batch_size = 8 }\noptimizer.lr = 0.01\n";

fn trained(text: &str) -> Workplace {
    let workplace = Workplace::new();
    write_clothes(&workplace, "clothes/train", &labels(60));
    write_clothes(&workplace, "clothes/t10k", &labels(20));
    workplace.write("small.toml", text);
    workplace.run(&["run", "small.toml", "--quiet"]);
    workplace
}

/// T-shirts, trousers, and so on up to sandals, again and again.
fn labels(count: usize) -> Vec<u8> {
    (0..count).map(|row| (row % 6) as u8).collect()
}

/// IDX files of images of which each is lightest in the column of its label.
fn write_clothes(workplace: &Workplace, prefix: &str, labels: &[u8]) {
    let images: Vec<u8> = labels
        .iter()
        .flat_map(|label| (0..36).map(move |pixel| if pixel % 6 == *label { 255 } else { pixel }))
        .collect();
    let idx = |dims: &[u32], values: &[u8]| {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(values);
        bytes
    };
    let count = labels.len() as u32;
    workplace.write(&format!("{prefix}-images-idx3-ubyte"), idx(&[count, 6, 6], &images));
    workplace.write(&format!("{prefix}-labels-idx1-ubyte"), idx(&[count], labels));
}

/// A CSV of dark images of 64 values, one of each of `labels`.
fn csv(labels: &[&str]) -> String {
    let columns: Vec<String> = (0..64).map(|column| format!("p{column}")).collect();
    let mut text = format!("label,{}\n", columns.join(","));
    for label in labels {
        writeln!(text, "{label},{}", ["0"; 64].join(",")).unwrap();
    }
    text
}

/// The table of an evaluation, and what was said beside it.
fn evaluate(workplace: &Workplace, file: &str) -> (serde_json::Value, String) {
    let output = workplace.output(&["evaluate", "last", file, "--json"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    (table[0].clone(), one_line(&said))
}

fn confusion(table: &serde_json::Value) -> &serde_json::Value {
    &table["confusion_matrix"]["counts"]
}

/// As if it had been trained before checkpoints told the classes that there were.
fn forget_the_source(workplace: &Workplace) {
    let path = workplace.only_run("small").join("checkpoints/best.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, tensors) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let metadata = header["__metadata__"]["runner"].as_str().unwrap();
    let mut metadata: serde_json::Value = serde_json::from_str(metadata).unwrap();
    metadata["preprocessing"].as_object_mut().unwrap().remove("source_classes").unwrap();
    header["__metadata__"]["runner"] = metadata.to_string().into();
    let header = header.to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), tensors].concat();
    std::fs::write(path, bytes).unwrap();
    // Such a program had its own checksum of it.
    let run = workplace.only_run("small");
    let mut record = crate::workplace::record(&run);
    record["checksums"].as_object_mut().unwrap().remove("checkpoints/best.safetensors").unwrap();
    std::fs::write(run.join("run.json"), record.to_string()).unwrap();
}

#[test]
fn a_number_is_no_place_among_the_classes_that_are_left() {
    let workplace = trained(TWO_DIGITS);
    workplace.write("chosen.csv", csv(&["3", "7", "7.0"]));
    let (table, said) = evaluate(&workplace, "chosen.csv");
    assert_eq!((table["samples"].as_u64(), said.as_str()), (Some(3), ""));
    let sum = |row: usize| -> u64 {
        confusion(&table)[row].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!((sum(0), sum(1)), (1, 2), "{table}");
    // 0 and 1 are digits of their own, not the first and the second that were chosen.
    workplace.write("all.csv", csv(&["3", "0", "1", "7", "9"]));
    let (table, said) = evaluate(&workplace, "all.csv");
    assert_eq!(table["samples"], 2);
    assert_eq!(said, "note: left out 3 samples of all.csv: the model was not trained on their classes");
    workplace.write("others.csv", csv(&["0", "1"]));
    let (code, said) = workplace.fail(&["evaluate", "last", "others.csv"]);
    let wanted = "others.csv: there is no sample in it of a class that the model was trained on";
    assert!(code == 2 && one_line(&said).contains(wanted), "{said}");
    workplace.write("wrong.csv", csv(&["3", "10"]));
    let (code, said) = workplace.fail(&["evaluate", "last", "wrong.csv"]);
    let wanted =
        "wrong.csv: line 3, column 1: \"10\" is not one of the classes of the model's data: 0, 1, 2, 3, 4";
    assert!(code == 2 && one_line(&said).contains(wanted), "{said}");
}

#[test]
fn the_labels_of_chosen_classes_are_those_of_the_source() {
    let workplace = trained(TWO_CLOTHES);
    let (table, said) = evaluate(&workplace, "clothes");
    assert_eq!(said, "note: left out 13 samples of clothes: the model was not trained on their classes");
    let test = &record(&workplace.only_run("small"))["test"];
    assert_eq!((table["samples"].as_u64(), &table["loss"]), (Some(7), &test["loss"]));
    assert_eq!((table["accuracy"].as_f64(), &test["accuracy"]), (Some(1.0), &table["accuracy"]));
    write_clothes(&workplace, "sandals/t10k", &[5, 5, 5]);
    write_clothes(&workplace, "sandals/train", &[5]);
    let (table, said) = evaluate(&workplace, "sandals");
    assert_eq!((table["samples"].as_u64(), table["accuracy"].as_f64()), (Some(3), Some(1.0)));
    assert_eq!(said, "");
    write_clothes(&workplace, "trousers/train", &[1, 1]);
    let (code, said) = workplace.fail(&["evaluate", "last", "trousers"]);
    assert!(code == 2 && said.contains("there is no sample in it of a class"), "{said}");
    write_clothes(&workplace, "more/train", &[5, 6]);
    let (code, said) = workplace.fail(&["evaluate", "last", "more"]);
    let wanted =
        "has the label 6 at index 1, which is not one of the classes of the model's data: T-shirt/top,";
    assert!(code == 2 && one_line(&said).contains(wanted), "{said}");
}

#[test]
fn a_checkpoint_that_does_not_tell_the_numbers_takes_names_alone() {
    let workplace = trained(TWO_CLOTHES);
    forget_the_source(&workplace);
    write_clothes(&workplace, "trousers/train", &[1, 1]);
    for folder in ["clothes", "trousers"] {
        let (code, said) = workplace.fail(&["evaluate", "last", folder]);
        let wanted = "is a number, and the checkpoint does not tell the numbers of the classes that \
                      `data.classes` chose: train it again, or name the classes: T-shirt/top, Sandal";
        assert!(code == 2 && one_line(&said).contains(wanted), "{said}");
    }
    let columns: Vec<String> = (0..36).map(|column| format!("p{column}")).collect();
    let text = format!("label,{}\nSandal,{}\n", columns.join(","), ["0"; 36].join(","));
    workplace.write("named.csv", text);
    assert_eq!(evaluate(&workplace, "named.csv").0["samples"], 1);
}
