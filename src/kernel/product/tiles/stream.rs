//! In which order the panels of two matrices meet.

use std::cell::Cell;
use std::ops::Range;

use candle_core::DType;
use rayon::prelude::*;

use super::multiply::{LINES, SIDE, Tiles, multiply, prefetch};
use super::panel::{DEPTH, Form, Side, Step};
use crate::device::has_tiles;
use crate::kernel::product::Matrix;
use crate::kernel::{Element, threads};

/// The deepest part of a product that is summed up before the result is written.
const DEEPEST: usize = 1024;
/// How large the side that stays may be: most of a second cache, beside a pair of panels of the other side.
const RESIDENT_BYTES: usize = 5 << 18;
/// The smallest number of multiplications that tiles are worth preparing for.
const SMALLEST: usize = 1 << 18;
/// How often a number has to be used on average to be worth laying out: what tiles save with each multiplication is about
/// a seventieth of that.
const LEAST_USES: usize = 70;
/// The multiplications that are worth waking a thread for.
const LEAST_A_THREAD: usize = 1 << 22;

thread_local! {
    /// Memory for panels that is used again. It is taken out while in use: a pool may run one product within another.
    static RESIDENT: Cell<Vec<Step>> = const { Cell::new(Vec::new()) };
    static STREAMED: Cell<Vec<Step>> = const { Cell::new(Vec::new()) };
}

/// Writes `left right` to `out`, as the caller's own product does, if the sizes suit tiles and there are any; says
/// whether it did.
///
/// # Safety
/// As of the caller: `out` is valid for writes of the numbers of `left.rows` rows that begin `step` apart and have
/// `right.columns` each, which nothing else borrows; with `add` they are initialised.
pub(in crate::kernel::product) unsafe fn product<T: Element>(
    out: *mut T,
    step: usize,
    add: bool,
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
) -> bool {
    let sizes = [left.rows, right.columns, left.columns];
    if !suits_with_both(sizes) {
        return false;
    }
    let (Some(left), Some(right)) = (side(&left, Form::Left), side(&right.transposed(), Form::Right)) else {
        return false;
    };
    let out = Out { start: out.cast(), step, rows: left.lines, columns: right.lines };
    let (resident, streamed) = if right.lines <= left.lines { (right, left) } else { (left, right) };
    let [.., depth] = sizes;
    // Each thread lays out all of the resident side for itself: panels that another one has written come slowly.
    each_thread(streamed.lines, volume(sizes), |streamed_lines| {
        let mut panels = RESIDENT.take();
        for places in parts(depth, DEEPEST, DEPTH) {
            let steps = places.len().div_ceil(DEPTH);
            let most = RESIDENT_BYTES / (steps * size_of::<Step>()) * LINES;
            for lines in parts(resident.lines, most.max(SIDE), SIDE) {
                let pass = Pass {
                    resident: lay_out(resident, lines.clone(), places.clone(), &mut panels),
                    first: lines.start,
                    streamed,
                    add: add || places.start > 0,
                    depth: places.clone(),
                    out,
                };
                // SAFETY: there are tiles, and the caller vouches for `out`.
                unsafe { pass.run(streamed_lines.clone()) };
            }
        }
        RESIDENT.set(panels);
    });
    true
}

/// A right matrix that is laid out once for many products.
#[derive(Debug)]
pub(in crate::kernel::product) struct Packed {
    panels: Vec<Step>,
    columns: usize,
    depth: usize,
}

impl Packed {
    /// For left matrices of about so many rows; none where tiles would not be used or it is too large to stay.
    pub fn new<T: Element>(matrix: &Matrix<'_, T>, rows: usize) -> Option<Self> {
        let (depth, columns) = (matrix.rows, matrix.columns);
        let steps = depth.div_ceil(DEPTH);
        let count = columns.div_ceil(SIDE) * 2;
        let stays = depth <= DEEPEST && count * steps * size_of::<Step>() <= RESIDENT_BYTES;
        if !stays || !suits([rows, columns, depth]) {
            return None;
        }
        let side = side(&matrix.transposed(), Form::Right)?;
        let mut panels = Vec::new();
        lay_out(side, 0..columns, 0..depth, &mut panels);
        Some(Self { panels, columns, depth })
    }

