//! `PyTorch`'s `RNN`, `LSTM` and `GRU`; [`kernel::recurrent`](crate::kernel::recurrent) has the formulas.

mod config;
mod name;
#[cfg(test)]
mod tests;

use candle_core::Tensor;

pub(in crate::model) use self::config::check_sizes;
pub use self::config::{ElmanConfig, ElmanNonlinearity, Layers, MAX_LAYERS, PoolingConfig, RecurrentConfig};
use super::{Layer, Mode, Pass, take_kept};
use crate::Result;
use crate::kernel::recurrent::{
    self, Cell, DirectionGradients, DirectionNeed, Dropout, Pooling, Stack, Trace, Weights,
};
use crate::model::Parameter;
use crate::model::init::Distribution;
use crate::model::initializer::{Initializer, Role};

/// See the module.
#[derive(Debug)]
pub struct Recurrent {
    stack: Stack,
    /// D weights for each layer, the layers one after the other.
    weights: Vec<Direction>,
    /// The dropout of each run.
    rates: Vec<f64>,
    /// Its place among the recurrent layers, so that other layers do not change its masks.
    ordinal: u32,
    kept: Option<Trace>,
}

/// The weights of one direction of one layer.
#[derive(Debug)]
struct Direction {
    ih: Parameter,
    hh: Parameter,
    bias: Option<[Parameter; 2]>,
}

impl Recurrent {
    /// With initial weights from `init`; by default all of them are uniform within ±1/√H.
    pub fn build(layers: &Layers<'_>, input: &[usize], ordinal: u32, init: &Initializer<'_>) -> Result<Self> {
        let Layers { cell, config } = layers;
        let mut weights = Vec::new();
        for (layer, inputs) in layers.inputs(input)?.into_iter().enumerate() {
            for direction in 0..layers.directions() {
                let place = name::Place { layer, reverse: direction == 1 };
                weights.push(Direction::build(layers, inputs, place.ordinal(ordinal), init)?);
            }
        }
        let stack = Stack {
            cell: *cell,
            hidden: config.hidden_size,
            bidirectional: config.bidirectional,
            pooling: config.pooling.into(),
        };
        Ok(Self { stack, weights, rates: vec![config.dropout; init.runs()], ordinal, kept: None })
    }

    fn directions(&self) -> usize {
        if self.stack.bidirectional { 2 } else { 1 }
    }

    fn place(&self, number: usize) -> name::Place {
        let directions = self.directions();
        name::Place { layer: number / directions, reverse: number % directions == 1 }
    }

    fn dropout(&self, pass: &Pass<'_>) -> Option<Dropout> {
        let Mode::Training { seeds, step } = pass.mode else { return None };
        let drops = self.rates.iter().any(|rate| *rate > 0.0);
        let (rates, seeds) = (self.rates.clone(), seeds.to_vec());
        drops.then_some(Dropout { rates, seeds, step, ordinal: self.ordinal })
    }
}

impl Direction {
    fn build(layers: &Layers<'_>, inputs: usize, ordinal: u32, init: &Initializer<'_>) -> Result<Self> {
        let hidden = layers.config.hidden_size;
        let rows = layers.cell.gates() * hidden;
        let default = Distribution::Uniform { bound: 1.0 / (hidden as f64).sqrt() };
        let weight = |role: Role, inputs: usize| {
            init.weight_or(default, ordinal, role, &[rows, inputs], [inputs, rows]).map(Parameter::new)
        };
        // The bound of a default bias is that of a weight with H inputs.
        let bias = |role: Role| init.bias(ordinal, role, &[rows], hidden).map(Parameter::new);
        let (ih, hh) = (weight(Role::RecurrentWeightIh, inputs)?, weight(Role::RecurrentWeightHh, hidden)?);
        let bias = if layers.config.bias {
            Some([bias(Role::RecurrentBiasIh)?, bias(Role::RecurrentBiasHh)?])
        } else {
            None
        };
        Ok(Self { ih, hh, bias })
    }

