//! Convolution of images (`PyTorch`'s `Conv2d`); [`kernel::conv2d`](crate::kernel::conv2d) has the formulas.

use candle_core::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear::MAX_WIDTH;
use super::memory::{Keeps, Memory};
use super::pair::Pair;
use super::{Layer, LayerSettings, Pass, images, take_kept};
use crate::kernel::conv2d::{self, Convolution};
use crate::kernel::linear::Need;
use crate::kernel::window::Window;
use crate::model::Parameter;
use crate::model::initializer::{Initializer, Role};
use crate::setting::Problems;
use crate::{Error, Result};

/// Kernels that slide over images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv2dConfig {
    /// How many kernels there are: channels of an output image.
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub out_channels: usize,
    /// Height and width of a kernel, or one number for both.
    pub kernel_size: Pair<1>,
    /// How far it moves at once.
    #[serde(default = "one")]
    pub stride: Pair<1>,
    /// Zeros that are put around the image, on each side.
    #[serde(default = "none")]
    pub padding: Pair<0>,
    /// How far apart the pixels are that a kernel looks at.
    #[serde(default = "one")]
    pub dilation: Pair<1>,
    /// Into how many parts the channels are cut that see nothing of each other.
    #[serde(default = "single")]
    #[schemars(range(min = 1, max = MAX_WIDTH))]
    pub groups: usize,
    /// Whether a number a channel is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn one() -> Pair<1> {
    Pair::square(1)
}

fn none() -> Pair<0> {
    Pair::square(0)
}

fn single() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl Conv2dConfig {
    /// With everything but the kernels' number and size at its default.
    pub fn new(out_channels: usize, kernel_size: Pair<1>) -> Self {
        Self {
            out_channels,
            kernel_size,
            stride: one(),
            padding: none(),
            dilation: one(),
            groups: single(),
            bias: yes(),
        }
    }

    fn convolution(&self) -> Convolution {
        let window = Window {
            kernel: self.kernel_size.0,
            stride: self.stride.0,
            padding: self.padding.0,
            dilation: self.dilation.0,
        };
        Convolution { window, groups: self.groups }
    }

    /// Input channels of a group, for input samples of shape `input`.
    fn part(&self, input: &[usize]) -> Result<usize> {
        let [channels, ..] = images(input, "conv2d")?;
        if !(1..=MAX_WIDTH).contains(&channels) || self.groups == 0 || channels % self.groups != 0 {
            return Err(Error::Request(format!(
                "conv2d with groups = {} cannot cut the {channels} channels of {input:?} into equal groups",
                self.groups
            )));
        }
        Ok(channels / self.groups)
    }
}

impl LayerSettings for Conv2dConfig {
    /// Refuses what no image would make right.
    fn check(&self, problems: &mut Problems) {
        let (outputs, groups) = (self.out_channels, self.groups);
        let range = format!("a whole number from 1 to {MAX_WIDTH}");
        problems.require((1..=MAX_WIDTH).contains(&outputs), "out_channels", outputs, &range);
        problems.require((1..=MAX_WIDTH).contains(&groups), "groups", groups, &range);
        if groups > 0 && outputs % groups != 0 {
            problems.refuse(
                "groups",
                format!("{outputs} output channels cannot be cut into {groups} equal groups"),
                "expected a divisor of `out_channels`",
            );
        }
        self.kernel_size.check("kernel_size", problems);
        self.stride.check("stride", problems);
        self.padding.check("padding", problems);
        self.dilation.check("dilation", problems);
    }

