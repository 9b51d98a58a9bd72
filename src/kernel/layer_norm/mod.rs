//! Normalisation of every sample, or every step of one, by itself: x `[R, M, N]` row by row, w and b `[R, N]`.
//!
//! y = (x − μ) / √(σ² + ε) · w + b with the mean μ and the biased variance σ² of the row. With x̂ = (x − μ) / √(σ² + ε)
//! and g = dy w: dw = Σ dy x̂ and db = Σ dy over the rows, dx = (g − mean g − x̂ · mean (g x̂)) / √(σ² + ε).
//! (Ba et al., 2016; `PyTorch`'s `LayerNorm`.)

mod composed;

use candle_core::{Device, Tensor};

use super::columns::column_sums;
use super::lanes::sums;
use super::{Element, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// What normalised rows are multiplied by, and what is added then, `[R, N]` each.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// w.
    pub weight: &'a Tensor,
    /// b.
    pub bias: &'a Tensor,
}

/// What [`backward`] needs of a forward pass, `[R, M]` each.
#[derive(Debug, Clone)]
pub struct Moments {
    /// μ.
    pub mean: Tensor,
    /// 1 / √(σ² + ε).
    pub inverse_std: Tensor,
}

/// What [`backward`] gives.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// dw and db, `[R, N]`, if there are such parameters.
    pub affine: Option<(Tensor, Tensor)>,
    /// `[R, M, N]`, if it was asked for.
    pub input: Option<Tensor>,
}

/// y and the moments of the rows.
pub fn forward(x: &Tensor, affine: Option<Affine<'_>>, eps: f64) -> Result<(Tensor, Moments)> {
    check(x, affine)?;
    if !is_cpu(x) {
        return composed::forward(x, affine, eps);
    }
    let x = x.contiguous()?;
    with_element!(x, T => slices_forward::<T>(&x, affine, eps))
}

/// The gradients for the gradient `dy` of y.
pub fn backward(
    x: &Tensor,
    affine: Option<Affine<'_>>,
    moments: &Moments,
    dy: &Tensor,
    need_input: bool,
) -> Result<Gradients> {
    check(x, affine)?;
    if dy.dims() != x.dims() {
        return Err(Error::Bug(format!("a layer norm was given a gradient of shape {:?}", dy.dims())));
    }
    if !is_cpu(x) {
        return composed::backward(x, affine, moments, dy, need_input);
    }
    let (x, dy) = (x.contiguous()?, dy.contiguous()?);
    with_element!(x, T => slices_backward::<T>(&x, affine, moments, &dy, need_input))
}

fn check(x: &Tensor, affine: Option<Affine<'_>>) -> Result<()> {
    let (runs, _, width) = x.dims3()?;
    let fits = |tensor: &Tensor| tensor.dims() == [runs, width];
    if width > 0 && affine.is_none_or(|affine| fits(affine.weight) && fits(affine.bias)) {
        return Ok(());
    }
    Err(Error::Bug(format!("a layer norm was given {:?}, which does not fit its weight", x.dims())))
}

fn vector<T: Element>(tensor: &Tensor) -> Result<Vec<T>> {
    read::<T, _>(&tensor.contiguous()?, <[T]>::to_vec)
}

fn slices_forward<T: Element>(x: &Tensor, affine: Option<Affine<'_>>, eps: f64) -> Result<(Tensor, Moments)> {
    let (runs, rows, width) = x.dims3()?;
    let weights =
        affine.map(|affine| Ok::<_, Error>((vector::<T>(affine.weight)?, vector::<T>(affine.bias)?)));
    let weights = weights.transpose()?;
    let mut y: Vec<T> = Vec::with_capacity(x.elem_count());
    let mut means: Vec<T> = Vec::with_capacity(runs * rows);
    let mut inverses: Vec<T> = Vec::with_capacity(runs * rows);
    read::<T, _>(x, |x| {
        simd(
            #[inline(always)]
            || {
                for (index, x) in x.chunks_exact(width).enumerate() {
                    let [sum] = sums(x, x, |x, _| [x]);
                    let mean = T::of(sum / width as f64);
                    let [squares] = sums(x, x, |x, _| [(x - mean) * (x - mean)]);
                    let inverse = T::of(1.0 / (squares / width as f64 + eps).sqrt());
                    match &weights {
                        Some((weight, bias)) => {
                            let columns = index / rows * width..(index / rows + 1) * width;
                            let affine = weight[columns.clone()].iter().zip(&bias[columns]);
                            y.extend(x.iter().zip(affine).map(|(x, (w, b))| (*x - mean) * inverse * *w + *b));
                        }
                        None => y.extend(x.iter().map(|x| (*x - mean) * inverse)),
                    }
                    means.push(mean);
                    inverses.push(inverse);
                }
            },
        );
    })?;
    let new = |numbers| Tensor::from_vec(numbers, (runs, rows), &Device::Cpu);
    let moments = Moments { mean: new(means)?, inverse_std: new(inverses)? };
    Ok((Tensor::from_vec(y, x.shape(), &Device::Cpu)?, moments))
}

