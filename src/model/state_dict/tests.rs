//! Files that PyTorch 2.15 wrote (`tests/parity/make_state_dict.py`), and what one can do to them.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use candle_core::DType;
use zip::write::SimpleFileOptions;

use super::*;
use crate::model::read_tensors;
use crate::rng::{Purpose, Stream};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/state_dict").join(name)
}

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn from_bytes(bytes: &[u8]) -> std::result::Result<Vec<(String, Tensor)>, String> {
    read_from(Path::new("F"), Cursor::new(bytes)).map_err(|error| {
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
        error.to_string().strip_prefix("F: ").unwrap().to_owned()
    })
}

fn refused(bytes: &[u8]) -> String {
    from_bytes(bytes).expect_err("it was read")
}

/// The bits of all numbers.
fn bits(tensor: &Tensor) -> Vec<u64> {
    let flat = tensor.flatten_all().unwrap();
    // Both half types are in f32 what they are.
    match tensor.dtype() {
        DType::F64 => flat.to_vec1::<f64>().unwrap().into_iter().map(f64::to_bits).collect(),
        DType::I64 => flat.to_vec1::<i64>().unwrap().into_iter().map(i64::cast_unsigned).collect(),
        _ => {
            let wide = flat.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap();
            wide.into_iter().map(|number| u64::from(number.to_bits())).collect()
        }
    }
}

/// An archive as `torch.save` makes them, of a pickle and storages of 16 bytes.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn pickled(pickle: &[u8]) -> Vec<u8> {
    archive(&[("x/data.pkl", pickle), ("x/data/0", &[0; 16])])
}

