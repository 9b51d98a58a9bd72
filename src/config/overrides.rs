//! What stands above the files: variables of the environment and flags.

use std::path::PathBuf;

use super::layer::Layer;
use crate::setting::{Diagnostic, KeyPath};
use crate::{Error, Result};

/// What a command was given beside the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Names and values of variables; those that are no settings are passed over.
    pub variables: Vec<(String, String)>,
    /// Settings, as in `optimizer.lr=3e-4`.
    pub sets: Vec<String>,
    /// Axes, as in `optimizer.lr=1e-3,3e-4`.
    pub grid: Vec<String>,
    /// A table of runs that stands for the sweep.
    pub rows: Option<PathBuf>,
}

impl Overrides {
    /// The layers above files that are experiments, lowest first: variables, settings, axes.
    pub fn above_files(&self) -> Result<Vec<Layer>> {
        self.layers(true)
    }

    /// The layers, lowest first: variables, settings, axes.
    pub(super) fn layers(&self, takes_variables: bool) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        if takes_variables {
            let found = self.variables.iter().filter_map(|(name, value)| Layer::variable(name, value));
            layers.extend(found.collect::<Result<Vec<_>>>()?);
        }
        let mut typed = self.sets.iter().map(|flag| Layer::flag(flag)).collect::<Result<Vec<_>>>()?;
        for flag in &self.grid {
            let axis = Layer::grid_flag(flag)?;
            check_alone(&axis, &typed)?;
            typed.push(axis);
        }
        layers.extend(typed);
        Ok(layers)
    }
}

/// Refuses an axis whose key another flag of the same command speaks of: neither of them can be meant to lose.
fn check_alone(axis: &Layer, others: &[Layer]) -> Result<()> {
    let Some((key, at)) = axis.swept() else { return Ok(()) };
    let Some(other) = others.iter().find(|other| speaks_of(other, &key)) else { return Ok(()) };
    let verb = if other.assigned().is_some() { "set" } else { "swept" };
    let typed = other.typed().unwrap_or_default();
    Err(Error::Settings(vec![Diagnostic {
        message: format!("`{key}` is {verb} by {} {typed} as well", other.origin),
        excerpt: Some(axis.excerpt(at, true)),
        label: "expected one of the two".to_owned(),
        notes: Vec::new(),
        help: None,
    }]))
}

fn speaks_of(layer: &Layer, key: &KeyPath) -> bool {
    match layer.assigned() {
        Some((path, value)) => path.way_to(key).is_some_and(|way| way.find(value).is_some()),
        None => layer.swept().is_some_and(|(swept, _)| swept == *key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(sets: &[&str], grid: &[&str]) -> Result<Vec<Layer>, String> {
        let owned = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect();
        let overrides = Overrides {
            variables: vec![("RUNNER__SEED".into(), "1".into()), ("HOME".into(), "/".into())],
            sets: owned(sets),
            grid: owned(grid),
            rows: None,
        };
        overrides.layers(true).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_come_first_and_axes_last() {
        let found = layers(&["optimizer.kind=sgd"], &["optimizer.lr=1,2"]).unwrap();
        let origins: Vec<&str> = found.iter().map(|layer| layer.origin.as_str()).collect();
        assert_eq!(origins, ["RUNNER__SEED", "--set", "--grid"]);
        assert!(Overrides::default().layers(true).unwrap().is_empty());
        let none = Overrides { variables: vec![("RUNNER__".into(), "1".into())], ..Overrides::default() };
        assert!(none.layers(true).is_err());
        assert!(none.layers(false).unwrap().is_empty());
    }

    #[test]
    fn a_key_is_set_or_swept_but_not_both() {
        let refused = |sets: &[&str], grid: &[&str]| layers(sets, grid).unwrap_err();
        assert_eq!(
            refused(&["optimizer.lr=1"], &["optimizer.lr=1,2"]),
            "--grid:1:1: `optimizer.lr` is set by --set optimizer.lr=1 as well"
        );
        assert_eq!(
            refused(&["optimizer={ lr = 1 }"], &["optimizer.lr=1,2"]),
            "--grid:1:1: `optimizer.lr` is set by --set optimizer={ lr = 1 } as well"
        );
        assert_eq!(
            refused(&[], &["optimizer.lr=1", "optimizer.lr=2"]),
            "--grid:1:1: `optimizer.lr` is swept by --grid optimizer.lr=1 as well"
        );
        assert!(layers(&["optimizer={ kind = 'sgd' }", "seed=2"], &["optimizer.lr=1,2"]).is_ok());
    }
}