    /// As [`product`].
    ///
    /// # Safety
    /// As of [`product`].
    pub unsafe fn product<T: Element>(
        &self,
        out: *mut T,
        step: usize,
        add: bool,
        left: Matrix<'_, T>,
    ) -> bool {
        // A few rows at the end of a batch of sequences still gain: the panels are there.
        if left.rows < LINES / 2 {
            return false;
        }
        let Some(left) = side(&left, Form::Left) else { return false };
        let out = Out { start: out.cast(), step, rows: left.lines, columns: self.columns };
        let pass = Pass { resident: &self.panels, first: 0, streamed: left, depth: 0..self.depth, out, add };
        each_thread(left.lines, volume([left.lines, self.columns, self.depth]), |lines| {
            // SAFETY: there are tiles, or `new` would have given nothing, and the caller vouches for `out`.
            unsafe { pass.run(lines) };
        });
        true
    }
}

/// Whether tiles do a product of these rows, columns and depth faster: a question of the sizes alone, so that results
/// depend on nothing else on one machine.
fn suits(sizes: [usize; 3]) -> bool {
    let padded = sizes.map(|size| size.next_multiple_of(DEPTH));
    volume(sizes) >= SMALLEST && volume(padded) <= 2 * volume(sizes) && has_tiles()
}

/// Whether that holds with both sides still to be laid out.
fn suits_with_both([rows, columns, depth]: [usize; 3]) -> bool {
    let numbers = rows.saturating_add(columns);
    rows.saturating_mul(columns) >= LEAST_USES.saturating_mul(numbers) && suits([rows, columns, depth])
}

/// The multiplications of a product of so many rows, columns and depth.
fn volume(sizes: [usize; 3]) -> usize {
    sizes.into_iter().fold(1, usize::saturating_mul)
}

/// Calls `work` for all `lines` in a part for each thread, cut between pairs of panels.
fn each_thread(lines: usize, volume: usize, work: impl Fn(Range<usize>) + Sync) {
    let threads = threads().min(volume / LEAST_A_THREAD).max(1);
    if threads == 1 {
        work(0..lines);
    } else {
        let parts: Vec<Range<usize>> = parts(lines, lines.div_ceil(threads), SIDE).collect();
        parts.into_par_iter().for_each(&work);
    }
}

/// The rows of a matrix of f32; none of other numbers.
fn side<'a, T: Element>(matrix: &Matrix<'a, T>, form: Form) -> Option<Side<'a>> {
    if T::DTYPE != DType::F32 {
        return None;
    }
    // SAFETY: `Element` is implemented for f32 and f64 alone, and this one is f32.
    let numbers =
        unsafe { std::slice::from_raw_parts(matrix.numbers.as_ptr().cast::<f32>(), matrix.numbers.len()) };
    let (line_step, depth_step) = (matrix.row_step.unsigned_abs(), matrix.column_step.unsigned_abs());
    let is_dense = line_step == 1 || depth_step == 1;
    is_dense.then_some(Side { numbers, lines: matrix.rows, line_step, depth_step, form })
}

/// `0..length` in as few parts of about one size as there can be with at most `most` each, which are multiples of
/// `unit` but for the last.
fn parts(length: usize, most: usize, unit: usize) -> impl Iterator<Item = Range<usize>> {
    let count = length.div_ceil(most).max(1);
    let each = length.div_ceil(count).next_multiple_of(unit);
    (0..length).step_by(each).map(move |start| start..length.min(start + each))
}

