//! Normalisation of every feature over the batch: x `[R, B, F]`, all else `[R, F]`; of images `[R, B, C, …]`
//! every channel over the batch and all pixels.
//!
//! y = (x − μ) / √(σ² + ε) · w + b with the batch's mean μ and biased variance σ² in training, with running
//! ones in evaluation. With x̂ = (x − μ) / √(σ² + ε):
//! db = Σ dy, dw = Σ dy x̂, dx = w / √(σ² + ε) · (dy − db / B − x̂ dw / B).
//! (Ioffe and Szegedy, 2015; `PyTorch`'s `BatchNorm1d` and `BatchNorm2d`.) Of images, B counts pixels.
//!
//! On the CPU the sums run row by row over contiguous features, blocks of rows in `f64`; the variance is
//! taken around the mean in a second pass, so that a large mean costs no digits.

mod composed;
mod planes;

use candle_core::{Device, Tensor};

use self::planes::Planes;
use super::columns::column_sums;
use super::{Element, is_cpu, read, simd, with_element};
use crate::{Error, Result};

/// What a training pass learnt about its batch, each `[R, F]`.
#[derive(Debug, Clone)]
pub struct Statistics {
    /// μ.
    pub mean: Tensor,
    /// 1 / √(σ² + ε).
    pub inverse_std: Tensor,
    /// σ² B / (B − 1), for the running variance.
    pub unbiased_variance: Tensor,
}

/// What [`backward`] gives.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// `[R, F]`.
    pub weight: Tensor,
    /// `[R, F]`.
    pub bias: Tensor,
    /// Of the shape of x, if it was asked for.
    pub input: Option<Tensor>,
}

