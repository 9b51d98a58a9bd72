//! Layers one after the other, residual blocks among them.

use candle_core::Tensor;

use super::initializer::Initializer;
use super::layer::residual::ResidualConfig;
use super::layer::{Layer, LayerConfig, Pass};
use super::summary::SummaryRow;
use crate::{Error, Result};

/// A list of layers.
#[derive(Debug, Default)]
pub(super) struct Chain(Vec<Step>);

/// An entry of the list.
#[derive(Debug)]
enum Step {
    Layer(Place),
    Residual(Residual),
}

/// A layer and its place in the model.
#[derive(Debug)]
pub(super) struct Place {
    /// `layers.0`, or `layers.3.layers.0` in a block.
    pub(super) name: String,
    pub(super) layer: Box<dyn Layer>,
}

/// y = body(x) + shortcut(x).
#[derive(Debug)]
struct Residual {
    name: String,
    body: Chain,
    /// Empty where x itself is added.
    shortcut: Chain,
}

/// How many layers of each type there are so far, those of blocks among them.
#[derive(Debug, Default)]
pub(super) struct Ordinals(Vec<(&'static str, u32)>);

impl Ordinals {
    fn next(&mut self, type_name: &'static str) -> u32 {
        if let Some((_, count)) = self.0.iter_mut().find(|(name, _)| *name == type_name) {
            *count += 1;
            return *count;
        }
        self.0.push((type_name, 0));
        0
    }
}

impl Chain {
    /// The layers for input samples of shape `shape`, which becomes that of the output. Their names begin with
    /// `prefix`.
    pub(super) fn build(
        layers: &[LayerConfig],
        prefix: &str,
        shape: &mut Vec<usize>,
        ordinals: &mut Ordinals,
        init: &Initializer<'_>,
    ) -> Result<Self> {
        let mut steps = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let name = format!("{prefix}.{index}");
            steps.push(match layer {
                LayerConfig::Residual(config) => {
                    Step::Residual(Residual::build(config, name, shape, ordinals, init)?)
                }
                layer => {
                    let built = layer.build(shape, ordinals.next(layer.type_name()), init)?;
                    *shape = layer.output_shape(shape)?;
                    Step::Layer(Place { name, layer: built })
                }
            });
        }
        Ok(Self(steps))
    }

    /// y for `input`.
    pub(super) fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let mut activation = input.clone();
        let mut pass = *pass;
        for step in &mut self.0 {
            activation = match step {
                Step::Layer(place) => place.layer.forward(&activation, &pass)?,
                Step::Residual(block) => {
                    let body = block.body.forward(&activation, &pass)?;
                    (body + block.shortcut.forward(&activation, &pass)?)?
                }
            };
            if matches!(step, Step::Layer(place) if place.layer.ends_time()) {
                pass = pass.with_lengths(None);
            }
        }
        Ok(activation)
    }

    /// Sets the gradient of every trainable parameter for the gradient of the last training pass's output, and
    /// gives that of its input if it is needed. No layer computes a gradient that nobody needs.
    pub(super) fn backward(
        &mut self,
        gradient: &Tensor,
        need_input_gradient: bool,
    ) -> Result<Option<Tensor>> {
        let first = if need_input_gradient { Some(0) } else { self.0.iter().position(Step::trains) };
        let Some(first) = first else { return Ok(None) };
        let mut gradient = gradient.clone();
        for (index, step) in self.0.iter_mut().enumerate().skip(first).rev() {
            let need = need_input_gradient || index > first;
            match step.backward(&gradient, need)? {
                Some(input_gradient) => gradient = input_gradient,
                None if need => {
                    return Err(Error::Bug(format!("{} gave no gradient of its input", step.name())));
                }
                None => {}
            }
        }
        Ok(need_input_gradient.then_some(gradient))
    }

    fn trains(&self) -> bool {
        self.0.iter().any(Step::trains)
    }

    /// Every layer, those of blocks among them, in `PyTorch`'s order.
    pub(super) fn places(&self) -> Vec<&Place> {
        let mut places = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            match step {
                Step::Layer(place) => places.push(place),
                Step::Residual(block) => {
                    places.extend(block.body.places());
                    places.extend(block.shortcut.places());
                }
            }
        }
        places
    }

    /// As [`places`](Self::places), to be changed.
    pub(super) fn places_mut(&mut self) -> Vec<&mut Place> {
        let mut places = Vec::with_capacity(self.0.len());
        for step in &mut self.0 {
            match step {
                Step::Layer(place) => places.push(place),
                Step::Residual(block) => {
                    places.extend(block.body.places_mut());
                    places.extend(block.shortcut.places_mut());
                }
            }
        }
        places
    }

    /// Appends a row for each layer and block, `depth` blocks deep; `shape` becomes that of the output.
    pub(super) fn append_rows(&self, shape: &mut Vec<usize>, depth: usize, rows: &mut Vec<SummaryRow>) {
        for step in &self.0 {
            let (name, kind, parameters) = match step {
                Step::Layer(Place { name, layer }) => {
                    *shape = layer.output_shape(shape);
                    let numbers = |dims: &[usize]| dims.iter().skip(1).product::<usize>();
                    let all = layer.parameters();
                    let count = all.iter().map(|(_, one)| numbers(one.value.dims())).sum();
                    (name, layer.describe(), count)
                }
                Step::Residual(block) => (&block.name, "Residual".to_owned(), 0),
            };
            let at = rows.len();
            rows.push(SummaryRow {
                name: name.clone(),
                depth,
                kind,
                output_shape: shape.clone(),
                parameters,
            });
            if let Step::Residual(block) = step {
                let mut beside = shape.clone();
                block.body.append_rows(shape, depth + 1, rows);
                block.shortcut.append_rows(&mut beside, depth + 1, rows);
                rows[at].output_shape.clone_from(shape);
            }
        }
    }
}

