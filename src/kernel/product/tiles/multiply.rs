//! The product of two pairs of panels: the only place that touches tiles.

use std::arch::asm;

use super::panel::Step;

/// Lines of a tile.
pub(super) const LINES: usize = 16;
/// Rows and columns of what [`multiply`] computes.
pub(super) const SIDE: usize = 2 * LINES;

/// Tiles that are ready on this thread, as long as it lives.
pub(super) struct Tiles(());

impl Tiles {
    /// # Safety
    /// [`has_tiles`](crate::device::has_tiles) holds.
    pub unsafe fn new() -> Self {
        /// What `LDTILECFG` reads.
        #[repr(C, align(64))]
        struct Shapes {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        /// Eight tiles of 16 rows of 64 bytes.
        static SHAPES: Shapes = Shapes {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
            rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        // SAFETY: the processor has tiles, says the caller, and reads 64 bytes of a valid configuration.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const SHAPES, options(nostack)) };
        Self(())
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a `Tiles` exists only where there are tiles. From here on the system saves none for this thread.
        unsafe { asm!("tilerelease", options(nomem, nostack)) };
    }
}

/// Writes the product of 32 lines of the left side with 32 of the right one to `out`, rows `step` numbers apart, added
/// to what stands there if `add`.
///
/// Products of small parts come before those of large ones. Two tiles of each side are in registers beside the four
/// of the result, so that a tile that is loaded is used twice.
///
/// # Safety
/// `out` is valid for writes of 32 rows of 32 numbers, and for reads of them with `add`.
pub(super) unsafe fn multiply(
    _: &Tiles,
    left: [&[Step]; 2],
    right: [&[Step]; 2],
    out: *mut f32,
    step: usize,
    add: bool,
) {
    let steps = left[0].len();
    assert!(steps > 0 && left[1].len() == steps && right.iter().all(|panel| panel.len() == steps));
    // SAFETY: the pointers to panels are read for `steps` steps, which are there, and the caller vouches for `out`.
    // The tiles are configured, and no other code of the program keeps anything in them.
    unsafe {
        asm!(
            "test {add:e}, {add:e}",
            "jz 2f",
            "tileloadd tmm0, [{c0} + {row}*1]",
            "tileloadd tmm1, [{c0} + {row}*1 + 64]",
            "tileloadd tmm2, [{c1} + {row}*1]",
            "tileloadd tmm3, [{c1} + {row}*1 + 64]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            // Third parts of the left side, first parts of the right one.
            "tileloadd tmm6, [{b0} + {line}*1]",
            "tileloadd tmm4, [{a0} + {line}*1 + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{b1} + {line}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {line}*1 + 2048]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            // Second, first.
            "tileloadd tmm4, [{a0} + {line}*1 + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {line}*1 + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            // Second, second.
            "tileloadd tmm6, [{b0} + {line}*1 + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{b1} + {line}*1 + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            // First, second.
            "tileloadd tmm4, [{a0} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{a1} + {line}*1]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            // First, third.
            "tileloadd tmm6, [{b0} + {line}*1 + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{b1} + {line}*1 + 2048]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            // First, first.
            "tileloadd tmm6, [{b0} + {line}*1]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{b1} + {line}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a0}, {bytes}",
            "add {a1}, {bytes}",
            "add {b0}, {bytes}",
            "add {b1}, {bytes}",
            "dec {steps}",
            "jnz 3b",
            "tilestored [{c0} + {row}*1], tmm0",
            "tilestored [{c0} + {row}*1 + 64], tmm1",
            "tilestored [{c1} + {row}*1], tmm2",
            "tilestored [{c1} + {row}*1 + 64], tmm3",
            a0 = inout(reg) left[0].as_ptr() => _,
            a1 = inout(reg) left[1].as_ptr() => _,
            b0 = inout(reg) right[0].as_ptr() => _,
            b1 = inout(reg) right[1].as_ptr() => _,
            steps = inout(reg) steps => _,
            c0 = in(reg) out,
            c1 = in(reg) out.wrapping_add(LINES * step),
            row = in(reg) step * size_of::<f32>(),
            line = in(reg) 64usize,
            add = in(reg) u32::from(add),
            bytes = const size_of::<Step>(),
            out("tmm0") _,
            out("tmm1") _,
            out("tmm2") _,
            out("tmm3") _,
            out("tmm4") _,
            out("tmm5") _,
            out("tmm6") _,
            out("tmm7") _,
            options(nostack),
        );
    }
}

/// Asks for the cache lines of 32 rows of 32 numbers, rows `step` numbers apart, to be written.
///
/// They come in while [`multiply`] computes what goes there. Hints read nothing, so any address will do.
pub(super) fn prefetch(out: *mut f32, step: usize) {
    for row in 0..SIDE {
        let start = out.wrapping_add(row * step);
        // SAFETY: a hint to the cache neither reads nor writes, and never faults.
        unsafe {
            asm!(
                "prefetchw [{0}]",
                "prefetchw [{0} + 64]",
                "prefetchw [{0} + 124]",
                in(reg) start,
                options(nostack, preserves_flags),
            );
        }
    }
}
