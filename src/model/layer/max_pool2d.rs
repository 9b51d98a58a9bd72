//! The largest pixel of each window (`PyTorch`'s `MaxPool2d`).

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::{Memory, numbers};
use super::pair::Pair;
use super::{Layer, LayerSettings, Pass, images, take_kept};
use crate::kernel::pool::max::{self, Kept};
use crate::kernel::window::Window;
use crate::model::initializer::Initializer;
use crate::setting::Problems;
use crate::{Error, Result};

/// The largest pixel of each window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(!from, deny_unknown_fields)]
pub struct MaxPool2dConfig {
    /// Height and width of the window, or one number for both.
    pub kernel_size: Pair<1>,
    /// How far it moves at once; by its own size unless set.
    pub stride: Pair<1>,
    /// Pixels that are put around the image, on each side; never the largest. At most half the window.
    pub padding: Pair<0>,
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
}

impl From<Written> for MaxPool2dConfig {
    fn from(written: Written) -> Self {
        let Written { kernel_size, stride, padding } = written;
        Self { kernel_size, stride: stride.unwrap_or(kernel_size), padding: padding.unwrap_or(Pair([0; 2])) }
    }
}

/// Refuses a window that no image would make right.
pub(super) fn check_window(kernel: Pair<1>, stride: Pair<1>, padding: Pair<0>, problems: &mut Problems) {
    kernel.check("kernel_size", problems);
    stride.check("stride", problems);
    padding.check("padding", problems);
    if kernel.0.iter().zip(padding.0).any(|(kernel, padding)| padding > kernel / 2) {
        problems.refuse(
            "padding",
            format!("`padding` is {padding} for windows of {kernel}"),
            "expected half the window at most",
        );
    }
}

/// The output of a pooling called `what`, or why there is none.
pub(super) fn pooled(what: &str, window: &Window, input: &[usize]) -> Result<Vec<usize>> {
    let [channels, height, width] = images(input, what)?;
    let [high, wide] = window.output([height, width]).ok_or_else(|| {
        let ([down, across], padding) = (window.kernel, Pair::<0>(window.padding));
        Error::Request(format!(
            "{what} with padding = {padding} needs images that its window of {down} × {across} pixels fits into, \
             but gets {input:?}"
        ))
    })?;
    Ok(vec![channels, high, wide])
}

/// `MaxPool2d(3, stride=2, padding=1)`: what is not its default.
pub(super) fn describe_window(name: &str, window: &Window) -> String {
    let mut text = format!("{name}({}", Pair::<1>(window.kernel));
    if window.stride != window.kernel {
        text = format!("{text}, stride={}", Pair::<1>(window.stride));
    }
    if window.padding != [0; 2] {
        text = format!("{text}, padding={}", Pair::<0>(window.padding));
    }
    text
}

impl MaxPool2dConfig {
    /// How it moves.
    pub fn window(&self) -> Window {
        let Self { kernel_size, stride, padding } = self;
        Window { kernel: kernel_size.0, stride: stride.0, padding: padding.0, dilation: [1; 2] }
    }
}

impl LayerSettings for MaxPool2dConfig {
    /// Refuses what no image would make right.
    fn check(&self, problems: &mut Problems) {
        check_window(self.kernel_size, self.stride, self.padding, problems);
    }

    /// The shape of one output sample.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        pooled("max_pool2d", &self.window(), input)
    }

    /// The position of each number of the output, as large as a number.
    fn memory(&self, input: &[usize], batch: u64) -> Result<Memory> {
        let positions = numbers(batch, &self.output_shape(input)?);
        Ok(Memory { beside: positions, ..Memory::default() })
    }

    fn build(&self, _input: &[usize], _ordinal: u32, _init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(MaxPool2d::new(self.window())))
    }
}

/// See the module.
#[derive(Debug)]
pub struct MaxPool2d {
    window: Window,
    /// Where the largest pixels of the last training pass were.
    kept: Option<Kept>,
}

impl MaxPool2d {
    /// Without anything to train.
    pub fn new(window: Window) -> Self {
        Self { window, kept: None }
    }
}

impl Layer for MaxPool2d {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let (output, kept) = max::forward(input, &self.window)?;
        self.kept = pass.is_training().then_some(kept);
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let kept = take_kept(&mut self.kept, "a pooling")?;
        need_input_gradient.then(|| max::backward(&kept, gradient)).transpose()
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        pooled("max_pool2d", &self.window, input).unwrap_or_default()
    }

    fn describe(&self) -> String {
        describe_window("MaxPool2d", &self.window) + ")"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    fn read(text: &str) -> MaxPool2dConfig {
        crate::setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for (text, name) in [
            ("kernel_size = 2", "MaxPool2d(2)"),
            (
                "kernel_size = [3, 2]\nstride = [2, 1]\npadding = 1",
                "MaxPool2d([3, 2], stride=[2, 1], padding=1)",
            ),
        ] {
            let config = LayerConfig::MaxPool2d(read(text));
            assert_gradients(&config, &[2, 5, 4]);
            assert_contract(&config, &[2, 5, 4]);
            assert_eq!(build(&config, &[2, 5, 4], 1).describe(), name);
        }
    }

    #[test]
    fn images_that_do_not_fit_and_wrong_settings_are_refused() {
        assert_eq!(
            read("kernel_size = 2").output_shape(&[8, 1, 1]).unwrap_err().to_string(),
            "max_pool2d with padding = 0 needs images that its window of 2 × 2 pixels fits into, but gets [8, 1, 1]"
        );
        let mut problems = Problems::default();
        read("kernel_size = 3\npadding = 2\nstride = 0").check(&mut problems);
        let paths: Vec<String> = problems.into_found().iter().map(|one| one.path.to_string()).collect();
        assert_eq!(paths, ["stride", "padding"]);
    }
}
