//! Layers of directions over packed sequences, run by run, on the CPU.

use candle_core::{Device, Tensor};

use super::direction::{self, Flow, Found, Kept, Slices};
use super::packing::Packing;
use super::plan::Plan;
use super::pooling::Pool;
use super::scene::Scene;
use super::{DirectionGradients, DirectionNeed, Gradients, Weights};
use crate::Result;
use crate::kernel::curve::Curve;
use crate::kernel::dropout::RunMask;
use crate::kernel::{Element, read};

/// Rows that an evaluation works on at once: what it keeps beside the output stays within tens of megabytes,
/// however long the sequences of a large batch are.
pub(in crate::kernel) const EVALUATION_ROWS: usize = 1 << 14;

/// What the passes of one run have in common.
#[derive(Debug)]
pub(super) struct RunTrace<T> {
    packing: Packing,
    input: Vec<T>,
    layers: Vec<LayerTrace<T>>,
    /// The step that each number of `max` is from.
    largest: Vec<u32>,
}

#[derive(Debug)]
struct LayerTrace<T> {
    output: Vec<T>,
    /// What the next layer was given, where that is not the output itself.
    dropped: Option<Vec<T>>,
    directions: Vec<Kept<T>>,
}

/// The layer's output, and with `keep` what [`backward`] needs.
pub(super) fn forward<T: Curve>(
    plan: &Plan<'_>,
    x: &Tensor,
    keep: bool,
) -> Result<(Tensor, Option<Vec<RunTrace<T>>>)> {
    let (runs, batch, steps, inputs) = x.dims4()?;
    let each = plan.output_numbers(steps);
    let mut y = vec![T::ZERO; runs * batch * each];
    let mut traces = Vec::new();
    let group = if keep { batch } else { EVALUATION_ROWS / steps.max(1) }.max(1);
    read::<T, _>(&x.contiguous()?, |x| {
        for run in 0..runs {
            for first in (run * batch..(run + 1) * batch).step_by(group) {
                let chosen = first..((run + 1) * batch).min(first + group);
                let packing = Packing::new(&plan.lengths[chosen.clone()]);
                let input = packed(&packing, &x[first * steps * inputs..], steps, inputs);
                let mut trace = layers(plan, run, packing, input)?;
                let pool = pool(plan, &trace.packing, steps);
                let output = trace.layers.last().map_or(&[][..], |layer| &layer.output);
                trace.largest = pool.forward(output, &mut y[first * each..chosen.end * each]);
                if keep {
                    traces.push(trace);
                }
            }
        }
        Ok::<_, crate::Error>(())
    })??;
    let y = Tensor::from_vec(y, plan.output_shape(runs, batch, steps), &Device::Cpu)?;
    Ok((y, keep.then_some(traces)))
}

/// `[rows, inputs]` of the real steps of sequences `[B, steps, inputs]`.
fn packed<T: Element>(packing: &Packing, x: &[T], steps: usize, inputs: usize) -> Vec<T> {
    let mut input = Vec::with_capacity(packing.rows() * inputs);
    for (_, sequence, step) in packing.places() {
        input.extend_from_slice(&x[(sequence * steps + step) * inputs..][..inputs]);
    }
    input
}

fn pool<'a>(plan: &Plan<'_>, packing: &'a Packing, steps: usize) -> Pool<'a> {
    let (width, forward) = (plan.outputs(), plan.hidden);
    Pool { pooling: plan.pooling, packing, steps, width, forward }
}

/// All layers over the packed sequences of one run.
fn layers<T: Curve>(plan: &Plan<'_>, run: usize, packing: Packing, input: Vec<T>) -> Result<RunTrace<T>> {
    let mut trace = RunTrace { packing, input, layers: Vec::new(), largest: Vec::new() };
    let (outputs, rows, count) = (plan.outputs(), trace.packing.rows(), plan.layers());
    for layer in 0..count {
        let mut output = vec![T::ZERO; rows * outputs];
        let mut directions = Vec::new();
        for number in plan.directions_of(layer) {
            let scene = scene(plan, &trace.packing, number)?;
            let input = trace.input_of(layer);
            let forward = |weights: Slices<'_, T>| direction::forward(&scene, input, weights, &mut output);
            directions.push(lend(&plan.weights[number], run, forward)?);
        }
        let mask = if layer + 1 < count { mask(plan, run, layer) } else { None };
        let dropped = mask.map(|mask| mask.applied(&output));
        trace.layers.push(LayerTrace { output, dropped, directions });
    }
    Ok(trace)
}

impl<T> RunTrace<T> {
    fn input_of(&self, layer: usize) -> &[T] {
        match layer.checked_sub(1).map(|below| &self.layers[below]) {
            Some(below) => below.dropped.as_ref().unwrap_or(&below.output),
            None => &self.input,
        }
    }
}

fn scene<'a>(plan: &Plan<'_>, packing: &'a Packing, number: usize) -> Result<Scene<'a>> {
    let direction = number % plan.directions();
    Ok(Scene {
        cell: plan.cell,
        packing,
        hidden: plan.hidden,
        inputs: plan.weights[number].ih.dim(2)?,
        outputs: plan.outputs(),
        column: direction * plan.hidden,
        reverse: direction == 1,
    })
}

fn mask(plan: &Plan<'_>, run: usize, layer: usize) -> Option<RunMask> {
    plan.dropout.as_ref().and_then(|dropout| dropout.mask(run, layer))
}

