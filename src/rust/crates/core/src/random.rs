//! Random numbers that depend on a key alone: they are the same on every machine and for any number
//! of threads.

use crate::error::Result;
use crate::memory;

/// Returns SplitMix64's finaliser of `x` (Steele, Lea & Flood 2014): a bijection that scatters
/// consecutive integers, but keeps 0.
#[inline]
pub(crate) fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Returns SplitMix64's number after `x`: a bijection that scatters consecutive integers and
/// changes 0, too.
#[inline]
pub(crate) fn mix_next(x: u64) -> u64 {
    mix(x.wrapping_add(GOLDEN))
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A SplitMix64 generator.
#[derive(Debug, Clone)]
pub(crate) struct Stream(u64);

impl Stream {
    /// Makes the generator of a seed, a round (or purpose) and an item; generators of different
    /// keys are unrelated.
    #[inline]
    pub(crate) fn new(seed: u64, round: u64, item: u64) -> Self {
        let key = mix(seed.wrapping_add(GOLDEN)).wrapping_add(round.wrapping_mul(GOLDEN));
        Stream(mix(mix(key).wrapping_add(item.wrapping_mul(GOLDEN))))
    }

    /// Makes the generator for samples of points; `purpose` keeps samples of one seed apart.
    pub(crate) fn of_samples(seed: u64, purpose: u64) -> Self {
        let mut stream = Stream(seed ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03));
        stream.bits();
        stream
    }

    /// Returns 64 random bits.
    #[inline]
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }
}

/// The xoshiro256++ generator (Blackman & Vigna 2021), seeded by SplitMix64. Files simulated so far
/// depend on it.
pub(crate) struct Xoshiro([u64; 4]);

impl Xoshiro {
    /// Makes the generator of a seed and a stream: a cell, a type or a table.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut word = mix_next(mix_next(seed) ^ stream);
        Xoshiro(std::array::from_fn(|_| {
            word = mix_next(word);
            word
        }))
    }

    /// Returns 64 random bits.
    #[inline(always)]
    pub(crate) fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }
}

