//! One direction of one layer over packed sequences.
//!
//! The products with the input need no state, so they are one product over all steps; so are the gradients of
//! the weights and of the input. What is left for the loop over the steps is the product with the state and
//! the pass over the gates.

#![expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]

use std::ops::Range;

use super::cell::{Backward, Forward};
use super::scene::{Block, Scene};
use super::{Cell, DirectionNeed};
use crate::kernel::columns::column_sums;
use crate::kernel::curve::Curve;
use crate::kernel::product::{Fixed, Matrix, add_product_apart, append_product, set_product_apart};
use crate::kernel::transpose::transposed;
use crate::kernel::{Element, simd};

/// One direction's weights, as `PyTorch` lays them out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slices<'a, T> {
    /// `[G · H, inputs]`.
    pub ih: &'a [T],
    /// `[G · H, H]`.
    pub hh: &'a [T],
    /// `b_ih` and `b_hh`, `[G · H]` each.
    pub bias: Option<[&'a [T]; 2]>,
}

/// What the backward pass needs of the forward pass, beside input and output.
#[derive(Debug)]
pub(super) struct Kept<T> {
    gates: Vec<T>,
    cells: Vec<T>,
}

/// The gradients of one direction's weights, those that were asked for.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub ih: Option<Vec<T>>,
    pub hh: Option<Vec<T>>,
    pub bias_ih: Option<Vec<T>>,
    pub bias_hh: Option<Vec<T>>,
}

/// Computes h of every row into its column of `output`.
pub(super) fn forward<T: Curve>(
    scene: &Scene<'_>,
    input: &[T],
    weights: Slices<'_, T>,
    output: &mut [T],
) -> Kept<T> {
    let Scene { cell, packing, hidden, outputs, column, reverse, .. } = *scene;
    let (rows, width) = (packing.rows(), scene.width());
    let mut gates = input_products(scene, input, weights.ih);
    let bias = bias_row(scene, weights.bias);
    let weight = Matrix::rows(weights.hh, scene.weight_rows(), hidden).transposed();
    let weight = Fixed::new(weight, packing.sequences());
    let mut cells = if cell == Cell::Lstm { vec![T::ZERO; rows * hidden] } else { Vec::new() };
    for step in scene.order() {
        let (now, before) = (packing.at(step), packing.before(step, reverse));
        let gates = &mut gates[now.start * width..now.end * width];
        if !before.is_empty() {
            let state =
                Matrix::apart(&output[before.start * outputs + column..], before.len(), hidden, outputs);
            weight.add_product_apart(&mut gates[scene.state_column()..], width, state);
        }
        let (cells, cells_before) = apart(&mut cells, &now, &before, hidden);
        let (output, output_before) = apart(output, &now, &before, outputs);
        let pass = Forward {
            gates,
            bias: &bias,
            cells,
            cells_before,
            output,
            output_before,
            step: outputs,
            column,
            hidden,
        };
        pass.run(cell);
    }
    Kept { gates, cells }
}

/// The products with the input for every row of gates, zeros where a gate has none.
fn input_products<T: Element>(scene: &Scene<'_>, input: &[T], weight: &[T]) -> Vec<T> {
    let (rows, width, inputs) = (scene.packing.rows(), scene.width(), scene.inputs);
    let input = Matrix::rows(input, rows, inputs);
    let part = |block: Block| Matrix::rows(&weight[block.row * inputs..], block.rows, inputs).transposed();
    let mut gates = Vec::new();
    match scene.input_blocks()[..] {
        [all] => append_product(&mut gates, input, part(all)),
        ref blocks => {
            gates.resize(rows * width, T::ZERO);
            for block in blocks {
                let gates = gates.get_mut(block.column..).unwrap_or_default();
                set_product_apart(gates, width, input, part(*block));
            }
        }
    }
    gates
}

/// What every row of gates has added to it; empty without biases.
fn bias_row<T: Element>(scene: &Scene<'_>, bias: Option<[&[T]; 2]>) -> Vec<T> {
    let Some([ih, hh]) = bias else { return Vec::new() };
    let mut row = vec![T::ZERO; scene.width()];
    for Block { row: from, rows, column } in scene.input_blocks() {
        row[column..][..rows].copy_from_slice(&ih[from..][..rows]);
    }
    for (sum, bias) in row[scene.state_column()..].iter_mut().zip(hh) {
        *sum += *bias;
    }
    row
}

/// The rows of this step, to be written, and those of the step before.
fn apart<'a, T>(
    all: &'a mut [T],
    now: &Range<usize>,
    before: &Range<usize>,
    width: usize,
) -> (&'a mut [T], &'a [T]) {
    if all.is_empty() {
        return (&mut [], &[]);
    }
    if before.start < now.start {
        let (first, second) = all.split_at_mut(now.start * width);
        (&mut second[..now.len() * width], &first[before.start * width..before.end * width])
    } else {
        // Either the step before lies behind this one, or there is none.
        let (first, second) = all.split_at_mut(now.end * width);
        let before = if before.is_empty() { 0..0 } else { 0..before.len() * width };
        (&mut first[now.start * width..], &second[before])
    }
}

/// The rows that a backward pass reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow<'a, T> {
    /// What the forward pass was given, `[rows, inputs]`.
    pub input: &'a [T],
    /// What it made of it, `[rows, outputs]`.
    pub output: &'a [T],
    /// The gradient of that.
    pub gradient: &'a [T],
}

