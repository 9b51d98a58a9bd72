//! The passes over the gates of one step: everything between two matrix products, in one loop.
//!
//! A row of gates holds what the products gave, then what the functions made of it, and in the backward pass
//! the gradients of the products: each overwrites the one before.
//!
//! | | a row of gates | forward | state |
//! |---|---|---|---|
//! | rnn | h | h = φ(a) | h |
//! | lstm | i f g o | c = f c′ + i g, h = o tanh c | h, c |
//! | gru | n r z m | n = φ(a + r m), h = (1 − z) n + z h′ | h |
//!
//! A GRU's m is `W_hn h′ + b_hn`, which r scales before it is added; with n and m at the two ends of a row the
//! products with the input write to its first three parts, and those with the state to its last three.

use super::Cell;
use super::curve::Curve;
use crate::kernel::simd;

/// One part of each number of the state, `width` apart from the next in a row of gates.
pub(super) fn gates_of(cell: Cell) -> usize {
    match cell {
        Cell::RnnTanh | Cell::RnnRelu => 1,
        Cell::Lstm | Cell::Gru => 4,
    }
}

/// Where the results of a forward step go, and what it starts from. All rows are of the same sequences; those
/// that have no state before this step are the last ones, and missing in `state` and `cells_before`.
pub(super) struct Forward<'a, T> {
    /// `[n, gates · H]`.
    pub gates: &'a mut [T],
    /// The c of an LSTM, `[n, H]`; empty otherwise.
    pub cells: &'a mut [T],
    /// c′, `[≤ n, H]`.
    pub cells_before: &'a [T],
    /// Rows `step` apart, in which h has its place from `column` on.
    pub output: &'a mut [T],
    /// The same rows of the step before, for h′.
    pub output_before: &'a [T],
    pub step: usize,
    pub column: usize,
    pub hidden: usize,
}

/// What a backward step works on, laid out as in [`Forward`].
pub(super) struct Backward<'a, T> {
    /// What the forward pass left; becomes the gradients of the products.
    pub gates: &'a mut [T],
    pub cells: &'a [T],
    pub cells_before: &'a [T],
    pub output_before: &'a [T],
    /// The gradients of the outputs, rows as those of the outputs.
    pub gradient: &'a [T],
    /// The gradient of h from the step after it, `[n, H]`; becomes what reaches h′ beside the products.
    pub state: &'a mut [T],
    /// That of c, and then of c′.
    pub state_cells: &'a mut [T],
    pub step: usize,
    pub column: usize,
    pub hidden: usize,
}

impl<T: Curve> Forward<'_, T> {
    pub(super) fn run(self, cell: Cell) {
        simd(move || match cell {
            Cell::RnnTanh => self.rnn(|a| a.tangent()),
            Cell::RnnRelu => self.rnn(|a| if a <= T::ZERO { T::ZERO } else { a }),
            Cell::Lstm => self.lstm(),
            Cell::Gru => self.gru(),
        });
    }

    #[inline(always)]
    fn rnn(self, curve: impl Fn(T) -> T) {
        let Self { gates, output, step, column, hidden, .. } = self;
        for (gates, output) in gates.chunks_exact_mut(hidden).zip(output.chunks_mut(step)) {
            for (a, h) in gates.iter_mut().zip(&mut output[column..][..hidden]) {
                let y = curve(*a);
                *a = y;
                *h = y;
            }
        }
    }

    #[inline(always)]
    fn lstm(self) {
        let Self { gates, cells, cells_before, output, step, column, hidden, .. } = self;
        let none = vec![T::ZERO; hidden];
        let before = cells_before.chunks_exact(hidden).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(cells.chunks_exact_mut(hidden));
        for (((gates, cells), before), output) in rows.zip(before).zip(output.chunks_mut(step)) {
            let [i, f, g, o] = parts(gates, hidden);
            let (cells, before) = (&mut cells[..hidden], &before[..hidden]);
            let output = &mut output[column..][..hidden];
            for k in 0..hidden {
                let (input, forget) = (i[k].sigmoid(), f[k].sigmoid());
                let (new, out) = (g[k].tangent(), o[k].sigmoid());
                let c = forget * before[k] + input * new;
                (i[k], f[k], g[k], o[k]) = (input, forget, new, out);
                cells[k] = c;
                output[k] = out * c.tangent();
            }
        }
    }

    #[inline(always)]
    fn gru(self) {
        let Self { gates, output, output_before, step, column, hidden, .. } = self;
        let none = vec![T::ZERO; step];
        let before = output_before.chunks(step).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(output.chunks_mut(step));
        for ((gates, output), before) in rows.zip(before) {
            let [n, r, z, m] = parts(gates, hidden);
            let (output, before) = (&mut output[column..][..hidden], &before[column..][..hidden]);
            for k in 0..hidden {
                let (reset, update) = (r[k].sigmoid(), z[k].sigmoid());
                let new = (n[k] + reset * m[k]).tangent();
                (n[k], r[k], z[k]) = (new, reset, update);
                output[k] = (T::ONE - update) * new + update * before[k];
            }
        }
    }
}

