//! What a training asks of a model beside its passes.

use super::chain::Place;
use super::{Model, Parameter};
use crate::{Result, kernel};

impl Model {
    /// Parameters in the order of the layers, without their names: asked for in every step.
    pub fn weights(&self) -> Vec<&Parameter> {
        self.places().into_iter().flat_map(|place| place.layer.parameters()).map(|(_, one)| one).collect()
    }

    /// As [`weights`](Self::weights), to be changed.
    pub fn weights_mut(&mut self) -> Vec<&mut Parameter> {
        let places = self.places_mut().into_iter();
        places.flat_map(|Place { layer, .. }| layer.parameters_mut()).map(|(_, one)| one).collect()
    }

    /// The numbers in one parameter set, frozen ones among them.
    pub fn parameter_count(&self) -> usize {
        self.summary().parameters
    }

    /// Whether no weight is NaN or infinite.
    pub fn is_finite(&self) -> Result<bool> {
        for one in self.weights() {
            if !kernel::finite::all_finite(&one.value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
