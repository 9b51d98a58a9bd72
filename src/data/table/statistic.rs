//! What a preprocessing takes from a column's values in the train part.

use super::super::Normalize;
use super::Missing;

/// The value that stands in for missing ones; none without a value to take it from or a policy to fill.
///
/// As scikit-learn's `SimpleImputer` with `mean`, `median` and `most_frequent`.
pub fn fill(present: &[f64], missing: Missing) -> Option<f64> {
    if present.is_empty() {
        return None;
    }
    match missing {
        Missing::Error | Missing::Drop => None,
        Missing::Mean => Some(mean(present)),
        Missing::Median => Some(median(present)),
        Missing::Mode => Some(mode(present)),
    }
}

/// Shift and scale of y = (x − shift) · scale. Equal values are shifted but not stretched.
///
/// As scikit-learn's `StandardScaler` and `MinMaxScaler`. What is too large for a number comes out as infinite
/// or not a number.
pub fn scaling(values: &[f64], normalize: Normalize) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let constant = low >= high;
    match normalize {
        // `unit` divides by the largest value that a source can hold, which a table does not know.
        Normalize::None | Normalize::Unit => (0.0, 1.0),
        _ if values.is_empty() => (0.0, 1.0),
        _ if constant => (low, 1.0),
        Normalize::Standardize => {
            let mean = mean(values);
            (mean, 1.0 / deviation(values, mean))
        }
        Normalize::MinMax => (low, 1.0 / (high - low)),
    }
}

/// The most frequent of several codes, of equally frequent ones the smallest; none without any.
pub fn most_frequent(counts: &[usize]) -> Option<u32> {
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    counts.iter().position(|count| *count == most).map(|code| code as u32)
}

/// In two passes: the second takes out what rounding left of the first.
fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let first = values.iter().sum::<f64>() / count;
    first + values.iter().map(|value| value - first).sum::<f64>() / count
}

/// Of the population, with the correction of Chan, Golub and `LeVeque` (1983) for a rounded mean.
fn deviation(values: &[f64], mean: f64) -> f64 {
    let count = values.len() as f64;
    let (mut sum, mut squares) = (0.0, 0.0);
    for value in values {
        let difference = value - mean;
        sum += difference;
        squares += difference * difference;
    }
    ((squares - sum * sum / count) / count).sqrt()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    // Halves first: the sum of two numbers may be too large for a number.
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * sorted[middle - 1] + 0.5 * sorted[middle] }
}

fn mode(values: &[f64]) -> f64 {
    let (mut best, mut most) = (values[0], 0);
    // 0 and -0 are one value.
    #[expect(clippy::float_cmp, reason = "values that are written alike are equal bit by bit")]
    for run in sorted(values).chunk_by(|a, b| a == b) {
        if run.len() > most {
            (best, most) = (run[0], run.len());
        }
    }
    best
}
