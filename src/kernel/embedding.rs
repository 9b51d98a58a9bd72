//! Rows of a table by their numbers: ids `[R, B, T]`, w `[R, V, E]`, y `[R, B, T, E]`.
//!
//! The gradient of w is dense. Each row is added in the order of the ids, so its bytes do not depend on threads.

use candle_core::{DType, Device, Tensor};

use super::{Element, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// y: the row of w at each id.
///
/// # Errors
/// [`Error::Request`] for an id that is not below V.
pub fn forward(ids: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let sizes = Sizes::of(ids, weight.dims())?;
    let known = checked(ids, sizes)?;
    if !is_cpu(weight) {
        return composed_forward(ids, weight, sizes);
    }
    let weight = weight.contiguous()?;
    let y = with_element!(weight, T => slices_forward::<T>(&known, &weight, sizes))?;
    Ok(y.reshape(&sizes.output())?)
}

/// The gradient of w, of shape `shape`, for the gradient `dy` of y; that of the row `padding` is 0.
pub fn backward(ids: &Tensor, dy: &Tensor, shape: &[usize], padding: usize) -> Result<Tensor> {
    let sizes = Sizes::of(ids, shape)?;
    if dy.dims() != sizes.output() {
        return Err(Error::Bug(format!("an embedding was given a gradient of shape {:?}", dy.dims())));
    }
    let known = checked(ids, sizes)?;
    if !is_cpu(dy) {
        return composed_backward(ids, dy, sizes, padding);
    }
    let dy = dy.contiguous()?;
    with_element!(dy, T => slices_backward::<T>(&known, &dy, sizes, padding))
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    runs: usize,
    batch: usize,
    steps: usize,
    rows: usize,
    width: usize,
}

impl Sizes {
    fn of(ids: &Tensor, weight: &[usize]) -> Result<Self> {
        let (runs, batch, steps) = ids.dims3()?;
        match *weight {
            [weight_runs, rows, width] if weight_runs == runs && width > 0 && ids.dtype() == DType::U32 => {
                Ok(Self { runs, batch, steps, rows, width })
            }
            _ => {
                let (ids, of) = (ids.dims(), ids.dtype());
                Err(Error::Bug(format!("an embedding of weight {weight:?} was given {ids:?} of {of:?}")))
            }
        }
    }

    fn output(&self) -> [usize; 4] {
        [self.runs, self.batch, self.steps, self.width]
    }

    /// Ids of one run.
    fn ids(&self) -> usize {
        self.batch * self.steps
    }
}

/// The ids in order, each below V.
fn checked(ids: &Tensor, sizes: Sizes) -> Result<Vec<u32>> {
    let ids: Vec<u32> = ids.flatten_all()?.to_device(&Device::Cpu)?.to_vec1()?;
    match ids.iter().find(|id| **id as usize >= sizes.rows) {
        None => Ok(ids),
        Some(id) => Err(Error::Request(format!(
            "the data holds the token {id} but the embedding has {} rows, for tokens from 0; check \
             num_embeddings and the vocabulary",
            sizes.rows
        ))),
    }
}

fn slices_forward<T: Element>(ids: &[u32], weight: &Tensor, sizes: Sizes) -> Result<Tensor> {
    let Sizes { rows, width, .. } = sizes;
    let mut y: Vec<T> = Vec::with_capacity(ids.len() * width);
    read::<T, _>(weight, |weight| {
        let tables = weight.chunks_exact((rows * width).max(1));
        for (ids, table) in ids.chunks_exact(sizes.ids().max(1)).zip(tables) {
            for id in ids {
                y.extend_from_slice(&table[*id as usize * width..][..width]);
            }
        }
    })?;
    Ok(Tensor::from_vec(y, ids.len() * width, &Device::Cpu)?)
}

fn slices_backward<T: Element>(ids: &[u32], dy: &Tensor, sizes: Sizes, padding: usize) -> Result<Tensor> {
    let Sizes { runs, rows, width, .. } = sizes;
    let mut dw = vec![T::ZERO; runs * rows * width];
    read::<T, _>(dy, |dy| {
        let gradients = dy.chunks_exact((sizes.ids() * width).max(1));
        let tables = dw.chunks_exact_mut((rows * width).max(1));
        for ((ids, dy), table) in ids.chunks_exact(sizes.ids().max(1)).zip(gradients).zip(tables) {
            simd(
                #[inline(always)]
                || {
                    for (id, dy) in ids.iter().zip(dy.chunks_exact(width)) {
                        if *id as usize != padding {
                            let row = &mut table[*id as usize * width..][..width];
                            row.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += *dy);
                        }
                    }
                },
            );
        }
    })?;
    Ok(Tensor::from_vec(dw, (runs, rows, width), &Device::Cpu)?)
}

fn composed_forward(ids: &Tensor, weight: &Tensor, sizes: Sizes) -> Result<Tensor> {
    let of = |run: usize| -> Result<Tensor> {
        let ids = ids.get(run)?.flatten_all()?.to_device(weight.device())?;
        Ok(weight.get(run)?.contiguous()?.index_select(&ids, 0)?)
    };
    let runs: Vec<Tensor> = (0..sizes.runs).map(of).collect::<Result<_>>()?;
    Ok(Tensor::stack(&runs, 0)?.reshape(&sizes.output())?)
}

