//! Which parameters share learning rate and weight decay.

use super::settings::OptimizerSettings;
use crate::model::Parameter;

/// Parameters that are stepped with the same numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    /// Whose learning rate: 0 for that of the parameters in no group, then the groups.
    pub group: usize,
    /// The weight decay.
    pub weight_decay: f64,
}

/// Every parameter with its share, found once by the names so that no step needs them.
pub(super) struct Grouping<'a> {
    pub parameters: Vec<&'a Parameter>,
    /// The index of each parameter's share.
    pub share_of: Vec<usize>,
    /// The shares that there are.
    pub shares: Vec<Share>,
    /// How many learning rates a step brings for each run.
    pub groups: usize,
}

impl<'a> Grouping<'a> {
    /// `weight_decay` is that of the parameters in no group.
    pub fn new(
        settings: &OptimizerSettings,
        weight_decay: f64,
        parameters: &[(String, &'a Parameter)],
    ) -> Self {
        let mut shares: Vec<Share> = Vec::new();
        let share_of = parameters.iter().map(|(name, parameter)| {
            let found = settings.groups.iter().enumerate().find(|(_, group)| group.matches(name));
            let own = found.and_then(|(_, group)| group.weight_decay).unwrap_or(weight_decay);
            let decays = settings.decay_bias || !is_one_dimensional(parameter);
            let share = Share {
                group: found.map_or(0, |(index, _)| index + 1),
                weight_decay: if decays { own } else { 0.0 },
            };
            shares.iter().position(|known| *known == share).unwrap_or_else(|| {
                shares.push(share);
                shares.len() - 1
            })
        });
        let share_of = share_of.collect();
        let parameters = parameters.iter().map(|(_, parameter)| *parameter).collect();
        Self { parameters, share_of, shares, groups: settings.groups.len() + 1 }
    }
}

/// Whether it is a list of numbers for each run: a bias, or the scale of a normalisation.
fn is_one_dimensional(parameter: &Parameter) -> bool {
    const RUN_AXIS: usize = 1;
    parameter.value.rank() <= RUN_AXIS + 1
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::super::OptimizerConfig;
    use super::*;
    use crate::setting;

    fn grouped(config: &str) -> Vec<(usize, f64)> {
        let config: OptimizerConfig =
            setting::read(&toml::Value::Table(toml::from_str(config).unwrap())).unwrap();
        let parameter =
            |shape: &[usize]| Parameter::new(Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap());
        let (weight, bias) = (parameter(&[1, 3, 2]), parameter(&[1, 3]));
        let names = ["layers.0.weight", "layers.0.bias", "layers.01.weight", "layers.2.bias"];
        let named: Vec<(String, &Parameter)> = names
            .iter()
            .map(|name| ((*name).to_owned(), if name.ends_with("weight") { &weight } else { &bias }))
            .collect();
        let grouping = Grouping::new(&config.common, config.kind.rule().weight_decay(), &named);
        let share = |index: &usize| (grouping.shares[*index].group, grouping.shares[*index].weight_decay);
        grouping.share_of.iter().map(share).collect()
    }

    #[test]
    fn the_first_group_whose_name_fits_counts() {
        assert_eq!(grouped("weight_decay = 0.5"), [(0, 0.5); 4]);
        let groups = "weight_decay = 0.5\ngroups = [{ match = 'layers.0.bias', weight_decay = 0.1 }, \
                      { match = 'layers.0', lr = 1e-5 }]";
        assert_eq!(grouped(groups), [(2, 0.5), (1, 0.1), (0, 0.5), (0, 0.5)]);
        assert_eq!(grouped("groups = [{ match = 'layers', lr = 1 }]"), [(1, 0.0); 4]);
        assert_eq!(grouped("groups = [{ match = 'layers.0.weigh', lr = 1 }]"), [(0, 0.0); 4]);
    }

    #[test]
    fn lists_of_numbers_are_spared_from_decay_if_asked() {
        assert_eq!(grouped("kind = 'adamw'\ndecay_bias = false"), [(0, 0.01), (0, 0.0), (0, 0.01), (0, 0.0)]);
        let group =
            "weight_decay = 1\ndecay_bias = false\ngroups = [{ match = 'layers.2', weight_decay = 2 }]";
        assert_eq!(grouped(group), [(0, 1.0), (0, 0.0), (0, 1.0), (1, 0.0)]);
    }
}
