//! Folders of images and files of text as data of an experiment.

use std::fmt::Write;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::workplace::{Workplace, one_line, record};

fn picture(format: ImageFormat, side: u32, rgb: [u8; 3]) -> Vec<u8> {
    let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(side, side, Rgb(rgb)));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Reddish and bluish squares, trained on for so long that no doubt is left.
fn trained() -> Workplace {
    let workplace = Workplace::new();
    for shade in 0..20u8 {
        for (class, rgb) in [("red", [200 + shade, shade, 0]), ("blue", [0, shade, 200 + shade])] {
            workplace.write(&format!("data/{class}/{shade:02}.png"), picture(ImageFormat::Png, 4, rgb));
        }
    }
    let text = "data = { source = 'images', path = '../data' }\nmodel = { kind = 'mlp', hidden = [8] }\n\
                train = { epochs = 10, batch_size = 8 }\noptimizer.lr = 0.01\n";
    workplace.write("experiments/colours.toml", text);
    workplace.run(&["run", "experiments/colours.toml", "--quiet"]);
    workplace
}

#[test]
fn a_checkpoint_alone_tells_images_of_any_size_and_format_apart() {
    let workplace = trained();
    let run = workplace.only_run("colours");
    assert_eq!(record(&run)["data"]["train"], 32);
    std::fs::copy(run.join("checkpoints/best.safetensors"), workplace.path().join("moved.safetensors"))
        .unwrap();
    std::fs::remove_dir_all(workplace.path().join("runs")).unwrap();
    std::fs::remove_dir_all(workplace.path().join("data")).unwrap();
    workplace.write("new/b.jpg", picture(ImageFormat::Jpeg, 40, [250, 20, 20]));
    workplace.write("new/a.png", picture(ImageFormat::Png, 3, [10, 10, 230]));
    workplace.write("new/notes.txt", "not an image");
    let out = workplace.run(&["predict", "moved.safetensors", "new", "new/b.jpg"]);
    let cells: Vec<Vec<&str>> = out.lines().map(|line| line.split(',').take(3).collect()).collect();
    assert_eq!(
        cells,
        [
            ["input", "index", "prediction"],
            ["new/a.png", "0", "blue"],
            ["new/b.jpg", "0", "red"],
            ["new/b.jpg", "0", "red"],
        ]
    );
    workplace.write("empty/notes.txt", "not an image");
    let (code, said) = workplace.fail(&["predict", "moved.safetensors", "empty"]);
    assert!(code == 2 && said.contains("is a folder without PNG or JPEG files"), "{said}");
}

#[test]
fn images_of_a_folder_are_drawn_side_by_side_with_their_names() {
    let workplace = trained();
    workplace.write("new/b.jpg", picture(ImageFormat::Jpeg, 40, [250, 20, 20]));
    workplace.write("new/a.png", picture(ImageFormat::Png, 3, [10, 10, 230]));
    let out = workplace.run(&["predict", "last", "new", "--show"]);
    let captions: Vec<&str> = out.lines().last().unwrap().split("  ").collect();
    assert!(captions.len() == 2 && out.lines().count() == 3, "{out}");
    assert!(captions[0].starts_with("a.png: blue (") && captions[1].starts_with("b.jpg: red ("), "{out}");
    // Two files of one name are told apart by their folders; rows of a file that has several are numbered.
    workplace.write("other/a.png", picture(ImageFormat::Png, 3, [250, 20, 20]));
    workplace.write("rows.csv", format!("{0}\n{0}\n", ["9"; 48].join(",")));
    let out = workplace.run(&["predict", "last", "new/a.png", "other/a.png", "rows.csv", "--show"]);
    for caption in ["new/a.png: blue (", "other/a.png: red (", "rows.csv 0: ", "rows.csv 1: "] {
        assert!(out.contains(caption), "{caption}: {out}");
    }
    let out = workplace.run(&["predict", "last", "rows.csv", "--show", "--limit", "1"]);
    assert!(out.lines().last().unwrap().starts_with("0: "), "{out}");
}

#[test]
fn a_folder_for_each_class_is_evaluated() {
    let workplace = trained();
    workplace.write("new/red/b.jpg", picture(ImageFormat::Jpeg, 40, [250, 20, 20]));
    workplace.write("new/blue/a.png", picture(ImageFormat::Png, 3, [10, 10, 230]));
    let out = workplace.run(&["evaluate", "last", "new", "--json"]);
    let table: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((table[0]["samples"].as_u64(), table[0]["accuracy"].as_f64()), (Some(2), Some(1.0)));
    workplace.write("new/green/a.png", picture(ImageFormat::Png, 3, [10, 230, 10]));
    let (code, said) = workplace.fail(&["evaluate", "last", "new"]);
    assert!(code == 2 && said.contains("\"green\" is not one of the model's classes: blue, red"), "{said}");
}