impl Step {
    fn name(&self) -> &str {
        match self {
            Self::Layer(place) => &place.name,
            Self::Residual(block) => &block.name,
        }
    }

    fn trains(&self) -> bool {
        match self {
            Self::Layer(place) => place.layer.parameters().iter().any(|(_, one)| one.trainable),
            Self::Residual(block) => block.body.trains() || block.shortcut.trains(),
        }
    }

    fn backward(&mut self, gradient: &Tensor, need: bool) -> Result<Option<Tensor>> {
        match self {
            Self::Layer(place) => place.layer.backward(gradient, need),
            Self::Residual(block) => {
                let body = block.body.backward(gradient, need)?;
                let shortcut = block.shortcut.backward(gradient, need)?;
                Ok(match (body, shortcut) {
                    (Some(body), Some(shortcut)) => Some((body + shortcut)?),
                    _ => None,
                })
            }
        }
    }
}

impl Residual {
    fn build(
        config: &ResidualConfig,
        name: String,
        shape: &mut Vec<usize>,
        ordinals: &mut Ordinals,
        init: &Initializer<'_>,
    ) -> Result<Self> {
        let mut beside = shape.clone();
        let body = Chain::build(&config.layers, &format!("{name}.layers"), shape, ordinals, init)?;
        let layers = config.shortcut.as_deref().unwrap_or_default();
        let shortcut = Chain::build(layers, &format!("{name}.shortcut"), &mut beside, ordinals, init)?;
        Ok(Self { name, body, shortcut })
    }
}

#[cfg(test)]
mod tests {
    use crate::setting::Kind;
    use candle_core::{DType, Device};

    use super::*;
    use crate::kernel::checks::{assert_close, numbers, tensor};
    use crate::model::InitConfig;
    use crate::setting;

    const PASS: Pass<'_> = Pass::training(&[1], 0);

    fn read(text: &str) -> LayerConfig {
        setting::read(&toml::Value::Table(toml::from_str(text).unwrap()))
            .unwrap_or_else(|problems| panic!("{text}\n{problems:?}"))
    }

    fn build(layers: &[LayerConfig], input: &[usize]) -> Chain {
        let init = Initializer::new(&InitConfig::Default, &[1], DType::F64, &Device::Cpu);
        Chain::build(layers, "layers", &mut input.to_vec(), &mut Ordinals::default(), &init).unwrap()
    }

    /// As the script that made the fixture says.
    fn wave(shape: &[usize], seed: f64) -> Tensor {
        let count: usize = shape.iter().product();
        let wave: Vec<f64> = (0..count).map(|n| (0.7 * (n as f64 + 1.0) + seed).sin()).collect();
        tensor(&wave, shape)
    }

