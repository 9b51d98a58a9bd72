use candle_core::{DType, Device};

use super::*;
use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers, on_threads};
use crate::rng::{Draws, Purpose, Stream};

const ALL: Need = Need { weight: true, bias: true, input: true };

fn plain(kernel: usize) -> Convolution {
    let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [kernel / 2; 2], dilation: [1; 2] };
    Convolution { window, groups: 1 }
}

struct Case {
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    how: Convolution,
}

impl Case {
    /// A shape by chance: strides, padding, dilation, groups, sides that are not equal.
    fn random(seed: u64, dtype: DType) -> Self {
        let mut draws = Stream::new(seed, Purpose::Synthetic, 1, 0).draws();
        let size = |draws: &mut Draws, least: usize, most: usize| {
            least + draws.below((most + 1 - least) as u64) as usize
        };
        let mut pair = |least, most| [size(&mut draws, least, most), size(&mut draws, least, most)];
        let window = Window {
            kernel: pair(1, 3),
            stride: if seed.is_multiple_of(2) { [1, 1] } else { pair(1, 3) },
            padding: pair(0, 2),
            dilation: pair(1, 2),
        };
        let [runs, batch] = pair(1, 3);
        let [part, outputs] = pair(1, 3);
        let [groups, _] = pair(1, 2);
        let [height, width] = pair(5, 9);
        let [down, across] = window.kernel;
        Self {
            x: normal(seed, &[runs, batch, groups * part, height, width], dtype),
            weight: normal(seed + 100, &[runs, groups * outputs, part, down, across], dtype),
            bias: normal(seed + 200, &[runs, groups * outputs], dtype),
            how: Convolution { window, groups },
        }
    }

    fn forward(&self) -> Tensor {
        forward(&self.x, &self.weight, Some(&self.bias), self.how).unwrap()
    }

    fn sizes(&self) -> Sizes {
        Sizes::of(&self.x, &self.weight, self.how).unwrap()
    }
}

