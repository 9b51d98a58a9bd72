//! The step of an optimizer on one parameter: one pass over the numbers, in place, on the CPU.
//!
//! The arithmetic is that of `torch.optim` without its options `foreach`, `fused` and `capturable`. Scalars
//! come as one struct a run, in f64, and are rounded once to the type of the parameter. What changes from
//! step to step (bias corrections, schedules) is the optimizers' business, not this module's.

mod adadelta;
mod adagrad;
mod adam;
mod lion;
mod nadam;
mod rmsprop;
mod sgd;

use candle_core::{DType, Tensor};

pub use adadelta::{AdadeltaRun, Deltas, adadelta};
pub use adagrad::{AdagradRun, adagrad};
pub use adam::{AdamRun, Moments, adam};
pub use lion::{LionRun, lion};
pub use nadam::{NadamRun, nadam};
pub use rmsprop::{Averages, RmspropRun, rmsprop};
pub use sgd::{Momentum, SgdRun, sgd};

use super::{Element, read, threads, write};
use crate::{Error, Result};

fn check(value: &Tensor, gradient: &Tensor, runs: usize) -> Result<()> {
    if value.dims() != gradient.dims() || value.dims().first() != Some(&runs) {
        return Err(Error::Bug(format!(
            "an update of {runs} runs got a value of shape {:?} and a gradient of shape {:?}",
            value.dims(),
            gradient.dims()
        )));
    }
    Ok(())
}

fn unsupported(dtype: DType) -> Error {
    Error::Bug(format!("an update was given numbers of type {}", dtype.as_str()))
}

/// The numbers of one run; at least 1, so that slices can be cut into pieces of this size.
fn per_run(count: usize, runs: usize) -> usize {
    (count / runs.max(1)).max(1)
}

/// Numbers below which a second thread costs more than it does.
const LEAST_A_THREAD: usize = 1 << 15;

/// Calls `step` with the numbers of each run's value, gradient and `K` buffers, in place; with several threads in as many
/// pieces, so `step` treats each number on its own.
///
/// The tensors that are written share storage with nothing else.
fn each_run<T: Element, S: Sync, const K: usize>(
    value: &Tensor,
    gradient: &Tensor,
    buffers: [&Tensor; K],
    runs: &[S],
    step: impl Fn(&mut [T], &[T], [&mut [T]; K], &S) + Sync,
) -> Result<()> {
    let gradient = gradient.contiguous()?;
    let size = per_run(value.elem_count(), runs.len());
    let pieces = threads().min(size / LEAST_A_THREAD).max(1);
    let each = size.div_ceil(pieces);
    read::<T, _>(&gradient, |gradient| {
        write::<T, _>(value, |value| {
            write_all(&buffers, Vec::with_capacity(K), &mut |lent| {
                let Ok(mut buffers) = <[&mut [T]; K]>::try_from(lent) else {
                    return Err(Error::Bug("an update was lent another number of buffers".into()));
                };
                let parts = value.chunks_exact_mut(size).zip(gradient.chunks_exact(size)).zip(runs);
                for (index, ((value, gradient), run)) in parts.enumerate() {
                    let range = index * size..(index + 1) * size;
                    let of_run = buffers.each_mut().map(|buffer| &mut buffer[range.clone()]);
                    if pieces == 1 {
                        step(value, gradient, of_run, run);
                        continue;
                    }
                    let mut buffers = of_run.map(|buffer| buffer.chunks_mut(each));
                    let pieces = value.chunks_mut(each).zip(gradient.chunks(each));
                    rayon::scope(|scope| {
                        for (value, gradient) in pieces {
                            let buffers = buffers.each_mut().map(|pieces| pieces.next().unwrap_or_default());
                            let step = &step;
                            scope.spawn(move |_| step(value, gradient, buffers, run));
                        }
                    });
                }
                Ok(())
            })
        })
        .flatten()
    })
    .flatten()
}

