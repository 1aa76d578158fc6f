//! A seeded generator for sampling: SplitMix64 (Steele, Lea and Flood 2014), the same on every platform.

use crate::error::Result;
use crate::memory;

/// Generator state.
pub(super) struct Random(u64);

impl Random {
    /// `stream` keeps independent uses of one seed apart.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Random(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, by Lemire's multiplication (its bias is below 2⁻³² here).
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `size` different numbers below `n`, in random order (the head of a Fisher-Yates shuffle).
    pub(super) fn sample(&mut self, n: usize, size: usize) -> Result<Vec<u32>> {
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
