//! Scores of a group of queries in registers of AVX-512 and of AVX2.

use super::{Group, Product, Scores, GROUP, LANES, WORD};
use crate::simd::{self, Avx2, Vnni};
use std::arch::x86_64::*;

/// Four products per lane and instruction.
impl Product for Vnni {
    #[inline(always)]
    fn scores<const N: usize>(
        self,
        group: &Group,
        panels: &[u8],
        squares: &[[f32; LANES]; N],
        scores: &mut Scores<N>,
    ) -> u32 {
        scores_512(self, group, panels, squares, scores)
    }
}

/// Two products per lane and instruction, of the even and of the odd bytes.
impl Product for Avx2 {
    const SPLIT: usize = 2;

    /// Splits each word into its even bytes and its odd bytes, 16 bits each.
    #[inline(always)]
    fn split<'a>(words: &'a [i32], room: &'a mut Vec<i32>) -> &'a [i32] {
        let pair = |a: u8, b: u8| i32::from(a as i8) & 0xffff | i32::from(b as i8) << 16;
        room.clear();
        room.extend(words.iter().map(|word| word.to_le_bytes()).flat_map(|[a, b, c, d]| [pair(a, c), pair(b, d)]));
        room
    }

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
            for half in [0, 1] {
                let (below, found) = scores_256(self, group, panel, squares, half);
                hits |= below;
                for (scores, found) in scores.iter_mut().zip(&found) {
                    simd::halves_mut(&mut scores[p])[half] = *found;
                }
            }
        }
        hits
    }
}

simd::instructions! { Vnni:
    /// Computes [`Product::scores`].
    fn scores_512 [const N: usize](
        group: &Group,
        panels: &[u8],
        squares: &[[f32; LANES]; N],
        scores: &mut Scores<N>,
    ) -> u32 {
        let words = group.words.len() / GROUP;
        let rows = panels.as_chunks::<{ LANES * WORD }>().0;
        let Some(rows) = rows.get(..N * words) else { return 0 };
        let mut sums = [[_mm512_setzero_si512(); N]; GROUP];
        for (sums, &start) in sums.iter_mut().zip(group.starts) {
            *sums = [_mm512_set1_epi32(start); N];
        }
        for (w, q) in group.words.as_chunks::<GROUP>().0.iter().enumerate() {
            let mut x = [_mm512_setzero_si512(); N];
            for (p, x) in x.iter_mut().enumerate() {
                *x = simd::load_512_bytes(&rows[p * words + w]);
            }
            for (sums, &q) in sums.iter_mut().zip(q) {
                let q = _mm512_set1_epi32(q);
                for (sum, &x) in sums.iter_mut().zip(&x) {
                    *sum = _mm512_dpbusd_epi32(*sum, x, q);
                }
            }
        }
        let mut loaded = [_mm512_setzero_ps(); N];
        for (to, squares) in loaded.iter_mut().zip(squares) {
            *to = simd::load_512(squares);
        }
        let mut found = [[_mm512_setzero_ps(); N]; GROUP];
        let mut hits = 0;
        for (q, (found, sums)) in found.iter_mut().zip(&sums).enumerate() {
            let factor = _mm512_set1_ps(group.factors[q]);
            let mut least = _mm512_set1_ps(f32::INFINITY);
            for ((found, &sum), &square) in found.iter_mut().zip(sums).zip(&loaded) {
                *found = _mm512_fmadd_ps(factor, _mm512_cvtepi32_ps(sum), square);
                least = _mm512_min_ps(least, *found);
            }
            let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(least, _mm512_set1_ps(group.limits[q]));
            hits |= u32::from(below != 0) << q;
        }
        if hits != 0 {
            for (to, &found) in scores.as_flattened_mut().iter_mut().zip(found.as_flattened()) {
                simd::store_512(to, found);
            }
        }
        hits
    }
}

simd::instructions! { Avx2:
    /// Returns the queries with scores below the limit (one bit each) and the scores, of half the
    /// rows of a panel.
    fn scores_256 [](group: &Group, panel: &[u8], squares: &[f32; LANES], half: usize) -> (u32, [[f32; LANES / 2]; GROUP]) {
        let mut sums = [_mm256_setzero_si256(); GROUP];
        for (sum, &start) in sums.iter_mut().zip(group.starts) {
            *sum = _mm256_set1_epi32(start);
        }
        let words = group.words.as_chunks::<{ GROUP * 2 }>().0;
        for (x, q) in panel.as_chunks::<{ LANES / 2 * WORD }>().0.iter().skip(half).step_by(2).zip(words) {
            let x = simd::load_256_bytes(x);
            let even = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
            let odd = _mm256_srli_epi16::<8>(x);
            for (sum, q) in sums.iter_mut().zip(q.as_chunks::<2>().0) {
                let of_even = _mm256_madd_epi16(even, _mm256_set1_epi32(q[0]));
                let of_odd = _mm256_madd_epi16(odd, _mm256_set1_epi32(q[1]));
                *sum = _mm256_add_epi32(*sum, _mm256_add_epi32(of_even, of_odd));
            }
        }
        let squares = simd::load_256(&squares.as_chunks().0[half]);
        let mut scores = [[0.0; LANES / 2]; GROUP];
        let mut hits = 0;
        for (q, (sum, to)) in sums.into_iter().zip(&mut scores).enumerate() {
            let factor = _mm256_set1_ps(group.factors[q]);
            let score = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(sum), squares);
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(score, _mm256_set1_ps(group.limits[q]));
            hits |= u32::from(_mm256_movemask_ps(below) != 0) << q;
            simd::store_256(to, score);
        }
        (hits, scores)
    }
}