fn slices_backward<T: Element>(
    x: &Tensor,
    affine: Option<Affine<'_>>,
    moments: &Moments,
    dy: &Tensor,
    need_input: bool,
) -> Result<Gradients> {
    let (runs, rows, width) = x.dims3()?;
    let (means, inverses) = (vector::<T>(&moments.mean)?, vector::<T>(&moments.inverse_std)?);
    let weight = affine.map(|affine| vector::<T>(affine.weight)).transpose()?;
    let (mut dw, mut db) = (Vec::<T>::new(), Vec::<T>::new());
    let mut dx = Vec::with_capacity(if need_input { x.elem_count() } else { 0 });
    read::<T, _>(x, |x| {
        read::<T, _>(dy, |dy| {
            for run in 0..runs {
                let numbers = run * rows * width..(run + 1) * rows * width;
                let one = Run {
                    x: &x[numbers.clone()],
                    dy: &dy[numbers],
                    means: &means[run * rows..(run + 1) * rows],
                    inverses: &inverses[run * rows..(run + 1) * rows],
                    width,
                };
                if affine.is_some() {
                    let [product, sum] = simd(
                        #[inline(always)]
                        || one.column_sums(),
                    );
                    dw.extend(product.into_iter().map(T::of));
                    db.extend(sum.into_iter().map(T::of));
                }
                if need_input {
                    let weight = weight.as_ref().map(|weight| &weight[run * width..(run + 1) * width]);
                    simd(
                        #[inline(always)]
                        || one.append_input_gradient(weight, &mut dx),
                    );
                }
            }
        })
    })??;
    let new = |numbers| Tensor::from_vec(numbers, (runs, width), &Device::Cpu);
    Ok(Gradients {
        affine: affine.map(|_| Ok::<_, Error>((new(dw)?, new(db)?))).transpose()?,
        input: need_input.then(|| Tensor::from_vec(dx, x.shape(), &Device::Cpu)).transpose()?,
    })
}

/// One run's share of a backward pass.
struct Run<'a, T> {
    x: &'a [T],
    dy: &'a [T],
    means: &'a [T],
    inverses: &'a [T],
    width: usize,
}