/// A dictionary of one tensor with these numbers in its description, each below 256.
fn tensor(key: &str, count: u8, offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let tuple = |numbers: &[u8]| -> Vec<u8> {
        let numbers = numbers.iter().flat_map(|number| [b'K', *number]);
        std::iter::once(b'(').chain(numbers).chain(*b"t").collect()
    };
    let text = |text: &str| [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    [
        b"\x80\x02}".as_slice(),
        &text("w"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((",
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text(key),
        &text("cuda:3"),
        &[b'K', count, b't', b'Q'],
        offset,
        &tuple(shape),
        &tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtRs.",
    ]
    .concat()
}

#[test]
fn every_tensor_of_a_state_dict_is_as_pytorch_has_it() {
    let read = read(&fixture("all_sorts.pt")).unwrap();
    let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
    let expected_names = "0.weight 0.bias 1.weight 1.bias 1.running_mean 1.running_var 1.num_batches_tracked \
                          3.weight 3.bias turned turned.pair part row tied repeated half half.turned bfloat \
                          double double.turned long number empty parameter";
    assert_eq!(names.join(" "), expected_names);
    let expected: BTreeMap<String, Tensor> =
        read_tensors(&fixture("all_sorts.safetensors")).unwrap().into_iter().collect();
    assert_eq!(expected.len(), read.len());
    for (name, tensor) in &read {
        let expected = &expected[name];
        assert_eq!((tensor.dtype(), tensor.dims()), (expected.dtype(), expected.dims()), "{name}");
        assert_eq!(bits(tensor), bits(expected), "{name}");
        assert!(tensor.is_contiguous(), "{name}");
    }
    // The comparison can fail: these are the numbers that PyTorch prints for `part`.
    let part = &read.iter().find(|(name, _)| name == "part").unwrap().1;
    assert_eq!(part.to_vec2::<f32>().unwrap(), [[16.0 / 7.0, 18.0 / 7.0], [20.0 / 7.0, 22.0 / 7.0]]);
}

#[test]
fn a_state_dict_is_found_inside_a_checkpoint() {
    let checkpoint = read(&fixture("checkpoint.pt")).unwrap();
    let names: Vec<&str> = checkpoint.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names.len(), names[0], names[8]), (9, "0.weight", "3.bias"));
    // A tensor of the name of a wrapper is a tensor.
    let mut named = pickled(&tensor("0", 4, b"K\0", &[4], &[1]));
    assert_eq!(from_bytes(&named).unwrap()[0].0, "w");
    named = pickled(&replaced(&tensor("0", 4, b"K\0", &[4], &[1]), b"\x01\0\0\0w", b"\x05\0\0\0model"));
    assert_eq!(from_bytes(&named).unwrap()[0].0, "model");
    let both = b"\x80\x02}(X\x05\0\0\0model}X\x0a\0\0\0state_dict}u.";
    assert_eq!(
        refused(&pickled(both)),
        "has both `model` and `state_dict`: save the one that is meant by itself"
    );
    assert!(from_bytes(&pickled(b"\x80\x02}X\x05\0\0\0model}s.")).unwrap().is_empty());
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).position(|window| window == old).expect("nothing to replace");
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

#[test]
fn nothing_that_runs_is_read() {
    let message = |name: &str| refused(&bytes_of(name));
    assert_eq!(message("command.pt"), "would run `posix.system`: only plain state dicts are read");
    let command = pickled(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.");
    assert_eq!(refused(&command), "would run `os.system`: only plain state dicts are read");
    assert_eq!(
        message("whole_module.pt"),
        "holds an object of `torch.nn.modules.linear.Linear`, which only its own program can read: \
         save `model.state_dict()` and nothing else"
    );
    assert_eq!(
        message("sparse.pt"),
        "would run `torch._utils._rebuild_sparse_tensor`: only plain state dicts are read"
    );
    // Attributes are functions in disguise; so are the classes of persistent ids.
    assert!(refused(&pickled(b"\x80\x02}}X\x01\0\0\0aNsb.")).starts_with("sets attributes"));
    let attribute = b"\x80\x02ccollections\nOrderedDict\n)R}X\x07\0\0\0__len__Nsb.";
    assert!(refused(&pickled(attribute)).starts_with("sets attributes"));
    let long = pickled(format!("\u{80}\u{2}c{}\nx\n.", "a".repeat(500)).as_bytes());
    assert!(refused(&long).len() < 200);
}

#[test]
fn other_files_are_refused_with_what_to_do() {
    let message = |name: &str| refused(&bytes_of(name));
    let legacy = message("legacy.pt");
    assert!(legacy.starts_with("is a bare pickle,") && legacy.contains("weights_only=True"), "{legacy}");
    assert_eq!(
        message("truth.pt"),
        "the tensor `mask`: is of the type BoolStorage; weights are float16, bfloat16, float32, float64 or int64"
    );
    assert!(message("untyped.pt").starts_with("the tensor `count`: is of the type uint16;"));
    assert_eq!(
        message("negated.pt"),
        "the tensor `view`: is a conjugated or negated view: save its `.clone()`"
    );
    assert_eq!(refused(b""), "is empty");
    assert_eq!(refused(&bytes_of("all_sorts.safetensors")), "is not a file of torch.save");
    let script = archive(&[("x/data.pkl", b"\x80\x02}."), ("x/constants.pkl", b"\x80\x02).")]);
    assert!(refused(&script).starts_with("is an archive of TorchScript"));
    assert_eq!(refused(&archive(&[("a", b"b")])), "is a zip file, but not of torch.save: it has no data.pkl");
    let two = archive(&[("x/data.pkl", b"\x80\x02}."), ("y/data.pkl", b"\x80\x02}.")]);
    assert_eq!(refused(&two), "is not of torch.save: it has several data.pkl");
    let ordered = |order: &[u8]| archive(&[("x/data.pkl", b"\x80\x02}."), ("x/byteorder", order)]);
    assert!(from_bytes(&ordered(b"little")).unwrap().is_empty());
    assert!(refused(&ordered(b"big")).contains("big-endian"));
    assert!(refused(&ordered(b"middle")).contains("neither little nor big"));
    assert!(refused(&pickled(b"\x80\x04}.")).contains("without `pickle_protocol`"));
    assert!(refused(&pickled(b"(dp0\n.")).contains("without `pickle_protocol`"));
    assert_eq!(refused(&pickled(b"\x80\x02N.")), "holds no dictionary: save `model.state_dict()`");
    assert_eq!(
        refused(&pickled(b"\x80\x02}(X\x05\0\0\0epochK\x03X\x04\0\0\0lossNu.")),
        "holds a dictionary of `epoch`, `loss`, which is no state dict: `epoch` is not a tensor"
    );
    assert!(read(&fixture("none.pt")).unwrap_err().to_string().ends_with("there is no such file"));
    assert!(read(&fixture("")).unwrap_err().to_string().ends_with("it is not a file"));
}

#[test]
fn packed_entries_are_refused() {
    let mut bytes = pickled(b"\x80\x02}.");
    // The method of the first entry, in its own header and in the directory.
    let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    for at in [8, directory + 10] {
        bytes[at] = 8;
    }
    assert_eq!(
        refused(&bytes),
        "has the entry `x/data.pkl` packed: save it again with `torch.save`, which packs nothing"
    );
}

#[test]
fn tensors_lie_within_their_storage() {
    let good = |shape: &[u8], strides: &[u8]| from_bytes(&pickled(&tensor("0", 4, b"K\0", shape, strides)));
    assert_eq!(good(&[4], &[1]).unwrap()[0].1.dims(), [4]);
    assert_eq!(good(&[2, 3], &[1, 1]).unwrap()[0].1.dims(), [2, 3]);
    assert_eq!(good(&[0, 200], &[200, 1]).unwrap()[0].1.dims(), [0, 200]);
    let message = "the tensor `w`: goes beyond the 4 numbers that it lies in";
    assert_eq!(good(&[5], &[1]).unwrap_err(), message);
    assert_eq!(good(&[2, 2], &[3, 1]).unwrap_err(), message);
    let of = |key: &str, count: u8, offset: &[u8]| refused(&pickled(&tensor(key, count, offset, &[1], &[1])));
    assert_eq!(of("0", 4, b"K\x04"), message);
    assert_eq!(of("0", 4, b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), message);
    assert!(of("0", 4, b"J\xff\xff\xff\xff").contains("a tensor that cannot be"));
    assert!(of("0", 3, b"K\0").contains("should lie in 3 numbers, but there are 16 bytes"));
    assert!(of("1", 4, b"K\0").contains("the numbers `1` are missing"));
    // One number is as good as a billion to a stride of 0, but not to the memory.
    let wide = good(&[200, 200, 200, 200, 200], &[0; 5]).unwrap_err();
    assert!(wide.starts_with("the tensor `w`: it and those before it would take 8 times"), "{wide}");
    assert!(good(&[255; 40], &[0; 40]).unwrap_err().contains("is too large"));
    assert!(good(&[1; 65], &[1; 65]).unwrap_err().contains("a tensor that cannot be"));
    assert!(good(&[2, 2], &[1]).unwrap_err().contains("a tensor that cannot be"));
}

#[test]
fn small_pickles_do_not_grow() {
    // Each tuple holds the one before twice: 2^60 leaves to whoever copies them.
    let mut doubling = b"\x80\x02)q\0".to_vec();
    for place in 0..60u8 {
        doubling.extend([b'h', place, b'h', place, 0x86, b'q', place + 1]);
    }
    doubling.extend(b"0");
    assert!(refused(&pickled(&doubling)).contains("is no instruction"));
    doubling.pop();
    doubling.extend(b".");
    assert!(refused(&pickled(&doubling)).contains("is damaged"));
    // Deep, and a dictionary that holds itself.
    let deep = [b"\x80\x02".as_slice(), &vec![b'('; 100_000], b")", &vec![b't'; 100_000], b"."].concat();
    assert!(refused(&pickled(&deep)).contains("holds no dictionary"));
    assert!(refused(&pickled(b"\x80\x02}q\0X\x05\0\0\0modelh\0s.")).contains("`model` is not a tensor"));
    assert!(refused(&pickled(b"\x80\x02}r\xff\xff\xff\xff.")).contains("leaves out numbers"));
    let endless = [b"\x80\x02".as_slice(), &vec![b'N'; 5 << 20]].concat();
    assert!(refused(&pickled(&endless)).contains("more than 4194304 instructions"));
}

#[test]
fn no_damage_makes_a_panic() {
    let whole = bytes_of("all_sorts.pt");
    for end in 0..whole.len() {
        let message = refused(&whole[..end]);
        assert!(end < 30 || message.contains("is cut off"), "{end}: {message}");
    }
    let mut draws = Stream::new(1, Purpose::Synthetic, 0, 0).draws();
    let mut damaged = |bytes: &[u8], count: usize| -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..count {
            let position = draws.below(bytes.len() as u64) as usize;
            bytes[position] ^= 1 << draws.below(8);
        }
        bytes
    };
    for round in 0..4_000 {
        let _ = from_bytes(&damaged(&whole, 1 + round % 3));
    }
    // Behind the checksum.
    let mut zip = zip::ZipArchive::new(Cursor::new(&whole)).unwrap();
    let mut pickle = Vec::new();
    std::io::copy(&mut zip.by_name("all_sorts/data.pkl").unwrap(), &mut pickle).unwrap();
    let mut read = 0;
    for round in 0..8_000 {
        let pickle = damaged(&pickle, 1 + round % 3);
        let entries = (0..12).map(|key| (format!("x/data/{key}"), vec![1; 96])).collect::<Vec<_>>();
        let mut all = vec![("x/data.pkl", pickle.as_slice())];
        all.extend(entries.iter().map(|(name, content)| (name.as_str(), content.as_slice())));
        read += usize::from(from_bytes(&archive(&all)).is_ok());
    }
    assert!(read < 8_000);
    // Changed numbers are noticed.
    let at = whole.windows(4).position(|window| window == (1.0f32 / 7.0).to_le_bytes()).unwrap();
    let mut changed = whole.clone();
    changed[at] ^= 1;
    assert!(refused(&changed).contains("hecksum"), "{}", refused(&changed));
}
