//! Checkpoints: safetensors files with one metadata key, `runner`.
//!
//! The crate orders tensors by alignment and then by name, and one metadata key has only one order: equal
//! tensors and metadata give equal bytes. Reading checks everything against the length of the file before it
//! allocates anything, and the content against the checksum that a file with training state has in it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, View};

use super::file::{self, Durability};
use crate::model::seal;
use crate::model::state_dict::is_from_pytorch;
use crate::train::event::Snapshot;
use crate::{Error, Result};

/// What there is to say of a file of PyTorch's where a run or its checkpoint is wanted.
pub(super) const FROM_PYTORCH: &str = "is a file of PyTorch and no run of runner: `model.weights` in an experiment \
                                       takes it as what a run begins with, and with \
                                       `train.epochs = 0` the run measures it as it is";
/// The bytes in front of the header: its length.
const LENGTH: usize = 8;

/// What a checkpoint file holds.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Tensors on the CPU by their names, without the checksum.
    pub tensors: BTreeMap<String, Tensor>,
    /// The text under the metadata key `runner`; absent in files of other programs.
    pub metadata: Option<String>,
}

/// Writes weights and buffers.
pub fn save_model(
    path: &Path,
    weights: &[(String, Tensor)],
    metadata: &str,
    durability: Durability,
) -> Result<()> {
    file::write(path, &serialize(weights.iter(), metadata)?, durability)
}

/// Writes weights, buffers and training state, with a checksum of all that: `run.json` has none until the run
/// has ended, and a resume must not go on from a damaged file.
pub fn save_all(path: &Path, snapshot: &Snapshot<'_>, durability: Durability) -> Result<()> {
    let place = Tensor::zeros(seal::LENGTH, DType::U8, &Device::Cpu)?;
    let checksum = (seal::CHECKSUM.to_owned(), place);
    let tensors = snapshot.model.iter().chain(snapshot.training).chain(std::iter::once(&checksum));
    let mut bytes = serialize(tensors, snapshot.metadata)?;
    let header = split(&bytes).map(|(header, data)| (header, bytes.len() - data.len()));
    header
        .and_then(|(header, start)| seal::seal(&header, &mut bytes[start..]))
        .map_err(|error| Error::Bug(format!("a checkpoint could not be sealed: {error}")))?;
    file::write(path, &bytes, durability)
}

fn serialize<'a>(tensors: impl Iterator<Item = &'a (String, Tensor)>, metadata: &str) -> Result<Vec<u8>> {
    let mut entries = BTreeMap::new();
    for (name, tensor) in tensors {
        if name == "__metadata__" || entries.insert(name.as_str(), Entry::new(name, tensor)?).is_some() {
            return Err(Error::Bug(format!("a checkpoint cannot hold the tensor `{name}` twice")));
        }
    }
    let metadata = HashMap::from([(seal::KEY.to_owned(), metadata.to_owned())]);
    safetensors::serialize(entries, Some(metadata))
        .map_err(|error| Error::Bug(format!("a checkpoint could not be made: {error}")))
}

/// A tensor whose bytes can be lent: on the CPU, contiguous, of a type that we write.
struct Entry {
    tensor: Tensor,
    dtype: Dtype,
}

impl Entry {
    fn new(name: &str, tensor: &Tensor) -> Result<Self> {
        let dtype = match tensor.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::I64 => Dtype::I64,
            DType::U32 => Dtype::U32,
            DType::U8 => Dtype::U8,
            other => {
                return Err(Error::Bug(format!(
                    "the tensor `{name}` is {other:?}, which no checkpoint holds"
                )));
            }
        };
        // Both calls return the tensor itself where there is nothing to do.
        Ok(Self { tensor: tensor.to_device(&Device::Cpu)?.contiguous()?, dtype })
    }
}

