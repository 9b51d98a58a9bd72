//! The buffers that an optimizer keeps for each parameter: walking over them, saving and loading them.

use candle_core::{DType, Tensor};

use super::Pace;
use super::grouping::{Grouping, Share};
use crate::model::Parameter;
use crate::{Error, Result};

/// The name of the step counter in a saved state.
const STEP: &str = "step";

/// What an optimizer keeps for one parameter.
pub(super) trait Buffers {
    /// The tensors with their names in the state dictionary of `torch.optim`.
    fn named(&self) -> Vec<(&'static str, &Tensor)>;
    /// The same for writing, in the same order.
    fn named_mut(&mut self) -> Vec<(&'static str, &mut Tensor)>;
}

/// The steps taken, and one `S` for each trainable parameter by its index among all parameters.
#[derive(Debug)]
pub(super) struct Slots<S> {
    step: u64,
    kept: Vec<Option<S>>,
    /// The index of each parameter's share.
    share_of: Vec<usize>,
    shares: Vec<Share>,
    groups: usize,
}

impl<S: Buffers> Slots<S> {
    /// `empty` makes the buffers for a value.
    pub fn new(grouping: &Grouping<'_>, empty: impl Fn(&Tensor) -> Result<S>) -> Result<Self> {
        let slot = |parameter: &&Parameter| parameter.trainable.then(|| empty(&parameter.value)).transpose();
        Ok(Self {
            step: 0,
            kept: grouping.parameters.iter().map(slot).collect::<Result<_>>()?,
            share_of: grouping.share_of.clone(),
            shares: grouping.shares.clone(),
            groups: grouping.groups,
        })
    }

    /// Counts a step, from 1.
    pub fn advance(&mut self) -> u64 {
        self.step += 1;
        self.step
    }

    /// Calls `update` with value, gradient, buffers and the scalars of all runs for each trainable parameter;
    /// `scalars` makes them, once for each share and run, of a pace and a weight decay.
    pub fn update<N>(
        &mut self,
        parameters: &mut [&mut Parameter],
        paces: &[Pace],
        mut scalars: impl FnMut(usize, &Pace, f64) -> N,
        mut update: impl FnMut(&mut Tensor, &Tensor, &mut S, &[N]) -> Result<()>,
    ) -> Result<()> {
        if parameters.len() != self.kept.len() {
            let (built, got) = (self.kept.len(), parameters.len());
            return Err(Error::Bug(format!("an optimizer built for {built} parameters got {got}")));
        }
        if !paces.len().is_multiple_of(self.groups) {
            let (groups, got) = (self.groups, paces.len());
            return Err(Error::Bug(format!("an optimizer of {groups} groups got {got} paces")));
        }
        let runs = paces.len() / self.groups;
        let mut numbers: Vec<N> = Vec::with_capacity(self.shares.len() * runs);
        for share in &self.shares {
            let of_group = paces[share.group * runs..(share.group + 1) * runs].iter().enumerate();
            numbers.extend(of_group.map(|(run, pace)| scalars(run, pace, share.weight_decay)));
        }
        let slots = self.kept.iter_mut().zip(&self.share_of);
        for (index, (parameter, (slot, share))) in parameters.iter_mut().zip(slots).enumerate() {
            if !parameter.trainable {
                continue;
            }
            let Some(gradient) = &parameter.gradient else {
                return Err(Error::Bug(format!("the trainable parameter {index} has no gradient")));
            };
            let Some(slot) = slot else {
                return Err(Error::Bug(format!("parameter {index} became trainable behind the optimizer")));
            };
            update(&mut parameter.value, gradient, slot, &numbers[share * runs..(share + 1) * runs])?;
        }
        Ok(())
    }

    /// See [`Optimizer::state`](super::Optimizer::state).
    pub fn save(&self) -> Result<Vec<(String, Tensor)>> {
        let step = Tensor::new(self.step.cast_signed(), &candle_core::Device::Cpu)?;
        let mut state: Vec<_> = self.named().map(|(name, own)| (name, own.clone())).collect();
        state.push((STEP.to_owned(), step));
        Ok(state)
    }

    /// See [`Optimizer::load_state`](super::Optimizer::load_state).
    pub fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: &str| {
            let entry = state.iter().find(|(candidate, _)| candidate == name);
            entry.map(|(_, tensor)| tensor).ok_or_else(|| refuse(&format!("`{name}` is missing")))
        };
        let step = find(STEP)?;
        if step.dtype() != DType::I64 || step.rank() != 0 {
            return Err(refuse("`step` is not one i64 number"));
        }
        let step =
            u64::try_from(step.to_scalar::<i64>()?).map_err(|_| refuse("`step` is a negative number"))?;
        let mut loaded = Vec::new();
        for (name, own) in self.named() {
            let saved = find(&name)?;
            if (saved.dims(), saved.dtype()) != (own.dims(), own.dtype()) {
                return Err(refuse(&format!(
                    "`{name}` is {} of shape {:?} where {} of shape {:?} was expected",
                    saved.dtype().as_str(),
                    saved.dims(),
                    own.dtype().as_str(),
                    own.dims()
                )));
            }
            // The buffers are written in place, so they must not share storage with what was lent.
            loaded.push(saved.to_device(own.device())?.force_contiguous()?);
        }
        let known: Vec<String> = self.named().map(|(name, _)| name).collect();
        if let Some((name, _)) = state.iter().find(|(name, _)| name != STEP && !known.contains(name)) {
            return Err(refuse(&format!("`{name}` is not part of this optimizer's state")));
        }
        let buffers = self.kept.iter_mut().flatten().flat_map(Buffers::named_mut);
        for ((_, own), new) in buffers.zip(loaded) {
            *own = new;
        }
        self.step = step;
        Ok(())
    }

    fn named(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.kept.iter().enumerate().flat_map(|(index, slot)| {
            let named = slot.as_ref().map(Buffers::named).unwrap_or_default();
            named.into_iter().map(move |(name, tensor)| (format!("{index}.{name}"), tensor))
        })
    }
}

/// The error for a saved state that does not fit.
pub(super) fn refuse(reason: &str) -> Error {
    Error::Request(format!("the saved optimizer state does not fit: {reason}"))
}
