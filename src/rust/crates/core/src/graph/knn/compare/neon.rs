//! Scores of a group of queries in registers of NEON.

use super::{Group, Product, Scores, GROUP, LANES, WORD};
use crate::simd::{self, Neon};
use std::arch::aarch64::*;

/// Registers that hold one number for every row of a panel.
const QUARTERS: usize = LANES / 4;

/// Four products per instruction, of bytes widened to 16 bits.
impl Product for Neon {
    #[inline(always)]
    fn scores<const N: usize>(
        self,
        group: &Group,
        panels: &[u8],
        squares: &[[f32; LANES]; N],
        scores: &mut Scores<N>,
    ) -> u32 {
        let mut hits = 0;
        for (p, (panel, squares)) in panels.chunks_exact(panels.len() / N).zip(squares).enumerate() {
            let (below, found) = panel_scores(self, group, panel, squares);
            hits |= below;
            for (scores, found) in scores.iter_mut().zip(&found) {
                scores[p] = *found;
            }
        }
        hits
    }
}

simd::instructions! { Neon:
    /// Returns the queries with scores below the limit (one bit each) and the scores, of the rows
    /// of a panel.
    fn panel_scores [](group: &Group, panel: &[u8], squares: &[f32; LANES]) -> (u32, [[f32; LANES]; GROUP]) {
        let mut sums = [[vdupq_n_s32(0); QUARTERS]; GROUP];
        for (sums, &start) in sums.iter_mut().zip(group.starts) {
            *sums = [vdupq_n_s32(start); QUARTERS];
        }
        let words = group.words.as_chunks::<GROUP>().0;
        for (x, q) in panel.as_chunks::<{ LANES * WORD }>().0.iter().zip(words) {
            let x = simd::load_bytes_of_words(x);
            for (byte, &x) in x.iter().enumerate() {
                let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x)));
                let high = vreinterpretq_s16_u16(vmovl_high_u8(x));
                for (sums, q) in sums.iter_mut().zip(q) {
                    let q = i16::from(q.to_le_bytes()[byte] as i8);
                    sums[0] = vmlal_n_s16(sums[0], vget_low_s16(low), q);
                    sums[1] = vmlal_high_n_s16(sums[1], low, q);
                    sums[2] = vmlal_n_s16(sums[2], vget_low_s16(high), q);
                    sums[3] = vmlal_high_n_s16(sums[3], high, q);
                }
            }
        }
        let squares = squares.as_chunks::<4>().0;
        let mut scores = [[0.0; LANES]; GROUP];
        let mut hits = 0;
        for (q, (sums, to)) in sums.iter().zip(&mut scores).enumerate() {
            let (factor, limit) = (vdupq_n_f32(group.factors[q]), vdupq_n_f32(group.limits[q]));
            for ((&sum, square), to) in sums.iter().zip(squares).zip(to.as_chunks_mut::<4>().0) {
                let score = vfmaq_f32(simd::load_4(square), factor, vcvtq_f32_s32(sum));
                hits |= u32::from(vmaxvq_u32(vcltq_f32(score, limit)) != 0) << q;
                simd::store_4(to, score);
            }
        }
        (hits, scores)
    }
}
