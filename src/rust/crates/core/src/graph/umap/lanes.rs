//! Sixteen numbers at a time, in the widest registers at hand. Every operation is one rounding of IEEE 754, never fused,
//! so that the results are the same bits whichever implementation runs.

use super::clock::Clock;

/// Numbers per [`Lanes`].
pub(super) const LANES: usize = 16;

/// Sixteen f32.
pub(super) trait Lanes: Copy {
    fn splat(x: f32) -> Self;
    fn load(from: &[f32; LANES]) -> Self;
    fn store(self) -> [f32; LANES];
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    /// The larger; `other` where one is NaN.
    fn at_least(self, other: Self) -> Self;
    /// The smaller; `other` where one is NaN.
    fn at_most(self, other: Self) -> Self;
    /// For positive normal x = m 2^e with m in [sqrt(1/2), sqrt(2)): (m, e).
    fn mantissa_exponent(self) -> (Self, Self);
    /// self 2^k, `k` being in the low bits of `shifted` = k + 1.5 2^23.
    fn scaled(self, shifted: Self) -> Self;
    /// The sum, by halves: of lanes 8 apart, then 4, 2 and 1.
    fn sum(self) -> f32;
    /// Which of sixteen successive edges, the first of this number, are sampled; the first in the lowest bit.
    fn sampled(weights: &[f32; LANES], first: u32, clock: Clock) -> u16;

    /// The columns whose bits are set, side by side in the first places of `to`; what the others hold is open.
    #[inline(always)]
    fn pack(columns: &[u32; LANES], set: u16, to: &mut [u32; LANES]) {
        let mut at = 0;
        for (lane, &column) in columns.iter().enumerate() {
            to[at % LANES] = column;
            at += usize::from(set >> lane & 1);
        }
    }
}

/// Bits of sqrt(1/2).
const ROOT_HALF: i32 = 0x3F35_04F3;

