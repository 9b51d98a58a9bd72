//! A convolutional network: blocks of convolution, regularizer, activation and pooling, and a head of linear layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::activation::ActivationConfig;
use super::layer::conv2d::Conv2dConfig;
use super::layer::dropout::DropoutConfig;
use super::layer::linear::{LinearConfig, MAX_WIDTH};
use super::layer::pair::Pair;
use super::layer::{LayerConfig, LayerSettings};
use super::mlp::ActivationPosition;
use super::pool::PoolConfig;
use super::regularizer::RegularizerList;
use crate::sample::SampleShape;
use crate::setting::Problems;
use crate::{Error, Result};

/// Deeper is a typing error; plain networks stop learning long before.
const MAX_LAYERS: usize = 1000;
/// Dropout before each linear layer of the head but the last.
const DEFAULT_DROPOUT: f64 = 0.5;

/// `kind = "cnn"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(!from, default, deny_unknown_fields)]
pub struct CnnConfig {
    /// The channels behind each convolution.
    #[schemars(length(min = 1, max = MAX_LAYERS), inner(range(min = 1, max = MAX_WIDTH)))]
    pub channels: Vec<usize>,
    /// Height and width of the kernels, or one number for both.
    pub kernel_size: Pair<1>,
    /// How far they move at once.
    pub stride: Pair<1>,
    /// Zeros that are put around the images, on each side; half the kernel unless set.
    pub padding: Pair<0>,
    /// What stands at the end of every block: a number for a max pooling of that size, 0 for none.
    pub pool: PoolConfig,
    /// The nonlinearity of every block, and of the head.
    pub activation: ActivationConfig,
    /// What else stands behind every convolution.
    pub regularizer: RegularizerList,
    /// Which of the two comes first.
    pub activation_position: ActivationPosition,
    /// The linear layers behind the blocks.
    pub head: HeadConfig,
}

/// Linear layers with dropout before and activation between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "WrittenHead")]
#[schemars(!from, default, deny_unknown_fields)]
pub struct HeadConfig {
    /// The hidden widths.
    #[schemars(length(max = MAX_LAYERS - 1), inner(range(min = 1, max = MAX_WIDTH)))]
    pub hidden: Vec<usize>,
    /// The probability of a zero before each linear layer, one more than hidden widths, or one number for all; 0.5
    /// before each but the last unless set.
    #[schemars(schema_with = "dropout_schema")]
    pub dropout: Vec<f64>,
}

/// The keys as they are read: what is absent may depend on another key.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    channels: Vec<usize>,
    kernel_size: Pair<1>,
    stride: Pair<1>,
    padding: Option<Pair<0>>,
    pool: PoolConfig,
    activation: ActivationConfig,
    regularizer: RegularizerList,
    activation_position: ActivationPosition,
    head: HeadConfig,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            channels: vec![32, 64, 128],
            kernel_size: Pair::square(3),
            stride: Pair::square(1),
            padding: None,
            pool: PoolConfig::default(),
            activation: ActivationConfig::Relu,
            regularizer: RegularizerList::default(),
            activation_position: ActivationPosition::AfterRegularizer,
            head: HeadConfig::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WrittenHead {
    hidden: Vec<usize>,
    dropout: Option<Rates>,
}

impl Default for WrittenHead {
    fn default() -> Self {
        Self { hidden: vec![512, 256], dropout: None }
    }
}

/// One probability for all places, or one for each.
struct Rates {
    rates: Vec<f64>,
    is_single: bool,
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RatesVisitor)
    }
}

struct RatesVisitor;

