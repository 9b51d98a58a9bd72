//! The order of tensors that come from a file without one.

use candle_core::Tensor;

use crate::{Error, Result};

/// What layers call their tensors, in `PyTorch`'s order; those of recurrent layers without the number of the layer.
const WITHIN_LAYER: [&str; 9] = [
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "weight_ih",
    "weight_hh",
    "bias_ih",
    "bias_hh",
];
/// Stands at the end of what belongs to the backward direction of a recurrent layer.
const REVERSE: &str = "_reverse";

/// A place in the order: numbers as numbers, words behind them.
type Key = Vec<(u64, String)>;

/// Puts tensors into the order of their layers, `layers.2` before `layers.10`, and within a layer into that of
/// `PyTorch`.
///
/// # Errors
/// [`Error::Request`] if the names begin with several words: nothing tells which of these comes first.
pub(super) fn by_layer(tensors: &mut [(String, Tensor)]) -> Result<()> {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let mut beginnings: Vec<String> = tensors.iter().map(|(name, _)| first(name)).collect();
    beginnings.sort_unstable();
    beginnings.dedup();
    if beginnings.len() > 1 && beginnings.iter().any(|word| word.parse::<u64>().is_err()) {
        return Err(Error::Request(format!(
            "a safetensors file keeps no order of its tensors, and their names begin with {}: bring them together by \
             `model.rename` instead of `model.match`",
            beginnings.join(", ")
        )));
    }
    tensors.sort_by_cached_key(|(name, _)| key(name));
    Ok(())
}

fn key(name: &str) -> Key {
    let (way, last) = name.rsplit_once('.').unwrap_or(("", name));
    let mut key: Key = way.split('.').map(segment).collect();
    key.extend(within_layer(last));
    key
}

fn segment(text: &str) -> (u64, String) {
    text.parse().map_or_else(|_| (u64::MAX, text.to_owned()), |number| (number, String::new()))
}

/// The layer of a recurrent stack, its direction, and the place among the tensors of that.
fn within_layer(name: &str) -> [(u64, String); 3] {
    let (forward, direction) = name.strip_suffix(REVERSE).map_or((name, 0), |forward| (forward, 1));
    let numbered = forward.rsplit_once("_l").and_then(|(base, layer)| Some((base, layer.parse().ok()?)));
    let (base, layer) = numbered.unwrap_or((forward, 0));
    let place = WITHIN_LAYER.iter().position(|known| *known == base).unwrap_or(WITHIN_LAYER.len());
    [(layer, String::new()), (direction, String::new()), (place as u64, base.to_owned())]
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn sorted(names: &[&str]) -> Result<Vec<String>> {
        let zero = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let mut tensors: Vec<_> = names.iter().map(|name| ((*name).to_owned(), zero.clone())).collect();
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        by_layer(&mut tensors)?;
        Ok(tensors.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn tensors_come_in_the_order_of_their_layers() {
        for names in [
            &[
                "layers.0.weight",
                "layers.0.bias",
                "layers.2.weight",
                "layers.2.bias",
                "layers.2.running_mean",
                "layers.2.running_var",
                "layers.2.num_batches_tracked",
                "layers.10.layers.0.weight",
                "layers.10.shortcut.0.weight",
                "layers.11.weight",
            ][..],
            &[
                "layers.0.weight",
                "layers.1.weight_ih_l0",
                "layers.1.weight_hh_l0",
                "layers.1.bias_ih_l0",
                "layers.1.bias_hh_l0",
                "layers.1.weight_ih_l0_reverse",
                "layers.1.weight_hh_l0_reverse",
                "layers.1.weight_ih_l1",
                "layers.2.weight",
            ],
            &["0.weight", "0.bias", "2.weight", "10.weight"],
            &[],
        ] {
            assert_eq!(sorted(names).unwrap(), names);
        }
        let refused = sorted(&["features.0.weight", "classifier.1.weight"]).unwrap_err().to_string();
        assert!(refused.contains("begin with classifier, features: bring them together by `model.rename`"));
    }
}
