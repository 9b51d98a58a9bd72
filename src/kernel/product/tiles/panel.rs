//! Lines of a matrix, split into parts of bf16 and laid out for tiles.

use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cvtepu16_epi32,
    _mm512_cvtne2ps_pbh, _mm512_extracti64x4_epi64, _mm512_maskz_loadu_ps, _mm512_or_si512,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_slli_epi32, _mm512_store_si512,
    _mm512_sub_ps, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

use super::multiply::LINES;

/// How deep a tile is: numbers of bf16 in a row of 64 bytes.
pub(super) const DEPTH: usize = 32;
/// Parts of a number.
const PARTS: usize = 3;
/// Numbers of a vector.
const LANES: usize = 16;

/// A row of a tile: 16 pairs of bf16 whose places in the depth follow one another.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Row([u32; LANES]);

/// 16 lines at 32 places of the depth: a tile for each part.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Step([[Row; LINES]; PARTS]);

impl Step {
    pub const ZERO: Self = Self([[Row([0; LANES]); LINES]; PARTS]);
}

/// Where the numbers of a tile stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line in each row, as the left side has them.
    Left,
    /// Two places of the depth in each row, as the right side has them.
    Right,
}

/// One side of a product: the rows of the left matrix, or the columns of the right one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub numbers: &'a [f32],
    pub lines: usize,
    /// From a line to the next.
    pub line_step: usize,
    /// From a number of a line to the next; it or the other one is 1.
    pub depth_step: usize,
    pub form: Form,
}

impl Side<'_> {
    /// Lays out the 16 lines from `first` on, zeros for those that are not there, over the depth from `start`, `depth`
    /// numbers in all.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub fn lay_out(&self, first: usize, start: usize, depth: usize, steps: &mut [Step]) {
        let lines = self.lines.saturating_sub(first).min(LINES);
        for (index, Step(tiles)) in steps.iter_mut().enumerate() {
            let from = start + index * DEPTH;
            let count = DEPTH.min(depth.saturating_sub(index * DEPTH));
            if self.depth_step == 1 {
                self.along_depth(first..first + lines, from, count, tiles);
            } else {
                self.across_depth(first..first + lines, from, count, tiles);
            }
        }
    }

    /// Where numbers that follow one another are of a line.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn along_depth(
        &self,
        lines: std::ops::Range<usize>,
        from: usize,
        count: usize,
        tiles: &mut [[Row; LINES]; PARTS],
    ) {
        let mut rows = [[_mm512_setzero_si512(); LINES]; PARTS];
        for (row, line) in lines.enumerate() {
            let numbers = &self.numbers[line * self.line_step + from..][..count];
            let (low, high) = numbers.split_at(count.min(LANES));
            for (part, rows) in split(load(low), load(high)).into_iter().zip(&mut rows) {
                rows[row] = part;
            }
        }
        for (rows, tile) in rows.iter().zip(tiles) {
            match self.form {
                Form::Left => store(rows, tile),
                Form::Right => store(&transposed(rows), tile),
            }
        }
    }

    /// Where numbers that follow one another are of lines.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn across_depth(
        &self,
        lines: std::ops::Range<usize>,
        from: usize,
        count: usize,
        tiles: &mut [[Row; LINES]; PARTS],
    ) {
        let mut rows = [[_mm512_setzero_si512(); LINES]; PARTS];
        let at = |place: usize| match place {
            _ if place >= count || lines.is_empty() => _mm512_setzero_ps(),
            _ => load(&self.numbers[(from + place) * self.depth_step + lines.start..][..lines.len()]),
        };
        for pair in 0..count.div_ceil(2) {
            let (even, odd) = (at(2 * pair), at(2 * pair + 1));
            for (part, rows) in split_pairs(even, odd).into_iter().zip(&mut rows) {
                rows[pair] = part;
            }
        }
        for (rows, tile) in rows.iter().zip(tiles) {
            match self.form {
                Form::Left => store(&transposed(rows), tile),
                Form::Right => store(rows, tile),
            }
        }
    }
}

