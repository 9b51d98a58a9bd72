//! A model's tensors by their `PyTorch` names: giving them out, taking them in, and reading them from a file.
//!
//! The names are those of a `PyTorch` module whose attribute `layers` is the `nn.Sequential` of the layers; the
//! run axis is left out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;

use super::chain::Place;
use super::network::Model;
use super::{seal, state_dict};
use crate::{Error, Result};

/// `PyTorch` writes it, and a file from elsewhere may lack it: nothing is computed from it.
const OPTIONAL: &str = "num_batches_tracked";
/// What the state of a training is called by in a checkpoint.
const TRAINING: &str = "training.";
/// What safetensors allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;

impl Model {
    /// Weights and buffers in the order of the layers. They share storage with the model, which changes
    /// them when it is trained: see [`snapshot`](Self::snapshot).
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = Vec::new();
        for Place { name: place, layer } in self.places() {
            for (name, one) in layer.parameters() {
                tensors.push((format!("{place}.{name}"), one.value.squeeze(0)?));
            }
            for (name, value) in layer.buffers()? {
                tensors.push((format!("{place}.{name}"), value.squeeze(0)?));
            }
        }
        Ok(tensors)
    }

    /// As [`tensors`](Self::tensors), with numbers of their own.
    pub fn snapshot(&self) -> Result<Vec<(String, Tensor)>> {
        self.tensors()?.into_iter().map(|(name, tensor)| Ok((name, tensor.copy()?))).collect()
    }

    /// Puts tensors in the place of the model's own. Nothing changes if any of them does not fit.
    ///
    /// A shape that differs is an [`Error::Request`]; so are, if `strict`, a tensor that the model does not
    /// have and one that is missing, but for `num_batches_tracked`.
    pub fn load_tensors(&mut self, tensors: &[(String, Tensor)], strict: bool) -> Result<()> {
        let own = self.tensors()?;
        let given: BTreeMap<&str, &Tensor> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        check_fit(&own, &given, strict)?;
        let mut ready: BTreeMap<String, Tensor> = BTreeMap::new();
        for (name, like) in own {
            if let Some(tensor) = given.get(name.as_str()) {
                let tensor = tensor.to_dtype(like.dtype())?.to_device(&self.device)?;
                // A copy even where type and device are right: the caller's tensor may change, and so may ours.
                ready.insert(name, tensor.copy()?.unsqueeze(0)?);
            }
        }
        for Place { name: place, layer } in self.places_mut() {
            for (name, one) in layer.parameters_mut() {
                if let Some(value) = ready.remove(&format!("{place}.{name}")) {
                    one.value = value;
                    one.gradient = None;
                }
            }
            let buffers: Vec<&'static str> = layer.buffers()?.into_iter().map(|(name, _)| name).collect();
            for name in buffers {
                if let Some(value) = ready.remove(&format!("{place}.{name}")) {
                    layer.set_buffer(name, value)?;
                }
            }
        }
        Ok(())
    }
}

fn check_fit(own: &[(String, Tensor)], given: &BTreeMap<&str, &Tensor>, strict: bool) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, like) in own {
        match given.get(name.as_str()) {
            Some(tensor) if tensor.dims() != like.dims() => wrong.push(format!(
                "{name} has the shape {:?}, the model wants {:?}",
                tensor.dims(),
                like.dims()
            )),
            None if strict && !name.ends_with(OPTIONAL) => wrong.push(format!("{name} is missing")),
            _ => {}
        }
    }
    if strict {
        let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        let unknown = given.keys().filter(|name| !names.contains(name));
        wrong.extend(unknown.map(|name| format!("the model has no {name}")));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(8);
    wrong.truncate(8);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    Err(Error::Request(format!("the weights do not fit the model: {}{more}", wrong.join("; "))))
}

/// The tensors of a file that a model may begin with: a safetensors file, less the state of a training that it
/// may hold, or a `PyTorch` state dict in the order of its entries.
pub fn read_weights(path: &Path) -> Result<Vec<(String, Tensor)>> {
    if is_state_dict(path) {
        return state_dict::read(path);
    }
    let mut tensors = read_tensors(path)?;
    tensors.retain(|(name, _)| !name.starts_with(TRAINING));
    Ok(tensors)
}

