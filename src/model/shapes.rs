//! The shapes that samples have on their way through a list of layers.

use super::layer::LayerConfig;
use super::layer::residual::ResidualConfig;
use crate::{Error, Result};

/// More numbers in one sample are a mistake: their sizes in bytes would come near to overflow.
const LARGEST_SAMPLE: u64 = 1 << 31;

/// Called with each layer that is no block, the name that its weights begin with and the shape of its input samples.
pub(super) type Visit<'v> = dyn FnMut(&LayerConfig, &str, &[usize]) -> Result<()> + 'v;

/// The shape that samples of shape `input` have behind the `layers`; `list` is what the list is called.
///
/// # Errors
/// [`Error::Request`] with the entry that samples do not fit.
pub(super) fn walk(
    layers: &[LayerConfig],
    list: &str,
    input: &[usize],
    visit: &mut Visit<'_>,
) -> Result<Vec<usize>> {
    let mut shape = input.to_vec();
    for (index, layer) in layers.iter().enumerate() {
        let place = format!("{list}[{index}]");
        shape = match layer {
            LayerConfig::Residual(config) => residual(config, &place, &shape, visit)?,
            layer => {
                let found = layer.output_shape(&shape).and_then(|output| {
                    visit(layer, &name_of(&place), &shape)?;
                    check_size(&output)?;
                    Ok(output)
                });
                found.map_err(|error| match error {
                    Error::Request(reason) => Error::Request(format!("{place}: {reason}")),
                    other => other,
                })?
            }
        };
    }
    Ok(shape)
}

/// `layers.1.shortcut.0` of the entry `model.layers[1].shortcut[0]`.
fn name_of(place: &str) -> String {
    place.trim_start_matches("model.").replace('[', ".").replace(']', "")
}

/// As [`walk`], for a block called `place`.
pub(super) fn residual(
    config: &ResidualConfig,
    place: &str,
    input: &[usize],
    visit: &mut Visit<'_>,
) -> Result<Vec<usize>> {
    let body = walk(&config.layers, &format!("{place}.layers"), input, visit)?;
    let (shortcut, what) = match &config.shortcut {
        Some(layers) => (walk(layers, &format!("{place}.shortcut"), input, visit)?, "its shortcut gives"),
        None => (input.to_vec(), "without a shortcut its input stays"),
    };
    if body == shortcut {
        return Ok(body);
    }
    Err(Error::Request(format!(
        "{place}: residual adds what its layers make of {input:?} to its input, but they give {body:?} and {what} {shortcut:?}"
    )))
}

fn check_size(shape: &[usize]) -> Result<()> {
    let size = shape.iter().fold(1u64, |product, side| product.saturating_mul(*side as u64));
    if size <= LARGEST_SAMPLE {
        return Ok(());
    }
    Err(Error::Request(format!("samples would grow to {shape:?}, more than {LARGEST_SAMPLE} numbers")))
}
