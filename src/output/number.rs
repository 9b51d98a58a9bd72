//! Numbers with as many digits as they deserve.

/// `value` with `digits` significant digits: `0.388`, `12.3`, `1.2e-7`, `NaN`.
///
/// Zeros at the end stay, so that a column lines up; whole numbers below 10^`digits` have no point.
pub fn significant(value: f64, digits: u8) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value == 0.0 || value.fract() == 0.0 && value.abs() < 10f64.powi(i32::from(digits)) {
        // Also turns -0 into 0.
        return format!("{}", value + 0.0);
    }
    let exponent = exponent(value, digits);
    if !(-4..9).contains(&exponent) {
        return format!("{value:.*e}", usize::from(digits.saturating_sub(1)));
    }
    let decimals = (i32::from(digits) - 1 - exponent).max(0) as usize;
    format!("{value:.decimals$}")
}

/// Of the size of the mean: less than this is no deviation but the rounding of sums.
const ROUNDING: f64 = 1e-14;

/// `mean ± std`: two significant digits of the deviation, and the mean to the same place.
pub fn mean_std(mean: f64, std: Option<f64>) -> String {
    const PLAIN: u8 = 4;
    let Some(std) = std else { return significant(mean, PLAIN) };
    // Equal numbers may have a mean that is rounded, and so a deviation that means nothing.
    let std = if std < ROUNDING * mean.abs() { 0.0 } else { std };
    if !std.is_finite() || std == 0.0 {
        return format!("{} ± {}", significant(mean, PLAIN), significant(std, 2));
    }
    let place = exponent(std, 2) - 1;
    let is_plain = mean.is_finite() && mean.abs() < 1e9 && (-8..=0).contains(&place);
    if is_plain {
        let decimals = -place as usize;
        return format!("{mean:.decimals$} ± {std:.decimals$}");
    }
    format!("{} ± {}", significant(mean, PLAIN), significant(std, 2))
}

/// A wall time: `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 if seconds < 59.95 => format!("{} s", significant(seconds, 3)),
        0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// The power of ten of the first digit, after rounding to `digits` digits: 0.0996 to two digits is 0.10.
fn exponent(value: f64, digits: u8) -> i32 {
    let text = format!("{:.*e}", usize::from(digits.saturating_sub(1)), value.abs());
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_significant_digits() {
        let cases = [
            (0.388_12, "0.3881"),
            (0.000_123_456, "0.0001235"),
            (0.000_012_345_6, "1.235e-5"),
            (0.5, "0.5000"),
            (1234.567, "1235"),
            (12.0, "12"),
            (99999.0, "99999"),
            (123_456_789_012.5, "1.235e11"),
            (-0.999_99, "-1.000"),
            (0.0, "0"),
            (-0.0, "0"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value, 4), text);
        }
        assert_eq!(significant(0.0, 0), "0");
        let _ = (significant(1e308, 0), significant(f64::MIN_POSITIVE, 17));
    }

    #[test]
    fn the_deviation_decides_the_digits_of_the_mean() {
        let cases = [
            (0.388_12, Some(0.012_34), "0.388 ± 0.012"),
            (0.388_12, Some(0.099_6), "0.39 ± 0.10"),
            (17.333, Some(2.08), "17.3 ± 2.1"),
            (1234.5, Some(56.7), "1234 ± 57"),
            (1234.5, Some(5678.0), "1234 ± 5678"),
            (0.5, Some(0.0), "0.5000 ± 0"),
            (0.983, Some(1.2e-16), "0.9830 ± 0"),
            (0.5, None, "0.5000"),
            (f64::NAN, Some(f64::NAN), "NaN ± NaN"),
            (1e-12, Some(1e-13), "1.000e-12 ± 1.0e-13"),
        ];
        for (mean, std, text) in cases {
            assert_eq!(mean_std(mean, std), text);
        }
    }

    #[test]
    fn times_are_in_the_unit_that_fits() {
        let cases = [
            (0.0, "0 s"),
            (0.4213, "0.421 s"),
            (12.0, "12 s"),
            (59.97, "1 min 00 s"),
            (245.2, "4 min 05 s"),
            (7380.0, "2 h 03 min"),
            (f64::NAN, "?"),
            (-1.0, "?"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