/// By its name, or by its first bytes: those of an archive.
pub(super) fn is_state_dict(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_named = ["pt", "pth"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    is_named || {
        let mut head = [0; 4];
        // A pipe has no length, and waiting for a writer is no way to find out what it is.
        let is_file = std::fs::metadata(path).is_ok_and(|about| about.is_file());
        is_file
            && std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
            && head == *state_dict::ARCHIVE
    }
}

/// The tensors of a safetensors file on the CPU, sorted by name; without a checksum, which is [checked](seal::check).
///
/// The header is read first and compared with the file's size, so that a damaged or foreign file is an
/// [`Error::Unreadable`] before any of its data is in memory.
pub fn read_tensors(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let (file, size) = open_file(path)?;
    read_tensors_from(path, file, size)
}

/// As [`read_tensors`], from a source of `size` bytes that is open already; `path` is what errors call it.
pub fn read_tensors_from(path: &Path, source: impl Read, size: u64) -> Result<Vec<(String, Tensor)>> {
    let bytes = read_checked(path, source, size)?;
    let damaged = |error: safetensors::SafeTensorError| unreadable(path, &error);
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut names = file.names();
    names.sort_unstable();
    let mut tensors = Vec::with_capacity(names.len());
    for name in names.into_iter().filter(|name| *name != seal::CHECKSUM) {
        let view = file.tensor(name).map_err(damaged)?;
        let tensor = view.load(&Device::Cpu).map_err(|error| {
            let kind = view.dtype();
            Error::unreadable(path, format!("{name}, of type {kind:?}, cannot be read: {error}"))
        })?;
        if !matches!(tensor.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64 | DType::I64) {
            let kind = view.dtype();
            return Err(Error::unreadable(path, format!("{name} is of type {kind:?}, which no weight is")));
        }
        tensors.push((name.to_owned(), tensor));
    }
    Ok(tensors)
}

/// Opens a file that was named in the settings; how many bytes it has.
pub(super) fn open_file(path: &Path) -> Result<(File, u64)> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::unreadable(path, "there is no such file"),
        _ => Error::io("read", path)(error),
    };
    // Before the file is opened: opening a named pipe would wait for a writer.
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(Error::unreadable(path, "it is not a file"));
    }
    Ok((File::open(path).map_err(failed)?, about.len()))
}