impl<T: Curve> Backward<'_, T> {
    pub(super) fn run(self, cell: Cell) {
        simd(move || match cell {
            Cell::RnnTanh => self.rnn(|y, dy| dy * (T::ONE - y * y)),
            Cell::RnnRelu => self.rnn(|y, dy| if y <= T::ZERO { T::ZERO } else { dy }),
            Cell::Lstm => self.lstm(),
            Cell::Gru => self.gru(),
        });
    }

    #[inline(always)]
    fn rnn(self, slope: impl Fn(T, T) -> T) {
        let Self { gates, gradient, state, step, column, hidden, .. } = self;
        let rows = gates.chunks_exact_mut(hidden).zip(gradient.chunks(step));
        for ((gates, gradient), state) in rows.zip(state.chunks_exact(hidden)) {
            let gradient = &gradient[column..][..hidden];
            for ((y, gradient), state) in gates.iter_mut().zip(gradient).zip(state) {
                *y = slope(*y, *gradient + *state);
            }
        }
    }

    #[inline(always)]
    fn lstm(self) {
        let Self { gates, cells, cells_before, gradient, state, state_cells, step, column, hidden, .. } =
            self;
        let none = vec![T::ZERO; hidden];
        let before = cells_before.chunks_exact(hidden).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(cells.chunks_exact(hidden)).zip(before);
        let flows = state.chunks_exact(hidden).zip(state_cells.chunks_exact_mut(hidden));
        for ((((gates, cells), before), gradient), (state, flow)) in
            rows.zip(gradient.chunks(step)).zip(flows)
        {
            let [i, f, g, o] = parts(gates, hidden);
            let (cells, before) = (&cells[..hidden], &before[..hidden]);
            let (gradient, state) = (&gradient[column..][..hidden], &state[..hidden]);
            let flow = &mut flow[..hidden];
            for k in 0..hidden {
                let (input, forget, new, out) = (i[k], f[k], g[k], o[k]);
                let curved = cells[k].tangent();
                let dh = gradient[k] + state[k];
                let dc = flow[k] + dh * out * (T::ONE - curved * curved);
                i[k] = dc * new * input * (T::ONE - input);
                f[k] = dc * before[k] * forget * (T::ONE - forget);
                g[k] = dc * input * (T::ONE - new * new);
                o[k] = dh * curved * out * (T::ONE - out);
                flow[k] = dc * forget;
            }
        }
    }

    #[inline(always)]
    fn gru(self) {
        let Self { gates, output_before, gradient, state, step, column, hidden, .. } = self;
        let none = vec![T::ZERO; step];
        let before = output_before.chunks(step).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(before).zip(gradient.chunks(step));
        for (((gates, before), gradient), state) in rows.zip(state.chunks_exact_mut(hidden)) {
            let [n, r, z, m] = parts(gates, hidden);
            let (before, gradient) = (&before[column..][..hidden], &gradient[column..][..hidden]);
            let state = &mut state[..hidden];
            for k in 0..hidden {
                let (new, reset, update) = (n[k], r[k], z[k]);
                let dh = gradient[k] + state[k];
                let dn = dh * (T::ONE - update) * (T::ONE - new * new);
                r[k] = dn * m[k] * reset * (T::ONE - reset);
                z[k] = dh * (before[k] - new) * update * (T::ONE - update);
                n[k] = dn;
                m[k] = dn * reset;
                state[k] = dh * update;
            }
        }
    }
}

/// The four parts of a row of gates.
#[inline(always)]
fn parts<T>(row: &mut [T], hidden: usize) -> [&mut [T]; 4] {
    let (first, rest) = row.split_at_mut(hidden);
    let (second, rest) = rest.split_at_mut(hidden);
    let (third, fourth) = rest.split_at_mut(hidden);
    [first, second, third, &mut fourth[..hidden]]
}