/// y and the statistics of the batch, which has two samples or pixels or more.
pub fn forward(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<(Tensor, Statistics)> {
    let planes = sizes(x, &[weight, bias])?;
    let Planes { runs, batch, channels, area } = planes;
    if batch * area < 2 {
        return Err(Error::Bug("batch statistics were asked of a single sample".into()));
    }
    if !is_cpu(x) {
        let (y, found) = composed::forward(&composed::rows(x)?, weight, bias, eps)?;
        return Ok((composed::images(&y, x)?, found));
    }
    let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    with_element!(x, T => {
        let new = |numbers: Vec<T>| Tensor::from_vec(numbers, (runs, channels), &Device::Cpu);
        if area > 1 {
            let affine = [numbers::<T>(&weight)?, numbers(&bias)?];
            let (y, found) = read::<T, _>(&x, |x| planes.forward(x, [&affine[0], &affine[1]], eps))?;
            let found = Statistics {
                mean: new(found.iter().map(|channel| channel.mean).collect())?,
                inverse_std: new(found.iter().map(|channel| channel.inverse_std).collect())?,
                unbiased_variance: new(found.iter().map(|channel| channel.unbiased_variance).collect())?,
            };
            return Ok((Tensor::from_vec(y, x.shape(), &Device::Cpu)?, found));
        }
        let [mean, inverse_std, unbiased_variance] =
            read::<T, _>(&x, |x| statistics(x, [runs, batch, channels], eps))?;
        let found = Statistics {
            mean: new(mean)?,
            inverse_std: new(inverse_std)?,
            unbiased_variance: new(unbiased_variance)?,
        };
        Ok((normalized::<T>(planes, &x, [&found.mean, &found.inverse_std, &weight, &bias])?, found))
    })
}

/// y with given statistics.
pub fn evaluate(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let planes = sizes(x, &[weight, bias, mean, variance])?;
    // [R, F] alone: small beside x, so candle's own operations do.
    let inverse_std = (variance + eps)?.sqrt()?.recip()?;
    if !is_cpu(x) {
        let y = composed::normalized(&composed::rows(x)?, mean, &inverse_std, weight, bias)?;
        return composed::images(&y, x);
    }
    let (x, mean, weight, bias) =
        (x.contiguous()?, mean.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    with_element!(x, T => normalized::<T>(planes, &x, [&mean, &inverse_std, &weight, &bias]))
}

/// The gradients for the gradient `dy` of a training pass's y.
pub fn backward(
    x: &Tensor,
    weight: &Tensor,
    statistics: &Statistics,
    dy: &Tensor,
    need_input: bool,
) -> Result<Gradients> {
    let planes = sizes(x, &[weight, &statistics.mean, &statistics.inverse_std])?;
    if dy.dims() != x.dims() {
        return Err(Error::Bug(format!("a batch norm was given a gradient of shape {:?}", dy.dims())));
    }
    if !is_cpu(x) {
        let (rows, dy) = (composed::rows(x)?, composed::rows(dy)?);
        let mut found = composed::backward(&rows, weight, statistics, &dy, need_input)?;
        found.input = found.input.map(|dx| composed::images(&dx, x)).transpose()?;
        return Ok(found);
    }
    let (x, weight, dy) = (x.contiguous()?, weight.contiguous()?, dy.contiguous()?);
    with_element!(x, T => slices_backward::<T>(planes, &x, &weight, statistics, &dy, need_input))
}

fn sizes(x: &Tensor, vectors: &[&Tensor]) -> Result<Planes> {
    let [runs, batch, channels, ref sides @ ..] = x.dims()[..] else {
        return Err(Error::Bug(format!("a batch norm was given {:?}", x.dims())));
    };
    let area = sides.iter().product();
    if channels == 0 || area == 0 {
        return Err(Error::Bug("a batch norm was given samples without features".into()));
    }
    match vectors.iter().find(|vector| vector.dims() != [runs, channels]) {
        Some(wrong) => {
            let (x, wrong) = (x.dims(), wrong.dims());
            Err(Error::Bug(format!("a batch norm with values of shape {wrong:?} was given {x:?}")))
        }
        None => Ok(Planes { runs, batch, channels, area }),
    }
}

/// A copy of the numbers of a contiguous CPU tensor.
fn numbers<T: Element>(tensor: &Tensor) -> Result<Vec<T>> {
    read::<T, _>(tensor, <[T]>::to_vec)
}

/// Mean, 1 / √(σ² + ε) and unbiased variance of every run's columns.
fn statistics<T: Element>(x: &[T], [runs, batch, width]: [usize; 3], eps: f64) -> [Vec<T>; 3] {
    let count = batch as f64;
    let room = || Vec::with_capacity(runs * width);
    let (mut means, mut inverse_stds, mut variances) = (room(), room(), room());
    for x in x.chunks_exact((batch * width).max(1)) {
        let row = |row: usize| &x[row * width..][..width];
        let [sums] = simd(
            #[inline(always)]
            || {
                column_sums::<T, 1>(batch, width, |index, [sum]| {
                    for (sum, x) in sum.iter_mut().zip(row(index)) {
                        *sum += *x;
                    }
                })
            },
        );
        let mean: Vec<T> = sums.iter().map(|sum| T::of(sum / count)).collect();
        let [squares] = simd(
            #[inline(always)]
            || {
                column_sums::<T, 1>(batch, width, |index, [sum]| {
                    for ((sum, x), mean) in sum.iter_mut().zip(row(index)).zip(&mean) {
                        let centered = *x - *mean;
                        *sum += centered * centered;
                    }
                })
            },
        );
        inverse_stds.extend(squares.iter().map(|square| T::of(1.0 / (square / count + eps).sqrt())));
        variances.extend(squares.iter().map(|square| T::of(square / (count - 1.0))));
        means.extend(mean);
    }
    [means, inverse_stds, variances]
}

/// `(x − mean) · (inverse_std · weight) + bias`.
fn normalized<T: Element>(
    planes: Planes,
    x: &Tensor,
    [mean, inverse_std, weight, bias]: [&Tensor; 4],
) -> Result<Tensor> {
    let Planes { batch, channels: width, area, .. } = planes;
    let (mean, scale, bias) = (numbers(mean)?, numbers(&(inverse_std * weight)?)?, numbers(bias)?);
    if area > 1 {
        let y = read::<T, _>(x, |x| planes.evaluate(x, [&mean, &scale, &bias]))?;
        return Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?);
    }
    let mut y: Vec<T> = Vec::with_capacity(x.elem_count());
    read::<T, _>(x, |x| {
        simd(
            #[inline(always)]
            || {
                for (index, row) in x.chunks_exact(width).enumerate() {
                    let start = index / batch * width;
                    let columns = start..start + width;
                    let columns =
                        mean[columns.clone()].iter().zip(&scale[columns.clone()]).zip(&bias[columns]);
                    let row = row.iter().zip(columns);
                    y.extend(row.map(|(x, ((mean, scale), bias))| (*x - *mean) * *scale + *bias));
                }
            },
        );
    })?;
    Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?)
}