/// The gradients for the gradient of the outputs; that of the input is added to `input_gradient`.
pub(super) fn backward<T: Curve>(
    scene: &Scene<'_>,
    weights: Slices<'_, T>,
    flow: Flow<'_, T>,
    kept: Kept<T>,
    need: DirectionNeed,
    input_gradient: Option<&mut [T]>,
) -> Found<T> {
    let Flow { input, output, gradient } = flow;
    let Kept { mut gates, cells } = kept;
    through_time(scene, weights.hh, output, &mut gates, &cells, gradient);
    drop(cells);
    let (rows, width, inputs) = (scene.packing.rows(), scene.width(), scene.inputs);
    let part =
        |block: Block| Matrix::apart(gates.get(block.column..).unwrap_or_default(), rows, block.rows, width);
    let input_view = Matrix::rows(input, rows, inputs);
    let ih = need.weight_ih.then(|| {
        // The transpose, whose product is laid out so that both of its operands are read without gaps.
        let mut turned = vec![T::ZERO; inputs * scene.weight_rows()];
        for block in scene.input_blocks() {
            let turned = &mut turned[block.row..];
            set_product_apart(turned, scene.weight_rows(), input_view.transposed(), part(block));
        }
        transposed(&turned, inputs, scene.weight_rows(), inputs)
    });
    if let Some(input_gradient) = input_gradient {
        for block in scene.input_blocks() {
            let weight = Matrix::rows(&weights.ih[block.row * inputs..], block.rows, inputs);
            add_product_apart(input_gradient, inputs, part(block), weight);
        }
    }
    let hh = need.weight_hh.then(|| state_weight(scene, &gates, output));
    let sums = (need.bias_ih || need.bias_hh).then(|| {
        simd(
            #[inline(always)]
            || sum_rows(&gates, width),
        )
    });
    let sums = sums.unwrap_or_default();
    let bias_ih = need.bias_ih.then(|| {
        let blocks = scene.input_blocks().into_iter();
        blocks.flat_map(|block| sums[block.column..][..block.rows].iter().map(|sum| T::of(*sum))).collect()
    });
    let bias_hh = need.bias_hh.then(|| sums[scene.state_column()..].iter().map(|sum| T::of(*sum)).collect());
    Found { ih, hh, bias_ih, bias_hh }
}

/// From the last computed step to the first: `gates` become the gradients of the products.
fn through_time<T: Curve>(
    scene: &Scene<'_>,
    hh: &[T],
    output: &[T],
    gates: &mut [T],
    cells: &[T],
    gradient: &[T],
) {
    let Scene { cell, packing, hidden, outputs, column, reverse, .. } = *scene;
    let width = scene.width();
    let weight = Fixed::new(Matrix::rows(hh, scene.weight_rows(), hidden), packing.sequences());
    // Sequences that have not begun from this end have the gradients 0.
    let mut state = vec![T::ZERO; packing.sequences() * hidden];
    let mut state_cells =
        if cell == Cell::Lstm { vec![T::ZERO; packing.sequences() * hidden] } else { Vec::new() };
    for step in scene.order().rev() {
        let (now, before) = (packing.at(step), packing.before(step, reverse));
        let gates = &mut gates[now.start * width..now.end * width];
        let pass = Backward {
            gates: &mut *gates,
            cells: scene.rows_of(cells, now.clone(), hidden),
            cells_before: scene.rows_of(cells, before.clone(), hidden),
            output_before: scene.rows_of(output, before.clone(), outputs),
            gradient: scene.rows_of(gradient, now, outputs),
            state: &mut state,
            state_cells: &mut state_cells,
            step: outputs,
            column,
            hidden,
        };
        pass.run(cell);
        if !before.is_empty() {
            let rows = before.len();
            let gates = Matrix::apart(&gates[scene.state_column()..], rows, scene.weight_rows(), width);
            if cell == Cell::Gru {
                // Its h′ also reaches h past the gates.
                weight.add_product_apart(&mut state, hidden, gates);
            } else {
                weight.set_product_apart(&mut state, hidden, gates);
            }
        }
    }
}

/// The gradient of the state's weight: every row's gates with the state before it.
fn state_weight<T: Element>(scene: &Scene<'_>, gates: &[T], output: &[T]) -> Vec<T> {
    let Scene { packing, hidden, outputs, column, reverse, .. } = *scene;
    let (width, weight_rows) = (scene.width(), scene.weight_rows());
    let mut turned = vec![T::ZERO; hidden * weight_rows];
    let (rows, each) = (packing.rows(), packing.sequences());
    if packing.steps() < 2 {
        return turned;
    }
    let gates_from = |row: usize, rows: usize| {
        Matrix::apart(&gates[row * width + scene.state_column()..], rows, weight_rows, width)
    };
    if packing.is_even() {
        let (first, before) = if reverse { (0, each) } else { (each, 0) };
        let before = Matrix::apart(&output[before * outputs + column..], rows - each, hidden, outputs);
        set_product_apart(&mut turned, weight_rows, before.transposed(), gates_from(first, rows - each));
    } else {
        let mut states = Vec::with_capacity(rows * hidden);
        for step in 0..packing.steps() {
            let before = packing.before(step, reverse);
            let absent = packing.at(step).len() - before.len();
            before.for_each(|row| states.extend_from_slice(&output[row * outputs + column..][..hidden]));
            states.resize(states.len() + absent * hidden, T::ZERO);
        }
        let states = Matrix::rows(&states, rows, hidden);
        set_product_apart(&mut turned, weight_rows, states.transposed(), gates_from(0, rows));
    }
    transposed(&turned, hidden, weight_rows, hidden)
}

#[inline(always)]
fn sum_rows<T: Element>(numbers: &[T], width: usize) -> Vec<f64> {
    let [sums] = column_sums::<T, 1>(numbers.len() / width, width, |row, [sum]| {
        for (sum, x) in sum.iter_mut().zip(&numbers[row * width..][..width]) {
            *sum += *x;
        }
    });
    sums
}