    /// The numbers were made by `tests/parity/layers.py`, with `PyTorch` 2.15.
    #[test]
    fn every_layer_agrees_with_pytorch() {
        let text = include_str!("../../tests/parity/fixtures/layers.json");
        let fixture: serde_json::Value = serde_json::from_str(text).unwrap();
        let list = |value: &serde_json::Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
        let shape = |value: &serde_json::Value| -> Vec<usize> {
            let sample: Vec<usize> = serde_json::from_value(value.clone()).unwrap();
            [1, 2].into_iter().chain(sample).collect()
        };
        let mut kinds = std::collections::BTreeSet::new();
        for case in fixture["cases"].as_array().unwrap() {
            let layer = read(case["layer"].as_str().unwrap());
            kinds.insert(layer.kind());
            let (input, output) = (shape(&case["input"]), shape(&case["output"]));
            let mut chain = build(std::slice::from_ref(&layer), &input[2..]);
            let mut seed = 3.0;
            for place in chain.places_mut() {
                for (_, one) in place.layer.parameters_mut() {
                    one.value = wave(one.value.dims(), seed);
                    seed += 1.0;
                }
            }
            let x = wave(&input, 1.0);
            let y = chain.forward(&x, &PASS).unwrap();
            assert_eq!(y.dims(), output, "{layer:?}");
            assert_close(&numbers(&y), &list(&case["y"]), 1e-10);
            let dx = chain.backward(&wave(&output, 2.0), true).unwrap().unwrap();
            assert_close(&numbers(&dx), &list(&case["dx"]), 1e-10);
            let expected = case["gradients"].as_object().unwrap();
            let mut seen = 0;
            for place in chain.places() {
                for (name, one) in place.layer.parameters() {
                    let name = format!("{}.{name}", place.name);
                    let expected = list(&expected[name.strip_prefix("layers.0.").unwrap()]);
                    assert_close(&numbers(one.gradient.as_ref().unwrap()), &expected, 1e-10);
                    seen += 1;
                }
            }
            assert_eq!(seen, expected.len());
            let y = chain.forward(&x, &Pass::EVALUATION).unwrap();
            assert_close(&numbers(&y), &list(&case["evaluated"]), 1e-10);
        }
        let rest: Vec<&str> =
            LayerConfig::kinds().iter().filter(|kind| !kinds.contains(*kind)).copied().collect();
        // Dropout draws its own numbers; the others have a comparison of their own in tests/it/recurrent.rs.
        assert_eq!(rest, ["dropout", "embedding", "rnn", "lstm", "gru"]);
    }

    #[test]
    fn ordinals_count_across_blocks_and_names_tell_where_a_layer_is() {
        let linear = "{ kind = 'linear', out_features = 3 }";
        let block = format!("kind = 'residual'\nlayers = [{linear}, {linear}]\nshortcut = [{linear}]");
        let chain = build(&[read("kind = 'linear'\nout_features = 3"), read(&block)], &[3]);
        let names: Vec<&str> = chain.places().iter().map(|place| place.name.as_str()).collect();
        assert_eq!(names, ["layers.0", "layers.1.layers.0", "layers.1.layers.1", "layers.1.shortcut.0"]);
        let weights: Vec<Vec<f64>> =
            chain.places().iter().map(|place| numbers(&place.layer.parameters()[0].1.value)).collect();
        let flat = build(&vec![read("kind = 'linear'\nout_features = 3"); 4], &[3]);
        for (place, weight) in flat.places().iter().zip(&weights) {
            assert_eq!(numbers(&place.layer.parameters()[0].1.value), *weight);
        }
    }

    #[test]
    fn frozen_layers_cut_the_backward_pass_inside_blocks_too() {
        let linear = "{ kind = 'linear', out_features = 3 }";
        let block = format!("kind = 'residual'\nlayers = [{linear}, 'tanh']\nshortcut = [{linear}]");
        let layers = [read("kind = 'linear'\nout_features = 3"), read(&block), read("kind = 'relu'")];
        let x = wave(&[1, 4, 3], 1.0);
        for (trained, expected) in [
            ("layers.1.shortcut.0", vec!["layers.1.shortcut.0"]),
            ("layers.1.layers.0", vec!["layers.1.layers.0"]),
            ("layers.0", vec!["layers.0"]),
            ("nothing", vec![]),
        ] {
            let mut chain = build(&layers, &[3]);
            for place in chain.places_mut() {
                let trains = place.name == trained;
                place.layer.parameters_mut().into_iter().for_each(|(_, one)| one.trainable = trains);
            }
            let y = chain.forward(&x, &PASS).unwrap();
            assert!(chain.backward(&y, false).unwrap().is_none());
            let has =
                |place: &&&Place| place.layer.parameters().iter().any(|(_, one)| one.gradient.is_some());
            let found: Vec<&str> =
                chain.places().iter().filter(has).map(|place| place.name.as_str()).collect();
            assert_eq!(found, expected);
        }
    }
}