impl<'de> serde::de::Visitor<'de> for RatesVisitor {
    type Value = Rates;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number from 0 to 1, or a list of them")
    }

    fn visit_f64<E: serde::de::Error>(self, rate: f64) -> Result<Rates, E> {
        Ok(Rates { rates: vec![rate], is_single: true })
    }

    fn visit_i64<E: serde::de::Error>(self, rate: i64) -> Result<Rates, E> {
        self.visit_f64(rate as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, rate: u64) -> Result<Rates, E> {
        self.visit_f64(rate as f64)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Rates, A::Error> {
        let mut rates = Vec::new();
        while let Some(rate) = list.next_element()? {
            rates.push(rate);
        }
        Ok(Rates { rates, is_single: false })
    }
}

fn dropout_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": ["number", "array"],
        "minimum": 0,
        "maximum": 1,
        "items": { "type": "number", "minimum": 0, "maximum": 1 },
    })
}

impl From<Written> for CnnConfig {
    fn from(written: Written) -> Self {
        let Written { channels, kernel_size, stride, padding, pool, activation, regularizer, .. } = written;
        Self {
            padding: padding.unwrap_or(Pair(kernel_size.0.map(|side| side / 2))),
            channels,
            kernel_size,
            stride,
            pool,
            activation,
            regularizer,
            activation_position: written.activation_position,
            head: written.head,
        }
    }
}

impl From<WrittenHead> for HeadConfig {
    fn from(written: WrittenHead) -> Self {
        let WrittenHead { hidden, dropout } = written;
        let dropout = match dropout {
            Some(Rates { rates, is_single: true }) => rates.repeat(hidden.len() + 1),
            Some(Rates { rates, .. }) => rates,
            None => hidden.iter().map(|_| DEFAULT_DROPOUT).chain([0.0]).collect(),
        };
        Self { hidden, dropout }
    }
}

impl Default for CnnConfig {
    fn default() -> Self {
        Written::default().into()
    }
}

impl Default for HeadConfig {
    fn default() -> Self {
        WrittenHead::default().into()
    }
}

impl CnnConfig {
    /// Refuses what no image would make right.
    pub fn check(&self, problems: &mut Problems) {
        let count = self.channels.len();
        let valid = (1..=MAX_LAYERS).contains(&count);
        problems.require(valid, "channels", format!("{count} long"), "1 to 1000 numbers of channels");
        check_widths("channels", &self.channels, problems);
        self.kernel_size.check("kernel_size", problems);
        self.stride.check("stride", problems);
        self.padding.check("padding", problems);
        problems.within("pool", |problems| self.pool.check(problems));
        problems.within("activation", |problems| self.activation.check(problems));
        problems.within("regularizer", |problems| self.regularizer.check(problems));
        problems.within("head", |problems| self.head.check(problems));
    }

    /// Refuses samples that are no images.
    pub(super) fn check_images(input: &SampleShape) -> Result<()> {
        if input.dims().len() == 3 {
            return Ok(());
        }
        Err(Error::Request(format!(
            "a cnn needs images of the shape [C, H, W], but samples are {input}: use a model of kind mlp"
        )))
    }

    /// The layers themselves.
    pub fn layers(&self, outputs: usize) -> Vec<LayerConfig> {
        let behind = self.activation_position.arrange(&self.activation, &self.regularizer);
        let mut layers = Vec::new();
        for channels in &self.channels {
            layers.push(LayerConfig::Conv2d(Conv2dConfig {
                stride: self.stride,
                padding: self.padding,
                ..Conv2dConfig::new(*channels, self.kernel_size)
            }));
            layers.extend(behind.iter().cloned());
            layers.extend(self.pool.layer());
        }
        layers.push(LayerConfig::Flatten);
        let widths = self.head.hidden.iter().copied().chain([outputs]);
        for (index, (width, p)) in widths.zip(&self.head.dropout).enumerate() {
            if index > 0 {
                layers.extend(self.activation.layer());
            }
            layers.push(LayerConfig::Dropout(DropoutConfig { p: *p }));
            layers.push(LayerConfig::Linear(LinearConfig::new(width)));
        }
        layers
    }
}

