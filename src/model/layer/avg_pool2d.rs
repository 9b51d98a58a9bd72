//! The mean of each window (`PyTorch`'s `AvgPool2d`).

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::max_pool2d::{check_window, describe_window, pooled};
use super::pair::Pair;
use super::{Layer, LayerSettings, Pass, take_kept};
use crate::kernel::pool::average::{self, Parts};
use crate::kernel::window::Window;
use crate::model::initializer::Initializer;
use crate::setting::Problems;
use crate::{Error, Result};

/// The mean of each window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(!from, deny_unknown_fields)]
pub struct AvgPool2dConfig {
    /// Height and width of the window, or one number for both.
    pub kernel_size: Pair<1>,
    /// How far it moves at once; by its own size unless set.
    pub stride: Pair<1>,
    /// Zeros that are put around the image, on each side. At most half the window.
    pub padding: Pair<0>,
    /// Whether those zeros count in a mean.
    pub count_include_pad: bool,
}

/// The keys as they are read: what is absent may depend on another key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kernel_size: Pair<1>,
    #[serde(default)]
    stride: Option<Pair<1>>,
    #[serde(default)]
    padding: Option<Pair<0>>,
    #[serde(default)]
    count_include_pad: Option<bool>,
}

impl From<Written> for AvgPool2dConfig {
    fn from(written: Written) -> Self {
        let Written { kernel_size, stride, padding, count_include_pad } = written;
        Self {
            kernel_size,
            stride: stride.unwrap_or(kernel_size),
            padding: padding.unwrap_or(Pair([0; 2])),
            count_include_pad: count_include_pad.unwrap_or(true),
        }
    }
}

impl AvgPool2dConfig {
    /// How it moves.
    pub fn window(&self) -> Window {
        let Self { kernel_size, stride, padding, .. } = self;
        Window { kernel: kernel_size.0, stride: stride.0, padding: padding.0, dilation: [1; 2] }
    }
}

impl LayerSettings for AvgPool2dConfig {
    /// Refuses what no image would make right.
    fn check(&self, problems: &mut Problems) {
        check_window(self.kernel_size, self.stride, self.padding, problems);
    }

    /// The shape of one output sample.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        pooled("avg_pool2d", &self.window(), input)
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(AvgPool2d::new(self)))
    }
}

/// See the module.
#[derive(Debug)]
pub struct AvgPool2d {
    window: Window,
    count_include_pad: bool,
    /// The windows of the last training pass.
    kept: Option<Parts>,
}

impl AvgPool2d {
    /// Without anything to train.
    pub fn new(config: &AvgPool2dConfig) -> Self {
        Self { window: config.window(), count_include_pad: config.count_include_pad, kept: None }
    }
}

/// Height and width of images.
pub(super) fn sides(images: &Tensor) -> Result<[usize; 2]> {
    match images.dims() {
        [.., height, width] => Ok([*height, *width]),
        other => Err(Error::Bug(format!("a pooling was given {other:?}"))),
    }
}

impl Layer for AvgPool2d {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let parts = Parts::sliding(&self.window, sides(input)?, self.count_include_pad)
            .ok_or_else(|| Error::Bug(format!("{} was given {:?}", self.describe(), input.dims())))?;
        let output = average::forward(input, &parts)?;
        self.kept = pass.is_training().then_some(parts);
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let parts = take_kept(&mut self.kept, "a pooling")?;
        need_input_gradient.then(|| average::backward(gradient, &parts)).transpose()
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        pooled("avg_pool2d", &self.window, input).unwrap_or_default()
    }

    fn describe(&self) -> String {
        let end = if self.count_include_pad { ")" } else { ", count_include_pad=False)" };
        describe_window("AvgPool2d", &self.window) + end
    }
}

#[cfg(test)]
mod tests {
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for (text, name) in [
            ("kernel_size = 2", "AvgPool2d(2)"),
            (
                "kernel_size = 3\nstride = 2\npadding = 1\ncount_include_pad = false",
                "AvgPool2d(3, stride=2, padding=1, count_include_pad=False)",
            ),
        ] {
            let config = crate::setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap();
            let config = LayerConfig::AvgPool2d(config);
            assert_gradients(&config, &[2, 5, 4]);
            assert_contract(&config, &[2, 5, 4]);
            assert_eq!(build(&config, &[2, 5, 4], 1).describe(), name);
        }
    }
}
