//! Every cell against finite differences, `PyTorch`, the composition, and itself beside padding.

use candle_core::{DType, Tensor};

use super::*;
use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers};

const CELLS: [Cell; 4] = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru];
const POOLINGS: [Pooling; 4] = [Pooling::None, Pooling::Last, Pooling::Mean, Pooling::Max];

/// A stack with two layers of weights, and what goes through it.
struct Case {
    stack: Stack,
    /// `W_ih`, `W_hh`, `b_ih`, `b_hh` of each direction of each layer.
    weights: Vec<[Tensor; 4]>,
    lengths: Option<Vec<u32>>,
    dropout: Option<Dropout>,
}

impl Case {
    fn new(cell: Cell, bidirectional: bool, pooling: Pooling, inputs: usize, runs: usize, dtype: DType) -> Self {
        let stack = Stack { cell, hidden: 3, bidirectional, pooling };
        let (rows, directions) = (cell.gates() * 3, if bidirectional { 2 } else { 1 });
        let weights = (0..2 * directions)
            .map(|number| {
                let inputs = if number < directions { inputs } else { directions * 3 };
                let of = |seed: usize, shape: &[usize]| {
                    (normal((10 * number + seed) as u64, shape, dtype) * 0.5).unwrap()
                };
                [
                    of(1, &[runs, rows, inputs]),
                    of(2, &[runs, rows, 3]),
                    of(3, &[runs, rows]),
                    of(4, &[runs, rows]),
                ]
            })
            .collect();
        Self { stack, weights, lengths: None, dropout: None }
    }

    fn lent(&self) -> Vec<Weights<'_>> {
        self.weights.iter().map(|[ih, hh, a, b]| Weights { ih, hh, bias: Some([a, b]) }).collect()
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let dropout = self.dropout.clone();
        forward(x, &self.lent(), self.stack, self.lengths.as_deref(), dropout, false).unwrap().0
    }

    fn gradients(&self, x: &Tensor, dy: &Tensor) -> Gradients {
        let dropout = self.dropout.clone();
        let (_, trace) =
            forward(x, &self.lent(), self.stack, self.lengths.as_deref(), dropout, true).unwrap();
        let needs = vec![ALL; self.weights.len()];
        backward(trace.unwrap(), &self.lent(), dy, &needs, true).unwrap()
    }

    fn composed(&self, x: &Tensor, dy: &Tensor) -> (Tensor, Gradients) {
        let (weights, needs) = (self.lent(), vec![ALL; self.weights.len()]);
        let (runs, batch, steps, _) = x.dims4().unwrap();
        let lengths = real_steps(self.lengths.as_deref(), runs * batch, steps).unwrap();
        let plan = plan(self.stack, &weights, &lengths, self.dropout.as_ref());
        let (y, trace) = composed::forward(&plan, x, true).unwrap();
        let gradients = composed::backward(&plan, trace.unwrap(), dy, &needs, true).unwrap();
        (y, gradients)
    }
}

const ALL: DirectionNeed =
    DirectionNeed { weight_ih: true, weight_hh: true, bias_ih: true, bias_hh: true };

/// Those of all weights in order, and of the input.
fn listed(gradients: &Gradients) -> Vec<Tensor> {
    let of = |one: &DirectionGradients| {
        [&one.weight_ih, &one.weight_hh, &one.bias_ih, &one.bias_hh].map(|one| one.clone().unwrap())
    };
    gradients.weights.iter().flat_map(of).chain(gradients.input.clone()).collect()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    // Two runs, three sequences of four steps, and an input that does not lie in order.
    let x = normal(1, &[2, 4, 3, 2], DType::F64).transpose(1, 2).unwrap();
    for cell in CELLS {
        for bidirectional in [false, true] {
            for pooling in POOLINGS {
                for lengths in [None, Some(vec![2, 4, 1, 3, 3, 2])] {
                    let mut case = Case::new(cell, bidirectional, pooling, 2, 2, DType::F64);
                    case.lengths = lengths;
                    check_differences(&mut case, &x);
                }
            }
        }
    }
}

fn check_differences(case: &mut Case, x: &Tensor) {
    let dy = normal(2, case.forward(x).dims(), DType::F64);
    let mut found = listed(&case.gradients(x, &dy));
    let dx = found.pop().unwrap();
    assert_close(&numbers(&dx), &differences(x, |x| dot(&case.forward(x), &dy)), 1e-7);
    for (index, found) in found.into_iter().enumerate() {
        let (number, part) = (index / 4, index % 4);
        let start = case.weights[number][part].clone();
        let expected = differences(&start, |value| {
            case.weights[number][part] = value.clone();
            dot(&case.forward(x), &dy)
        });
        case.weights[number][part] = start;
        assert_close(&numbers(&found), &expected, 1e-7);
    }
}

#[test]
fn slices_and_composition_agree() {
    for cell in CELLS {
        for (index, pooling) in POOLINGS.into_iter().enumerate() {
            for (bidirectional, lengths) in
                [(false, None), (true, None), (false, Some(vec![2, 4, 0, 3, 3, 5])), (true, Some(vec![1, 0, 5, 5, 2, 2]))]
            {
                let x = normal(index as u64, &[2, 3, 5, 2], DType::F32);
                let mut case = Case::new(cell, bidirectional, pooling, 2, 2, DType::F32);
                case.lengths = lengths;
                case.dropout =
                    Some(Dropout { rates: vec![0.4, 0.0], seeds: vec![1, 2], step: 3, ordinal: 1 });
                let y = case.forward(&x);
                let dy = normal(7, y.dims(), DType::F32);
                let (expected_y, expected) = case.composed(&x, &dy);
                assert_same(&y, &expected_y, 2e-6);
                for (found, expected) in listed(&case.gradients(&x, &dy)).iter().zip(listed(&expected)) {
                    assert_same(found, &expected, 5e-6);
                }
            }
        }
    }
}