/// Up to 16 numbers, and zeros behind them.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(numbers: &[f32]) -> __m512 {
    let mask = if numbers.len() >= LANES { u16::MAX } else { (1 << numbers.len()) - 1 };
    // SAFETY: only the lanes of the mask are read, which are numbers of the slice.
    unsafe { _mm512_maskz_loadu_ps(mask, numbers.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(rows: &[__m512i; LINES], tile: &mut [Row; LINES]) {
    for (row, to) in rows.iter().zip(tile) {
        // SAFETY: a row has 64 bytes that begin at a multiple of 64.
        unsafe { _mm512_store_si512((&raw mut to.0).cast(), *row) };
    }
}

/// The bits of numbers of bf16.
#[inline]
fn bits(numbers: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes, of which every value is a valid one.
    unsafe { std::mem::transmute(numbers) }
}

/// Numbers of bf16 as those of f32.
#[inline]
#[target_feature(enable = "avx512f")]
fn widened(numbers: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(numbers)))
}

/// The parts of 32 numbers, in their order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn split(mut low: __m512, mut high: __m512) -> [__m512i; PARTS] {
    let mut parts = [_mm512_setzero_si512(); PARTS];
    for part in &mut parts {
        *part = bits(_mm512_cvtne2ps_pbh(high, low));
        low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(*part)));
        high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64::<1>(*part)));
    }
    parts
}

/// The parts of 16 pairs of numbers, the two of a pair side by side.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn split_pairs(mut even: __m512, mut odd: __m512) -> [__m512i; PARTS] {
    let mut parts = [_mm512_setzero_si512(); PARTS];
    for part in &mut parts {
        let both = bits(_mm512_cvtne2ps_pbh(odd, even));
        let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
        let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(both)));
        *part = _mm512_or_si512(low, high);
        even = _mm512_sub_ps(even, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(low)));
        odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(high));
    }
    parts
}

/// Rows for columns, of 16 × 16 pairs.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed(rows: &[__m512i; LINES]) -> [__m512i; LINES] {
    let mut twos = *rows;
    for pair in 0..8 {
        let (first, second) = (rows[2 * pair], rows[2 * pair + 1]);
        twos[2 * pair] = _mm512_unpacklo_epi32(first, second);
        twos[2 * pair + 1] = _mm512_unpackhi_epi32(first, second);
    }
    // Quarter q of fours[4 r + c] holds the numbers of column 4 q + c in the rows 4 r to 4 r + 3.
    let mut fours = twos;
    for row in 0..4 {
        for half in 0..2 {
            let (first, second) = (twos[4 * row + half], twos[4 * row + 2 + half]);
            fours[4 * row + 2 * half] = _mm512_unpacklo_epi64(first, second);
            fours[4 * row + 2 * half + 1] = _mm512_unpackhi_epi64(first, second);
        }
    }
    /// The first and third quarters of both vectors; the second and fourth ones.
    const ODD: i32 = 0b10_00_10_00;
    const EVEN: i32 = 0b11_01_11_01;
    let mut columns = fours;
    for column in 0..4 {
        let of = |row: usize| fours[4 * row + column];
        let (upper, lower) =
            (_mm512_shuffle_i32x4::<ODD>(of(0), of(1)), _mm512_shuffle_i32x4::<ODD>(of(2), of(3)));
        columns[column] = _mm512_shuffle_i32x4::<ODD>(upper, lower);
        columns[8 + column] = _mm512_shuffle_i32x4::<EVEN>(upper, lower);
        let (upper, lower) =
            (_mm512_shuffle_i32x4::<EVEN>(of(0), of(1)), _mm512_shuffle_i32x4::<EVEN>(of(2), of(3)));
        columns[4 + column] = _mm512_shuffle_i32x4::<ODD>(upper, lower);
        columns[12 + column] = _mm512_shuffle_i32x4::<EVEN>(upper, lower);
    }
    columns
}