/// Defines draws from distributions, by random bits.
macro_rules! draws {
    ($($generator:ty),*) => {$(
        impl $generator {
            /// Draws an integer in `0..n` by Lemire's multiplication. Its bias, at most n / 2^64,
            /// does not matter here.
            #[inline(always)]
            pub(crate) fn below(&mut self, n: usize) -> usize {
                ((u128::from(self.bits()) * n as u128) >> 64) as usize
            }

            /// Draws from the uniform distribution on [0, 1), with 53 bits.
            #[inline(always)]
            pub(crate) fn uniform(&mut self) -> f64 {
                (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
            }

            /// Draws from the standard normal distribution (Box-Muller; the second value of the
            /// pair is dropped).
            pub(crate) fn normal(&mut self) -> f64 {
                let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
                radius * (std::f64::consts::TAU * self.uniform()).cos()
            }
        }
    )*};
}
draws!(Stream, Xoshiro);

impl Stream {
    /// Shuffles items (Fisher-Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// Draws `size` different integers below `n` (all when there are fewer), in random order: the
    /// head of a Fisher-Yates shuffle.
    pub(crate) fn sample(&mut self, n: usize, size: usize) -> Result<Vec<u32>> {
        let mut numbers: Vec<u32> = memory::collected(0..n as u32, "numbers of all points")?;
        let size = size.min(n);
        for i in 0..size {
            let j = i + self.below(n - i);
            numbers.swap(i, j);
        }
        numbers.truncate(size);
        numbers.shrink_to_fit();
        Ok(numbers)
    }
}

/// numpy's `RandomState`: the Mersenne Twister of Matsumoto & Nishimura (1998), for results that
/// have to equal numpy's.
#[derive(Debug, Clone)]
pub(crate) struct Legacy {
    state: [u32; Self::N],
    at: usize,
}

impl Legacy {
    const N: usize = 624;
    const M: usize = 397;

    /// Makes the generator that `numpy.random.seed(seed)` does.
    pub(crate) fn new(seed: u32) -> Self {
        let mut state = [seed; Self::N];
        for i in 1..Self::N {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        Legacy { state, at: Self::N }
    }

    fn bits(&mut self) -> u32 {
        if self.at == Self::N {
            for i in 0..Self::N {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % Self::N] & 0x7fff_ffff);
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + Self::M) % Self::N] ^ (y >> 1) ^ twist;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Draws an integer from 0 to `most` by masked rejection.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.bits() & mask;
            if value <= most {
                return value;
            }
        }
    }

    /// Draws an integer from 0 to `most`, like `numpy.random.randint(0, most + 1)`.
    pub(crate) fn below_or_at(&mut self, most: u64) -> u64 {
        if let Ok(most) = u32::try_from(most) {
            // numpy draws nothing for a range of one integer.
            return if most == 0 { 0 } else { u64::from(self.up_to(most)) };
        }
        let mask = u64::MAX >> most.leading_zeros();
        loop {
            let high = u64::from(self.bits());
            let value = (high << 32 | u64::from(self.bits())) & mask;
            if value <= most {
                return value;
            }
        }
    }

    /// Shuffles like `numpy.random.shuffle`, on which `permutation` and `choice` without
    /// replacement are based.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.up_to(i as u32) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Legacy, Stream, Xoshiro};

    #[test]
    fn moments_and_keys() {
        let mut stream = Stream::new(0, 0, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let var = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (var - 1.0).abs() < 0.03, "{mean} {var}");
        let first = |seed, round, item| Stream::new(seed, round, item).bits();
        let firsts = [first(0, 0, 0), first(1, 0, 0), first(0, 1, 0), first(0, 0, 1), first(1, 1, 0), first(0, 1, 1)];
        assert!((0..6).all(|i| (0..i).all(|j| firsts[i] != firsts[j])));
    }

    #[test]
    fn shuffle_permutes() {
        let mut items: Vec<usize> = (0..1000).collect();
        Stream::new(3, 1, 4).shuffle(&mut items);
        assert!(items.iter().enumerate().any(|(i, &x)| i != x));
        items.sort_unstable();
        assert!(items.iter().enumerate().all(|(i, &x)| i == x));
    }

    /// Compares with `numpy.random.permutation` after `numpy.random.seed`.
    #[test]
    fn numpys_permutations() {
        let mut random = Legacy::new(0);
        let mut items: Vec<u32> = (0..10).collect();
        random.shuffle(&mut items);
        assert_eq!(items, [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
        let mut items: Vec<u32> = (0..1000).collect();
        random.shuffle(&mut items);
        assert_eq!(items[..5], [722, 311, 85, 436, 204]);
        let mut items: Vec<u32> = (0..8).collect();
        Legacy::new(u32::MAX).shuffle(&mut items);
        assert_eq!(items, [1, 7, 6, 0, 5, 4, 2, 3]);
    }

    #[test]
    fn samples_are_different_numbers() {
        let sample = |seed, purpose| Stream::of_samples(seed, purpose).sample(50, 20).unwrap();
        let mut sorted = sample(0, 1);
        assert_eq!(sorted.len(), 20);
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|w| w[0] < w[1]) && sorted[19] < 50);
        assert!(sample(0, 1) == sample(0, 1) && sample(0, 1) != sample(0, 0) && sample(0, 1) != sample(1, 1));
        assert_eq!(Stream::of_samples(0, 0).sample(3, 9).unwrap().len(), 3);
    }

    #[test]
    fn generators_of_the_simulator_are_standard() {
        let moments = |draw: &mut dyn FnMut() -> f64| {
            let x: Vec<f64> = (0..200_000).map(|_| draw()).collect();
            let mean = x.iter().sum::<f64>() / 2e5;
            (mean, x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2e5)
        };
        let mut random = Xoshiro::new(1, 2);
        let (m, v) = moments(&mut || random.normal());
        assert!(m.abs() < 0.01 && (v - 1.0).abs() < 0.02);
        let (m, v) = moments(&mut || random.uniform());
        assert!((m - 0.5).abs() < 0.005 && (v - 1.0 / 12.0).abs() < 0.002);
        let first = |seed, stream| Xoshiro::new(seed, stream).bits();
        assert_eq!(first(1, 5), first(1, 5));
        assert!(first(1, 5) != first(1, 6) && first(1, 5) != first(2, 5));
    }
}
