//! The passes over the gates of one step: everything between two matrix products, a row at a time.
//!
//! A row lies in the fastest cache, so it is gone over in short loops of few slices each: a loop over all of them
//! would not be vectorised, since the compiler cannot tell that so many do not overlap.
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

#![expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]

use super::Cell;
use crate::kernel::curve::Curve;
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
    /// What is added to each row of them first, `gates · H` numbers; empty for nothing.
    pub bias: &'a [T],
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
        // A closure that is not inlined is not compiled for the instruction set that `simd` chooses.
        match cell {
            Cell::RnnTanh => simd(
                #[inline(always)]
                || self.rnn(T::tangent),
            ),
            Cell::RnnRelu => simd(
                #[inline(always)]
                || self.rnn(|a| if a <= T::ZERO { T::ZERO } else { a }),
            ),
            Cell::Lstm => simd(
                #[inline(always)]
                || self.lstm(),
            ),
            Cell::Gru => simd(
                #[inline(always)]
                || self.gru(),
            ),
        }
    }

    #[inline(always)]
    fn rnn(self, curve: impl Fn(T) -> T) {
        let Self { gates, bias, output, step, column, hidden, .. } = self;
        for (gates, output) in gates.chunks_exact_mut(hidden).zip(output.chunks_mut(step)) {
            add(gates, bias);
            for (a, h) in gates.iter_mut().zip(&mut output[column..][..hidden]) {
                let y = curve(*a);
                *a = y;
                *h = y;
            }
        }
    }

    #[inline(always)]
    fn lstm(self) {
        let Self { gates, bias, cells, cells_before, output, step, column, hidden, .. } = self;
        let none = vec![T::ZERO; hidden];
        let before = cells_before.chunks_exact(hidden).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(cells.chunks_exact_mut(hidden));
        for (((gates, cells), before), output) in rows.zip(before).zip(output.chunks_mut(step)) {
            add(gates, bias);
            let [i, f, g, o] = parts(gates, hidden);
            curved(i, T::sigmoid);
            curved(f, T::sigmoid);
            curved(g, T::tangent);
            curved(o, T::sigmoid);
            let products = i.iter().zip(g.iter()).zip(f.iter().zip(before));
            for (c, ((i, g), (f, before))) in cells.iter_mut().zip(products) {
                *c = *f * *before + *i * *g;
            }
            for (h, (o, c)) in output[column..][..hidden].iter_mut().zip(o.iter().zip(cells.iter())) {
                *h = *o * c.tangent();
            }
        }
    }

    #[inline(always)]
    fn gru(self) {
        let Self { gates, bias, output, output_before, step, column, hidden, .. } = self;
        let none = vec![T::ZERO; step];
        let before = output_before.chunks(step).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(output.chunks_mut(step));
        for ((gates, output), before) in rows.zip(before) {
            add(gates, bias);
            let [n, r, z, m] = parts(gates, hidden);
            curved(r, T::sigmoid);
            curved(z, T::sigmoid);
            for (n, (r, m)) in n.iter_mut().zip(r.iter().zip(m.iter())) {
                *n = (*n + *r * *m).tangent();
            }
            let parts = n.iter().zip(z.iter()).zip(&before[column..][..hidden]);
            for (h, ((n, z), before)) in output[column..][..hidden].iter_mut().zip(parts) {
                *h = (T::ONE - *z) * *n + *z * *before;
            }
        }
    }
}

impl<T: Curve> Backward<'_, T> {
    pub(super) fn run(self, cell: Cell) {
        match cell {
            Cell::RnnTanh => simd(
                #[inline(always)]
                || self.rnn(|y, dy| dy * (T::ONE - y * y)),
            ),
            Cell::RnnRelu => simd(
                #[inline(always)]
                || self.rnn(|y, dy| if y <= T::ZERO { T::ZERO } else { dy }),
            ),
            Cell::Lstm => simd(
                #[inline(always)]
                || self.lstm(),
            ),
            Cell::Gru => simd(
                #[inline(always)]
                || self.gru(),
            ),
        }
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
        let mut curved = vec![T::ZERO; hidden];
        let before = cells_before.chunks_exact(hidden).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(cells.chunks_exact(hidden)).zip(before);
        let flows = state.chunks_exact(hidden).zip(state_cells.chunks_exact_mut(hidden));
        for ((((gates, cells), before), gradient), (state, flow)) in
            rows.zip(gradient.chunks(step)).zip(flows)
        {
            let [i, f, g, o] = parts(gates, hidden);
            let gradient = &gradient[column..][..hidden];
            let reached = gradient.iter().zip(state);
            for (curved, c) in curved.iter_mut().zip(cells) {
                *curved = c.tangent();
            }
            for ((dc, o), (curved, (dy, dh))) in
                flow.iter_mut().zip(o.iter()).zip(curved.iter().zip(reached.clone()))
            {
                *dc += (*dy + *dh) * *o * (T::ONE - *curved * *curved);
            }
            for (o, (curved, (dy, dh))) in o.iter_mut().zip(curved.iter().zip(reached)) {
                *o = (*dy + *dh) * *curved * *o * (T::ONE - *o);
            }
            for ((i, g), dc) in i.iter_mut().zip(g.iter_mut()).zip(flow.iter()) {
                let (input, new) = (*i, *g);
                *i = *dc * new * input * (T::ONE - input);
                *g = *dc * input * (T::ONE - new * new);
            }
            for ((f, dc), before) in f.iter_mut().zip(flow).zip(before) {
                let forget = *f;
                *f = *dc * *before * forget * (T::ONE - forget);
                *dc *= forget;
            }
        }
    }

    #[inline(always)]
    fn gru(self) {
        let Self { gates, output_before, gradient, state, step, column, hidden, .. } = self;
        let none = vec![T::ZERO; step];
        let mut products = vec![T::ZERO; hidden];
        let before = output_before.chunks(step).chain(std::iter::repeat(none.as_slice()));
        let rows = gates.chunks_exact_mut(4 * hidden).zip(before).zip(gradient.chunks(step));
        for (((gates, before), gradient), state) in rows.zip(state.chunks_exact_mut(hidden)) {
            let [n, r, z, m] = parts(gates, hidden);
            let (before, gradient) = (&before[column..][..hidden], &gradient[column..][..hidden]);
            for ((dn, (n, z)), (dy, dh)) in
                products.iter_mut().zip(n.iter().zip(z.iter())).zip(gradient.iter().zip(state.iter()))
            {
                *dn = (*dy + *dh) * (T::ONE - *z) * (T::ONE - *n * *n);
            }
            let parts = n.iter().zip(before).zip(gradient);
            for ((z, dh), ((n, before), dy)) in z.iter_mut().zip(state).zip(parts) {
                let (update, reached) = (*z, *dy + *dh);
                *z = reached * (*before - *n) * update * (T::ONE - update);
                *dh = reached * update;
            }
            for ((r, m), dn) in r.iter_mut().zip(m).zip(products.iter()) {
                let reset = *r;
                *r = *dn * *m * reset * (T::ONE - reset);
                *m = *dn * reset;
            }
            n.copy_from_slice(&products);
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

#[inline(always)]
fn add<T: Curve>(row: &mut [T], bias: &[T]) {
    for (x, bias) in row.iter_mut().zip(bias) {
        *x += *bias;
    }
}

/// Puts each number through a gate's function.
#[inline(always)]
fn curved<T: Curve>(numbers: &mut [T], curve: impl Fn(T) -> T) {
    for x in numbers {
        *x = curve(*x);
    }
}
