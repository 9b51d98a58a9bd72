//! Recurrent layers over sequences, as `torch.nn.RNN`, `LSTM` and `GRU` define them: x `[R, B, T, F]`, where a
//! sequence may be shorter than T.
//!
//! Layer after layer, each in one or two directions, with h′ and c′ the state of the step before (0 at first) and
//! weights `W_ih` `[R, G · H, inputs]`, `W_hh` `[R, G · H, H]`, whose G parts lie in `PyTorch`'s order:
//!
//! | | G | |
//! |---|---|---|
//! | rnn | 1 | h = φ(W x + b + W′ h′ + b′), φ tanh or relu |
//! | lstm | 4 | i, f, o = σ(…), g = tanh(…); c = f c′ + i g; h = o tanh c |
//! | gru | 3 | r, z = σ(…); n = tanh(W x + b + r (W′ h′ + b′)); h = (1 − z) n + z h′ |
//!
//! The second direction reads from each sequence's last real step to its first. Padding is as good as absent: nothing
//! depends on it, its outputs and gradients are 0. That is `pack_padded_sequence(enforce_sorted=False)`.
//!
//! On the CPU real steps are packed side by side, products with the input and gradients of weights are one
//! product each over all of them, and between two products with the state stands one pass over the gates. Sums
//! have a fixed order. Elsewhere the same is composed of candle's operations, step by step over padded batches.

mod cell;
mod composed;
mod direction;
mod packing;
mod plan;
mod pooling;
mod scene;
mod slices;
#[cfg(test)]
mod tests;

use candle_core::{DType, Tensor};

use self::plan::Plan;
use self::slices::RunTrace;
use super::is_cpu;
use crate::{Error, Result};

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Elman's network with tanh.
    RnnTanh,
    /// The same with max(x, 0).
    RnnRelu,
    /// Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000.
    Lstm,
    /// Cho et al., 2014, with the reset gate behind the product.
    Gru,
}

impl Cell {
    /// G.
    pub fn gates(self) -> usize {
        match self {
            Self::RnnTanh | Self::RnnRelu => 1,
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Numbers that a training pass keeps for each step and each of the H units beside the output.
    pub fn kept(self) -> usize {
        cell::gates_of(self) + usize::from(self == Self::Lstm)
    }
}

/// Steps of sequences that an evaluation works on at once, unless a single sequence is longer.
pub const EVALUATION_ROWS: usize = slices::EVALUATION_ROWS;

/// What becomes of the outputs of the last layer at the real steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// All of them, `[R, B, T, D · H]`, 0 at padding.
    None,
    /// The forward direction's at the last step and the backward direction's at the first, `[R, B, D · H]`.
    Last,
    /// Their mean.
    Mean,
    /// Their maximum, number by number.
    Max,
}

/// What does not depend on weights or data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    /// The sort of cell.
    pub cell: Cell,
    /// H.
    pub hidden: usize,
    /// Whether D is 2.
    pub bidirectional: bool,
    /// How the output is made.
    pub pooling: Pooling,
}

/// The weights of one direction of one layer.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    /// `W_ih` `[R, G · H, inputs]`.
    pub ih: &'a Tensor,
    /// `W_hh` `[R, G · H, H]`.
    pub hh: &'a Tensor,
    /// `b_ih` and `b_hh`, `[R, G · H]` each.
    pub bias: Option<[&'a Tensor; 2]>,
}

/// Random zeros between layers in training; a mask depends on nothing but this and the lengths of sequences.
#[derive(Debug, Clone)]
pub struct Dropout {
    /// The probability of a zero in each run.
    pub rates: Vec<f64>,
    /// The seed of each run.
    pub seeds: Vec<u64>,
    /// The step of the training.
    pub step: u64,
    /// The place among the recurrent layers of a model, below 2²³.
    pub ordinal: u32,
}

/// Which gradients of one direction's weights are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each tensor")]
pub struct DirectionNeed {
    /// That of `W_ih`.
    pub weight_ih: bool,
    /// That of `W_hh`.
    pub weight_hh: bool,
    /// That of `b_ih`.
    pub bias_ih: bool,
    /// That of `b_hh`.
    pub bias_hh: bool,
}

impl DirectionNeed {
    fn any(self) -> bool {
        self.weight_ih || self.weight_hh || self.bias_ih || self.bias_hh
    }
}

