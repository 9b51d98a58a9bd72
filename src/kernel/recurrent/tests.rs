//! Every cell against finite differences, `PyTorch`, the composition, and itself beside padding.

use candle_core::{DType, Tensor};

use super::*;
use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers, on_threads};

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
    fn new(
        cell: Cell,
        bidirectional: bool,
        pooling: Pooling,
        inputs: usize,
        runs: usize,
        dtype: DType,
    ) -> Self {
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
        let plan = Plan::new(self.stack, &weights, &lengths, self.dropout.as_ref());
        let (y, trace) = composed::forward(&plan, x, true).unwrap();
        let gradients = composed::backward(&plan, &trace.unwrap(), dy, &needs, true).unwrap();
        (y, gradients)
    }
}

const ALL: DirectionNeed = DirectionNeed { weight_ih: true, weight_hh: true, bias_ih: true, bias_hh: true };

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
            for (bidirectional, lengths) in [
                (false, None),
                (true, None),
                (false, Some(vec![2, 4, 0, 3, 3, 5])),
                (true, Some(vec![1, 0, 5, 5, 2, 2])),
            ] {
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

#[test]
fn padding_changes_no_bit() {
    for cell in CELLS {
        for pooling in POOLINGS {
            let mut case = Case::new(cell, true, pooling, 2, 2, DType::F32);
            case.lengths = Some(vec![2, 4, 1, 3, 0, 4]);
            case.dropout = Some(Dropout { rates: vec![0.4, 0.1], seeds: vec![1, 2], step: 3, ordinal: 1 });
            let x = normal(1, &[2, 3, 4, 2], DType::F32);
            // Three steps more, of what must never be read.
            let nan = (normal(2, &[2, 3, 3, 2], DType::F32) * f64::NAN).unwrap();
            let longer = Tensor::cat(&[&x, &nan], 2).unwrap();
            let (y, longer_y) = (case.forward(&x), case.forward(&longer));
            let dy = normal(3, y.dims(), DType::F32);
            let longer_dy = if pooling == Pooling::None {
                assert_eq!(numbers(&longer_y.narrow(2, 0, 4).unwrap()), numbers(&y));
                assert!(numbers(&longer_y.narrow(2, 4, 3).unwrap()).iter().all(|y| *y == 0.0));
                let nan = (longer_y.narrow(2, 0, 3).unwrap() * f64::NAN).unwrap();
                Tensor::cat(&[&dy, &nan], 2).unwrap()
            } else {
                assert_eq!(numbers(&longer_y), numbers(&y));
                dy.clone()
            };
            let mut found = listed(&case.gradients(&x, &dy));
            let mut longer_found = listed(&case.gradients(&longer, &longer_dy));
            let (dx, longer_dx) = (found.pop().unwrap(), longer_found.pop().unwrap());
            for (found, longer) in found.iter().zip(&longer_found) {
                assert_eq!(numbers(found), numbers(longer));
            }
            assert_eq!(numbers(&longer_dx.narrow(2, 0, 4).unwrap()), numbers(&dx));
            assert!(numbers(&longer_dx.narrow(2, 4, 3).unwrap()).iter().all(|dx| *dx == 0.0));
        }
    }
}

#[test]
fn a_batch_is_its_parts() {
    let x = normal(1, &[1, 7, 5, 2], DType::F64);
    let lengths = vec![2, 5, 1, 3, 0, 5, 4];
    for cell in CELLS {
        let mut case = Case::new(cell, true, Pooling::Last, 2, 1, DType::F64);
        case.lengths = Some(lengths.clone());
        let y = case.forward(&x);
        let dy = normal(2, y.dims(), DType::F64);
        let whole = listed(&case.gradients(&x, &dy));
        let mut sums: Option<Vec<Tensor>> = None;
        for (first, count) in [(0, 3), (3, 4)] {
            case.lengths = Some(lengths[first..first + count].to_vec());
            let part = |tensor: &Tensor| tensor.narrow(1, first, count).unwrap();
            assert_same(&case.forward(&part(&x)), &part(&y), 1e-12);
            let mut found = listed(&case.gradients(&part(&x), &part(&dy)));
            assert_same(&found.pop().unwrap(), &part(whole.last().unwrap()), 1e-12);
            sums = Some(match sums {
                None => found,
                Some(sums) => sums.iter().zip(&found).map(|(a, b)| (a + b).unwrap()).collect(),
            });
        }
        for (sum, whole) in sums.unwrap().iter().zip(&whole) {
            assert_same(sum, whole, 1e-12);
        }
    }
}

#[test]
fn an_evaluation_in_groups_is_the_evaluation_of_all() {
    let (batch, steps) = (5, 7000);
    let x = normal(1, &[1, batch, steps, 1], DType::F64);
    let mut case = Case::new(Cell::Gru, true, Pooling::Mean, 1, 1, DType::F64);
    case.lengths = Some(vec![7000, 3, 6999, 7000, 1]);
    let kept = forward(&x, &case.lent(), case.stack, case.lengths.as_deref(), None, true).unwrap().0;
    assert_same(&case.forward(&x), &kept, 1e-12);
}

#[test]
fn runs_beside_each_other_are_the_runs_alone() {
    let both = Case {
        lengths: Some(vec![2, 4, 1, 3, 0, 4]),
        dropout: Some(Dropout { rates: vec![0.4, 0.1], seeds: vec![1, 2], step: 3, ordinal: 1 }),
        ..Case::new(Cell::Lstm, true, Pooling::Max, 2, 2, DType::F32)
    };
    let x = normal(1, &[2, 3, 4, 2], DType::F32);
    let dy = normal(2, &[2, 3, 6], DType::F32);
    let together = listed(&both.gradients(&x, &dy));
    for run in 0..2 {
        let of = |tensor: &Tensor| tensor.narrow(0, run, 1).unwrap().copy().unwrap();
        let dropout = both.dropout.as_ref().unwrap();
        let alone = Case {
            stack: both.stack,
            weights: both.weights.iter().map(|one| one.each_ref().map(of)).collect(),
            lengths: Some(both.lengths.as_ref().unwrap()[3 * run..3 * run + 3].to_vec()),
            dropout: Some(Dropout {
                rates: vec![dropout.rates[run]],
                seeds: vec![dropout.seeds[run]],
                ..dropout.clone()
            }),
        };
        for (together, alone) in together.iter().zip(listed(&alone.gradients(&of(&x), &of(&dy)))) {
            assert_eq!(numbers(&of(together)), numbers(&alone));
        }
    }
}

#[test]
fn every_thread_count_gives_the_same_bits() {
    let found = || {
        let mut case = Case::new(Cell::Lstm, true, Pooling::None, 40, 1, DType::F32);
        case.lengths = Some((0..128).map(|sequence| 1 + sequence % 30).collect());
        let x = normal(1, &[1, 128, 30, 40], DType::F32);
        let dy = normal(2, &[1, 128, 30, 6], DType::F32);
        listed(&case.gradients(&x, &dy)).iter().map(numbers).collect::<Vec<_>>()
    };
    let alone = found();
    let together = on_threads(2, found);
    assert!(alone == together);
}

#[test]
fn only_what_is_needed_is_computed() {
    let case = Case::new(Cell::Lstm, false, Pooling::Last, 2, 1, DType::F64);
    let x = normal(1, &[1, 3, 4, 2], DType::F64);
    let dy = normal(2, &[1, 3, 3], DType::F64);
    let all = case.gradients(&x, &dy);
    let needs = [DirectionNeed::default(), DirectionNeed { weight_hh: true, ..DirectionNeed::default() }];
    let (_, trace) = forward(&x, &case.lent(), case.stack, None, None, true).unwrap();
    let found = backward(trace.unwrap(), &case.lent(), &dy, &needs, false).unwrap();
    assert!(found.input.is_none() && found.weights[0].weight_ih.is_none());
    let DirectionGradients { weight_ih, weight_hh, bias_ih, bias_hh } = &found.weights[1];
    assert!(weight_ih.is_none() && bias_ih.is_none() && bias_hh.is_none());
    assert_same(weight_hh.as_ref().unwrap(), all.weights[1].weight_hh.as_ref().unwrap(), 0.0);

    let (_, trace) = forward(&x, &case.lent(), case.stack, None, None, true).unwrap();
    let found = backward(trace.unwrap(), &case.lent(), &dy, &[DirectionNeed::default(); 2], true).unwrap();
    assert_same(&found.input.unwrap(), &all.input.unwrap(), 0.0);
}

#[test]
fn a_nan_of_a_sequence_stays_and_shows_in_its_maximum() {
    let mut numbers_of_x = numbers(&normal(1, &[1, 2, 4, 2], DType::F64));
    numbers_of_x[2] = f64::NAN;
    let x = crate::kernel::checks::tensor(&numbers_of_x, &[1, 2, 4, 2]);
    for cell in CELLS {
        for pooling in [Pooling::Last, Pooling::Mean, Pooling::Max] {
            let y = numbers(&Case::new(cell, true, pooling, 2, 1, DType::F64).forward(&x));
            assert!(y[..6].iter().all(|y| y.is_nan()) && y[6..].iter().all(|y| y.is_finite()), "{cell:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let case = Case::new(Cell::Gru, true, Pooling::Last, 2, 1, DType::F32);
    let run = |x: &Tensor, lengths: Option<&[u32]>| forward(x, &case.lent(), case.stack, lengths, None, true);
    let x = normal(1, &[1, 3, 4, 2], DType::F32);
    assert!(run(&x, Some(&[1, 2])).is_err(), "a length is missing");
    assert!(run(&x, Some(&[1, 2, 5])).is_err(), "a sequence is too long");
    assert!(run(&normal(1, &[1, 3, 4, 3], DType::F32), None).is_err());
    assert!(run(&normal(1, &[2, 3, 4, 2], DType::F32), None).is_err());
    assert!(run(&normal(1, &[1, 3, 4], DType::F32), None).is_err());
    assert!(run(&x.to_dtype(DType::U32).unwrap(), None).is_err());
    let (_, trace) = run(&x, None).unwrap();
    let needs = [ALL; 4];
    assert!(
        backward(trace.unwrap(), &case.lent(), &normal(1, &[1, 3, 5], DType::F32), &needs, true).is_err()
    );
    assert_eq!(run(&normal(1, &[1, 0, 4, 2], DType::F32), None).unwrap().0.dims(), [1, 0, 6]);
    assert_eq!(numbers(&run(&normal(1, &[1, 1, 0, 2], DType::F32), None).unwrap().0), [0.0; 6]);
}