    fn lent(&self) -> Weights<'_> {
        let bias = self.bias.as_ref().map(|[ih, hh]| [&ih.value, &hh.value]);
        Weights { ih: &self.ih.value, hh: &self.hh.value, bias }
    }

    fn need(&self) -> DirectionNeed {
        let [bias_ih, bias_hh] =
            self.bias.as_ref().map_or([false; 2], |[ih, hh]| [ih.trainable, hh.trainable]);
        DirectionNeed { weight_ih: self.ih.trainable, weight_hh: self.hh.trainable, bias_ih, bias_hh }
    }

    fn set(&mut self, gradients: DirectionGradients) {
        self.ih.gradient = gradients.weight_ih;
        self.hh.gradient = gradients.weight_hh;
        if let Some([ih, hh]) = &mut self.bias {
            ih.gradient = gradients.bias_ih;
            hh.gradient = gradients.bias_hh;
        }
    }

    fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        [&self.ih, &self.hh].into_iter().chain(self.bias.iter().flatten())
    }

    fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Parameter> {
        [&mut self.ih, &mut self.hh].into_iter().chain(self.bias.iter_mut().flatten())
    }
}

impl Layer for Recurrent {
    fn forward(&mut self, input: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let weights: Vec<Weights<'_>> = self.weights.iter().map(Direction::lent).collect();
        let (dropout, keep) = (self.dropout(pass), pass.is_training());
        let (output, trace) = recurrent::forward(input, &weights, self.stack, pass.lengths, dropout, keep)?;
        self.kept = trace;
        Ok(output)
    }

    fn backward(&mut self, gradient: &Tensor, need_input_gradient: bool) -> Result<Option<Tensor>> {
        let trace = take_kept(&mut self.kept, "a recurrent layer")?;
        let weights: Vec<Weights<'_>> = self.weights.iter().map(Direction::lent).collect();
        let needs: Vec<DirectionNeed> = self.weights.iter().map(Direction::need).collect();
        let found = recurrent::backward(trace, &weights, gradient, &needs, need_input_gradient)?;
        for (weights, gradients) in self.weights.iter_mut().zip(found.weights) {
            weights.set(gradients);
        }
        Ok(found.input)
    }

    fn parameters(&self) -> Vec<(&'static str, &Parameter)> {
        let weights = self.weights.iter().enumerate();
        let named = weights.flat_map(|(number, one)| self.place(number).names().zip(one.parameters()));
        named.collect()
    }

    fn parameters_mut(&mut self) -> Vec<(&'static str, &mut Parameter)> {
        let places: Vec<name::Place> = (0..self.weights.len()).map(|number| self.place(number)).collect();
        let weights = self.weights.iter_mut().zip(places);
        weights.flat_map(|(one, place)| place.names().zip(one.parameters_mut())).collect()
    }

    fn output_shape(&self, input: &[usize]) -> Vec<usize> {
        let width = self.directions() * self.stack.hidden;
        let steps = input.first().copied().filter(|_| self.stack.pooling == Pooling::None);
        steps.into_iter().chain([width]).collect()
    }

    fn ends_time(&self) -> bool {
        self.stack.pooling != Pooling::None
    }

    fn describe(&self) -> String {
        let (name, nonlinearity) = match self.stack.cell {
            Cell::RnnTanh => ("RNN", ""),
            Cell::RnnRelu => ("RNN", ", nonlinearity=relu"),
            Cell::Lstm => ("LSTM", ""),
            Cell::Gru => ("GRU", ""),
        };
        let inputs = self.weights.first().map_or(0, |first| first.ih.value.dims()[2]);
        let layers = match self.weights.len() / self.directions() {
            1 => String::new(),
            layers => format!(", num_layers={layers}"),
        };
        let bias = if self.weights.iter().any(|one| one.bias.is_none()) { ", bias=False" } else { "" };
        let rates: Vec<String> = self.rates.iter().map(f64::to_string).collect();
        let dropout = match rates.split_first() {
            _ if self.rates.iter().all(|rate| *rate == 0.0) => String::new(),
            Some((first, others)) if others.iter().all(|rate| rate == first) => format!(", dropout={first}"),
            _ => format!(", dropout={}", rates.join(" | ")),
        };
        let directions = if self.stack.bidirectional { ", bidirectional=True" } else { "" };
        let pooling = match self.stack.pooling {
            Pooling::None => "",
            Pooling::Last => ", pooling=last",
            Pooling::Mean => ", pooling=mean",
            Pooling::Max => ", pooling=max",
        };
        let hidden = self.stack.hidden;
        format!("{name}({inputs}, {hidden}{layers}{nonlinearity}{bias}{dropout}{directions}{pooling})")
    }
}
