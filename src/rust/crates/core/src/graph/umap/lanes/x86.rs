//! One register of AVX-512, or two of AVX2, with the proof that the processor supports them.

use super::{Clock, Lanes, Registers, LANES, ROOT_HALF};
use crate::simd::{self, Avx2, Avx512};
use std::arch::x86_64::*;

/// The numbers of the lanes.
const LANE: [u32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Sixteen numbers in one register of AVX-512.
#[derive(Clone, Copy)]
pub(in super::super) struct Wide(__m512, Avx512);

/// Sixteen numbers in two registers of AVX2.
#[derive(Clone, Copy)]
pub(in super::super) struct Pair(__m256, __m256, Avx2);

impl Registers for Avx512 {
    type Lanes = Wide;
}

impl Registers for Avx2 {
    type Lanes = Pair;
}

simd::instructions! { Avx512:
    fn splat_512 [](x: f32) -> __m512 {
        _mm512_set1_ps(x)
    }
    fn load_512 [](from: &[f32; LANES]) -> __m512 {
        simd::load_512(from)
    }
    fn store_512 [](x: __m512) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        simd::store_512(&mut out, x);
        out
    }
    fn plus_512 [](a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    fn minus_512 [](a: __m512, b: __m512) -> __m512 {
        _mm512_sub_ps(a, b)
    }
    fn times_512 [](a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }
    fn over_512 [](a: __m512, b: __m512) -> __m512 {
        _mm512_div_ps(a, b)
    }
    fn larger_512 [](a: __m512, b: __m512) -> __m512 {
        _mm512_max_ps(a, b)
    }
    fn smaller_512 [](a: __m512, b: __m512) -> __m512 {
        _mm512_min_ps(a, b)
    }
    fn mantissa_exponent_512 [](x: __m512) -> (__m512, __m512) {
        let bits = _mm512_castps_si512(x);
        let e = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(ROOT_HALF)));
        let m = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(e));
        (_mm512_castsi512_ps(m), _mm512_cvtepi32_ps(e))
    }
    fn scaled_512 [](x: __m512, shifted: __m512) -> __m512 {
        let k = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), k))
    }
    fn sum_512 [](x: __m512) -> f32 {
        let high = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x))));
        sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_castps512_ps256(high)))
    }
    fn sampled_512 [](weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
        let weight = simd::load_512(weights);
        let share = _mm512_mul_ps(weight, _mm512_set1_ps(clock.to_share));
        let share = _mm512_castps_si512(_mm512_add_ps(_mm512_set1_ps(1.0), share));
        let share = _mm512_sub_epi32(share, _mm512_set1_epi32(1f32.to_bits() as i32));
        let edge = _mm512_add_epi32(_mm512_set1_epi32(first as i32), simd::load_512i(&LANE));
        let phase = _mm512_mullo_epi32(edge, _mm512_set1_epi32(Clock::GOLDEN as i32));
        let phase = _mm512_srli_epi32::<{ 32 - Clock::BITS }>(phase);
        let time = _mm512_add_epi32(phase, _mm512_mullo_epi32(_mm512_set1_epi32(clock.epoch as i32), share));
        let heavy = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(weight, _mm512_set1_ps(clock.least));
        let time = _mm512_and_si512(time, _mm512_set1_epi32(Clock::MASK as i32));
        _mm512_mask_cmplt_epi32_mask(heavy, time, share)
    }
    fn pack_512 [](columns: &[u32; LANES], set: u16, to: &mut [u32; LANES]) {
        simd::store_512i(to, _mm512_maskz_compress_epi32(set, simd::load_512i(columns)));
    }
}

type Both = (__m256, __m256);

simd::instructions! { Avx2:
    fn splat_256 [](x: f32) -> Both {
        (_mm256_set1_ps(x), _mm256_set1_ps(x))
    }
    fn load_256 [](from: &[f32; LANES]) -> Both {
        let (low, high) = simd::halves(from);
        (simd::load_256(low), simd::load_256(high))
    }
    fn store_256 [](low: __m256, high: __m256) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        let halves = simd::halves_mut(&mut out);
        simd::store_256(&mut halves[0], low);
        simd::store_256(&mut halves[1], high);
        out
    }
    fn plus_256 [](a: Pair, b: Pair) -> Both {
        (_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1))
    }
    fn minus_256 [](a: Pair, b: Pair) -> Both {
        (_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1))
    }
    fn times_256 [](a: Pair, b: Pair) -> Both {
        (_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1))
    }
    fn over_256 [](a: Pair, b: Pair) -> Both {
        (_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1))
    }
    fn larger_256 [](a: Pair, b: Pair) -> Both {
        (_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1))
    }
    fn smaller_256 [](a: Pair, b: Pair) -> Both {
        (_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1))
    }
    fn mantissa_exponent_256 [](x: __m256) -> (__m256, __m256) {
        let bits = _mm256_castps_si256(x);
        let e = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(ROOT_HALF)));
        let m = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(e));
        (_mm256_castsi256_ps(m), _mm256_cvtepi32_ps(e))
    }
    fn scaled_256 [](x: __m256, shifted: __m256) -> __m256 {
        let k = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), k))
    }
    fn sum_256 [](low: __m256, high: __m256) -> f32 {
        sum_of_eight(_mm256_add_ps(low, high))
    }
    /// Computes [`Lanes::sampled`] of eight edges; `lanes` are their offsets from edge `first`.
    fn sampled_256 [](weights: &[f32; LANES / 2], lanes: &[u32; LANES / 2], first: u32, clock: Clock) -> u16 {
        let weight = simd::load_256(weights);
        let share = _mm256_mul_ps(weight, _mm256_set1_ps(clock.to_share));
        let share = _mm256_castps_si256(_mm256_add_ps(_mm256_set1_ps(1.0), share));
        let share = _mm256_sub_epi32(share, _mm256_set1_epi32(1f32.to_bits() as i32));
        let edge = _mm256_add_epi32(_mm256_set1_epi32(first as i32), simd::load_256i(lanes));
        let phase = _mm256_mullo_epi32(edge, _mm256_set1_epi32(Clock::GOLDEN as i32));
        let phase = _mm256_srli_epi32::<{ 32 - Clock::BITS as i32 }>(phase);
        let epoch = _mm256_set1_epi32(clock.epoch as i32);
        let time = _mm256_add_epi32(phase, _mm256_mullo_epi32(epoch, share));
        let time = _mm256_and_si256(time, _mm256_set1_epi32(Clock::MASK as i32));
        let due = _mm256_castsi256_ps(_mm256_cmpgt_epi32(share, time));
        let heavy = _mm256_cmp_ps::<_CMP_GE_OQ>(weight, _mm256_set1_ps(clock.least));
        _mm256_movemask_ps(_mm256_and_ps(due, heavy)) as u16
    }
}