#[test]
fn slices_and_composition_agree_on_random_shapes() {
    for seed in 0..60u64 {
        let case = Case::random(seed, DType::F64);
        let y = case.forward();
        let sizes = case.sizes();
        let bias = (!seed.is_multiple_of(3)).then_some(&case.bias);
        let expected = composed::forward(&sizes, &case.x, &case.weight, bias).unwrap();
        assert_same(&forward(&case.x, &case.weight, bias, case.how).unwrap(), &expected, 1e-12);
        let dy = normal(seed + 300, y.dims(), DType::F64);
        let found = backward(&case.x, &case.weight, &dy, case.how, ALL).unwrap();
        let expected = composed::backward(&sizes, &case.x, &case.weight, &dy, ALL).unwrap();
        for (found, expected) in
            [(found.weight, expected.weight), (found.bias, expected.bias), (found.input, expected.input)]
        {
            assert_same(&found.unwrap(), &expected.unwrap(), 1e-12);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    for seed in 0..12u64 {
        let Case { x, weight, bias, how } = Case::random(seed, DType::F64);
        // An input whose numbers do not lie in order.
        let x = x.transpose(3, 4).unwrap().contiguous().unwrap().transpose(3, 4).unwrap();
        let loss = |x: &Tensor, weight: &Tensor, bias: &Tensor, dy: &Tensor| {
            dot(&forward(x, weight, Some(bias), how).unwrap(), dy)
        };
        let y = forward(&x, &weight, Some(&bias), how).unwrap();
        let dy = normal(seed + 300, y.dims(), DType::F64);
        let found = backward(&x, &weight, &dy, how, ALL).unwrap();
        let dx = differences(&x, |x| loss(x, &weight, &bias, &dy));
        assert_close(&numbers(&found.input.unwrap()), &dx, 1e-7);
        let dw = differences(&weight, |weight| loss(&x, weight, &bias, &dy));
        assert_close(&numbers(&found.weight.unwrap()), &dw, 1e-7);
        let db = differences(&bias, |bias| loss(&x, &weight, bias, &dy));
        assert_close(&numbers(&found.bias.unwrap()), &db, 1e-7);
    }
}

#[test]
fn large_images_in_tiles_and_small_ones_together_agree_with_the_composition() {
    let shapes = [
        ([1, 2, 40, 45, 70], 3),
        ([2, 37, 5, 4, 3], 4),
        ([1, 9, 1, 28, 28], 2),
        // More than a segment of each run, and dx folded back, in rows of several widths.
        ([2, 9, 2, 28, 30], 64),
        ([2, 7, 3, 5, 7], 70),
    ];
    for (x, outputs) in shapes {
        let x = normal(1, &x, DType::F64);
        let weight = normal(2, &[x.dims()[0], outputs, x.dims()[2], 3, 3], DType::F64);
        let how = plain(3);
        let sizes = Sizes::of(&x, &weight, how).unwrap();
        let y = forward(&x, &weight, None, how).unwrap();
        assert_same(&y, &composed::forward(&sizes, &x, &weight, None).unwrap(), 1e-11);
        let found = backward(&x, &weight, &y, how, ALL).unwrap();
        let expected = composed::backward(&sizes, &x, &weight, &y, ALL).unwrap();
        assert_same(&found.weight.unwrap(), &expected.weight.unwrap(), 1e-10);
        assert_same(&found.bias.unwrap(), &expected.bias.unwrap(), 1e-10);
        assert_same(&found.input.unwrap(), &expected.input.unwrap(), 1e-10);
    }
}

#[test]
fn only_what_is_needed_is_computed() {
    let Case { x, weight, how, .. } = Case::random(3, DType::F32);
    let y = forward(&x, &weight, None, how).unwrap();
    let need = Need { weight: true, bias: false, input: false };
    let found = backward(&x, &weight, &y, how, need).unwrap();
    assert!(found.weight.is_some() && found.input.is_none() && found.bias.is_none());
}

#[test]
fn every_thread_count_gives_the_same_bits() {
    for (stride, outputs) in [(1, 48), (1, 64), (2, 48)] {
        let how = Convolution { window: Window { stride: [stride; 2], ..plain(3).window }, groups: 1 };
        let x = normal(1, &[2, 33, 16, 14, 14], DType::F32);
        let weight = normal(2, &[2, outputs, 16, 3, 3], DType::F32);
        let pass = || {
            let y = forward(&x, &weight, None, how).unwrap();
            let found = backward(&x, &weight, &y, how, ALL).unwrap();
            [y, found.weight.unwrap(), found.bias.unwrap(), found.input.unwrap()].map(|t| numbers(&t))
        };
        let alone = pass();
        let together = on_threads(2, pass);
        assert!(alone == together);
    }
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let (x, weight) = (normal(1, &[1, 2, 4, 5, 5], DType::F32), normal(2, &[1, 6, 4, 3, 3], DType::F32));
    let how = plain(3);
    assert!(forward(&x, &weight, None, how).is_ok());
    assert!(forward(&x.narrow(2, 0, 3).unwrap(), &weight, None, how).is_err());
    assert!(forward(&x, &weight, None, plain(1)).is_err());
    assert!(forward(&x, &weight, None, Convolution { groups: 2, ..how }).is_err());
    assert!(forward(&x, &weight, None, Convolution { groups: 0, ..how }).is_err());
    assert!(forward(&x, &weight, Some(&normal(1, &[1, 5], DType::F32)), how).is_err());
    let far = Convolution { window: Window { dilation: [9; 2], ..how.window }, groups: 1 };
    assert!(forward(&x, &weight, None, far).is_err());
    assert!(backward(&x, &weight, &x, how, ALL).is_err());
}

#[test]
fn an_empty_batch_gives_empty_outputs_and_zero_gradients() {
    let x = Tensor::zeros((1, 0, 2, 5, 5), DType::F32, &Device::Cpu).unwrap();
    let weight = normal(2, &[1, 3, 2, 3, 3], DType::F32);
    for stride in [1, 2] {
        let how = Convolution { window: Window { stride: [stride; 2], ..plain(3).window }, groups: 1 };
        let y = forward(&x, &weight, None, how).unwrap();
        let found = backward(&x, &weight, &y, how, ALL).unwrap();
        assert_eq!(numbers(&found.weight.unwrap()), [0.0; 54]);
        assert_eq!(found.input.unwrap().dims(), x.dims());
    }
}