#[test]
fn what_is_wrong_with_data_is_told_at_the_setting_that_names_it() {
    let workplace = Workplace::new();
    workplace.write("pets/cat/a.png", picture(ImageFormat::Png, 4, [1, 2, 3]));
    workplace.write("pets/dog/a.png", b"no image");
    workplace.write("texts.csv", "text,label\ngood,1\nbad,0\n");
    for (source, path, wanted) in [
        ("images", "pets", "pets/dog/a.png: is neither a PNG nor a JPEG"),
        ("text", "texts.csv", "has no column \"target\", which `target` names; did you mean \"label\"?"),
        ("text", "absent.csv", "absent.csv: there is no such file"),
    ] {
        let text = format!("model.kind = 'mlp'\n[data]\nsource = '{source}'\npath = '{path}'\n");
        workplace.write("a.toml", text);
        let (code, said) = workplace.fail(&["plan", "a.toml"]);
        let said = one_line(&said);
        assert!(code == 2 && said.contains(wanted), "{said}");
        if path.starts_with("absent") {
            assert!(said.contains("a.toml:4:8"), "{said}");
        }
    }
}

#[test]
fn texts_are_shown_with_their_words() {
    let workplace = Workplace::new();
    workplace.write("texts.csv", "text,target\n\"Good, good film\",pos\n나쁜 영화,neg\ngood\u{7},pos\n");
    let text = "model.kind = 'mlp'\n[data]\nsource = 'text'\npath = 'texts.csv'\n\
                split = { train = 1, shuffle = false }\n";
    workplace.write("a.toml", text);
    let shown = workplace.run(&["data", "show", "a.toml"]);
    for wanted in [
        "shape    sequences of up to 4 of 7 tokens",
        "lengths  from 1 to 4 tokens, mean 2.3",
        "frequent  good",
        "1: neg: 나쁜 영화",
        "0: pos: good , good film",
    ] {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&shown).contains(&flat(wanted)), "{wanted}\n{shown}");
    }
    let (code, said) = workplace.fail(&["plan", "a.toml"]);
    assert!(code == 2 && said.contains("an mlp needs samples of numbers"), "{said}");
}

/// Both markers stand in every text; the one that comes last is the class.
fn ordered_texts(rows: usize) -> String {
    let mut text = "text,target\n".to_owned();
    for row in 0..rows {
        let mut words = vec!["그리고", "the", "film", "is", "so", "and"];
        words.rotate_left(row % 6);
        words.truncate(2 + row / 6 % 4);
        let (first, last) = if row % 2 == 0 { ("bad", "good") } else { ("good", "bad") };
        words.insert(row / 24 % words.len(), first);
        words.push(last);
        words.extend(["it"; 2].iter().take(row / 2 % 3));
        writeln!(text, "\"{}, ok\",{}", words.join(" "), if row % 2 == 0 { "pos" } else { "neg" }).unwrap();
    }
    text
}

#[test]
fn a_checkpoint_alone_tells_texts_apart_by_the_order_of_their_words() {
    let workplace = Workplace::new();
    workplace.write("texts.csv", ordered_texts(240));
    let text = "data = { source = 'text', path = 'texts.csv' }\n\
                model = { kind = 'rnn', cell = 'gru', embedding = 8, hidden_size = 16 }\n\
                train = { epochs = 15, batch_size = 16 }\noptimizer.lr = 0.02\n";
    workplace.write("order.toml", text);
    workplace.run(&["run", "order.toml", "--quiet"]);
    let run = workplace.only_run("order");
    std::fs::copy(run.join("checkpoints/best.safetensors"), workplace.path().join("moved.safetensors"))
        .unwrap();
    std::fs::remove_dir_all(workplace.path().join("runs")).unwrap();
    std::fs::remove_file(workplace.path().join("texts.csv")).unwrap();
    workplace.write("new.txt", "BAD the film, good\n\nGood the film, bad\n");
    workplace.write("new.csv", "id,text\n1,\"good and, so\nbad\"\n");
    let out = workplace.run(&["predict", "moved.safetensors", "new.txt", "new.csv"]);
    let cells: Vec<Vec<&str>> = out.lines().map(|line| line.split(',').take(3).collect()).collect();
    assert_eq!(
        cells,
        [
            ["input", "index", "prediction"],
            ["new.txt", "0", "pos"],
            ["new.txt", "1", "neg"],
            ["new.csv", "0", "neg"],
        ]
    );
}

#[test]
fn texts_of_another_file_are_evaluated() {
    let workplace = Workplace::new();
    workplace.write("texts.csv", ordered_texts(60));
    let text = "data = { source = 'text', path = 'texts.csv' }\n\
                model = { kind = 'rnn', embedding = 4, hidden_size = 4 }\ntrain.epochs = 1\n";
    workplace.write("order.toml", text);
    workplace.run(&["run", "order.toml", "--quiet"]);
    workplace.write("more.csv", ordered_texts(10));
    let out = workplace.run(&["evaluate", "last", "more.csv", "--json"]);
    let table: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(table[0]["samples"], 10);
    let (code, said) = workplace.fail(&["evaluate", "last", "order.toml"]);
    assert!(code == 2 && said.contains("is no CSV, so it tells no classes"), "{said}");
}
