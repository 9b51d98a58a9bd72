//! Numbers inside of a reason.

/// Digits that people compare runs by.
const DIGITS: usize = 4;

/// A value with a few digits.
pub(super) fn short(value: f64) -> String {
    let rounded = format!("{value:.*e}", DIGITS - 1);
    rounded.parse::<f64>().map_or(rounded, |value| value.to_string())
}

/// A place in a ranking, from 1: `1st`, `2nd`, `11th`.
pub(super) fn ordinal(place: usize) -> String {
    let ending = match (place % 10, place % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{place}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_places_read_well() {
        let values = [0.812_34, 2.0, f64::NAN, f64::INFINITY, 12_345.6, -1e-7];
        assert_eq!(values.map(short), ["0.8123", "2", "NaN", "inf", "12350", "-0.0000001"]);
        let places = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 113, 123];
        let texts =
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "113th", "123rd"];
        assert_eq!(places.map(ordinal), texts);
    }
}
