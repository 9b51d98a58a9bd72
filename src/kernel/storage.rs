//! Access to the numbers of a tensor on the CPU.

use std::sync::Mutex;

use candle_core::{CpuStorage, InplaceOp1, Layout, Storage, Tensor};

use super::Element;
use crate::{Error, Result};

/// Whether the tensor's numbers can be reached as a slice.
pub fn is_cpu(tensor: &Tensor) -> bool {
    tensor.device().is_cpu()
}

/// Lends the numbers of a contiguous CPU tensor.
pub fn read<T: Element, R>(tensor: &Tensor, body: impl FnOnce(&[T]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(Error::Bug("a CPU kernel was given a tensor of another device".into()));
    };
    let (start, end) = offsets(layout)?;
    Ok(body(&storage.as_slice::<T>()?[start..end]))
}

/// Lends the numbers of a contiguous CPU tensor for writing; every tensor that shares the storage sees it.
///
/// Calls nest as long as the tensors do not share storage.
pub fn write<T: Element, R>(tensor: &Tensor, body: impl FnOnce(&mut [T]) -> R) -> Result<R> {
    let op = Write { body: Mutex::new(Some(body)), result: Mutex::new(None) };
    tensor.inplace_op1(&Typed { op: &op, element: std::marker::PhantomData::<T> })?;
    let result = op.result.into_inner().map_err(|_| Error::Bug("a kernel panicked".into()))?;
    result.ok_or_else(|| Error::Bug("an in-place operation did not run".into()))
}

fn offsets(layout: &Layout) -> Result<(usize, usize)> {
    layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Bug("a CPU kernel was given a tensor that is not contiguous".into()))
}

struct Write<F, R> {
    body: Mutex<Option<F>>,
    result: Mutex<Option<R>>,
}

struct Typed<'a, T, F, R> {
    op: &'a Write<F, R>,
    element: std::marker::PhantomData<T>,
}

impl<T: Element, R, F: FnOnce(&mut [T]) -> R> InplaceOp1 for Typed<'_, T, F, R> {
    fn name(&self) -> &'static str {
        "write"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let poisoned = || candle_core::Error::Msg("a kernel panicked".into());
        let (start, end) = offsets(layout).map_err(candle_core::Error::wrap)?;
        let numbers = T::as_mut_slice(storage)?;
        let body = self.op.body.lock().map_err(|_| poisoned())?.take();
        if let Some(body) = body {
            let result = body(&mut numbers[start..end]);
            *self.op.result.lock().map_err(|_| poisoned())? = Some(result);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn writes_nest_and_are_seen_by_clones() {
        let a = Tensor::zeros(4, candle_core::DType::F32, &Device::Cpu).unwrap();
        let b = Tensor::ones(4, candle_core::DType::F32, &Device::Cpu).unwrap();
        let shared = a.clone();
        write::<f32, _>(&a, |a| write::<f32, _>(&b, |b| a[1] = b[1] + 1.0)).unwrap().unwrap();
        assert_eq!(read::<f32, _>(&shared, <[f32]>::to_vec).unwrap(), [0.0, 2.0, 0.0, 0.0]);
        assert!(write::<f64, _>(&a, |_| ()).is_err());
        assert!(read::<f32, _>(&a.reshape((2, 2)).unwrap().t().unwrap(), |_| ()).is_err());
    }
}
