//! Which of two values is the better one.

/// Whether a value is to be small or large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Less is better.
    Minimise,
    /// More is better.
    Maximise,
}

impl Direction {
    /// Whether `candidate` beats `incumbent` by more than `min_delta`; NaN never is better, and any number
    /// beats it.
    pub fn is_better(self, candidate: f64, incumbent: f64, min_delta: f64) -> bool {
        if candidate.is_nan() || incumbent.is_nan() {
            return !candidate.is_nan();
        }
        match self {
            Self::Minimise => candidate < incumbent - min_delta,
            Self::Maximise => candidate > incumbent + min_delta,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Maximise, Minimise};

    #[test]
    fn better_means_by_more_than_min_delta() {
        assert!(Minimise.is_better(0.5, 1.0, 0.0) && !Minimise.is_better(1.0, 0.5, 0.0));
        assert!(Maximise.is_better(1.0, 0.5, 0.0) && !Maximise.is_better(0.5, 1.0, 0.0));
        assert!(!Minimise.is_better(1.0, 1.0, 0.0) && !Maximise.is_better(1.0, 1.0, 0.0));
        assert!(!Minimise.is_better(0.5, 1.0, 0.5) && Minimise.is_better(0.49, 1.0, 0.5));
        assert!(!Maximise.is_better(1.5, 1.0, 0.5) && Maximise.is_better(1.51, 1.0, 0.5));
        assert!(Minimise.is_better(1.0, f64::INFINITY, 0.1));
        assert!(Maximise.is_better(1.0, f64::NEG_INFINITY, 0.1));
    }

    #[test]
    fn nan_never_is_better() {
        for direction in [Minimise, Maximise] {
            assert!(!direction.is_better(f64::NAN, 1.0, 0.0));
            assert!(!direction.is_better(f64::NAN, f64::NAN, 0.0));
            assert!(direction.is_better(1.0, f64::NAN, 0.0));
        }
    }
}