impl View for Entry {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        self.tensor.dims()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let (storage, layout) = self.tensor.storage_and_layout();
        let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
            unreachable!("`Entry::new` made the tensor contiguous and moved it to the CPU");
        };
        Cow::Owned(match storage {
            CpuStorage::F32(values) => bytes(&values[start..end], f32::to_le_bytes),
            CpuStorage::F64(values) => bytes(&values[start..end], f64::to_le_bytes),
            CpuStorage::I64(values) => bytes(&values[start..end], i64::to_le_bytes),
            CpuStorage::U32(values) => bytes(&values[start..end], u32::to_le_bytes),
            CpuStorage::U8(values) => values[start..end].to_vec(),
            _ => unreachable!("`Entry::new` refused other types"),
        })
    }

    fn data_len(&self) -> usize {
        self.tensor.elem_count() * self.tensor.dtype().size_in_bytes()
    }
}

fn bytes<T: Copy, const N: usize>(values: &[T], of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut out = vec![0; values.len() * N];
    for (chunk, value) in out.chunks_exact_mut(N).zip(values) {
        chunk.copy_from_slice(&of(*value));
    }
    out
}

/// Reads a checkpoint; whatever is wrong with the file is an [`Error::Unreadable`], a content that does not match
/// the checksum in it included.
pub fn load(path: &Path) -> Result<Checkpoint> {
    from_bytes(path, &read(path)?)
}

/// The bytes of a checkpoint.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    file::read(path)?.ok_or_else(|| Error::unreadable(path, "there is no such checkpoint"))
}

/// As [`load`], for a file in memory; `path` is what errors call it.
pub fn from_bytes(path: &Path, content: &[u8]) -> Result<Checkpoint> {
    parse(content).map_err(|reason| {
        let is_foreign = is_from_pytorch(content);
        let reason =
            if is_foreign { FROM_PYTORCH.into() } else { format!("not a whole checkpoint: {reason}") };
        Error::unreadable(path, reason)
    })
}

/// The header and what follows it, of a file that is as long as its header says.
fn split(content: &[u8]) -> Result<(Metadata, &[u8]), String> {
    let (length, rest) = content.split_first_chunk::<LENGTH>().ok_or("it is too short")?;
    let header = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or("the header goes beyond the end of the file")?;
    let data = &rest[header.len()..];
    // Reading the header refuses tensors that overlap, leave gaps or disagree with their shape.
    let header: Metadata = serde_json::from_slice(header).map_err(|error| format!("the header: {error}"))?;
    if header.data_len() != data.len() {
        return Err(format!("the header speaks of {} bytes, there are {}", header.data_len(), data.len()));
    }
    Ok((header, data))
}

fn parse(content: &[u8]) -> Result<Checkpoint, String> {
    let (header, data) = split(content)?;
    seal::check(&header, data)?;
    let mut tensors = BTreeMap::new();
    for name in header.offset_keys().into_iter().filter(|name| name != seal::CHECKSUM) {
        let info = header.info(&name).ok_or("the header contradicts itself")?;
        let tensor = tensor(info, data).map_err(|reason| format!("tensor `{name}`: {reason}"))?;
        tensors.insert(name, tensor);
    }
    let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get(seal::KEY).cloned());
    Ok(Checkpoint { tensors, metadata })
}

fn tensor(info: &TensorInfo, data: &[u8]) -> Result<Tensor, String> {
    let data = data.get(info.data_offsets.0..info.data_offsets.1).ok_or("it goes beyond the end")?;
    // An empty tensor may have sides of any length, whose product candle takes without a check.
    let product = info.shape.iter().try_fold(1usize, |product, side| product.checked_mul((*side).max(1)));
    product.ok_or("its shape is too large")?;
    let shape = info.shape.as_slice();
    let made = match info.dtype {
        Dtype::F32 => Tensor::from_vec(numbers(data, f32::from_le_bytes), shape, &Device::Cpu),
        Dtype::F64 => Tensor::from_vec(numbers(data, f64::from_le_bytes), shape, &Device::Cpu),
        Dtype::I64 => Tensor::from_vec(numbers(data, i64::from_le_bytes), shape, &Device::Cpu),
        Dtype::U32 => Tensor::from_vec(numbers(data, u32::from_le_bytes), shape, &Device::Cpu),
        Dtype::U8 => Tensor::from_vec(data.to_vec(), shape, &Device::Cpu),
        other => return Err(format!("numbers of type {other:?} are not supported")),
    };
    made.map_err(|error| error.to_string())
}