fn composed_backward(ids: &Tensor, dy: &Tensor, sizes: Sizes, padding: usize) -> Result<Tensor> {
    let Sizes { rows, width, .. } = sizes;
    let zero = Tensor::zeros((rows, width), dy.dtype(), dy.device())?;
    let learns: Vec<u8> = (0..rows).map(|row| u8::from(row != padding)).collect();
    let learns =
        Tensor::from_vec(learns, (rows, 1), dy.device())?.broadcast_as((rows, width))?.contiguous()?;
    let of = |run: usize| -> Result<Tensor> {
        let ids = ids.get(run)?.flatten_all()?.to_device(dy.device())?;
        let dy = dy.get(run)?.contiguous()?.reshape((sizes.ids(), width))?;
        Ok(learns.where_cond(&zero.index_add(&ids, &dy, 0)?, &zero)?)
    };
    let runs: Vec<Tensor> = (0..sizes.runs).map(of).collect::<Result<_>>()?;
    Ok(Tensor::stack(&runs, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers};

    fn ids(ids: &[u32], shape: &[usize]) -> Tensor {
        Tensor::from_slice(ids, shape, &Device::Cpu).unwrap()
    }

    /// ```python
    /// # PyTorch 2.15
    /// e = torch.nn.Embedding(4, 2, padding_idx=0).double()
    /// e.weight.data = torch.tensor([[0., 0.], [1., 2.], [3., 4.], [5., 6.]])
    /// y = e(torch.tensor([[3, 1, 3], [1, 0, 0]])); (y * torch.arange(12.).reshape(2, 3, 2)).sum().backward()
    /// print(y, e.weight.grad)
    /// ```
    #[test]
    fn agrees_with_pytorch() {
        let weight = Tensor::arange(-1.0, 7.0, &Device::Cpu).unwrap().reshape((1, 4, 2)).unwrap();
        let ids = ids(&[3, 1, 3, 1, 0, 0], &[1, 2, 3]);
        let y = forward(&ids, &weight).unwrap();
        assert_eq!(numbers(&y), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0, 1.0, 2.0, -1.0, 0.0, -1.0, 0.0]);
        let dy = Tensor::arange(0.0, 12.0, &Device::Cpu).unwrap().reshape((1, 2, 3, 2)).unwrap();
        let dw = backward(&ids, &dy, &[1, 4, 2], 0).unwrap();
        assert_eq!(numbers(&dw), [0.0, 0.0, 8.0, 10.0, 0.0, 0.0, 4.0, 6.0]);
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences_for_two_runs() {
        let ids = ids(&[1, 3, 3, 0, 2, 2, 4, 4, 0, 1, 1, 3], &[2, 3, 2]).transpose(1, 2).unwrap();
        let (weight, dy) = (normal(1, &[2, 5, 3], DType::F64), normal(2, &[2, 2, 3, 3], DType::F64));
        let expected = differences(&weight, |weight| dot(&forward(&ids, weight).unwrap(), &dy));
        let found = numbers(&backward(&ids, &dy, weight.dims(), 5).unwrap());
        assert_close(&found, &expected, 1e-8);
        let padded = numbers(&backward(&ids, &dy, weight.dims(), 3).unwrap());
        for (index, (padded, found)) in padded.iter().zip(&found).enumerate() {
            let is_padding = index / 3 % 5 == 3;
            assert_close(&[*padded], &[if is_padding { 0.0 } else { *found }], 0.0);
        }
    }

    #[test]
    fn slices_and_composition_agree() {
        let ids = ids(&[1, 3, 3, 0, 2, 2, 4, 4, 0, 1, 1, 3], &[2, 3, 2]);
        let weight = normal(1, &[2, 5, 3], DType::F32);
        let sizes = Sizes::of(&ids, weight.dims()).unwrap();
        let y = forward(&ids, &weight).unwrap();
        assert_same(&y, &composed_forward(&ids, &weight, sizes).unwrap(), 0.0);
        let dy = normal(2, y.dims(), DType::F32);
        let dw = backward(&ids, &dy, weight.dims(), 0).unwrap();
        assert_same(&dw, &composed_backward(&ids, &dy, sizes, 0).unwrap(), 1e-6);
    }

    #[test]
    fn tokens_outside_the_table_and_other_numbers_are_errors() {
        let weight = normal(1, &[1, 4, 2], DType::F32);
        let found = forward(&ids(&[0, 4], &[1, 1, 2]), &weight);
        assert!(matches!(found, Err(Error::Request(text)) if text.contains("the token 4")));
        assert!(forward(&ids(&[u32::MAX], &[1, 1, 1]), &weight).is_err());
        assert!(forward(&normal(1, &[1, 1, 2], DType::F32), &weight).is_err());
        assert!(forward(&ids(&[0], &[1, 1]), &weight).is_err());
        let dy = normal(1, &[1, 1, 1, 3], DType::F32);
        assert!(backward(&ids(&[0], &[1, 1, 1]), &dy, &[1, 4, 2], 0).is_err());
        assert_eq!(forward(&ids(&[], &[1, 0, 3]), &weight).unwrap().dims(), [1, 0, 3, 2]);
    }
}