/// Makes the last steps of [`Lanes::sum`], on the sums of lanes 8 apart.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_of_eight(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}

impl Lanes for Wide {
    type Level = Avx512;

    #[inline(always)]
    fn splat(level: Avx512, x: f32) -> Self {
        Wide(splat_512(level, x), level)
    }

    #[inline(always)]
    fn load(level: Avx512, from: &[f32; LANES]) -> Self {
        Wide(load_512(level, from), level)
    }

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        Wide(splat_512(self.1, x), self.1)
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        store_512(self.1, self.0)
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Wide(plus_512(self.1, self.0, other.0), self.1)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Wide(minus_512(self.1, self.0, other.0), self.1)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Wide(times_512(self.1, self.0, other.0), self.1)
    }

    #[inline(always)]
    fn divided_by(self, other: Self) -> Self {
        Wide(over_512(self.1, self.0, other.0), self.1)
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        Wide(larger_512(self.1, self.0, other.0), self.1)
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        Wide(smaller_512(self.1, self.0, other.0), self.1)
    }

    #[inline(always)]
    fn mantissa_exponent(self) -> (Self, Self) {
        let (m, e) = mantissa_exponent_512(self.1, self.0);
        (Wide(m, self.1), Wide(e, self.1))
    }

    #[inline(always)]
    fn scaled(self, shifted: Self) -> Self {
        Wide(scaled_512(self.1, self.0, shifted.0), self.1)
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        sum_512(self.1, self.0)
    }

    #[inline(always)]
    fn sampled(level: Avx512, weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
        sampled_512(level, weights, first, clock)
    }

    #[inline(always)]
    fn pack(level: Avx512, columns: &[u32; LANES], set: u16, to: &mut [u32; LANES]) {
        pack_512(level, columns, set, to);
    }
}

impl Pair {
    #[inline(always)]
    fn new(level: Avx2, (low, high): Both) -> Self {
        Pair(low, high, level)
    }
}

impl Lanes for Pair {
    type Level = Avx2;

    #[inline(always)]
    fn splat(level: Avx2, x: f32) -> Self {
        Pair::new(level, splat_256(level, x))
    }

    #[inline(always)]
    fn load(level: Avx2, from: &[f32; LANES]) -> Self {
        Pair::new(level, load_256(level, from))
    }

    #[inline(always)]
    fn like(self, x: f32) -> Self {
        Pair::splat(self.2, x)
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        store_256(self.2, self.0, self.1)
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Pair::new(self.2, plus_256(self.2, self, other))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Pair::new(self.2, minus_256(self.2, self, other))
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        Pair::new(self.2, times_256(self.2, self, other))
    }

    #[inline(always)]
    fn divided_by(self, other: Self) -> Self {
        Pair::new(self.2, over_256(self.2, self, other))
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        Pair::new(self.2, larger_256(self.2, self, other))
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        Pair::new(self.2, smaller_256(self.2, self, other))
    }

    #[inline(always)]
    fn mantissa_exponent(self) -> (Self, Self) {
        let low = mantissa_exponent_256(self.2, self.0);
        let high = mantissa_exponent_256(self.2, self.1);
        (Pair(low.0, high.0, self.2), Pair(low.1, high.1, self.2))
    }

    #[inline(always)]
    fn scaled(self, shifted: Self) -> Self {
        let low = scaled_256(self.2, self.0, shifted.0);
        Pair(low, scaled_256(self.2, self.1, shifted.1), self.2)
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        sum_256(self.2, self.0, self.1)
    }

    #[inline(always)]
    fn sampled(level: Avx2, weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
        let ((low, high), (from, on)) = (simd::halves(weights), simd::halves(&LANE));
        let low = sampled_256(level, low, from, first, clock);
        low | sampled_256(level, high, on, first, clock) << (LANES / 2)
    }
}