impl HeadConfig {
    fn check(&self, problems: &mut Problems) {
        let (hidden, rates) = (self.hidden.len(), self.dropout.len());
        problems.require(hidden < MAX_LAYERS, "hidden", format!("{hidden} long"), "at most 999 widths");
        check_widths("hidden", &self.hidden, problems);
        if rates != hidden + 1 {
            problems.refuse(
                "dropout",
                format!("`dropout` has {rates} probabilities for {} linear layers", hidden + 1),
                "expected one before each linear layer, the last one included, or one number for all",
            );
        }
        if let Some(wrong) = self.dropout.iter().find(|rate| !(0.0..=1.0).contains(*rate)) {
            problems.refuse("dropout", format!("a probability of {wrong}"), "expected numbers from 0 to 1");
        }
    }
}

fn check_widths(key: &str, widths: &[usize], problems: &mut Problems) {
    problems.within(key, |problems| {
        for (index, width) in widths.iter().enumerate().take(MAX_LAYERS) {
            problems.within_entry(index, |problems| {
                if !(1..=MAX_WIDTH).contains(width) {
                    let expected = format!("expected a whole number from 1 to {MAX_WIDTH}");
                    problems.refuse("", format!("a width of {width}"), expected);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting;

    fn read(text: &str) -> CnnConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap())).unwrap()
    }

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        read(text).check(&mut problems);
        problems.into_found().into_iter().map(|one| format!("{}: {}", one.path, one.message)).collect()
    }

    fn names(config: &CnnConfig) -> Vec<&'static str> {
        config.layers(10).iter().map(LayerConfig::type_name).collect()
    }

    #[test]
    fn blocks_and_head_are_those_of_the_exercise() {
        let block = ["conv2d", "batch_norm", "activation", "max_pool2d"];
        let head = [
            "flatten",
            "dropout",
            "linear",
            "activation",
            "dropout",
            "linear",
            "activation",
            "dropout",
            "linear",
        ];
        let config = read("");
        assert_eq!(names(&config), [&block[..], &block, &block, &head].concat());
        assert_eq!((config.padding, &config.head.dropout[..]), (Pair([1, 1]), &[0.5, 0.5, 0.0][..]));
        let plain = read(
            "channels = [4]\npool = 0\nregularizer = 'none'\nhead = { hidden = [], dropout = 0 }\nkernel_size = [5, 2]",
        );
        assert_eq!(names(&plain), ["conv2d", "activation", "flatten", "dropout", "linear"]);
        assert_eq!((plain.padding, &plain.head.dropout[..]), (Pair([2, 1]), &[0.0][..]));
        let head = read("head = { hidden = [7], dropout = 0.3 }").head;
        assert_eq!(head.dropout, [0.3, 0.3]);
        assert_eq!(read("head = { hidden = [7] }").head.dropout, [0.5, 0.0]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "",
            "pool = { kind = 'avg', kernel_size = 3, stride = 2 }",
            "kernel_size = [3, 5]\nactivation = 'none'",
        ] {
            let config = read(text);
            assert_eq!(read(&toml::to_string(&config).unwrap()), config);
        }
    }

    #[test]
    fn every_wrong_value_is_reported_with_its_path() {
        assert_eq!(
            problems(
                "channels = [8, 0]\nkernel_size = 0\nstride = [1, 0]\npool = { kernel_size = 2, padding = 2 }\n\
                      head = { hidden = [0, 8], dropout = [0.5, 1.5] }"
            ),
            [
                "channels[1]: a width of 0",
                "kernel_size: `kernel_size` is 0",
                "stride: `stride` is [1, 0]",
                "pool.padding: `padding` is 2 for windows of 2",
                "head.hidden[0]: a width of 0",
                "head.dropout: `dropout` has 2 probabilities for 3 linear layers",
                "head.dropout: a probability of 1.5",
            ]
        );
        assert_eq!(problems("channels = []"), ["channels: `channels` is 0 long"]);
    }
}