/// Whatever the compiler makes of it.
#[derive(Clone, Copy)]
pub(super) struct Plain([f32; LANES]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Plain(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Plain {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Plain([x; LANES])
    }

    #[inline(always)]
    fn load(from: &[f32; LANES]) -> Self {
        Plain(*from)
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        self.0
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn mantissa_exponent(self) -> (Self, Self) {
        let e = |x: f32| (x.to_bits() as i32).wrapping_sub(ROOT_HALF) >> 23;
        let m = |x: f32| f32::from_bits((x.to_bits() as i32).wrapping_sub(e(x) << 23) as u32);
        (Plain(self.0.map(m)), Plain(self.0.map(|x| e(x) as f32)))
    }

    #[inline(always)]
    fn scaled(self, shifted: Self) -> Self {
        self.zip(shifted, |x, k| f32::from_bits(x.to_bits().wrapping_add(k.to_bits().wrapping_shl(23))))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut sum = self.0;
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                sum[lane] += sum[lane + half];
            }
        }
        sum[0]
    }

    #[inline(always)]
    fn sampled(weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
        let set = |lane: usize| u16::from(clock.samples(first.wrapping_add(lane as u32), weights[lane])) << lane;
        (0..LANES).fold(0, |all, lane| all | set(lane))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    //! To be used only inside functions compiled for AVX-512F, or for AVX2, where the processor has it.

    use super::{Clock, Lanes, LANES, ROOT_HALF};
    use std::arch::x86_64::*;

    /// Numbers of the lanes.
    const LANE: [i32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// The last steps of [`Lanes::sum`], on the sums of lanes 8 apart.
    #[inline(always)]
    fn sum_of_eight(x: __m256) -> f32 {
        // SAFETY: the module is used where the processor has the instructions.
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }

    // Halves of a pair in functions of their own: closures that are called twice are not inlined, and outside a function
    // compiled for AVX2 every instruction of theirs is a call.

    /// [`Lanes::mantissa_exponent`].
    #[inline(always)]
    fn half_mantissa_exponent(x: __m256) -> (__m256, __m256) {
        // SAFETY: the module is used where the processor has the instructions.
        unsafe {
            let bits = _mm256_castps_si256(x);
            let e = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(ROOT_HALF)));
            let m = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(e));
            (_mm256_castsi256_ps(m), _mm256_cvtepi32_ps(e))
        }
    }

    /// [`Lanes::scaled`].
    #[inline(always)]
    fn half_scaled(x: __m256, shifted: __m256) -> __m256 {
        // SAFETY: the module is used where the processor has the instructions.
        unsafe {
            let k = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), k))
        }
    }

    /// [`Lanes::sampled`] of the eight edges that follow the first `at`, which is 0 or 8.
    #[inline(always)]
    fn half_sampled(weights: &[f32; LANES], at: usize, first: u32, clock: Clock) -> u16 {
        // SAFETY: eight values are read twice.
        unsafe {
            let weight = _mm256_loadu_ps(weights.as_ptr().add(at));
            let share = _mm256_mul_ps(weight, _mm256_set1_ps(clock.to_share));
            let share = _mm256_castps_si256(_mm256_add_ps(_mm256_set1_ps(1.0), share));
            let share = _mm256_sub_epi32(share, _mm256_set1_epi32(1f32.to_bits() as i32));
            let edge = _mm256_set1_epi32(first as i32);
            let edge = _mm256_add_epi32(edge, _mm256_loadu_si256(LANE.as_ptr().add(at).cast()));
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

    /// One register of AVX-512.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Wide(__m512);

    /// Two registers of AVX2.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Pair(__m256, __m256);

    impl Lanes for Wide {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: as for all that follow, the module is used where the processor has the instructions.
            Wide(unsafe { _mm512_set1_ps(x) })
        }

        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: LANES values are read.
            Wide(unsafe { _mm512_loadu_ps(from.as_ptr()) })
        }

        #[inline(always)]
        fn store(self) -> [f32; LANES] {
            let mut out = [0.0; LANES];
            // SAFETY: LANES values are written.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
            out
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: see above.
            Wide(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: see above.
            Wide(unsafe { _mm512_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            // SAFETY: see above.
            Wide(unsafe { _mm512_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn over(self, other: Self) -> Self {
            // SAFETY: see above.
            Wide(unsafe { _mm512_div_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn at_least(self, other: Self) -> Self {
            // SAFETY: see above.
            Wide(unsafe { _mm512_max_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn at_most(self, other: Self) -> Self {
            // SAFETY: see above.
            Wide(unsafe { _mm512_min_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mantissa_exponent(self) -> (Self, Self) {
            // SAFETY: see above.
            unsafe {
                let bits = _mm512_castps_si512(self.0);
                let e = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(ROOT_HALF)));
                let m = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(e));
                (Wide(_mm512_castsi512_ps(m)), Wide(_mm512_cvtepi32_ps(e)))
            }
        }

        #[inline(always)]
        fn scaled(self, shifted: Self) -> Self {
            // SAFETY: see above.
            unsafe {
                let k = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted.0));
                Wide(_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(self.0), k)))
            }
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: see above.
            unsafe {
                let high =
                    _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0))));
                sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_castps512_ps256(high)))
            }
        }

        #[inline(always)]
        fn sampled(weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
            // SAFETY: LANES values are read twice.
            unsafe {
                let weight = _mm512_loadu_ps(weights.as_ptr());
                let share = _mm512_mul_ps(weight, _mm512_set1_ps(clock.to_share));
                let share = _mm512_castps_si512(_mm512_add_ps(_mm512_set1_ps(1.0), share));
                let share = _mm512_sub_epi32(share, _mm512_set1_epi32(1f32.to_bits() as i32));
                let edge = _mm512_add_epi32(_mm512_set1_epi32(first as i32), _mm512_loadu_si512(LANE.as_ptr().cast()));
                let phase = _mm512_mullo_epi32(edge, _mm512_set1_epi32(Clock::GOLDEN as i32));
                let phase = _mm512_srli_epi32::<{ 32 - Clock::BITS }>(phase);
                let time = _mm512_add_epi32(phase, _mm512_mullo_epi32(_mm512_set1_epi32(clock.epoch as i32), share));
                let heavy = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(weight, _mm512_set1_ps(clock.least));
                let time = _mm512_and_si512(time, _mm512_set1_epi32(Clock::MASK as i32));
                _mm512_mask_cmplt_epi32_mask(heavy, time, share)
            }
        }

        #[inline(always)]
        fn pack(columns: &[u32; LANES], set: u16, to: &mut [u32; LANES]) {
            // SAFETY: LANES values are read and written.
            unsafe {
                let packed = _mm512_maskz_compress_epi32(set, _mm512_loadu_si512(columns.as_ptr().cast()));
                _mm512_storeu_si512(to.as_mut_ptr().cast(), packed);
            }
        }
    }

    impl Lanes for Pair {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: see above.
            let x = unsafe { _mm256_set1_ps(x) };
            Pair(x, x)
        }

        #[inline(always)]
        fn load(from: &[f32; LANES]) -> Self {
            // SAFETY: LANES values are read.
            unsafe { Pair(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(LANES / 2))) }
        }

        #[inline(always)]
        fn store(self) -> [f32; LANES] {
            let mut out = [0.0; LANES];
            // SAFETY: LANES values are written.
            unsafe {
                _mm256_storeu_ps(out.as_mut_ptr(), self.0);
                _mm256_storeu_ps(out.as_mut_ptr().add(LANES / 2), self.1);
            }
            out
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Pair(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Pair(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Pair(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn over(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Pair(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn at_least(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Pair(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn at_most(self, other: Self) -> Self {
            // SAFETY: see above.
            unsafe { Pair(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
        }

        #[inline(always)]
        fn mantissa_exponent(self) -> (Self, Self) {
            let (low, high) = (half_mantissa_exponent(self.0), half_mantissa_exponent(self.1));
            (Pair(low.0, high.0), Pair(low.1, high.1))
        }

        #[inline(always)]
        fn scaled(self, shifted: Self) -> Self {
            Pair(half_scaled(self.0, shifted.0), half_scaled(self.1, shifted.1))
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: see above.
            sum_of_eight(unsafe { _mm256_add_ps(self.0, self.1) })
        }

        #[inline(always)]
        fn sampled(weights: &[f32; LANES], first: u32, clock: Clock) -> u16 {
            half_sampled(weights, 0, first, clock) | half_sampled(weights, LANES / 2, first, clock) << (LANES / 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::curve::Curve;
    use super::{Lanes, Plain, LANES};

    /// Bits of both forces at 16 distances, one of which is 0.
    fn forces<L: Lanes>(k: usize) -> Vec<u32> {
        let curve = Curve::new(0.583_030, 1.334_167, 1.0);
        let d2: [f32; LANES] = std::array::from_fn(|l| ((k * LANES + l) as f32).powi(5) * 1e-9);
        let d2 = L::load(&d2);
        curve.attraction(d2).store().into_iter().chain(curve.repulsion(d2).store()).map(f32::to_bits).collect()
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn all_registers_give_the_same_bits() {
        use super::x86::{Pair, Wide};
        #[target_feature(enable = "avx512f")]
        fn wide(k: usize) -> Vec<u32> {
            forces::<Wide>(k)
        }
        #[target_feature(enable = "avx2")]
        fn pair(k: usize) -> Vec<u32> {
            forces::<Pair>(k)
        }
        for k in 0..40 {
            let plain = forces::<Plain>(k);
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor was just found to have AVX2.
                assert_eq!(unsafe { pair(k) }, plain);
            }
            if std::arch::is_x86_feature_detected!("avx512f") {
                // SAFETY: the processor was just found to have AVX-512F.
                assert_eq!(unsafe { wide(k) }, plain);
            }
        }
    }
}