fn numbers<T, const N: usize>(data: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|chunk| of(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn named(name: &str, tensor: Tensor) -> (String, Tensor) {
        (name.to_owned(), tensor)
    }

    fn model() -> Vec<(String, Tensor)> {
        let cpu = &Device::Cpu;
        vec![
            named("layers.0.weight", Tensor::new(&[[1f32, -0.0, f32::NAN], [2.5, 3.0, 1e-40]], cpu).unwrap()),
            named("layers.10.bias", Tensor::new(&[0.5f32], cpu).unwrap()),
            named("layers.2.num_batches_tracked", Tensor::new(7i64, cpu).unwrap()),
        ]
    }

    fn training() -> Vec<(String, Tensor)> {
        let cpu = &Device::Cpu;
        vec![
            named("training.history", Tensor::new(&[[0.1f64, f64::INFINITY]], cpu).unwrap()),
            named("training.step", Tensor::new(&[3u32, u32::MAX], cpu).unwrap()),
            named("training.flags", Tensor::new(&[1u8, 255], cpu).unwrap()),
            named("training.empty", Tensor::zeros((0, 4), DType::F32, cpu).unwrap()),
        ]
    }

    fn saved(folder: &Path) -> (std::path::PathBuf, Vec<u8>) {
        let path = folder.join("last.safetensors");
        let (model, training) = (model(), training());
        let snapshot = Snapshot { model: &model, best: None, training: &training, metadata: "{\"a\":1}" };
        save_all(&path, &snapshot, Durability::Later).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    }

    fn bits(tensor: &Tensor) -> Vec<u8> {
        Entry::new("x", tensor).unwrap().data().into_owned()
    }

    #[test]
    fn every_tensor_comes_back_bit_by_bit() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = saved(folder.path());
        let checkpoint = load(&path).unwrap();
        assert_eq!(checkpoint.metadata.as_deref(), Some("{\"a\":1}"));
        assert_eq!(checkpoint.tensors.len(), 7);
        for (name, tensor) in model().iter().chain(&training()) {
            let read = &checkpoint.tensors[name];
            assert_eq!(read.dims(), tensor.dims(), "{name}");
            assert_eq!(read.dtype(), tensor.dtype(), "{name}");
            assert_eq!(bits(read), bits(tensor), "{name}");
        }
    }

    #[test]
    fn the_model_alone_has_no_training_state_and_views_are_written_as_they_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let square = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
        let model = [named("w", square.t().unwrap()), named("row", square.get(1).unwrap())];
        let snapshot = Snapshot { model: &model, best: None, training: &training(), metadata: "" };
        save_model(&path, snapshot.model, snapshot.metadata, Durability::Later).unwrap();
        let checkpoint = load(&path).unwrap();
        assert_eq!(checkpoint.tensors["w"].to_vec2::<f32>().unwrap(), [[1.0, 3.0], [2.0, 4.0]]);
        assert_eq!(checkpoint.tensors["row"].to_vec1::<f32>().unwrap(), [3.0, 4.0]);
        assert_eq!(checkpoint.tensors.len(), 2);
    }

    #[test]
    fn bytes_do_not_depend_on_the_order_of_the_tensors() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = saved(folder.path());
        let (mut model, mut training) = (model(), training());
        model.reverse();
        training.reverse();
        let snapshot = Snapshot { model: &model, best: None, training: &training, metadata: "{\"a\":1}" };
        save_all(&path, &snapshot, Durability::Later).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn the_crate_reads_what_we_write() {
        let folder = tempfile::tempdir().unwrap();
        let (_, bytes) = saved(folder.path());
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.tensor("layers.0.weight").unwrap().shape(), [2, 3]);
        assert_eq!(read.tensor("training.checksum").unwrap().shape(), [32]);
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let half = [named("w", Tensor::zeros(1, DType::F16, &Device::Cpu).unwrap())];
        let one = named("w", Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap());
        let twice = [one.clone(), one];
        for model in [&half[..], &twice[..]] {
            let snapshot = Snapshot { model, best: None, training: &[], metadata: "" };
            assert!(matches!(
                save_model(&path, snapshot.model, snapshot.metadata, Durability::Later),
                Err(Error::Bug(_))
            ));
        }
        assert!(!path.exists());
    }

    #[test]
    fn every_truncation_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = saved(folder.path());
        for end in 0..bytes.len() {
            assert!(parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = load(&path).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
        let absent = load(&folder.path().join("none.safetensors")).unwrap_err();
        assert!(matches!(absent, Error::Unreadable { .. }), "{absent}");
    }

    #[test]
    fn every_flipped_bit_of_a_training_state_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = saved(folder.path());
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                assert!(parse(&damaged).is_err(), "bit {bit} of byte {position}");
            }
        }
        let mut damaged = bytes;
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let said = load(&path).unwrap_err().to_string();
        assert!(
            said.ends_with(
                "not a whole checkpoint: its content does not match the checksum in it, so it was damaged"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_training_state_that_another_program_wrote_anew_or_that_has_no_checksum_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = saved(folder.path());
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let anew = |without: &str| {
            let views = read.tensors().into_iter().filter(|(name, _)| name != without);
            let mut metadata = header.metadata().clone().unwrap();
            metadata.insert("another".to_owned(), "key".to_owned());
            let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
            std::fs::write(&path, bytes).unwrap();
            load(&path)
        };
        assert_eq!(anew("nothing").unwrap().tensors.len(), 7);
        assert_eq!(anew("training.checksum").unwrap().tensors.len(), 7);
        assert!(anew("training.step").unwrap_err().to_string().contains("it was damaged"));
    }

    #[test]
    fn no_damage_makes_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let (_, bytes) = saved(folder.path());
        let header = LENGTH + u64::from_le_bytes(bytes[..LENGTH].try_into().unwrap()) as usize;
        // Every bit of the length and the header, then pairs of bytes at random.
        for position in 0..header {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                let _ = parse(&damaged);
            }
        }
        let mut draws = Stream::new(1, Purpose::Synthetic, 0, 0).draws();
        for _ in 0..5_000 {
            let mut damaged = bytes.clone();
            for _ in 0..2 {
                let position = draws.below(bytes.len() as u64) as usize;
                damaged[position] = draws.bits() as u8;
            }
            let _ = parse(&damaged);
        }
    }

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn headers_that_lie_are_refused_without_a_large_allocation() {
        let max = u64::MAX;
        let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let cases = [
            // Far more data than there is.
            r#"{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#.to_owned(),
            // A shape whose product wraps around to the right length.
            format!(r#"{{"a":{{"dtype":"F32","shape":[{max},{max}],"data_offsets":[0,4]}}}}"#),
            // No numbers, but sides whose product overflows.
            format!(r#"{{"a":{{"dtype":"F32","shape":[0,{max},{max}],"data_offsets":[0,0]}}}}"#),
            // Backwards, with a gap, overlapping, another type.
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}"#.to_owned(),
            r#"{"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}"#.to_owned(),
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#
                .to_owned(),
            r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#.to_owned(),
            // Ends near the largest number there is.
            format!(
                r#"{{"a":{{"dtype":"U8","shape":[{end}],"data_offsets":[0,{end}]}}}}"#,
                end = u64::MAX / 8
            ),
            nested,
            "{}".to_owned(),
        ];
        for header in &cases {
            let result = parse(&with_header(header, &[0; 4]));
            assert!(result.is_err(), "{header}");
        }
        assert!(parse(&max.to_le_bytes()).is_err());
        assert!(parse(&with_header("{}", &[])).unwrap().tensors.is_empty());
    }

    #[test]
    fn a_file_of_pytorch_is_told_from_a_damaged_checkpoint() {
        let said = |content: &[u8]| from_bytes(Path::new("F"), content).unwrap_err().to_string();
        for start in
            [&b"PK\x03\x04 and so on"[..], b"\x80\x02cos\nsystem\n", b"\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c"]
        {
            assert_eq!(said(start), format!("F: {FROM_PYTORCH}"));
        }
        // A header of 640 bytes has the first two bytes of a pickle.
        assert!(said(b"\x80\x02\0\0\0\0\0\0{\"a\"").contains("not a whole checkpoint"));
    }
}