/// Lends the numbers of all `tensors` for writing at once, behind those that are `lent` already.
fn write_all<T: Element>(
    tensors: &[&Tensor],
    lent: Vec<&mut [T]>,
    body: &mut dyn FnMut(Vec<&mut [T]>) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = tensors.split_first() else { return body(lent) };
    write::<T, _>(first, |numbers| {
        let mut lent = lent;
        lent.push(numbers);
        write_all(rest, lent, body)
    })
    .flatten()
}

/// That buffers have the shape of the value: they are cut into runs as it is.
fn check_buffers(value: &Tensor, buffers: &[&Tensor]) -> Result<()> {
    match buffers.iter().find(|buffer| buffer.dims() != value.dims()) {
        None => Ok(()),
        Some(buffer) => Err(Error::Bug(format!(
            "an update of a value of shape {:?} got a buffer of shape {:?}",
            value.dims(),
            buffer.dims()
        ))),
    }
}

/// `tensor` `[R, …]` times a scalar a run.
fn scale<S>(tensor: &Tensor, runs: &[S], scalar: impl Fn(&S) -> f64) -> Result<Tensor> {
    // One run, the common case, needs no transfer to the device.
    match runs {
        [run] => Ok(tensor.affine(scalar(run), 0.0)?),
        _ => Ok(tensor.broadcast_mul(&column(tensor, runs, scalar)?)?),
    }
}

/// A scalar a run as `[R, 1, …]`, to go with `tensor` `[R, …]`.
fn column<S>(tensor: &Tensor, runs: &[S], scalar: impl Fn(&S) -> f64) -> Result<Tensor> {
    let scalars: Vec<f64> = runs.iter().map(scalar).collect();
    let mut shape = vec![1; tensor.rank()];
    shape[0] = runs.len();
    Ok(Tensor::from_vec(scalars, shape, tensor.device())?.to_dtype(tensor.dtype())?)
}

#[cfg(test)]
mod testing {
    use candle_core::Device;

    use super::*;
    use crate::rng::{Purpose, Stream};

    /// Uniform in −1..1.
    pub fn random(shape: &[usize], seed: u64) -> Tensor {
        let mut draws = Stream::new(seed, Purpose::Synthetic, 0, 0).draws();
        let numbers: Vec<f64> = (0..shape.iter().product()).map(|_| 2.0 * draws.uniform() - 1.0).collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }

    pub fn assert_close(left: &Tensor, right: &Tensor) {
        let apart = (left - right).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let apart = apart.to_scalar::<f64>().unwrap();
        assert!(apart < 1e-14, "{apart:e} apart");
    }

    /// Shapes with lengths below, at and beyond a register's, for one run and for several.
    pub const SHAPES: [&[usize]; 5] = [&[1, 1], &[1, 7, 33], &[2, 16], &[2, 5, 13], &[3, 2, 3, 4]];
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::testing::random;
    use super::*;
    use crate::kernel::checks::on_threads;

    #[test]
    fn every_thread_count_gives_the_same_bits() {
        let shape = [2, 3 * LEAST_A_THREAD + 7];
        let zeros = || Tensor::zeros(&shape, DType::F64, &Device::Cpu).unwrap();
        let run = |rate: f64| AdamRun {
            shrink: 1.0 - rate,
            penalty: 0.1,
            betas: (0.9, 0.99),
            eps: 1e-8,
            step_size: rate,
            root_correction: 1.5,
        };
        let pass = || {
            let (mut value, gradient) = (random(&shape, 1), random(&shape, 2));
            let mut moments = Moments { first: zeros(), second: zeros(), peak: Some(zeros()) };
            adam(&mut value, &gradient, &mut moments, &[run(0.1), run(0.2)]).unwrap();
            value.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        let alone = pass();
        let together = on_threads(3, pass);
        assert!(alone == together);
        assert!(
            alone
                .iter()
                .zip(random(&shape, 1).flatten_all().unwrap().to_vec1::<f64>().unwrap())
                .all(|(after, before)| after.to_bits() != before.to_bits())
        );
    }
}