/// The content of a file that is as long as its header says.
fn read_checked(path: &Path, mut source: impl Read, size: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut take = |bytes: &mut Vec<u8>, count: u64| -> Result<()> {
        let wanted = bytes.len() as u64 + count;
        source.by_ref().take(count).read_to_end(bytes).map_err(Error::io("read", path))?;
        if bytes.len() as u64 == wanted { Ok(()) } else { Err(unreadable(path, &"it is cut off")) }
    };
    take(&mut bytes, 8)?;
    let mut length = [0; 8];
    length.copy_from_slice(&bytes);
    let header = u64::from_le_bytes(length);
    if header > MAX_HEADER_BYTES || header > size {
        return Err(unreadable(path, &"its header would be longer than the file"));
    }
    take(&mut bytes, header)?;
    let metadata: Metadata = serde_json::from_slice(&bytes[8..]).map_err(|error| unreadable(path, &error))?;
    let start = bytes.len();
    let data = metadata.data_len() as u64;
    if (8 + header).checked_add(data) != Some(size) {
        let (stated, found) = (data, size.saturating_sub(8 + header));
        return Err(unreadable(path, &format!("it should have {stated} bytes of tensors and has {found}")));
    }
    take(&mut bytes, data)?;
    seal::check(&metadata, &bytes[start..]).map_err(|reason| unreadable(path, &reason))?;
    Ok(bytes)
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::unreadable(path, format!("it is damaged or not a safetensors file: {reason}"))
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::{Dtype, TensorView, serialize};

    use super::*;
    use crate::kernel::checks::{normal, numbers};
    use crate::model::{ArchitectureConfig, MlpConfig, ModelConfig, ModelSettings, Pass};
    use crate::sample::SampleShape;

    type Named = Vec<(String, Tensor)>;

    fn config() -> ModelConfig {
        let mlp = MlpConfig { layers: None, hidden: Some(vec![3]), ..MlpConfig::default() };
        ModelConfig { common: ModelSettings::default(), kind: ArchitectureConfig::Mlp(mlp) }
    }

    fn model(seed: u64) -> Model {
        Model::build(&config(), &SampleShape::Numbers(vec![2]), 2, seed, DType::F32, &Device::Cpu).unwrap()
    }

    fn trained() -> Model {
        let mut model = model(1);
        let x = normal(1, &[1, 4, 2], DType::F32);
        model.forward(&x, &Pass::training(&[1], 1)).unwrap();
        model
    }

    fn same(a: &[(String, Tensor)], b: &[(String, Tensor)]) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| {
                a.0 == b.0
                    && a.1.dtype() == b.1.dtype()
                    && a.1.dims() == b.1.dims()
                    && numbers(&a.1) == numbers(&b.1)
            })
    }

    #[test]
    fn a_file_brings_weights_and_buffers_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let tensors = trained().tensors().unwrap();
        let map: std::collections::HashMap<String, Tensor> = tensors.iter().cloned().collect();
        candle_core::safetensors::save(&map, &path).unwrap();
        let mut config = config();
        config.common.weights = Some(path);
        let loaded =
            Model::build(&config, &SampleShape::Numbers(vec![2]), 2, 99, DType::F32, &Device::Cpu).unwrap();
        assert!(same(&loaded.tensors().unwrap(), &tensors));
        assert!(!same(&model(99).tensors().unwrap(), &tensors));
        // Another number type is converted.
        let wide =
            Model::build(&config, &SampleShape::Numbers(vec![2]), 2, 99, DType::F64, &Device::Cpu).unwrap();
        assert_eq!(numbers(&wide.tensors().unwrap()[0].1), numbers(&tensors[0].1));
    }

    #[test]
    fn a_snapshot_and_what_was_loaded_have_numbers_of_their_own() {
        let mut first = trained();
        let snapshot = first.snapshot().unwrap();
        let kept = numbers(&snapshot[0].1);
        let mut second = model(2);
        second.load_tensors(&first.tensors().unwrap(), true).unwrap();
        let one = &first.parameters_mut()[0].1.value;
        crate::kernel::write::<f32, _>(one, |numbers| numbers.fill(5.0)).unwrap();
        assert_eq!(numbers(&first.tensors().unwrap()[0].1), [5.0; 6]);
        assert_eq!(numbers(&snapshot[0].1), kept);
        assert_eq!(numbers(&second.tensors().unwrap()[0].1), kept);
    }

    #[test]
    fn what_does_not_fit_is_named_and_changes_nothing() {
        let good = trained().tensors().unwrap();
        let refused = |change: &dyn Fn(&mut Named), strict: bool| -> Option<String> {
            let (mut given, mut model) = (good.clone(), model(3));
            let before = model.snapshot().unwrap();
            change(&mut given);
            let error = model.load_tensors(&given, strict).err()?;
            assert!(same(&before, &model.tensors().unwrap()));
            Some(error.to_string())
        };
        let without = |name: &'static str| move |all: &mut Vec<_>| all.retain(|(n, _)| n != name);
        let missing = refused(&without("layers.2.running_var"), true).unwrap();
        assert_eq!(missing, "the weights do not fit the model: layers.2.running_var is missing");
        assert_eq!(refused(&without("layers.2.num_batches_tracked"), true), None);
        assert_eq!(refused(&without("layers.2.running_var"), false), None);
        let add = |all: &mut Vec<(String, Tensor)>| all.push(("layers.9.weight".into(), all[0].1.clone()));
        let unknown = refused(&add, true).unwrap();
        assert_eq!(unknown, "the weights do not fit the model: the model has no layers.9.weight");
        assert_eq!(refused(&add, false), None);
        let turn = |all: &mut Vec<(String, Tensor)>| all[0].1 = all[0].1.t().unwrap();
        for strict in [true, false] {
            let shape = refused(&turn, strict).unwrap();
            assert_eq!(
                shape,
                "the weights do not fit the model: layers.0.weight has the shape [2, 3], the model wants [3, 2]"
            );
        }
    }

    fn file() -> Vec<u8> {
        let data: Vec<u8> = [1f32, 2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2], &data).unwrap();
        serialize([("b", &view), ("a", &view)], None).unwrap()
    }

    #[test]
    fn tensors_come_sorted_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, file()).unwrap();
        let tensors = read_tensors(&path).unwrap();
        let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(numbers(&tensors[0].1), [1.0, 2.0]);
    }

    #[test]
    fn damaged_and_foreign_files_are_unreadable_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let refuse = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            match read_tensors(&path) {
                Err(Error::Unreadable { reason, .. }) => reason,
                other => panic!("{other:?}"),
            }
        };
        let good = file();
        for length in 0..good.len() {
            refuse(&good[..length]);
        }
        refuse(&[good.clone(), vec![0]].concat());
        refuse(&[0xff; 64]);
        refuse(b"PK\x03\x04 this is a zip, as torch.save writes");
        let header = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &[0; 8]].concat();
        for text in [
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}"#,
            r#"{"a":{"dtype":"X32","shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}"#,
            "[[[[[[[[",
        ] {
            let bytes = header(text);
            refuse(&bytes);
        }
        assert!(matches!(read_tensors(folder.path()), Err(Error::Unreadable { .. })));
        assert!(matches!(read_tensors(&folder.path().join("none")), Err(Error::Unreadable { .. })));
    }
}
