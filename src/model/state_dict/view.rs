//! From a storage's bytes to a tensor.

use candle_core::{DType, Device, Tensor};

use super::shown;
use super::value::View;

impl View<'_> {
    /// The type of its numbers; says what is wrong where no weight is of it.
    pub fn dtype(&self) -> Result<DType, String> {
        let kind = self.storage.kind;
        let dtype = kind.dtype().ok_or_else(|| {
            let name = shown(kind.0);
            format!("is of the type {name}; weights are float16, bfloat16, float32, float64 or int64")
        })?;
        if self.altered {
            return Err("is a conjugated or negated view: save its `.clone()`".into());
        }
        Ok(dtype)
    }

    /// How many bytes its numbers take, each by itself.
    pub fn bytes(&self) -> Result<u64, String> {
        // An empty tensor may have sides of any length, whose product candle takes without a check.
        let product =
            self.shape.iter().try_fold(1u64, |product, side| product.checked_mul((*side).max(1) as u64));
        let size = self.dtype()?.size_in_bytes() as u64;
        let bytes = product.and_then(|product| product.checked_mul(size)).ok_or("is too large")?;
        Ok(if self.shape.contains(&0) { 0 } else { bytes })
    }

    /// The tensor, row-major on the CPU.
    pub fn tensor(&self, storage: &[u8]) -> Result<Tensor, String> {
        let dtype = self.dtype()?;
        let (stated, found) = (self.storage.count, storage.len());
        if stated.checked_mul(dtype.size_in_bytes()) != Some(found) {
            return Err(format!("should lie in {stated} numbers, but there are {found} bytes"));
        }
        self.check_bounds()?;
        let gathered;
        let data = match self.runs().as_slice() {
            _ if self.shape.contains(&0) => &[],
            [] => slice(storage, self.offset, 1, dtype),
            [(length, 1)] => slice(storage, self.offset, *length, dtype),
            runs => {
                gathered = match dtype.size_in_bytes() {
                    2 => gather(storage.as_chunks::<2>().0, self.offset, runs),
                    4 => gather(storage.as_chunks::<4>().0, self.offset, runs),
                    _ => gather(storage.as_chunks::<8>().0, self.offset, runs),
                };
                gathered.as_slice()
            }
        };
        Tensor::from_raw_buffer(data, dtype, &self.shape, &Device::Cpu).map_err(|error| error.to_string())
    }

    /// Holds the last number against the length of the storage.
    fn check_bounds(&self) -> Result<(), String> {
        if self.shape.contains(&0) {
            return Ok(());
        }
        let last =
            self.shape.iter().zip(&self.strides).try_fold(self.offset, |last, (side, stride)| {
                last.checked_add((side - 1).checked_mul(*stride)?)
            });
        match last {
            Some(last) if last < self.storage.count => Ok(()),
            _ => Err(format!("goes beyond the {} numbers that it lies in", self.storage.count)),
        }
    }

    /// Lengths and strides with sides of one left out and those in one stretch made one; the last is the
    /// innermost.
    fn runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (side, stride) in self.shape.iter().zip(&self.strides).filter(|(side, _)| **side != 1) {
            match runs.last_mut() {
                Some((length, step)) if side.checked_mul(*stride) == Some(*step) => {
                    (*length, *step) = (*length * side, *stride);
                }
                _ => runs.push((*side, *stride)),
            }
        }
        runs
    }
}

/// Numbers that lie in a stretch; [`View::check_bounds`] has seen them.
fn slice(storage: &[u8], offset: usize, count: usize, dtype: DType) -> &[u8] {
    let size = dtype.size_in_bytes();
    &storage[offset * size..(offset + count) * size]
}

/// The numbers in row-major order of `runs`.
fn gather<const N: usize>(storage: &[[u8; N]], offset: usize, runs: &[(usize, usize)]) -> Vec<u8> {
    let Some((&(length, stride), outer)) = runs.split_last() else { return Vec::new() };
    let rows: usize = outer.iter().map(|(length, _)| length).product();
    let mut values = Vec::with_capacity(rows * length * N);
    let (mut index, mut start) = (vec![0; outer.len()], offset);
    for _ in 0..rows {
        values.extend((0..length).flat_map(|step| storage[start + step * stride]));
        // As an odometer: the innermost goes on, and whichever is through starts again.
        for (at, (length, stride)) in index.iter_mut().zip(outer).rev() {
            *at += 1;
            start += stride;
            if *at < *length {
                break;
            }
            start -= *at * stride;
            *at = 0;
        }
    }
    values
}