    /// The shape of one output sample.
    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        self.part(input)?;
        let [_, height, width] = images(input, "conv2d")?;
        let window = self.convolution().window;
        let [high, wide] = window.output([height, width]).ok_or_else(|| {
            let ([down, across], padding) = (window.reach(), self.padding);
            Error::Request(format!(
                "conv2d with padding = {padding} needs images that its kernel of {down} × {across} pixels \
                 fits into, but gets {input:?}"
            ))
        })?;
        Ok(vec![self.out_channels, high, wide])
    }

    /// out · (C / groups) · kernel + out.
    fn parameter_count(&self, input: &[usize]) -> Result<u64> {
        let kernel = self.kernel_size.0.iter().fold(self.part(input)? as u64, |size, side| {
            // Two sides up to 2¹⁶ and 2²⁴ channels fit.
            size * *side as u64
        });
        Ok((self.out_channels as u64).saturating_mul(kernel.saturating_add(u64::from(self.bias))))
    }

    fn memory(&self, _input: &[usize], _batch: u64) -> Result<Memory> {
        Ok(Memory::keeping(Keeps::Input))
    }

    fn build(&self, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Box<dyn Layer>> {
        Ok(Box::new(Conv2d::build(self, input, ordinal, init)?))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Conv2d {
    how: Convolution,
    weight: Parameter,
    bias: Option<Parameter>,
    /// The input of the last training pass.
    kept: Option<Tensor>,
}

impl Conv2d {
    /// With initial weights from `init`.
    pub fn build(
        config: &Conv2dConfig,
        input: &[usize],
        ordinal: u32,
        init: &Initializer<'_>,
    ) -> Result<Self> {
        let (part, [down, across]) = (config.part(input)?, config.kernel_size.0);
        let outputs = config.out_channels;
        // As `torch.nn.init` counts them, whatever the groups.
        let fans = [part, outputs].map(|channels| channels * down * across);
        let shape = [outputs, part, down, across];
        let weight = init.weight(ordinal, Role::ConvWeight, &shape, fans)?;
        let bias = config
            .bias
            .then(|| init.bias(ordinal, Role::ConvBias, &[outputs], fans[0]))
            .transpose()?
            .map(Parameter::new);
        Ok(Self { how: config.convolution(), weight: Parameter::new(weight), bias, kept: None })
    }
}

impl Layer for Conv2d {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        self.kept = pass.is_training().then(|| input.clone());
        conv2d::forward(input, &self.weight.value, self.bias.as_ref().map(|bias| &bias.value), self.how)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let input = take_kept(&mut self.kept, "a convolution")?;
        let need = Need {
            weight: self.weight.trainable,
            bias: self.bias.as_ref().is_some_and(|bias| bias.trainable),
            input: need_input_gradient,
        };
        let gradients = conv2d::backward(&input, &self.weight.value, gradient, self.how, need)?;
        self.weight.gradient = gradients.weight;
        if let Some(bias) = &mut self.bias {
            bias.gradient = gradients.bias;
        }
        Ok(gradients.input)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        let bias = self.bias.as_ref().map(|bias| ("bias", bias));
        std::iter::once(("weight", &self.weight)).chain(bias).collect()
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        let bias = self.bias.as_mut().map(|bias| ("bias", bias));
        std::iter::once(("weight", &mut self.weight)).chain(bias).collect()
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        let sides = match input {
            [_, height, width] => self.how.window.output([*height, *width]).unwrap_or_default(),
            _ => [0; 2],
        };
        vec![self.weight.value.dims()[1], sides[0], sides[1]]
    }

    fn describe(&self) -> String {
        let Convolution { window: Window { kernel, stride, padding, dilation }, groups } = self.how;
        let [_, outputs, part, ..] = self.weight.value.dims()[..] else { return "Conv2d".to_owned() };
        let mut text = format!("Conv2d({}, {outputs}, kernel_size={}", part * groups, Pair::<1>(kernel));
        for (name, pair, default) in
            [("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)]
        {
            if pair != [default; 2] {
                text = format!("{text}, {name}={}", Pair::<0>(pair));
            }
        }
        if groups != 1 {
            text = format!("{text}, groups={groups}");
        }
        text.push_str(if self.bias.is_some() { ")" } else { ", bias=False)" });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerConfig;
    use crate::model::layer::checks::{assert_contract, assert_gradients, build};

    fn config() -> Conv2dConfig {
        Conv2dConfig::new(4, Pair([3, 2]))
    }

    fn odd() -> Conv2dConfig {
        Conv2dConfig {
            stride: Pair([2, 1]),
            padding: Pair([1, 2]),
            dilation: Pair([1, 2]),
            groups: 2,
            bias: false,
            ..config()
        }
    }

    #[test]
    fn gradients_are_exact_and_the_contract_is_kept() {
        for config in [config(), odd()] {
            let config = LayerConfig::Conv2d(config);
            assert_gradients(&config, &[2, 5, 4]);
            assert_contract(&config, &[2, 5, 4]);
        }
    }

    #[test]
    fn names_are_those_of_pytorch_in_short() {
        let text = |config: Conv2dConfig| build(&LayerConfig::Conv2d(config), &[2, 5, 5], 1).describe();
        assert_eq!(text(Conv2dConfig::new(4, Pair::square(3))), "Conv2d(2, 4, kernel_size=3)");
        assert_eq!(
            text(odd()),
            "Conv2d(2, 4, kernel_size=[3, 2], stride=[2, 1], padding=[1, 2], dilation=[1, 2], groups=2, bias=False)"
        );
    }

    #[test]
    fn images_that_do_not_fit_and_wrong_settings_are_refused() {
        let shape = |config: &Conv2dConfig, input: &[usize]| {
            config.output_shape(input).map_err(|error| error.to_string())
        };
        assert_eq!(shape(&config(), &[2, 5, 4]), Ok(vec![4, 3, 3]));
        assert_eq!(
            shape(&config(), &[2, 2, 9]).unwrap_err(),
            "conv2d with padding = 0 needs images that its kernel of 3 × 2 pixels fits into, but gets [2, 2, 9]"
        );
        assert_eq!(
            shape(&config(), &[9]).unwrap_err(),
            "conv2d needs images of the shape [C, H, W], but gets [9]"
        );
        assert_eq!(
            shape(&odd(), &[3, 5, 5]).unwrap_err(),
            "conv2d with groups = 2 cannot cut the 3 channels of [3, 5, 5] into equal groups"
        );
        let mut problems = Problems::default();
        let wrong = Conv2dConfig {
            out_channels: 5,
            kernel_size: Pair([0, 1]),
            stride: Pair([0, 1]),
            groups: 2,
            ..config()
        };
        wrong.check(&mut problems);
        let paths: Vec<String> = problems.into_found().iter().map(|one| one.path.to_string()).collect();
        assert_eq!(paths, ["groups", "kernel_size", "stride"]);
    }
}
