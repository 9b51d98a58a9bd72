//! Layers: an explicit forward and backward pass each, with exact gradients.
//!
//! A layer's type lives in one file with its configuration. A new one is a file, and a variant and an arm in
//! [`LayerConfig`].

pub mod activation;
pub mod adaptive_avg_pool2d;
pub mod avg_pool2d;
pub mod batch_norm;
#[cfg(test)]
pub(crate) mod checks;
mod config;
pub mod conv2d;
pub mod dropout;
pub mod embedding;
pub mod flatten;
pub mod layer_norm;
pub mod linear;
pub mod max_pool2d;
pub mod memory;
pub mod pair;
mod pass;
pub mod recurrent;
pub mod residual;
pub mod softmax;

use std::fmt::Debug;

use candle_core::Tensor;

pub use self::config::{LayerConfig, LayerSettings};
pub use self::pass::{Mode, Pass};
use super::Parameter;
use crate::{Error, Result};

/// A differentiable step of a model. Activations are `[R, B, …]`.
pub trait Layer: Debug + Send {
    /// y for `input`. In training the layer keeps what [`backward`](Self::backward) needs.
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor>;

    /// Sets the gradients of the trainable parameters for the gradient of the last training pass's output,
    /// and gives that of its input if it is needed. What the layer kept is used up.
    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>>;

    /// Parameters by their `PyTorch` names, in `PyTorch`'s order.
    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        Vec::new()
    }

    /// As [`parameters`](Self::parameters), to be changed.
    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        Vec::new()
    }

    /// State that is saved but not trained, `[R, …]` each, by its `PyTorch` names, in `PyTorch`'s order.
    fn buffers(&self) -> Result<Vec<(&'static str, Tensor)>> {
        Ok(Vec::new())
    }

    /// Puts a buffer of [`buffers`](Self::buffers) back; name, shape and type are those given there.
    fn set_buffer(&mut self, name: &str, _value: Tensor) -> Result<()> {
        Err(Error::Bug(format!("{} has no buffer {name}", self.describe())))
    }

    /// The shape of one output sample for input samples of shape `input`.
    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        input.to_vec()
    }

    /// Whether its outputs have no steps any more, so that lengths of sequences mean nothing to what follows.
    fn ends_time(&self) -> bool {
        false
    }

    /// The layer as `PyTorch` prints it, in short: `Linear(784, 630)`.
    fn describe(&self) -> String;
}

/// Channels, height and width of images, which `what` asks for.
fn images(input: &[usize], what: &str) -> Result<[usize; 3]> {
    <[usize; 3]>::try_from(input).map_err(|_| {
        Error::Request(format!("{what} needs images of the shape [C, H, W], but gets {input:?}"))
    })
}

/// What a training pass kept, for its backward pass.
fn take_kept<T>(kept: &mut Option<T>, layer: &str) -> Result<T> {
    kept.take().ok_or_else(|| Error::Bug(format!("{layer} went backward without a training pass before")))
}
