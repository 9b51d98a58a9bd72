//! y = x wᵀ + b for each run: x `[R, B, in]`, w `[R, out, in]`, b `[R, out]`, y `[R, B, out]`.
//!
//! On the CPU the products go to the `gemm` crate with strides in place of transposed copies; the bias is
//! written first and the product added to it, so that y is written once. Sums run in a fixed order: any
//! number of threads gives the same bits. Elsewhere the same is composed of batched matrix products.

use candle_core::{Device, Tensor};

use super::columns::column_sums;
use super::product::{Matrix, add_product, append_product};
use super::{Element, both, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// Which gradients [`backward`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// dw = dyᵀ x.
    pub weight: bool,
    /// db = Σ dy over the batch.
    pub bias: bool,
    /// dx = dy w.
    pub input: bool,
}

/// What [`backward`] was asked for.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// `[R, out, in]`.
    pub weight: Option<Tensor>,
    /// `[R, out]`.
    pub bias: Option<Tensor>,
    /// `[R, B, in]`.
    pub input: Option<Tensor>,
}

/// y = x wᵀ + b.
pub fn forward(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let sizes = Sizes::of(x, weight)?;
    if bias.is_some_and(|bias| bias.dims() != [sizes.runs, sizes.outputs]) {
        return Err(Error::Bug("a linear layer's bias does not fit its weight".into()));
    }
    if !is_cpu(x) {
        return composed_forward(x, weight, bias);
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    with_element!(x, T => slices_forward::<T>(sizes, &x, &weight, bias))
}

/// The gradients of `weight`, of the bias and of `x` for the gradient `dy` of y.
pub fn backward(x: &Tensor, weight: &Tensor, dy: &Tensor, need: Need) -> Result<Gradients> {
    let sizes = Sizes::of(x, weight)?;
    if dy.dims() != [sizes.runs, sizes.batch, sizes.outputs] {
        return Err(Error::Bug(format!("a linear layer was given a gradient of shape {:?}", dy.dims())));
    }
    if !is_cpu(x) {
        return composed_backward(x, weight, dy, need);
    }
    let (x, weight, dy) = (x.contiguous()?, weight.contiguous()?, dy.contiguous()?);
    with_element!(x, T => slices_backward::<T>(sizes, &x, &weight, &dy, need))
}

#[derive(Clone, Copy)]
struct Sizes {
    runs: usize,
    batch: usize,
    inputs: usize,
    outputs: usize,
}

impl Sizes {
    fn of(x: &Tensor, weight: &Tensor) -> Result<Self> {
        let (runs, batch, inputs) = x.dims3()?;
        let (weight_runs, outputs, weight_inputs) = weight.dims3()?;
        if (runs, inputs) != (weight_runs, weight_inputs) || outputs == 0 {
            let (x, weight) = (x.dims(), weight.dims());
            return Err(Error::Bug(format!("a linear layer of weight {weight:?} was given {x:?}")));
        }
        Ok(Self { runs, batch, inputs, outputs })
    }
}

fn composed_forward(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.matmul(&weight.transpose(1, 2)?)?;
    Ok(match bias {
        Some(bias) => y.broadcast_add(&bias.unsqueeze(1)?)?,
        None => y,
    })
}

fn composed_backward(x: &Tensor, weight: &Tensor, dy: &Tensor, need: Need) -> Result<Gradients> {
    let dy = dy.contiguous()?;
    Ok(Gradients {
        weight: need.weight.then(|| dy.transpose(1, 2)?.matmul(x)).transpose()?,
        bias: need.bias.then(|| dy.sum(1)).transpose()?,
        input: need.input.then(|| dy.matmul(weight)).transpose()?,
    })
}

fn slices_forward<T: Element>(
    sizes: Sizes,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let Sizes { runs, batch, inputs, outputs } = sizes;
    let bias = bias.map(Tensor::contiguous).transpose()?;
    let mut y: Vec<T> = Vec::with_capacity(runs * batch * outputs);
    if let Some(bias) = &bias {
        read::<T, _>(bias, |bias| {
            for bias in bias.chunks_exact(outputs) {
                (0..batch).for_each(|_| y.extend_from_slice(bias));
            }
        })?;
    }
    read::<T, _>(x, |x| {
        read::<T, _>(weight, |weight| {
            for run in 0..runs {
                let x = Matrix::rows(&x[run * batch * inputs..], batch, inputs);
                let weight = Matrix::rows(&weight[run * outputs * inputs..], outputs, inputs);
                if bias.is_some() {
                    let start = run * batch * outputs;
                    add_product(&mut y[start..start + batch * outputs], x, weight.transposed());
                } else {
                    append_product(&mut y, x, weight.transposed());
                }
            }
        })
    })??;
    Ok(Tensor::from_vec(y, (runs, batch, outputs), &Device::Cpu)?)
}

fn slices_backward<T: Element>(
    sizes: Sizes,
    x: &Tensor,
    weight: &Tensor,
    dy: &Tensor,
    need: Need,
) -> Result<Gradients> {
    let Sizes { runs, batch, inputs, outputs } = sizes;
    let new = |numbers: Vec<T>, shape: &[usize]| Tensor::from_vec(numbers, shape, &Device::Cpu);
    read::<T, _>(dy, |dy| {
        let gradient = |run: usize| Matrix::rows(&dy[run * batch * outputs..], batch, outputs);
        let weight_gradient = || {
            let mut dw = Vec::with_capacity(runs * outputs * inputs);
            read::<T, _>(x, |x| {
                for run in 0..runs {
                    let x = Matrix::rows(&x[run * batch * inputs..], batch, inputs);
                    append_product(&mut dw, gradient(run).transposed(), x);
                }
            })?;
            Ok::<_, Error>(new(dw, &[runs, outputs, inputs])?)
        };
        let input_gradient = || {
            let mut dx = Vec::with_capacity(runs * batch * inputs);
            read::<T, _>(weight, |weight| {
                for run in 0..runs {
                    let weight = Matrix::rows(&weight[run * outputs * inputs..], outputs, inputs);
                    append_product(&mut dx, gradient(run), weight);
                }
            })?;
            Ok::<_, Error>(new(dx, &[runs, batch, inputs])?)
        };
        let bias_gradient = || {
            let mut db = Vec::with_capacity(runs * outputs);
            for run in 0..runs {
                let dy = gradient(run).numbers();
                db.extend(
                    simd(
                        #[inline(always)]
                        || sum_rows(dy, outputs),
                    )
                    .into_iter()
                    .map(T::of),
                );
            }
            Ok::<_, Error>(new(db, &[runs, outputs])?)
        };
        let bias = need.bias.then(bias_gradient).transpose()?;
        let (weight, input) = if need.weight && need.input {
            // Two products of one size: a thread each has less to wait for than both in each of them.
            let (weight, input) = both(weight_gradient, input_gradient);
            (Some(weight?), Some(input?))
        } else {
            (need.weight.then(weight_gradient).transpose()?, need.input.then(input_gradient).transpose()?)
        };
        Ok(Gradients { weight, bias, input })
    })?
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
fn sum_rows<T: Element>(numbers: &[T], width: usize) -> Vec<f64> {
    let [sums] = column_sums::<T, 1>(numbers.len() / width, width, |row, [sum]| {
        for (sum, x) in sum.iter_mut().zip(&numbers[row * width..][..width]) {
            *sum += *x;
        }
    });
    sums
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::kernel::checks::{
        assert_close, assert_same, differences, dot, normal, numbers, on_threads, tensor,
    };
    use crate::rng::{Purpose, Stream};

    const ALL: Need = Need { weight: true, bias: true, input: true };

    /// ```python
    /// # PyTorch 2.15
    /// l = torch.nn.Linear(3, 2).double()
    /// l.weight.copy_(torch.tensor([[0.5, -1., 2.], [1.5, 0.25, -0.75]])); l.bias.copy_(torch.tensor([0.125, -0.25]))
    /// x = torch.tensor([[1., 2., 3.], [-1., 0.5, 0.25]], dtype=torch.float64, requires_grad=True)
    /// y = l(x); (y * y).sum().backward(); print(y, x.grad, l.weight.grad, l.bias.grad)
    /// ```
    #[test]
    fn agrees_with_pytorch() {
        let x = tensor(&[1.0, 2.0, 3.0, -1.0, 0.5, 0.25], &[1, 2, 3]);
        let weight = tensor(&[0.5, -1.0, 2.0, 1.5, 0.25, -0.75], &[1, 2, 3]);
        let bias = tensor(&[0.125, -0.25], &[1, 2]);
        let y = forward(&x, &weight, Some(&bias)).unwrap();
        assert_close(&numbers(&y), &[4.625, -0.5, -0.375, -1.8125], 1e-15);
        let found = backward(&x, &weight, &(&y * 2.0).unwrap(), ALL).unwrap();
        let dx = [3.125, -9.5, 19.25, -5.8125, -0.15625, 1.21875];
        assert_close(&numbers(&found.input.unwrap()), &dx, 1e-15);
        let dw = [10.0, 18.125, 27.5625, 2.625, -3.8125, -3.90625];
        assert_close(&numbers(&found.weight.unwrap()), &dw, 1e-15);
        assert_close(&numbers(&found.bias.unwrap()), &[8.5, -4.625], 1e-15);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let x = normal(1, &[2, 5, 3], DType::F64);
        let weight = normal(2, &[2, 4, 3], DType::F64);
        let bias = normal(3, &[2, 4], DType::F64);
        let dy = normal(4, &[2, 5, 4], DType::F64);
        let found = backward(&x, &weight, &dy, ALL).unwrap();
        let loss =
            |x: &Tensor, weight: &Tensor, bias: &Tensor| dot(&forward(x, weight, Some(bias)).unwrap(), &dy);
        let dx = differences(&x, |x| loss(x, &weight, &bias));
        assert_close(&numbers(&found.input.unwrap()), &dx, 1e-8);
        let dw = differences(&weight, |weight| loss(&x, weight, &bias));
        assert_close(&numbers(&found.weight.unwrap()), &dw, 1e-8);
        let db = differences(&bias, |bias| loss(&x, &weight, bias));
        assert_close(&numbers(&found.bias.unwrap()), &db, 1e-8);
    }

    #[test]
    fn only_what_is_needed_is_computed() {
        let (x, weight) = (normal(1, &[1, 2, 3], DType::F32), normal(2, &[1, 4, 3], DType::F32));
        let dy = normal(3, &[1, 2, 4], DType::F32);
        let need = Need { weight: false, bias: true, input: false };
        let found = backward(&x, &weight, &dy, need).unwrap();
        assert!(found.weight.is_none() && found.input.is_none() && found.bias.is_some());
    }

    #[test]
    fn slices_and_composition_agree_on_random_shapes() {
        for seed in 0..40u64 {
            let mut sizes = Stream::new(seed, Purpose::Synthetic, 1, 0).draws();
            let mut size = |bound| 1 + sizes.below(bound) as usize;
            let (runs, batch, inputs, outputs) = (size(4), size(40), size(70), size(70));
            let x = normal(seed, &[runs, batch, inputs], DType::F32);
            let weight = normal(seed + 100, &[runs, outputs, inputs], DType::F32);
            let bias = normal(seed + 200, &[runs, outputs], DType::F32);
            let bias = (seed % 3 > 0).then_some(&bias);
            let y = forward(&x, &weight, bias).unwrap();
            assert_same(&y, &composed_forward(&x, &weight, bias).unwrap(), 1e-4);
            let found = backward(&x, &weight, &y, ALL).unwrap();
            let expected = composed_backward(&x, &weight, &y, ALL).unwrap();
            for (found, expected) in
                [(found.weight, expected.weight), (found.bias, expected.bias), (found.input, expected.input)]
            {
                assert_same(&found.unwrap(), &expected.unwrap(), 1e-4);
            }
        }
    }

    #[test]
    fn every_thread_count_gives_the_same_bits() {
        let x = normal(1, &[1, 256, 311], DType::F32);
        let weight = normal(2, &[1, 203, 311], DType::F32);
        let bias = normal(3, &[1, 203], DType::F32);
        let pass = || {
            let y = forward(&x, &weight, Some(&bias)).unwrap();
            let found = backward(&x, &weight, &y, ALL).unwrap();
            [y, found.weight.unwrap(), found.bias.unwrap(), found.input.unwrap()].map(|t| {
                let numbers = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>()
            })
        };
        let alone = pass();
        let together = on_threads(2, pass);
        assert!(alone == together);
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let x = normal(1, &[1, 2, 3], DType::F32);
        let weight = normal(2, &[1, 4, 3], DType::F32);
        assert!(forward(&x, &normal(2, &[1, 4, 2], DType::F32), None).is_err());
        assert!(forward(&x, &normal(2, &[2, 4, 3], DType::F32), None).is_err());
        assert!(forward(&x, &weight, Some(&normal(3, &[1, 3], DType::F32))).is_err());
        assert!(forward(&x, &weight.to_dtype(DType::F64).unwrap(), None).is_err());
        assert!(backward(&x, &weight, &normal(3, &[1, 2, 3], DType::F32), ALL).is_err());
    }

    #[test]
    fn an_empty_batch_gives_empty_outputs_and_zero_gradients() {
        let x = Tensor::zeros((1, 0, 3), DType::F32, &Device::Cpu).unwrap();
        let weight = normal(2, &[1, 4, 3], DType::F32);
        let y = forward(&x, &weight, None).unwrap();
        assert_eq!(y.dims(), [1, 0, 4]);
        let found = backward(&x, &weight, &y, ALL).unwrap();
        assert_eq!(numbers(&found.weight.unwrap()), [0.0; 12]);
        assert_eq!(numbers(&found.bias.unwrap()), [0.0; 4]);
    }
}
