//! Counter-based random numbers: a draw is a function of (seed, purpose, two coordinates, position).
//!
//! There is no state: nothing has to be saved for a resume, threads cannot disturb each other, and every
//! device gets the same draw. The generator is Philox4x32-10 (Salmon et al., "Parallel random numbers: as
//! easy as 1, 2, 3", SC 2011). Blocks are laid out in groups of 16 so that the loops vectorise; the
//! layout is part of the program's numerics version.

/// What a stream is drawn for. Streams of different purposes never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights: coordinates are the layer's ordinal among its type, and the type with the tensor's role.
    Init = 1,
    /// The order of the training samples: coordinates are the epoch and 0.
    Shuffle = 2,
    /// Dropout masks: coordinates are the step and the ordinal among the dropout layers.
    Dropout = 3,
    /// Augmentation: coordinates are the epoch and the sample.
    Augment = 4,
    /// The split of a data set, under its own seed: coordinates are 0.
    Split = 5,
    /// Synthetic data: coordinates are the part and the sample's block.
    Synthetic = 6,
    /// The samples of `[sweep.random]`, under its own seed: coordinates are the hash of the key.
    Sweep = 7,
}

/// Blocks that are computed side by side.
const LANES: usize = 16;
/// Draws in one group of blocks.
const GROUP: usize = 4 * LANES;

/// An endless sequence of draws with random access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    coordinates: [u32; 3],
}

impl Stream {
    /// The stream of `seed` for `purpose` at the coordinates `a` and `b`.
    pub fn new(seed: u64, purpose: Purpose, a: u32, b: u32) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], coordinates: [a, b, purpose as u32] }
    }

    /// Fills `out` with the draws at `start..start + out.len()`; `start` is a multiple of 64.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled with the instruction set of its caller")]
    pub fn fill(&self, start: usize, out: &mut [u32]) {
        debug_assert_eq!(start % GROUP, 0, "a fill starts at a group");
        let first = start / GROUP;
        let mut groups = out.chunks_exact_mut(GROUP);
        let mut index = first as u32;
        for group in &mut groups {
            group.copy_from_slice(&self.group(index));
            index = index.wrapping_add(1);
        }
        let rest = groups.into_remainder();
        if !rest.is_empty() {
            let last = self.group(index);
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }

    /// The draws at `GROUP * index ..`, one block a lane.
    #[inline(always)]
    fn group(&self, index: u32) -> [u32; GROUP] {
        const M0: u64 = 0xD251_1F53;
        const M1: u64 = 0xCD9E_8D57;
        let [a, b, purpose] = self.coordinates;
        let mut c0 = [0u32; LANES];
        for (lane, value) in c0.iter_mut().enumerate() {
            *value = index.wrapping_mul(LANES as u32).wrapping_add(lane as u32);
        }
        let (mut c1, mut c2, mut c3) = ([a; LANES], [b; LANES], [purpose; LANES]);
        let [mut k0, mut k1] = self.key;
        for _ in 0..10 {
            for lane in 0..LANES {
                let p0 = M0 * u64::from(c0[lane]);
                let p1 = M1 * u64::from(c2[lane]);
                c0[lane] = (p1 >> 32) as u32 ^ c1[lane] ^ k0;
                c2[lane] = (p0 >> 32) as u32 ^ c3[lane] ^ k1;
                c1[lane] = p1 as u32;
                c3[lane] = p0 as u32;
            }
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        let mut out = [0u32; GROUP];
        for (part, words) in out.chunks_exact_mut(LANES).zip([c0, c1, c2, c3]) {
            part.copy_from_slice(&words);
        }
        out
    }

    /// The draws one after the other, from position 0 on.
    pub fn draws(self) -> Draws {
        Draws { stream: self, next: 0, group: [0; GROUP] }
    }

    /// A uniform permutation of `0..len` (Fisher–Yates).
    pub fn permutation(self, len: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..len as u32).collect();
        let mut draws = self.draws();
        for last in (1..len).rev() {
            order.swap(last, draws.below(last as u64 + 1) as usize);
        }
        order
    }
}

/// Draws in order, see [`Stream::draws`].
#[derive(Debug, Clone)]
pub struct Draws {
    stream: Stream,
    next: usize,
    group: [u32; GROUP],
}

impl Draws {
    /// The next 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.next.is_multiple_of(GROUP) {
            self.group = self.stream.group((self.next / GROUP) as u32);
        }
        let value = self.group[self.next % GROUP];
        self.next += 1;
        value
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        let (high, low) = (u64::from(self.bits()), u64::from(self.bits()));
        let bits = ((high << 32) | low) >> 11;
        bits as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `0..bound`; the bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        let (high, low) = (u64::from(self.bits()), u64::from(self.bits()));
        ((u128::from((high << 32) | low) * u128::from(bound)) >> 64) as u64
    }

    /// Standard normal (Box–Muller), through `libm` so that every platform gives the same bits.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of Random123 1.14 (`kat_vectors`, philox4x32 10).
    #[test]
    fn agrees_with_the_published_vectors() {
        let zero = Stream { key: [0, 0], coordinates: [0, 0, 0] }.group(0);
        let first_block: Vec<u32> = (0..4).map(|word| zero[word * LANES]).collect();
        assert_eq!(first_block, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);

        // The counter 243f6a88 85a308d3 13198a2e 03707344 under the key a4093822 299f31d0.
        let index = 0x243f_6a88 / LANES as u32;
        let lane = 0x243f_6a88 % LANES;
        let stream =
            Stream { key: [0xa409_3822, 0x299f_31d0], coordinates: [0x85a3_08d3, 0x1319_8a2e, 0x0370_7344] };
        let group = stream.group(index);
        let block: Vec<u32> = (0..4).map(|word| group[word * LANES + lane]).collect();
        assert_eq!(block, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn a_fill_is_a_window_of_the_draws() {
        let stream = Stream::new(42, Purpose::Dropout, 7, 1);
        let all: Vec<u32> = {
            let mut draws = stream.draws();
            (0..200).map(|_| draws.bits()).collect()
        };
        let mut window = vec![0; 100];
        stream.fill(64, &mut window);
        assert_eq!(window, all[64..164]);
    }

    #[test]
    fn purposes_coordinates_and_seeds_give_different_streams() {
        let first = |stream: Stream| stream.draws().bits();
        let base = first(Stream::new(1, Purpose::Init, 0, 0));
        assert_ne!(base, first(Stream::new(2, Purpose::Init, 0, 0)));
        assert_ne!(base, first(Stream::new(1 << 32, Purpose::Init, 0, 0)));
        assert_ne!(base, first(Stream::new(1, Purpose::Shuffle, 0, 0)));
        assert_ne!(base, first(Stream::new(1, Purpose::Init, 1, 0)));
        assert_ne!(base, first(Stream::new(1, Purpose::Init, 0, 1)));
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Stream::new(3, Purpose::Shuffle, 1, 0).permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(index, value)| index == *value as usize));
        assert!(Stream::new(3, Purpose::Shuffle, 1, 0).permutation(0).is_empty());
    }

    #[test]
    fn moments_are_those_of_the_distribution() {
        let mut draws = Stream::new(9, Purpose::Init, 0, 0).draws();
        let count = 100_000;
        let uniform: f64 = (0..count).map(|_| draws.uniform()).sum::<f64>() / f64::from(count);
        assert!((uniform - 0.5).abs() < 0.005, "mean {uniform}");
        let normals: Vec<f64> = (0..count).map(|_| draws.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(count);
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(count);
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "mean {mean}, variance {variance}");
    }
}
