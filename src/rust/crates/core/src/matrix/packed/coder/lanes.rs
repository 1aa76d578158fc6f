//! Numbers of equal width side by side, so that a vector of them is shifted by the same number of
//! bits.

use crate::simd;

/// Entries that share their widths.
pub(in super::super) const RUN: usize = 256;
/// The number of lanes: a row has one number of each lane.
pub(super) const LANES: usize = 8;
/// The largest number of exceptions in a run: numbers that do not fit the width of the run.
pub(super) const MOST: usize = 64;
/// Bytes by which an exception counts in the choice of a width; more than its size, because it
/// takes time too.
const COSTS: usize = 8;

/// The numbers of a run, not yet packed.
pub(super) type Numbers = [u32; RUN];
/// A row of packed numbers: four bytes of each lane.
pub(super) type Lanes = [u8; 4 * LANES];
/// A bit for each number of a run.
pub(super) type Marks = [u64; RUN / ROW];
/// Numbers whose marks are in one word.
pub(super) const ROW: usize = 64;

/// Returns the number of bits of `largest`.
pub(super) fn width(largest: u32) -> u32 {
    u32::BITS - largest.leading_zeros()
}

/// Returns a mask of `width` bits.
pub(super) fn mask(width: u32) -> u32 {
    u32::MAX.checked_shr(u32::BITS - width).unwrap_or(0)
}

simd::vectorized! {
    /// Returns the width in bits in which a run takes the fewest bytes, its exceptions included.
    /// Four widths are compared: three about `hint`, and the width of the largest number below
    /// 2^31.
    pub(super) fn best_width [](numbers: &Numbers, hint: u32) -> u32 where _level in [Avx512, Avx2]: simd::Level {
        let middle = hint.clamp(1, u32::BITS - 2);
        let (mut any, mut huge, mut past) = (0, 0, [0; 3]);
        for &x in numbers {
            let is_huge = x >> 31;
            huge += is_huge;
            // Zero where it is huge.
            any |= x & is_huge.wrapping_sub(1);
            past[0] += u32::from(x >> (middle - 1) != 0);
            past[1] += u32::from(x >> middle != 0);
            past[2] += u32::from(x >> (middle + 1) != 0);
        }
        // The width that holds all but huge numbers is the last candidate, if these are not too
        // many.
        let (mut best, mut least) = (u32::BITS, size_of::<Numbers>());
        for (bits, past) in [(middle - 1, past[0]), (middle, past[1]), (middle + 1, past[2]), (width(any), huge)] {
            let cost = bits as usize * size_of::<Lanes>() + past as usize * COSTS;
            if past as usize <= MOST && cost < least {
                (best, least) = (bits, cost);
            }
        }
        best
    }
}

/// The steps that gain from wide registers.
pub(super) trait Steps: simd::Level {
    /// Writes the last `width` bits of each number into lanes (`width` rows), and returns marks of
    /// the numbers with more bits.
    #[inline(always)]
    fn squeeze(self, numbers: &Numbers, width: u32, out: &mut [Lanes]) -> Marks {
        let mask = mask(width);
        let (mut held, mut bits, mut out) = ([0_u32; LANES], 0, out.iter_mut());
        let mut marks = [0; _];
        for (mark, rows) in marks.iter_mut().zip(numbers.as_chunks::<ROW>().0) {
            for (i, row) in rows.as_chunks::<LANES>().0.iter().enumerate() {
                let mut next = [0_u32; LANES];
                for l in 0..LANES {
                    *mark |= u64::from(row[l] & !mask != 0) << (i * LANES + l);
                    held[l] |= (row[l] & mask) << bits;
                    // The shift is made in two steps, because a shift by all bits is not defined.
                    next[l] = (row[l] & mask) >> 1 >> (u32::BITS - 1 - bits);
                }
                bits += width;
                if bits >= u32::BITS {
                    bits -= u32::BITS;
                    if let Some(out) = out.next() {
                        for (out, held) in out.as_chunks_mut::<4>().0.iter_mut().zip(held) {
                            *out = held.to_le_bytes();
                        }
                    }
                    held = next;
                }
            }
        }
        marks
    }

    /// Decodes numbers of `width` bits from lanes of as many rows.
    #[inline(always)]
    fn spread(self, lanes: &[Lanes], width: u32, out: &mut Numbers) {
        let mask = mask(width);
        let word = |lanes: &Lanes, l: usize| u32::from_le_bytes(lanes.as_chunks().0[l]);
        for (row, (low, high, bits)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(words(lanes, width)) {
            for (l, out) in row.iter_mut().enumerate() {
                *out = (word(low, l) >> bits | word(high, l) << 1 << (u32::BITS - 1 - bits)) & mask;
            }
        }
    }

    /// Replaces gaps by columns, in place.
    #[inline(always)]
    fn add_up(self, gaps: &mut Numbers, before: u32) {
        let mut column = before;
        for gap in gaps {
            column = column.wrapping_add(*gap).wrapping_add(1);
            *gap = column;
        }
    }
}

impl Steps for simd::Plain {}

/// Returns, for each row of numbers of `width` bits, the two rows of lanes that hold it and the bit
/// at which it begins. Where the numbers end in the last row of lanes, that row is also the second.
#[inline(always)]
pub(super) fn words(lanes: &[Lanes], width: u32) -> impl Iterator<Item = (&Lanes, &Lanes, u32)> {
    let last = lanes.len().saturating_sub(1);
    (0..(RUN / LANES) as u32).map(move |i| {
        let (word, bits) = ((i * width / u32::BITS) as usize, i * width % u32::BITS);
        (&lanes[word.min(last)], &lanes[(word + 1).min(last)], bits)
    })
}

simd::vectorized! {
    /// Packs the low `width` bits of each number into `out`, and returns marks of the numbers that
    /// have more bits ([`Steps::squeeze`] at the best level).
    pub(super) fn squeeze [](numbers: &Numbers, width: u32, out: &mut [Lanes]) -> Marks where level in [Avx2]: Steps {
        level.squeeze(numbers, width, out)
    }
}

simd::vectorized! {
    /// Unpacks numbers of `width` bits from `lanes`; without lanes all numbers are 0
    /// ([`Steps::spread`] at the best level).
    pub(super) fn spread [](lanes: &[Lanes], width: u32, out: &mut Numbers) where level in [Avx2]: Steps {
        if lanes.is_empty() {
            out.fill(0);
        } else {
            level.spread(lanes, width, out);
        }
    }
}

simd::vectorized! {
    /// Turns gaps into columns, in place; `before` is the column before the first one
    /// ([`Steps::add_up`] at the best level).
    pub(super) fn add_up [](gaps: &mut Numbers, before: u32) where level in [Avx2]: Steps {
        level.add_up(gaps, before);
    }
}

simd::vectorized! {
    /// Turns columns into gaps: the difference of each column to the previous one, less 1 (modulo
    /// 2^32). `before` is the column before the first one.
    pub(super) fn take_apart [](columns: &Numbers, before: u32, gaps: &mut Numbers) where _level in [Avx512, Avx2]: simd::Level {
        gaps[0] = columns[0].wrapping_sub(before).wrapping_sub(1);
        for i in 1..RUN {
            gaps[i] = columns[i].wrapping_sub(columns[i - 1]).wrapping_sub(1);
        }
    }
}