fn slices_backward<T: Element>(
    planes: Planes,
    x: &Tensor,
    weight: &Tensor,
    statistics: &Statistics,
    dy: &Tensor,
    need_input: bool,
) -> Result<Gradients> {
    let Planes { runs, batch, channels: width, area } = planes;
    let (mean, inverse_std) = (numbers(&statistics.mean)?, numbers(&statistics.inverse_std)?);
    let weight: Vec<T> = numbers(weight)?;
    let room = || Vec::<T>::with_capacity(runs * width);
    let (mut dw, mut db) = (room(), room());
    let mut dx = Vec::with_capacity(if need_input && area == 1 { x.elem_count() } else { 0 });
    read::<T, _>(x, |x| {
        read::<T, _>(dy, |dy| {
            if area > 1 {
                let sums;
                (sums, dx) = planes.backward([x, dy], [&mean, &inverse_std, &weight], need_input);
                db.extend(sums.iter().map(|[sum, _]| T::of(*sum)));
                let scaled = sums.iter().zip(&inverse_std);
                dw.extend(scaled.map(|([_, product], inverse_std)| T::of(product * inverse_std.wide())));
                return;
            }
            for run in 0..runs {
                let rows = run * batch * width..(run + 1) * batch * width;
                let columns = run * width..(run + 1) * width;
                let one = Run {
                    x: &x[rows.clone()],
                    dy: &dy[rows],
                    mean: &mean[columns.clone()],
                    inverse_std: &inverse_std[columns.clone()],
                    weight: &weight[columns],
                    batch,
                };
                let [sum, product] = simd(
                    #[inline(always)]
                    || one.sums(),
                );
                if need_input {
                    simd(
                        #[inline(always)]
                        || one.append_input_gradient(&sum, &product, &mut dx),
                    );
                }
                db.extend(sum.iter().map(|sum| T::of(*sum)));
                let scaled = product.iter().zip(one.inverse_std);
                dw.extend(scaled.map(|(product, inverse_std)| T::of(product * inverse_std.wide())));
            }
        })
    })??;
    let new = |numbers| Tensor::from_vec(numbers, (runs, width), &Device::Cpu);
    let input = need_input.then(|| Tensor::from_vec(dx, x.shape(), &Device::Cpu)).transpose()?;
    Ok(Gradients { weight: new(dw)?, bias: new(db)?, input })
}

/// One run's share of a backward pass.
struct Run<'a, T> {
    x: &'a [T],
    dy: &'a [T],
    mean: &'a [T],
    inverse_std: &'a [T],
    weight: &'a [T],
    batch: usize,
}

