//! The same, composed of candle's operations over padded batches: for other devices, and as the reference of
//! the tests.
//!
//! A step changes the state only where it is real, so a forward direction keeps the state of the last real
//! step and a reverse one begins there. Numbers at padding are replaced, not multiplied by 0: they may be NaN.

mod pooling;
mod step;

use candle_core::{D, DType, Device, Tensor};

use self::pooling::{pooled, unpooled};
use self::step::{Step, step_backward, step_forward};
use super::packing::Packing;
use super::plan::Plan;
use super::{DirectionGradients, DirectionNeed, Gradients, Weights};
use crate::Result;

#[derive(Debug)]
pub(super) struct Trace {
    /// `[R, B, T, 1]`, 1 at real steps.
    real: Tensor,
    layers: Vec<LayerTrace>,
    output: Tensor,
}

#[derive(Debug)]
struct LayerTrace {
    input: Tensor,
    /// What the output was multiplied by before it went on.
    mask: Option<Tensor>,
    /// Of each direction, in the order of time.
    directions: Vec<Vec<Step>>,
}

pub(super) fn forward(plan: &Plan<'_>, x: &Tensor, keep: bool) -> Result<(Tensor, Option<Trace>)> {
    let (runs, batch, steps, _) = x.dims4()?;
    let real: Vec<u8> =
        plan.lengths.iter().flat_map(|length| (0..steps).map(move |step| u8::from(step < *length))).collect();
    let real = Tensor::from_vec(real, (runs, batch, steps, 1), x.device())?;
    let mut input = chosen(&real, x, &x.zeros_like()?)?;
    let mut layers = Vec::new();
    for layer in 0..plan.layers() {
        let mut outputs = Vec::new();
        let mut directions = Vec::new();
        for (direction, number) in plan.directions_of(layer).enumerate() {
            let (output, steps) =
                direction_forward(plan, &plan.weights[number], &input, &real, direction == 1)?;
            outputs.push(output);
            directions.push(steps);
        }
        let output = Tensor::cat(&outputs, D::Minus1)?;
        let mask = if layer + 1 < plan.layers() { mask(plan, layer, &output)? } else { None };
        let next = match &mask {
            Some(mask) => (&output * mask)?,
            None => output,
        };
        layers.push(LayerTrace { input: std::mem::replace(&mut input, next), mask, directions });
    }
    let y = pooled(plan, &input, &real)?;
    Ok((y, keep.then_some(Trace { real, layers, output: input })))
}

/// `[R, B, T, H]` and what happened at each step.
fn direction_forward(
    plan: &Plan<'_>,
    weights: &Weights<'_>,
    input: &Tensor,
    real: &Tensor,
    reverse: bool,
) -> Result<(Tensor, Vec<Step>)> {
    let (runs, batch, steps, _) = input.dims4()?;
    let zero = Tensor::zeros((runs, batch, plan.hidden), input.dtype(), input.device())?;
    let mut state = [zero.clone(), zero.clone()];
    let mut all = vec![None; steps];
    for index in 0..steps {
        let at = if reverse { steps - 1 - index } else { index };
        let bias = weights.bias.map_or([None; 2], |bias| bias.map(Some));
        let from_input = product(&step_of(input, at)?, weights.ih, bias[0])?;
        let from_state = product(&state[0], weights.hh, bias[1])?;
        let (gates, [h, c]) = step_forward(plan, &from_input, &from_state, &state)?;
        let is_real = step_of(real, at)?;
        let after = [chosen(&is_real, &h, &state[0])?, chosen(&is_real, &c, &state[1])?];
        let before = std::mem::replace(&mut state, after);
        all[at] = Some((chosen(&is_real, &h, &zero)?, Step { gates, before, after: [h, c] }));
    }
    let (outputs, steps): (Vec<Tensor>, Vec<Step>) = all.into_iter().flatten().unzip();
    let output = if outputs.is_empty() {
        Tensor::zeros((runs, batch, 0, plan.hidden), input.dtype(), input.device())?
    } else {
        Tensor::stack(&outputs, 2)?
    };
    Ok((output, steps))
}

pub(super) fn backward(
    plan: &Plan<'_>,
    trace: &Trace,
    dy: &Tensor,
    needs: &[DirectionNeed],
    need_input: bool,
) -> Result<Gradients> {
    let mut gradient = unpooled(plan, &trace.output, &trace.real, dy)?;
    let mut weights = vec![DirectionGradients::default(); plan.weights.len()];
    for (layer, LayerTrace { input, directions, .. }) in trace.layers.iter().enumerate().rev() {
        let mut below = input.zeros_like()?;
        for (direction, (number, steps)) in plan.directions_of(layer).zip(directions).enumerate() {
            let own = gradient.narrow(3, direction * plan.hidden, plan.hidden)?;
            let scene = (input, steps.as_slice(), &trace.real, direction == 1);
            let (found, dx) = direction_backward(plan, &plan.weights[number], scene, &own)?;
            let need = needs[number];
            weights[number] = DirectionGradients {
                weight_ih: found.weight_ih.filter(|_| need.weight_ih),
                weight_hh: found.weight_hh.filter(|_| need.weight_hh),
                bias_ih: found.bias_ih.filter(|_| need.bias_ih),
                bias_hh: found.bias_hh.filter(|_| need.bias_hh),
            };
            below = (below + dx)?;
        }
        gradient = match layer.checked_sub(1).and_then(|below| trace.layers[below].mask.as_ref()) {
            Some(mask) => (below * mask)?,
            None => below,
        };
    }
    Ok(Gradients { weights, input: need_input.then_some(gradient) })
}