/// The panels of these lines, whole pairs of them.
fn lay_out<'a>(
    side: Side<'_>,
    lines: Range<usize>,
    places: Range<usize>,
    panels: &'a mut Vec<Step>,
) -> &'a [Step] {
    let count = lines.len().div_ceil(SIDE) * 2 * places.len().div_ceil(DEPTH);
    if panels.len() < count {
        panels.resize(count, Step::ZERO);
    }
    let panels = &mut panels[..count];
    // SAFETY: processors that have tiles have these vector instructions, as `has_tiles` asks.
    unsafe { side.lay_out(lines.start, places.start, places.len(), panels) };
    panels
}

/// The result of a product.
#[derive(Clone, Copy)]
struct Out {
    start: *mut f32,
    step: usize,
    rows: usize,
    columns: usize,
}

// SAFETY: threads write to squares of it that do not overlap, see `Pass`.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// All lines of one side past some of the other one.
struct Pass<'a> {
    /// Panels from the line `first` on.
    resident: &'a [Step],
    first: usize,
    streamed: Side<'a>,
    depth: Range<usize>,
    out: Out,
    add: bool,
}

impl Pass<'_> {
    /// The streamed lines of this range, which begins with a pair of panels.
    ///
    /// # Safety
    /// There are tiles, and `out` is valid for what belongs to these lines, which nothing else borrows.
    unsafe fn run(&self, lines: Range<usize>) {
        // SAFETY: the caller vouches for tiles.
        let tiles = unsafe { Tiles::new() };
        let steps = self.depth.len().div_ceil(DEPTH);
        let mut memory = STREAMED.take();
        for first in lines.step_by(SIDE) {
            let streamed = lay_out(self.streamed, first..first + SIDE, self.depth.clone(), &mut memory);
            let streamed = two(streamed);
            for (index, resident) in self.resident.chunks_exact(2 * steps).enumerate() {
                let (resident, line) = (two(resident), self.first + index * SIDE);
                let (left, right, row, column) = match self.streamed.form {
                    Form::Left => (streamed, resident, first, line),
                    Form::Right => (resident, streamed, line, first),
                };
                // SAFETY: the caller vouches for `out`.
                unsafe { self.square(&tiles, left, right, row, column) };
            }
        }
        STREAMED.set(memory);
    }

    /// What lies in the 32 rows and columns from `row` and `column` on.
    ///
    /// # Safety
    /// As of [`run`](Self::run).
    unsafe fn square(
        &self,
        tiles: &Tiles,
        left: [&[Step]; 2],
        right: [&[Step]; 2],
        row: usize,
        column: usize,
    ) {
        let Out { start, step, rows, columns } = self.out;
        let at = start.wrapping_add(row * step + column);
        let (high, wide) = (SIDE.min(rows - row), SIDE.min(columns - column));
        if (high, wide) == (SIDE, SIDE) {
            prefetch(at, step);
            // SAFETY: all 32 rows and columns are within `out`.
            unsafe { multiply(tiles, left, right, at, step, self.add) };
            return;
        }
        let mut whole = [0.0f32; SIDE * SIDE];
        let lines = whole.chunks_exact_mut(SIDE).take(high).enumerate();
        if self.add {
            for (row, line) in lines {
                // SAFETY: the row has `wide` numbers within `out`, which the caller says are initialised.
                unsafe { at.add(row * step).copy_to_nonoverlapping(line.as_mut_ptr(), wide) };
            }
        }
        // SAFETY: `whole` has 32 rows of 32 numbers.
        unsafe { multiply(tiles, left, right, whole.as_mut_ptr(), SIDE, self.add) };
        for (row, line) in whole.chunks_exact(SIDE).take(high).enumerate() {
            // SAFETY: the row has `wide` numbers within `out`.
            unsafe { at.add(row * step).copy_from_nonoverlapping(line.as_ptr(), wide) };
        }
    }
}

/// Two panels that lie side by side.
fn two(panels: &[Step]) -> [&[Step]; 2] {
    let (first, second) = panels.split_at(panels.len() / 2);
    [first, second]
}