impl<T: Element> Run<'_, T> {
    /// Σ dy and Σ dy (x − μ).
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn sums(&self) -> [Vec<f64>; 2] {
        let width = self.mean.len();
        column_sums::<T, 2>(self.batch, width, |index, [sum, product]| {
            let row = index * width..(index + 1) * width;
            let inputs = self.x[row.clone()].iter().zip(self.mean).zip(&self.dy[row]);
            for ((sum, product), ((x, mean), dy)) in sum.iter_mut().zip(product).zip(inputs) {
                *sum += *dy;
                *product += *dy * (*x - *mean);
            }
        })
    }

    /// dx = scale · dy + slope · (x − μ) + shift with three numbers a column.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    fn append_input_gradient(&self, sum: &[f64], product: &[f64], dx: &mut Vec<T>) {
        let (width, count) = (self.mean.len(), self.batch as f64);
        let scales: Vec<f64> =
            self.inverse_std.iter().zip(self.weight).map(|(i, w)| i.wide() * w.wide()).collect();
        let shift: Vec<T> = scales.iter().zip(sum).map(|(scale, sum)| T::of(-scale * sum / count)).collect();
        let slope: Vec<T> = scales
            .iter()
            .zip(product)
            .zip(self.inverse_std)
            .map(|((scale, product), i)| T::of(-scale * product / count * i.wide() * i.wide()))
            .collect();
        let scale: Vec<T> = scales.into_iter().map(T::of).collect();
        for (x, dy) in self.x.chunks_exact(width).zip(self.dy.chunks_exact(width)) {
            let columns = self.mean.iter().zip(&scale).zip(&slope).zip(&shift);
            dx.extend(x.iter().zip(dy).zip(columns).map(|((x, dy), (((mean, scale), slope), shift))| {
                *scale * *dy + *slope * (*x - *mean) + *shift
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers, on_threads};

    const EPS: f64 = 1e-5;

    /// x, weight, bias and dy for R runs.
    fn inputs(seed: u64, [runs, batch, width]: [usize; 3], dtype: DType) -> [Tensor; 4] {
        [
            normal(seed, &[runs, batch, width], dtype),
            normal(seed + 1, &[runs, width], dtype),
            normal(seed + 2, &[runs, width], dtype),
            normal(seed + 3, &[runs, batch, width], dtype),
        ]
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let [x, weight, bias, dy] = inputs(1, [2, 5, 3], DType::F64);
        let loss =
            |x: &Tensor, weight: &Tensor, bias: &Tensor| dot(&forward(x, weight, bias, EPS).unwrap().0, &dy);
        let (_, statistics) = forward(&x, &weight, &bias, EPS).unwrap();
        let found = backward(&x, &weight, &statistics, &dy, true).unwrap();
        let dx = differences(&x, |x| loss(x, &weight, &bias));
        assert_close(&numbers(&found.input.unwrap()), &dx, 1e-7);
        let dw = differences(&weight, |weight| loss(&x, weight, &bias));
        assert_close(&numbers(&found.weight), &dw, 1e-8);
        let db = differences(&bias, |bias| loss(&x, &weight, bias));
        assert_close(&numbers(&found.bias), &db, 1e-8);
        assert!(backward(&x, &weight, &statistics, &dy, false).unwrap().input.is_none());
    }

    #[test]
    fn slices_and_composition_agree_on_random_shapes() {
        for seed in 0..30 {
            let shape = [1 + seed as usize % 3, 2 + seed as usize * 7 % 41, 1 + seed as usize * 5 % 37];
            let [x, weight, bias, dy] = inputs(seed * 10, shape, DType::F32);
            let (y, found) = forward(&x, &weight, &bias, EPS).unwrap();
            let (expected_y, expected) = composed::forward(&x, &weight, &bias, EPS).unwrap();
            // With two samples the variance may be tiny, and the factor before the gradient large.
            let tolerance = if shape[1] < 4 { 1e-2 } else { 1e-4 };
            assert_same(&y, &expected_y, tolerance);
            assert_same(&found.mean, &expected.mean, 1e-5);
            assert_same(&found.unbiased_variance, &expected.unbiased_variance, 1e-5);
            assert_same(&found.inverse_std, &expected.inverse_std, tolerance);
            let gradients = backward(&x, &weight, &found, &dy, true).unwrap();
            let composed = composed::backward(&x, &weight, &found, &dy, true).unwrap();
            assert_same(&gradients.weight, &composed.weight, tolerance);
            assert_same(&gradients.bias, &composed.bias, tolerance);
            assert_same(&gradients.input.unwrap(), &composed.input.unwrap(), tolerance);
            let given = evaluate(&x, &weight, &bias, &found.mean, &found.unbiased_variance, EPS).unwrap();
            let inverse = (found.unbiased_variance + EPS).unwrap().sqrt().unwrap().recip().unwrap();
            let expected = composed::normalized(&x, &found.mean, &inverse, &weight, &bias).unwrap();
            assert_same(&given, &expected, tolerance);
        }
    }

    #[test]
    fn images_have_exact_gradients_and_agree_with_the_composition() {
        let x = normal(1, &[2, 3, 2, 5, 4], DType::F64).transpose(3, 4).unwrap();
        let (weight, bias) = (normal(2, &[2, 2], DType::F64), normal(3, &[2, 2], DType::F64));
        let dy = normal(4, x.dims(), DType::F64);
        let loss =
            |x: &Tensor, weight: &Tensor, bias: &Tensor| dot(&forward(x, weight, bias, EPS).unwrap().0, &dy);
        let (y, found) = forward(&x, &weight, &bias, EPS).unwrap();
        let gradients = backward(&x, &weight, &found, &dy, true).unwrap();
        let dx = gradients.input.unwrap();
        assert_close(&numbers(&dx), &differences(&x, |x| loss(x, &weight, &bias)), 1e-7);
        let dw = differences(&weight, |weight| loss(&x, weight, &bias));
        assert_close(&numbers(&gradients.weight), &dw, 1e-7);
        let db = differences(&bias, |bias| loss(&x, &weight, bias));
        assert_close(&numbers(&gradients.bias), &db, 1e-7);

        let rows = composed::rows(&x).unwrap();
        let (expected, statistics) = composed::forward(&rows, &weight, &bias, EPS).unwrap();
        assert_same(&y, &composed::images(&expected, &x).unwrap(), 1e-13);
        assert_same(&found.unbiased_variance, &statistics.unbiased_variance, 1e-13);
        let composed =
            composed::backward(&rows, &weight, &statistics, &composed::rows(&dy).unwrap(), true).unwrap();
        assert_same(&dx, &composed::images(&composed.input.unwrap(), &x).unwrap(), 1e-12);
        assert_same(&gradients.weight, &composed.weight, 1e-12);
        let variance = &found.unbiased_variance;
        let evaluated = evaluate(&x, &weight, &bias, &found.mean, variance, EPS).unwrap();
        let inverse = (variance + EPS).unwrap().sqrt().unwrap().recip().unwrap();
        let expected = composed::normalized(&rows, &found.mean, &inverse, &weight, &bias).unwrap();
        assert_same(&evaluated, &composed::images(&expected, &x).unwrap(), 1e-13);
    }

    #[test]
    fn images_of_many_sizes_agree_with_the_composition_whatever_the_thread_count() {
        // Channels one by one and several at a time, with fewer in the last group, in planes of odd sizes.
        for (seed, [batch, channels, height, width]) in
            [[3, 2, 33, 35], [5, 7, 17, 17], [4, 40, 7, 7], [9, 3, 1, 2], [2, 2, 64, 40]]
                .into_iter()
                .enumerate()
        {
            let x = (normal(seed as u64, &[2, batch, channels, height, width], DType::F32) + 1000.0).unwrap();
            let dy = normal(10 + seed as u64, x.dims(), DType::F32);
            let [weight, bias] = [20, 21].map(|seed| normal(seed, &[2, channels], DType::F32));
            let pass = |need_input| {
                let (y, found) = forward(&x, &weight, &bias, EPS).unwrap();
                let gradients = backward(&x, &weight, &found, &dy, need_input).unwrap();
                let [mean, variance] = [found.mean, found.unbiased_variance];
                let evaluated = evaluate(&x, &weight, &bias, &mean, &variance, EPS).unwrap();
                let dx = gradients.input.unwrap_or_else(|| evaluated.clone());
                [y, mean, variance, gradients.weight, gradients.bias, dx, evaluated]
            };
            let alone = pass(true);
            let together = on_threads(2, || pass(true));
            assert!(alone.iter().zip(&together).all(|(a, b)| numbers(a) == numbers(b)));
            let without = pass(false);
            assert!(alone[..5].iter().zip(&without).all(|(a, b)| numbers(a) == numbers(b)));

            let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap();
            let (rows, dy) = (composed::rows(&wide(&x)).unwrap(), composed::rows(&wide(&dy)).unwrap());
            let (y, found) = composed::forward(&rows, &wide(&weight), &wide(&bias), EPS).unwrap();
            let gradients = composed::backward(&rows, &wide(&weight), &found, &dy, true).unwrap();
            let images = |rows: &Tensor| composed::images(rows, &x).unwrap();
            let exact = [images(&y), found.mean, found.unbiased_variance, gradients.weight, gradients.bias];
            // A mean of 1000 in f32 is off by up to 3e-5.
            for (found, exact) in alone.iter().zip(&exact) {
                assert_same(&wide(found), exact, 2e-3);
            }
            assert_same(&wide(&alone[5]), &images(&gradients.input.unwrap()), 2e-3);
        }
    }

    #[test]
    fn a_large_mean_costs_no_digits_of_the_variance() {
        let x = (normal(5, &[1, 400, 2], DType::F64) + 1000.0).unwrap();
        let exact = forward(
            &x,
            &Tensor::ones((1, 2), DType::F64, &Device::Cpu).unwrap(),
            &Tensor::zeros((1, 2), DType::F64, &Device::Cpu).unwrap(),
            EPS,
        )
        .unwrap()
        .1;
        let narrow = x.to_dtype(DType::F32).unwrap();
        let ones = Tensor::ones((1, 2), DType::F32, &Device::Cpu).unwrap();
        let found = forward(&narrow, &ones, &ones, EPS).unwrap().1;
        assert_close(&numbers(&found.unbiased_variance), &numbers(&exact.unbiased_variance), 1e-4);
    }

    #[test]
    fn a_single_sample_and_shapes_that_do_not_fit_are_errors() {
        let [x, weight, bias, _] = inputs(1, [1, 1, 3], DType::F32);
        assert!(forward(&x, &weight, &bias, EPS).is_err());
        let [x, ..] = inputs(1, [1, 4, 2], DType::F32);
        assert!(forward(&x, &weight, &bias, EPS).is_err());
        assert!(evaluate(&x, &weight, &bias, &weight, &bias, EPS).is_err());
    }
}
