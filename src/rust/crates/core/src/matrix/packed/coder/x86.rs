//! The steps of coding with eight numbers in a register of AVX2.

use super::lanes::{mask, words, Lanes, Marks, Numbers, Steps, LANES, ROW};
use crate::simd::{instructions, load_256_bytes, load_256i, store_256_bytes, store_256i, Avx2};
use std::arch::x86_64::*;

impl Steps for Avx2 {
    #[inline(always)]
    fn squeeze(self, numbers: &Numbers, width: u32, out: &mut [Lanes]) -> Marks {
        squeeze(self, numbers, width, out)
    }

    #[inline(always)]
    fn spread(self, lanes: &[Lanes], width: u32, out: &mut Numbers) {
        spread(self, lanes, width, out);
    }

    #[inline(always)]
    fn add_up(self, gaps: &mut Numbers, before: u32) {
        add_up(self, gaps, before);
    }
}

instructions! { Avx2:
    fn squeeze [](numbers: &Numbers, width: u32, out: &mut [Lanes]) -> Marks {
        let (mask, none) = (_mm256_set1_epi32(mask(width) as i32), _mm256_setzero_si256());
        let (mut held, mut bits, mut out) = (none, 0, out.iter_mut());
        let mut marks = [0; _];
        for (mark, rows) in marks.iter_mut().zip(numbers.as_chunks::<ROW>().0) {
            for (i, row) in rows.as_chunks::<LANES>().0.iter().enumerate() {
                let all = load_256i(row);
                let fits = _mm256_cmpeq_epi32(_mm256_andnot_si256(mask, all), none);
                *mark |= u64::from(!_mm256_movemask_ps(_mm256_castsi256_ps(fits)) as u8) << (i * LANES);
                let numbers = _mm256_and_si256(mask, all);
                held = _mm256_or_si256(held, _mm256_sll_epi32(numbers, _mm_cvtsi32_si128(bits as i32)));
                bits += width;
                if bits >= u32::BITS {
                    bits -= u32::BITS;
                    if let Some(out) = out.next() {
                        store_256_bytes(out, held);
                    }
                    // A shift by all bits returns 0.
                    held = _mm256_srl_epi32(numbers, _mm_cvtsi32_si128((width - bits) as i32));
                }
            }
        }
        marks
    }

    fn spread [](lanes: &[Lanes], width: u32, out: &mut Numbers) {
        let mask = _mm256_set1_epi32(mask(width) as i32);
        for (row, (low, high, bits)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(words(lanes, width)) {
            // A shift by all bits returns 0.
            let (right, left) = (_mm_cvtsi32_si128(bits as i32), _mm_cvtsi32_si128((u32::BITS - bits) as i32));
            let low = _mm256_srl_epi32(load_256_bytes(low), right);
            let high = _mm256_sll_epi32(load_256_bytes(high), left);
            store_256i(row, _mm256_and_si256(_mm256_or_si256(low, high), mask));
        }
    }

    fn add_up [](gaps: &mut Numbers, before: u32) {
        let (one, last) = (_mm256_set1_epi32(1), _mm256_set1_epi32(LANES as i32 - 1));
        let mut before = _mm256_set1_epi32(before as i32);
        for row in gaps.as_chunks_mut::<LANES>().0 {
            // Sums within each half, then the sum of the lower half added to the upper one.
            let mut sums = _mm256_add_epi32(load_256i(row), one);
            sums = _mm256_add_epi32(sums, _mm256_slli_si256::<4>(sums));
            sums = _mm256_add_epi32(sums, _mm256_slli_si256::<8>(sums));
            let lower = _mm256_permute2x128_si256::<0x08>(sums, sums);
            sums = _mm256_add_epi32(sums, _mm256_shuffle_epi32::<0xff>(lower));
            store_256i(row, _mm256_add_epi32(sums, before));
            before = _mm256_add_epi32(before, _mm256_permutevar8x32_epi32(sums, last));
        }
    }
}
