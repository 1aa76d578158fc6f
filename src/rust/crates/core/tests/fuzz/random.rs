//! The random numbers of a case.

/// A SplitMix64 generator with its state.
pub struct Random(pub u64);

impl Random {
    /// Returns a random number of 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a random number below `n`, or 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Returns a random element of `v`, or `None` if there is none.
    pub fn pick<'a, T>(&mut self, v: &'a [T]) -> Option<&'a T> {
        let i = self.below(v.len());
        v.get(i)
    }

    /// Returns a number at the edge of a range that some reader may check.
    pub fn odd(&mut self) -> i64 {
        let edges = [
            0,
            1,
            2,
            -1,
            -2,
            3,
            7,
            127,
            128,
            255,
            -128,
            32767,
            1 << 16,
            i64::from(i32::MAX),
            1 << 31,
            i64::from(u32::MAX),
            1 << 32,
            1_000_000_000_000,
            1 << 40,
            1 << 53,
            1 << 62,
            i64::MAX,
            i64::MIN,
        ];
        match self.below(3) {
            0 => self.below(40) as i64,
            1 => self.next() as i64,
            _ => *self.pick(&edges).unwrap_or(&0),
        }
    }
}
