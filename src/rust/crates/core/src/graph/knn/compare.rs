//! Coded queries against the coded rows of a list: sums of products of bytes, and the choice of
//! rows near enough to be offered.
//!
//! Six queries are compared with four panels of 16 rows at a time. Their sums fill the registers of
//! AVX-512, and each loaded word of a query or panel is used several times. All queries are
//! compared with the same panels before the next panels are fetched. A score is one fused
//! multiply-add of an exact integer, so its bits are the same with every instruction set.

use super::candidates::Candidates;
use super::panels::LANES;
use super::NEIGHBOURS;
use crate::error::Result;
use crate::memory;
use crate::simd::{self, Level, Plain};

/// Coordinates in a word: as many as one instruction multiplies and sums up.
pub(super) const WORD: usize = 4;
/// Queries compared at once.
pub(super) const GROUP: usize = 6;
/// Panels compared at once.
const PANELS: usize = 4;

/// Some panels of a list.
pub(super) struct Part<'a> {
    /// Coded coordinates of each panel: the first word of each of its rows, then the second word of
    /// each, and so on; 128 is added to every byte.
    pub(super) bytes: &'a [u8],
    /// |x|² of every row; infinite for padding rows.
    pub(super) squares: &'a [f32],
    /// Words per row.
    pub(super) words: usize,
}

/// Queries, padded to whole groups.
pub(super) struct Asked<'a> {
    /// Coded coordinates of each group: the first word of each query of the group, then the second
    /// word of each, and so on.
    pub(super) words: &'a [i32],
    /// The initial value of each query's sum of products, which undoes the 128 added to the rows.
    pub(super) starts: &'a [i32],
    /// The factor of each query that turns a sum of products into -2 <q, x>.
    pub(super) factors: &'a [f32],
    /// |q|² of each query.
    pub(super) squares: &'a [f32],
}

/// The receiver of distances.
pub(super) struct Offer<'a> {
    /// The number of each query in `candidates`. There are no more numbers than queries; padding
    /// queries have none.
    pub(super) names: &'a [u32],
    /// The receiver of the rows that are near enough.
    pub(super) candidates: &'a mut Candidates,
    /// The number of the first row of the part.
    pub(super) from: usize,
}

impl Offer<'_> {
    /// Returns the admission threshold of |x|² - 2 <q, x> for a query of this |q|².
    fn admission_threshold(&self, query: usize, square: f32) -> f32 {
        let name = self.names.get(query);
        name.map_or(f32::NEG_INFINITY, |&name| self.candidates.threshold(name as usize) - square)
    }

    /// Offers the rows with scores below the limit to a query and returns its new limit.
    #[inline(always)]
    fn admit(&mut self, query: usize, first: usize, scores: &[[f32; LANES]], limit: f32, square: f32) -> f32 {
        let Some(&name) = self.names.get(query) else { return f32::NEG_INFINITY };
        for (scores, first) in scores.iter().zip((self.from + first * LANES..).step_by(LANES)) {
            let bit = |(row, &score): (usize, &f32)| u32::from(score < limit) << row;
            let mut below = scores.iter().enumerate().map(bit).fold(0, |below, bit| below | bit);
            while below != 0 {
                let row = below.trailing_zeros();
                below &= below - 1;
                self.candidates.push(name as usize, scores[row as usize % LANES] + square, first as u32 + row);
            }
        }
        self.candidates.threshold(name as usize) - square
    }
}

/// A group of queries.
struct Group<'a> {
    /// The words as [`Product::split`] returns them.
    words: &'a [i32],
    starts: &'a [i32; GROUP],
    factors: &'a [f32; GROUP],
    /// The admission threshold of |x|² - 2 <q, x>.
    limits: &'a [f32; GROUP],
}

/// |x|² - 2 <q, x> for each query q of a group and each row x of `N` panels.
type Scores<const N: usize> = [[[f32; LANES]; N]; GROUP];

