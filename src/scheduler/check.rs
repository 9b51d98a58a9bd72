//! What several schedules refuse.

use crate::setting::Problems;

/// Refuses a length of no epochs.
pub(super) fn check_length(key: &str, epochs: Option<usize>, problems: &mut Problems) {
    if let Some(epochs) = epochs {
        problems.require(epochs > 0, key, epochs, "a number of epochs, 1 or more");
    }
}

/// Refuses a lowest rate that is negative or not finite.
pub(super) fn check_eta_min(eta_min: f64, problems: &mut Problems) {
    check_not_negative("eta_min", eta_min, problems);
}

/// Refuses a factor that would end in 0 or turn the direction.
pub(super) fn check_gamma(gamma: f64, problems: &mut Problems) {
    check_above_zero("gamma", gamma, problems);
}

pub(super) fn check_not_negative(key: &str, value: f64, problems: &mut Problems) {
    problems.require(value >= 0.0 && value.is_finite(), key, value, "a number, 0 or more");
}

pub(super) fn check_above_zero(key: &str, value: f64, problems: &mut Problems) {
    problems.require(value > 0.0 && value.is_finite(), key, value, "a number above 0");
}
