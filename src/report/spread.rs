//! A mean and how far the values lie around it.

use serde::Serialize;

/// Mean and sample standard deviation of one quantity over a group of runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// `Σx / n`.
    pub mean: f64,
    /// `√(Σ(x − mean)² / (n − 1))`; one value has none.
    pub std: Option<f64>,
    /// How many values there are.
    pub n: usize,
}

impl Spread {
    /// Over the values in their order; `None` if there are none. NaN makes NaN.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { mean, std: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()), n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NumPy` 2.4: `x = np.array([0.38, 0.40, 0.42, 0.45]); x.mean(), x.std(ddof=1)`.
    #[test]
    fn agrees_with_numpy() {
        let spread = Spread::of([0.38, 0.40, 0.42, 0.45]).unwrap();
        assert!((spread.mean - 0.4125).abs() < 1e-15);
        assert!((spread.std.unwrap() - 0.029_860_788_111_948_193).abs() < 1e-15);
        assert_eq!(spread.n, 4);
    }

    #[test]
    fn one_value_has_no_deviation_and_nan_is_not_hidden() {
        assert_eq!(Spread::of([2.0]), Some(Spread { mean: 2.0, std: None, n: 1 }));
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([2.0, 2.0]).unwrap().std, Some(0.0));
        assert!(Spread::of([1.0, f64::NAN]).unwrap().mean.is_nan());
    }
}