/// The instructions that form products of bytes.
trait Product: Level {
    /// Numbers that each word of a query is split into.
    const SPLIT: usize = 1;

    /// Returns the words of queries in the form that [`Product::scores`] takes, `SPLIT` numbers per
    /// word; `room` is a work buffer.
    #[inline(always)]
    fn split<'a>(words: &'a [i32], _room: &'a mut Vec<i32>) -> &'a [i32] {
        words
    }

    /// Scores the rows of `N` panels, whose |x|² are `squares`. Returns one bit per query, set
    /// where a score is below the query's limit. `scores` need not be written where no bit is set.
    fn scores<const N: usize>(
        self,
        group: &Group,
        panels: &[u8],
        squares: &[[f32; LANES]; N],
        scores: &mut Scores<N>,
    ) -> u32;
}

/// Work buffers.
#[derive(Default)]
pub(super) struct Room {
    limits: Vec<f32>,
    words: Vec<i32>,
}

impl Room {
    /// Reserves memory for `words` words of queries, split in two.
    pub(super) fn reserve(&mut self, words: usize) -> Result<()> {
        self.words.clear();
        memory::reserve(&mut self.words, 2 * words, NEIGHBOURS)
    }
}

simd::vectorized! {
    /// Offers all rows of the part whose scores are below the queries' thresholds.
    pub(super) fn compare [](part: &Part, asked: &Asked, room: &mut Room, offer: &mut Offer)
    where level in [Vnni, Avx2, Neon]: Product {
        walk(level, part, asked, room, offer);
    }
}

/// Compares all queries with all panels, up to [`PANELS`] panels at a time.
#[inline(always)]
fn walk<P: Product>(level: P, part: &Part, asked: &Asked, room: &mut Room, offer: &mut Offer) {
    let Room { limits, words } = room;
    let words = P::split(asked.words, words);
    limits.clear();
    limits.extend(asked.squares.iter().enumerate().map(|(query, &square)| offer.admission_threshold(query, square)));
    let size = LANES * part.words * WORD;
    let squares = part.squares.as_chunks::<LANES>().0;
    for ((first, panels), squares) in
        (0..).step_by(PANELS).zip(part.bytes.chunks(PANELS * size)).zip(squares.chunks(PANELS))
    {
        match squares.len() {
            1 => meet::<P, 1>(level, first, panels, squares, asked, words, limits, offer),
            2 => meet::<P, 2>(level, first, panels, squares, asked, words, limits, offer),
            3 => meet::<P, 3>(level, first, panels, squares, asked, words, limits, offer),
            _ => meet::<P, PANELS>(level, first, panels, squares, asked, words, limits, offer),
        }
    }
}

/// Compares all groups of queries with `N` panels; `first` is the number of the first one.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn meet<P: Product, const N: usize>(
    level: P,
    first: usize,
    panels: &[u8],
    squares: &[[f32; LANES]],
    asked: &Asked,
    words: &[i32],
    limits: &mut [f32],
    offer: &mut Offer,
) {
    let Some(squares) = squares.first_chunk::<N>() else { return };
    let mut scores = [[[0.0; LANES]; N]; GROUP];
    let words = words.chunks_exact(panels.len() / (LANES * N * WORD) * GROUP * P::SPLIT);
    let terms = asked.starts.as_chunks().0.iter().zip(asked.factors.as_chunks().0).zip(limits.as_chunks_mut().0);
    for ((number, words), ((starts, factors), limits)) in words.enumerate().zip(terms) {
        let mut hits = level.scores(&Group { words, starts, factors, limits }, panels, squares, &mut scores);
        while hits != 0 {
            let q = hits.trailing_zeros() as usize;
            hits &= hits - 1;
            let query = number * GROUP + q;
            let square = asked.squares.get(query).copied().unwrap_or(0.0);
            limits[q] = offer.admit(query, first, &scores[q], limits[q], square);
        }
    }
}

