//! Windows that slide over images: where they lie, for convolutions and pooling.

pub(super) mod composed;

/// How a window moves over images; each pair is height before width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many pixels it looks at.
    pub kernel: [usize; 2],
    /// How far it moves at once.
    pub stride: [usize; 2],
    /// How many pixels are made up on each side of the image.
    pub padding: [usize; 2],
    /// How far apart the pixels are that it looks at.
    pub dilation: [usize; 2],
}

impl Window {
    /// A square without padding that moves by its own size.
    pub fn square(side: usize) -> Self {
        Self { kernel: [side; 2], stride: [side; 2], padding: [0; 2], dilation: [1; 2] }
    }

    /// From its first pixel to behind its last: dilation · (kernel − 1) + 1.
    pub fn reach(&self) -> [usize; 2] {
        std::array::from_fn(|axis| self.dilation[axis] * self.kernel[axis].saturating_sub(1) + 1)
    }

    /// An image's height and width with what is made up around it.
    pub fn padded(&self, input: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| input[axis] + 2 * self.padding[axis])
    }

    /// How many places it has on an image of this height and width, down and across:
    /// ⌊(side + 2 · padding − reach) / stride⌋ + 1. None where it is larger than the image.
    pub fn output(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let (padded, reach) = (self.padded(input), self.reach());
        let mut output = [0; 2];
        for (axis, output) in output.iter_mut().enumerate() {
            *output = padded[axis].checked_sub(reach[axis])?.checked_div(self.stride[axis])? + 1;
        }
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_in_the_formula() {
        let window = Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [2, 3] };
        assert_eq!(window.reach(), [5, 4]);
        assert_eq!(window.output([7, 9]), Some([3, 6]));
        assert_eq!(window.output([3, 4]), Some([1, 1]));
        assert_eq!(window.output([2, 4]), None);
        assert_eq!(window.output([3, 3]), None);
        assert_eq!(Window::square(2).output([5, 4]), Some([2, 2]));
    }
}