/// Input, steps, real steps, and whether time runs backward.
type Scene<'a> = (&'a Tensor, &'a [Step], &'a Tensor, bool);

fn direction_backward(
    plan: &Plan<'_>,
    weights: &Weights<'_>,
    (input, steps, real, reverse): Scene<'_>,
    gradient: &Tensor,
) -> Result<(DirectionGradients, Tensor)> {
    let (mut ih, mut hh) = (weights.ih.zeros_like()?, weights.hh.zeros_like()?);
    let bias = weights.ih.narrow(2, 0, 1)?.squeeze(2)?.zeros_like()?;
    let (mut bias_ih, mut bias_hh) = (bias.clone(), bias);
    let (runs, batch, count, _) = input.dims4()?;
    let zero = Tensor::zeros((runs, batch, plan.hidden), input.dtype(), input.device())?;
    let (mut dh, mut dc) = (zero.clone(), zero);
    let mut dx = vec![None; count];
    for index in 0..count {
        // Against the direction of the forward pass.
        let at = if reverse { index } else { count - 1 - index };
        let (step, is_real) = (&steps[at], step_of(real, at)?);
        let reached = (step_of(gradient, at)? + &dh)?;
        let found = step_backward(plan, step, &reached, &dc)?;
        let masked = |a: &Tensor| chosen(&is_real, a, &a.zeros_like()?);
        let (from_input, from_state) = (masked(&found.from_input)?, masked(&found.from_state)?);
        ih = (ih + from_input.transpose(1, 2)?.contiguous()?.matmul(&step_of(input, at)?)?)?;
        hh = (hh + from_state.transpose(1, 2)?.contiguous()?.matmul(&step.before[0])?)?;
        bias_ih = (bias_ih + from_input.sum(1)?)?;
        bias_hh = (bias_hh + from_state.sum(1)?)?;
        dx[at] = Some(from_input.matmul(&weights.ih.contiguous()?)?);
        dh = chosen(&is_real, &(found.h + from_state.matmul(&weights.hh.contiguous()?)?)?, &dh)?;
        dc = chosen(&is_real, &found.c, &dc)?;
    }
    let dx: Vec<Tensor> = dx.into_iter().flatten().collect();
    let dx = if dx.is_empty() { input.zeros_like()? } else { Tensor::stack(&dx, 2)? };
    let has_bias = weights.bias.is_some();
    let found = DirectionGradients {
        weight_ih: Some(ih),
        weight_hh: Some(hh),
        bias_ih: has_bias.then_some(bias_ih),
        bias_hh: has_bias.then_some(bias_hh),
    };
    Ok((found, dx))
}

/// The mask behind a layer, where the slices of packed rows have it.
fn mask(plan: &Plan<'_>, layer: usize, like: &Tensor) -> Result<Option<Tensor>> {
    let (runs, batch, steps, width) = like.dims4()?;
    let masks: Option<Vec<_>> = plan
        .dropout
        .map(|dropout| (0..runs).map(|run| dropout.mask(run, layer)).collect())
        .filter(|masks: &Vec<_>| masks.iter().any(Option::is_some));
    let Some(masks) = masks else { return Ok(None) };
    let mut factors = vec![1.0; like.elem_count()];
    for (run, mask) in masks.into_iter().enumerate() {
        let Some(mask) = mask else { continue };
        let packing = Packing::new(&plan.lengths[run * batch..(run + 1) * batch]);
        let packed = mask.applied(&vec![1.0f64; packing.rows() * width]);
        for (row, sequence, step) in packing.places() {
            factors[((run * batch + sequence) * steps + step) * width..][..width]
                .copy_from_slice(&packed[row * width..][..width]);
        }
    }
    on_device(factors, like).map(Some)
}

fn on_device(numbers: Vec<f64>, like: &Tensor) -> Result<Tensor> {
    Ok(Tensor::from_vec(numbers, like.shape(), &Device::Cpu)?
        .to_dtype(like.dtype())?
        .to_device(like.device())?)
}

/// `[R, B, …]` of one step.
fn step_of(tensor: &Tensor, step: usize) -> Result<Tensor> {
    Ok(tensor.narrow(2, step, 1)?.squeeze(2)?.contiguous()?)
}

/// x wᵀ + b.
fn product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = x.matmul(&weight.transpose(1, 2)?.contiguous()?)?;
    Ok(match bias {
        Some(bias) => y.broadcast_add(&bias.unsqueeze(1)?)?,
        None => y,
    })
}

/// `yes` where the condition, which is broadcast, holds.
fn chosen(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let condition = condition.to_dtype(DType::U8)?.broadcast_as(yes.shape())?.contiguous()?;
    Ok(condition.where_cond(&yes.contiguous()?, &no.contiguous()?)?)
}