impl<T: Element> Run<'_, T> {
    /// Σ dy x̂ and Σ dy of every column.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn column_sums(&self) -> [Vec<f64>; 2] {
        column_sums::<T, 2>(self.means.len(), self.width, |row, [product, sum]| {
            let numbers = row * self.width..(row + 1) * self.width;
            let (mean, inverse) = (self.means[row], self.inverses[row]);
            let pairs = self.x[numbers.clone()].iter().zip(&self.dy[numbers]);
            for ((product, sum), (x, dy)) in product.iter_mut().zip(sum).zip(pairs) {
                *product += *dy * ((*x - mean) * inverse);
                *sum += *dy;
            }
        })
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn append_input_gradient(&self, weight: Option<&[T]>, dx: &mut Vec<T>) {
        let mut weighted = vec![T::ZERO; self.width];
        let rows = self.x.chunks_exact(self.width).zip(self.dy.chunks_exact(self.width));
        for ((x, dy), (mean, inverse)) in rows.zip(self.means.iter().zip(self.inverses)) {
            let (mean, inverse) = (*mean, *inverse);
            match weight {
                Some(weight) => {
                    for (weighted, (dy, weight)) in weighted.iter_mut().zip(dy.iter().zip(weight)) {
                        *weighted = *dy * *weight;
                    }
                }
                None => weighted.copy_from_slice(dy),
            }
            let [sum, product] = sums(&weighted, x, |g, x| [g, g * (x - mean)]);
            let count = self.width as f64;
            let shift = T::of(sum / count);
            let slope = T::of(product / count * inverse.wide() * inverse.wide());
            let terms = weighted.iter().zip(x);
            dx.extend(terms.map(|(g, x)| (*g - shift - (*x - mean) * slope) * inverse));
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers};

    const EPS: f64 = 1e-5;

    fn inputs(seed: u64, [runs, rows, width]: [usize; 3], dtype: DType) -> [Tensor; 4] {
        [
            normal(seed, &[runs, rows, width], dtype),
            normal(seed + 1, &[runs, width], dtype),
            normal(seed + 2, &[runs, width], dtype),
            normal(seed + 3, &[runs, rows, width], dtype),
        ]
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let [x, weight, bias, dy] = inputs(1, [2, 3, 7], DType::F64);
        let affine = Some(Affine { weight: &weight, bias: &bias });
        let (_, moments) = forward(&x, affine, EPS).unwrap();
        let found = backward(&x, affine, &moments, &dy, true).unwrap();
        let loss = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
            dot(&forward(x, Some(Affine { weight, bias }), EPS).unwrap().0, &dy)
        };
        assert_close(&numbers(&found.input.unwrap()), &differences(&x, |x| loss(x, &weight, &bias)), 1e-7);
        let (dw, db) = found.affine.unwrap();
        assert_close(&numbers(&dw), &differences(&weight, |weight| loss(&x, weight, &bias)), 1e-8);
        assert_close(&numbers(&db), &differences(&bias, |bias| loss(&x, &weight, bias)), 1e-8);

        let (_, moments) = forward(&x, None, EPS).unwrap();
        let found = backward(&x, None, &moments, &dy, true).unwrap();
        let dx = differences(&x, |x| dot(&forward(x, None, EPS).unwrap().0, &dy));
        assert_close(&numbers(&found.input.unwrap()), &dx, 1e-7);
        assert!(found.affine.is_none());
        assert!(backward(&x, None, &moments, &dy, false).unwrap().input.is_none());
    }

    #[test]
    fn slices_and_composition_agree_on_random_shapes() {
        for seed in 0..20u64 {
            let shape = [1 + seed as usize % 3, 1 + seed as usize * 7 % 13, 3 + seed as usize * 5 % 37];
            let [x, weight, bias, dy] = inputs(seed * 10, shape, DType::F32);
            let affine = (seed % 3 > 0).then_some(Affine { weight: &weight, bias: &bias });
            let (y, moments) = forward(&x, affine, EPS).unwrap();
            let (expected_y, expected) = composed::forward(&x, affine, EPS).unwrap();
            assert_same(&y, &expected_y, 1e-4);
            assert_same(&moments.mean, &expected.mean, 1e-5);
            assert_same(&moments.inverse_std, &expected.inverse_std, 1e-4);
            let found = backward(&x, affine, &moments, &dy, true).unwrap();
            let composed = composed::backward(&x, affine, &moments, &dy, true).unwrap();
            assert_same(&found.input.unwrap(), &composed.input.unwrap(), 1e-3);
            if let (Some(found), Some(composed)) = (found.affine, composed.affine) {
                assert_same(&found.0, &composed.0, 1e-4);
                assert_same(&found.1, &composed.1, 1e-4);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let [x, weight, bias, dy] = inputs(1, [1, 2, 3], DType::F32);
        let wrong = normal(1, &[1, 2], DType::F32);
        assert!(forward(&x, Some(Affine { weight: &wrong, bias: &bias }), EPS).is_err());
        let affine = Some(Affine { weight: &weight, bias: &bias });
        let (_, moments) = forward(&x, affine, EPS).unwrap();
        assert!(backward(&x, affine, &moments, &dy.narrow(1, 0, 1).unwrap(), true).is_err());
    }
}