impl Product for Plain {
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
            let mut sums = group.starts.map(|start| [start; LANES]);
            for (x, words) in panel.chunks_exact(LANES * WORD).zip(group.words.chunks_exact(GROUP)) {
                for (sums, q) in sums.iter_mut().zip(words) {
                    let [a, b, c, d] = q.to_le_bytes().map(|byte| i32::from(byte as i8));
                    for (sum, x) in sums.iter_mut().zip(x.as_chunks::<WORD>().0) {
                        let [e, f, g, h] = x.map(i32::from);
                        *sum += a * e + b * f + c * g + d * h;
                    }
                }
            }
            for (q, sums) in sums.iter().enumerate() {
                for (lane, (&sum, &square)) in sums.iter().zip(squares).enumerate() {
                    let score = group.factors[q].mul_add(sum as f32, square);
                    scores[q][p][lane] = score;
                    hits |= u32::from(score < group.limits[q]) << q;
                }
            }
        }
        hits
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows and scores that 29 queries are offered from some panels of 3 words, the
    /// last of which is not full.
    fn offered(panels: usize, with: impl Fn(&Part, &Asked, &mut Room, &mut Offer)) -> Vec<Vec<(u32, u32)>> {
        const QUERIES: usize = 29;
        const WORDS: usize = 3;
        let mix = |i: usize, by: usize| (i * by % 8191) as u32 as u8;
        let bytes: Vec<u8> = (0..panels * WORDS * LANES * WORD).map(|i| mix(i, 7919)).collect();
        let (rows, points) = (panels * LANES, panels * LANES - 13);
        let squares: Vec<f32> =
            (0..rows).map(|i| if i < points { 9e4 + 7.3 * i as f32 } else { f32::INFINITY }).collect();
        let groups = QUERIES.div_ceil(GROUP);
        let bytes_of = |i: usize| i32::from_le_bytes(std::array::from_fn(|b| mix(4 * i + b, 6007)));
        let words: Vec<i32> = (0..groups * WORDS * GROUP).map(bytes_of).collect();
        let starts: Vec<i32> = (0..groups * GROUP).map(|q| 900 * q as i32 - 7000).collect();
        let factors: Vec<f32> = (0..groups * GROUP).map(|q| -2.0 - 0.013 * q as f32).collect();
        let asked_squares: Vec<f32> = (0..groups * GROUP).map(|q| 1e4 + 0.7 * q as f32).collect();
        let part = Part { bytes: &bytes, squares: &squares, words: WORDS };
        let asked = Asked { words: &words, starts: &starts, factors: &factors, squares: &asked_squares };
        let names: Vec<u32> = (0..QUERIES as u32).rev().collect();
        let mut candidates = Candidates::new(QUERIES, 20, rows).unwrap();
        with(&part, &asked, &mut Room::default(), &mut Offer { names: &names, candidates: &mut candidates, from: 32 });
        let sorted = |q| {
            let mut found: Vec<_> =
                candidates.entries(q).0.iter().map(|&(score, row)| (row, score.to_bits())).collect();
            found.sort_unstable();
            found
        };
        (0..QUERIES).map(sorted).collect()
    }

    simd::vectorized! {
        fn compare_256 [](part: &Part, asked: &Asked, room: &mut Room, offer: &mut Offer) where level in [Avx2]: Product {
            walk(level, part, asked, room, offer);
        }
    }

    #[test]
    fn scores_are_the_same_bits_on_every_processor() {
        // Four panels at a time, and a remainder of one to three.
        for panels in 2..=8 {
            let plain = offered(panels, |p, a, r, o| walk(Plain, p, a, r, o));
            let last = 32 + (panels * LANES) as u32 - 13;
            assert!(plain.iter().all(|found| found.len() >= 19));
            assert!(plain.iter().flatten().all(|&(row, _)| (32..last).contains(&row)));
            assert_eq!(offered(panels, compare), plain);
            assert_eq!(offered(panels, compare_256), plain);
        }
    }
}
