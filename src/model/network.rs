//! A list of layers that is trained as one.

use candle_core::{DType, Device, Tensor};

use super::config::ModelConfig;
use super::init::Initializer;
use super::layer::{Layer, Pass};
use super::summary::{Summary, SummaryRow};
use super::{Parameter, weights};
use crate::{Error, Result};

/// A model with its weights.
#[derive(Debug)]
pub struct Model {
    layers: Vec<Place>,
    /// Of one sample, as the data has it.
    input_shape: Vec<usize>,
    /// Of one sample, as the first layer wants it.
    first_shape: Vec<usize>,
    pub(super) device: Device,
}

/// A layer and its place in the list.
#[derive(Debug)]
pub(super) struct Place {
    /// `layers.0`.
    pub(super) name: String,
    pub(super) layer: Box<dyn Layer>,
}

impl Model {
    /// A model for samples of shape `input_shape` and so many outputs, with the initial weights of `seed`,
    /// or those of the configured file.
    pub fn build(
        config: &ModelConfig,
        input_shape: &[usize],
        outputs: usize,
        seed: u64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut model = Self::build_runs(config, input_shape, outputs, &[seed], dtype, device)?;
        if let Some(path) = &config.common.weights {
            let tensors = weights::read_tensors(path)?;
            model.load_tensors(&tensors, true).map_err(|error| match error {
                Error::Request(reason) => Error::unreadable(path, reason),
                other => other,
            })?;
        }
        Ok(model)
    }

    /// One parameter set for each seed, side by side.
    fn build_runs(
        config: &ModelConfig,
        input_shape: &[usize],
        outputs: usize,
        seeds: &[u64],
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        config.parameter_count(input_shape, outputs)?;
        let init = Initializer::new(&config.common.init, seeds, dtype, device);
        let first_shape = config.kind.first_shape(input_shape);
        let mut shape = first_shape.clone();
        let mut layers = Vec::new();
        let mut types: Vec<&str> = Vec::new();
        for (index, layer) in config.kind.layers(input_shape, outputs).iter().enumerate() {
            let ordinal = types.iter().filter(|name| **name == layer.type_name()).count();
            let built = layer.build(&shape, ordinal as u32, &init)?;
            layers.push(Place { name: format!("layers.{index}"), layer: built });
            types.push(layer.type_name());
            shape = layer.output_shape(&shape)?;
        }
        Ok(Self { layers, input_shape: input_shape.to_vec(), first_shape, device: device.clone() })
    }

    /// Outputs `[R, B, …]` for samples `[R, B, …]` of the input shape.
    pub fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let mut activation = self.arranged(input)?;
        for Place { layer, .. } in &mut self.layers {
            activation = layer.forward(&activation, pass)?;
        }
        Ok(activation)
    }

    /// Sets the gradient of every trainable parameter for the gradient of the last training pass's output.
    ///
    /// No layer computes a gradient that no trainable parameter before it needs.
    pub fn backward(&mut self, gradient: &Tensor) -> Result<()> {
        let trains = |place: &Place| place.layer.parameters().iter().any(|(_, one)| one.trainable);
        let Some(first) = self.layers.iter().position(trains) else { return Ok(()) };
        let mut gradient = gradient.clone();
        for (index, Place { name, layer }) in self.layers.iter_mut().enumerate().skip(first).rev() {
            match layer.backward(&gradient, index > first)? {
                Some(input_gradient) => gradient = input_gradient,
                None if index > first => {
                    return Err(Error::Bug(format!("{name} gave no gradient of its input")));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// `input` in the shape that the first layer wants; its numbers are not copied.
    fn arranged(&self, input: &Tensor) -> Result<Tensor> {
        let dims = input.dims();
        if dims.len() < 2 || dims[2..] != self.input_shape[..] {
            let expected = &self.input_shape;
            return Err(Error::Bug(format!("a model of samples {expected:?} was given a batch {dims:?}")));
        }
        let shape: Vec<usize> = dims[..2].iter().chain(&self.first_shape).copied().collect();
        Ok(if shape == dims { input.clone() } else { input.reshape(shape)? })
    }

    /// Parameters by name (`layers.0.weight`), in the order of the layers.
    pub fn parameters(&self) -> Vec<(String, &Parameter)> {
        let of = |place: &Place, name: &str| format!("{}.{name}", place.name);
        self.layers
            .iter()
            .flat_map(|place| {
                place.layer.parameters().into_iter().map(move |(name, one)| (of(place, name), one))
            })
            .collect()
    }

    /// As [`parameters`](Self::parameters), to be changed.
    pub fn parameters_mut(&mut self) -> Vec<(String, &mut Parameter)> {
        self.layers
            .iter_mut()
            .flat_map(|Place { name: place, layer }| {
                layer.parameters_mut().into_iter().map(move |(name, one)| (format!("{place}.{name}"), one))
            })
            .collect()
    }

    /// Fails unless every trainable parameter has a gradient: asked once, behind the first backward pass.
    pub fn assert_gradients(&self) -> Result<()> {
        let without: Vec<String> = self
            .parameters()
            .into_iter()
            .filter(|(_, one)| one.trainable && one.gradient.is_none())
            .map(|(name, _)| name)
            .collect();
        if without.is_empty() {
            return Ok(());
        }
        Err(Error::Bug(format!("no gradient reached {}", without.join(", "))))
    }

    /// The shape of a sample, as [`build`](Self::build) was told.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.layers
    }

    pub(super) fn places_mut(&mut self) -> &mut [Place] {
        &mut self.layers
    }

    /// What stands where, and how much there is to train.
    pub fn summary(&self) -> Summary {
        let mut shape = self.first_shape.clone();
        let mut rows = Vec::new();
        let (mut parameters, mut trainable) = (0, 0);
        for Place { name, layer } in &self.layers {
            shape = layer.output_shape(&shape);
            let mut count = 0;
            for (_, one) in layer.parameters() {
                let numbers: usize = one.value.dims().iter().skip(1).product();
                count += numbers;
                trainable += if one.trainable { numbers } else { 0 };
            }
            parameters += count;
            rows.push(SummaryRow {
                name: name.clone(),
                kind: layer.describe(),
                output_shape: shape.clone(),
                parameters: count,
            });
        }
        Summary { input_shape: self.input_shape.clone(), rows, parameters, trainable }
    }
}