/// The gradients of one direction's weights, those that were wanted.
#[derive(Debug, Clone, Default)]
pub struct DirectionGradients {
    /// That of `W_ih`.
    pub weight_ih: Option<Tensor>,
    /// That of `W_hh`.
    pub weight_hh: Option<Tensor>,
    /// That of `b_ih`.
    pub bias_ih: Option<Tensor>,
    /// That of `b_hh`.
    pub bias_hh: Option<Tensor>,
}

/// What [`backward`] finds.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// In the order of the weights.
    pub weights: Vec<DirectionGradients>,
    /// `[R, B, T, F]`, 0 at padding.
    pub input: Option<Tensor>,
}

/// What [`backward`] needs of a forward pass.
#[derive(Debug)]
pub struct Trace {
    stack: Stack,
    lengths: Vec<usize>,
    dropout: Option<Dropout>,
    /// `[R, B, T, F]`.
    dims: [usize; 4],
    state: State,
}

#[derive(Debug)]
enum State {
    F32(Vec<RunTrace<f32>>),
    F64(Vec<RunTrace<f64>>),
    Composed(composed::Trace),
}

/// The output for `x` `[R, B, T, F]`, and with `keep` what [`backward`] needs.
///
/// `weights` holds each layer's directions one after the other. `lengths`, row-major `[R, B]`, says how many steps of
/// each sequence are real: all without it.
pub fn forward(
    x: &Tensor,
    weights: &[Weights<'_>],
    stack: Stack,
    lengths: Option<&[u32]>,
    dropout: Option<Dropout>,
    keep: bool,
) -> Result<(Tensor, Option<Trace>)> {
    let (runs, batch, steps, inputs) = x.dims4()?;
    let dims = [runs, batch, steps, inputs];
    let lengths = real_steps(lengths, runs * batch, steps)?;
    let plan = Plan::new(stack, weights, &lengths, dropout.as_ref());
    plan.check(dims)?;
    let (y, state) = if is_cpu(x) {
        match x.dtype() {
            DType::F32 => kept(slices::forward(&plan, x, keep)?, State::F32),
            DType::F64 => kept(slices::forward(&plan, x, keep)?, State::F64),
            other => return Err(unknown(other)),
        }
    } else {
        kept(composed::forward(&plan, x, keep)?, State::Composed)
    };
    Ok((y, state.map(|state| Trace { stack, lengths, dropout, dims, state })))
}

fn kept<T>((y, trace): (Tensor, Option<T>), state: impl FnOnce(T) -> State) -> (Tensor, Option<State>) {
    (y, trace.map(state))
}

/// The gradients for the gradient `dy` of what [`forward`] gave; `needs` in the order of the weights, which are those
/// that [`forward`] was given.
pub fn backward(
    trace: Trace,
    weights: &[Weights<'_>],
    dy: &Tensor,
    needs: &[DirectionNeed],
    need_input: bool,
) -> Result<Gradients> {
    let Trace { stack, lengths, dropout, dims, state } = trace;
    let plan = Plan::new(stack, weights, &lengths, dropout.as_ref());
    plan.check(dims)?;
    if dy.dims() != plan.output_shape(dims[0], dims[1], dims[2]) || needs.len() != weights.len() {
        return Err(Error::Bug(format!("a recurrent layer was given a gradient of shape {:?}", dy.dims())));
    }
    match state {
        State::F32(traces) => slices::backward(&plan, dims, traces, dy, needs, need_input),
        State::F64(traces) => slices::backward(&plan, dims, traces, dy, needs, need_input),
        State::Composed(trace) => composed::backward(&plan, &trace, dy, needs, need_input),
    }
}

/// One length for each of so many sequences.
fn real_steps(lengths: Option<&[u32]>, sequences: usize, steps: usize) -> Result<Vec<usize>> {
    let Some(lengths) = lengths else { return Ok(vec![steps; sequences]) };
    if lengths.len() != sequences || lengths.iter().any(|length| *length as usize > steps) {
        return Err(Error::Bug(format!(
            "a recurrent layer was given {} lengths for {sequences} sequences of {steps} steps",
            lengths.len()
        )));
    }
    Ok(lengths.iter().map(|length| *length as usize).collect())
}

fn unknown(dtype: DType) -> Error {
    Error::Bug(format!("a recurrent layer was given numbers of type {dtype:?}"))
}