/// Lends the numbers of one run's weights.
fn lend<T: Element, R>(
    weights: &Weights<'_>,
    run: usize,
    body: impl FnOnce(Slices<'_, T>) -> R,
) -> Result<R> {
    let of = |tensor: &Tensor| tensor.get(run)?.contiguous();
    let (ih, hh) = (of(weights.ih)?, of(weights.hh)?);
    read::<T, _>(&ih, |ih| {
        read::<T, _>(&hh, |hh| match weights.bias {
            None => Ok(body(Slices { ih, hh, bias: None })),
            Some([bias_ih, bias_hh]) => {
                let (bias_ih, bias_hh) = (of(bias_ih)?, of(bias_hh)?);
                read::<T, _>(&bias_ih, |bias_ih| {
                    read::<T, _>(&bias_hh, |bias_hh| body(Slices { ih, hh, bias: Some([bias_ih, bias_hh]) }))
                })?
            }
        })
    })??
}

/// The gradients for the gradient `dy` of the output of [`forward`] for inputs of shape `dims`.
pub(super) fn backward<T: Curve>(
    plan: &Plan<'_>,
    dims: [usize; 4],
    traces: Vec<RunTrace<T>>,
    dy: &Tensor,
    needs: &[DirectionNeed],
    need_input: bool,
) -> Result<Gradients> {
    let [runs, batch, steps, inputs] = dims;
    let mut sums: Vec<Found<T>> = plan.weights.iter().map(|_| Found::none()).collect();
    let mut dx = need_input.then(|| vec![T::ZERO; runs * batch * steps * inputs]);
    let each = plan.output_numbers(steps) * batch;
    read::<T, _>(&dy.contiguous()?, |dy| {
        for (run, trace) in traces.into_iter().enumerate() {
            let gradient =
                pool(plan, &trace.packing, steps).backward(&dy[run * each..(run + 1) * each], &trace.largest);
            let packing = trace.packing.clone();
            let below = through_layers(plan, run, trace, gradient, needs, need_input, &mut sums)?;
            if let (Some(dx), Some(below)) = (&mut dx, below) {
                let dx = &mut dx[run * batch * steps * inputs..];
                for (row, sequence, step) in packing.places() {
                    dx[(sequence * steps + step) * inputs..][..inputs]
                        .copy_from_slice(&below[row * inputs..][..inputs]);
                }
            }
        }
        Ok::<_, crate::Error>(())
    })??;
    let input = dx.map(|dx| Tensor::from_vec(dx, &dims, &Device::Cpu)).transpose()?;
    let weights = sums.into_iter().zip(plan.weights).map(|(found, like)| found.tensors(like));
    Ok(Gradients { weights: weights.collect::<Result<_>>()?, input })
}

/// From the last layer to the first that something needs; gives the gradient of the packed input.
fn through_layers<T: Curve>(
    plan: &Plan<'_>,
    run: usize,
    mut trace: RunTrace<T>,
    mut gradient: Vec<T>,
    needs: &[DirectionNeed],
    need_input: bool,
    sums: &mut [Found<T>],
) -> Result<Option<Vec<T>>> {
    let rows = trace.packing.rows();
    for layer in (0..plan.layers()).rev() {
        let numbers = plan.directions_of(layer);
        let below_needed = need_input || needs[..numbers.start].iter().copied().any(DirectionNeed::any);
        if !below_needed && !needs[numbers.clone()].iter().copied().any(DirectionNeed::any) {
            return Ok(None);
        }
        let kept = std::mem::take(&mut trace.layers[layer].directions);
        let mut below = Vec::new();
        for (number, kept) in numbers.zip(kept) {
            let scene = scene(plan, &trace.packing, number)?;
            below.resize(if below_needed { rows * scene.inputs } else { 0 }, T::ZERO);
            let flow = Flow {
                input: trace.input_of(layer),
                output: &trace.layers[layer].output,
                gradient: &gradient,
            };
            let below = below_needed.then_some(below.as_mut_slice());
            let found = lend(&plan.weights[number], run, |weights: Slices<'_, T>| {
                direction::backward(&scene, weights, flow, kept, needs[number], below)
            })?;
            sums[number].extend(found);
        }
        gradient = match layer.checked_sub(1).and_then(|below| mask(plan, run, below)) {
            Some(mask) => mask.applied(&below),
            None => below,
        };
    }
    Ok(need_input.then_some(gradient))
}

impl<T: Element> Found<T> {
    fn none() -> Self {
        Self { ih: None, hh: None, bias_ih: None, bias_hh: None }
    }

    /// Puts those of the next run behind.
    fn extend(&mut self, more: Self) {
        let pairs = [
            (&mut self.ih, more.ih),
            (&mut self.hh, more.hh),
            (&mut self.bias_ih, more.bias_ih),
            (&mut self.bias_hh, more.bias_hh),
        ];
        for (all, more) in pairs {
            match (all.as_mut(), more) {
                (Some(all), Some(more)) => all.extend_from_slice(&more),
                (None, Some(more)) => *all = Some(more),
                (_, None) => {}
            }
        }
    }

    fn tensors(self, like: &Weights<'_>) -> Result<DirectionGradients> {
        let tensor = |numbers: Option<Vec<T>>, like: Option<&Tensor>| match (numbers, like) {
            (Some(numbers), Some(like)) => Tensor::from_vec(numbers, like.shape(), &Device::Cpu).map(Some),
            _ => Ok(None),
        };
        let [bias_ih, bias_hh] = like.bias.map_or([None; 2], |bias| bias.map(Some));
        Ok(DirectionGradients {
            weight_ih: tensor(self.ih, Some(like.ih))?,
            weight_hh: tensor(self.hh, Some(like.hh))?,
            bias_ih: tensor(self.bias_ih, bias_ih)?,
            bias_hh: tensor(self.bias_hh, bias_hh)?,
        })
    }
}
