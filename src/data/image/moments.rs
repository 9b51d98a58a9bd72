//! Mean, deviation and range of many bytes.

/// Sums in whole numbers: exact, whatever the order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
    /// The smallest value.
    pub low: u8,
    high: u8,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0, sum: 0, squares: 0, low: u8::MAX, high: u8::MIN }
    }
}

impl Moments {
    /// Takes in some values.
    pub fn add(&mut self, values: &[u8]) {
        // 65,536 squares of a byte still fit into 32 bits, in which the loop is fastest.
        for chunk in values.chunks(1 << 16) {
            let (mut sum, mut squares) = (0u32, 0u32);
            for value in chunk {
                sum += u32::from(*value);
                squares += u32::from(*value) * u32::from(*value);
            }
            self.sum += u64::from(sum);
            self.squares += u64::from(squares);
            self.low = chunk.iter().fold(self.low, |low, value| low.min(*value));
            self.high = chunk.iter().fold(self.high, |high, value| high.max(*value));
        }
        self.count += values.len() as u64;
    }

    /// Of all values.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// Of the population: √(Σx²/n − (Σx/n)²).
    pub fn deviation(&self) -> f64 {
        let (count, sum) = (u128::from(self.count), u128::from(self.sum));
        let numerator = count * u128::from(self.squares) - sum * sum;
        (numerator as f64).sqrt() / self.count.max(1) as f64
    }

    /// Between the smallest value and the largest.
    pub fn range(&self) -> f64 {
        f64::from(self.high.saturating_sub(self.low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_beyond_one_chunk() {
        let mut moments = Moments::default();
        moments.add(&vec![255; (1 << 16) + 5]);
        assert_eq!((moments.sum, moments.squares), (65_541 * 255, 65_541 * 65_025));
        assert_eq!((moments.mean(), moments.deviation(), moments.range()), (255.0, 0.0, 0.0));
    }
}
