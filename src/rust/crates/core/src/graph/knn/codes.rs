//! Points in one byte a coordinate, for scanning lists: a quarter of the memory of f32, and four products where there was
//! one.
//!
//! A point is kept as its difference from the centroid of its list, in steps of 1/127 of the largest difference in that
//! list; a query is coded the same way for every list it looks into. Both are rounded once, and what is compared is
//! the squared distance of the rounded points, computed in integers: the same on every machine. Its error is about
//! 0.3 % where lists are clouds, and can be anything where one far point widens the steps of a list of close ones; so
//! these distances only propose, and the search measures what they miss.

use super::kmeans::Centroids;
use super::points::{Points, Runs};
use super::product::LANES;
use super::select::Candidates;
use super::simd::{largest, rounded};
use rayon::prelude::*;

/// Coordinates in a word, the most that one instruction sums up.
const WORD: usize = 4;
/// Steps from the centroid to the farthest point.
const STEPS: f32 = 127.0;
/// What is added to a row's steps, as the processor multiplies unsigned with signed bytes.
const SHIFT: u8 = 128;

/// Coded points by list. Rows lie in panels of 16: for each word in turn, that of every row.
pub(super) struct Codes {
    bytes: Vec<u8>,
    /// |x|² of the rounded difference, infinite for rows that are no points.
    squares: Vec<f32>,
    /// Length of a step in each list.
    steps: Vec<f32>,
    words: usize,
}

impl Codes {
    /// Codes the points of each run as differences from the centroid of the same number.
    pub(super) fn of(points: &Points, centroids: &Centroids, runs: &Runs) -> Self {
        let words = points.d.div_ceil(WORD);
        let size = runs.n_rows();
        let (mut bytes, mut squares) = (vec![SHIFT; size * words * WORD], vec![f32::INFINITY; size]);
        let mut lists = Vec::with_capacity(centroids.n);
        let (mut bytes_left, mut squares_left) = (bytes.as_mut_slice(), squares.as_mut_slice());
        for c in 0..centroids.n {
            let (from, to) = runs.run(c);
            let rows = (to - from).next_multiple_of(LANES);
            let (b, rest_b) = bytes_left.split_at_mut(rows * words * WORD);
            let (s, rest_s) = squares_left.split_at_mut(rows);
            (bytes_left, squares_left) = (rest_b, rest_s);
            lists.push((c, b, s));
        }
        let steps = lists
            .into_par_iter()
            .map_init(Vec::new, |rows, (c, bytes, squares)| {
                code_list(points, centroids.row(c, points.d), runs.members(c), words, rows, bytes, squares)
            })
            .collect();
        Codes { bytes, squares, steps, words }
    }

    /// Offers rows `from..to` of list `c` (`from` starts a panel) to the candidates of the queries numbered `names`, by
    /// squared distance.
    pub(super) fn offer(
        &self,
        c: usize,
        (from, to): (usize, usize),
        queries: &Queries,
        names: &[u32],
        candidates: &mut Candidates,
    ) {
        let to = to.next_multiple_of(LANES);
        let row = self.words * WORD;
        let bytes = self.bytes.get(from * row..to * row).unwrap_or_default();
        let squares = self.squares.get(from..to).unwrap_or_default();
        let step = self.steps.get(c).copied().unwrap_or(0.0);
        let part = Part { bytes, squares, step, words: self.words };
        compare(&part, queries, &mut Offer { names, candidates, from });
    }
}

/// Codes one list into its panels; gives the length of its steps. `rows` is room to work in.
fn code_list(
    points: &Points,
    centroid: &[f32],
    ids: &[u32],
    words: usize,
    rows: &mut Vec<f32>,
    bytes: &mut [u8],
    squares: &mut [f32],
) -> f32 {
    let (d, width) = (points.d, points.width());
    rows.resize(ids.len() * width, 0.0);
    let mut most = 0.0f32;
    for (row, &id) in rows.chunks_exact_mut(width).zip(ids) {
        points.write_data(id as usize, row);
        row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
        most = most.max(largest(row.get(..d).unwrap_or_default()));
    }
    let step = most / STEPS;
    let mut code = vec![0i8; words * WORD];
    for (i, (row, square)) in rows.chunks_exact(width).zip(squares).enumerate() {
        *square = step * step * rounded(row.get(..d).unwrap_or_default(), inverse(step), &mut code) as f32;
        let panel = i / LANES * LANES * words * WORD;
        for (w, word) in code.chunks_exact(WORD).enumerate() {
            let at = panel + (w * LANES + i % LANES) * WORD;
            let to = bytes.get_mut(at..at + WORD).unwrap_or_default();
            to.iter_mut().zip(word).for_each(|(to, &code)| *to = code.wrapping_add_unsigned(SHIFT) as u8);
        }
    }
    step
}

fn inverse(step: f32) -> f32 {
    if step > 0.0 {
        step.recip()
    } else {
        0.0
    }
}

/// Queries coded for one list.
#[derive(Default)]
pub(super) struct Queries {
    n: usize,
    /// By groups of queries: for each word in turn, that of every query of the group.
    words: Vec<i32>,
    /// What sums of products start from, to undo the shift of the rows.
    shifts: Vec<i32>,
    steps: Vec<f32>,
    squares: Vec<f32>,
    difference: Vec<f32>,
    code: Vec<i8>,
}

impl Queries {
    pub(super) fn clear(&mut self) {
        self.n = 0;
        self.words.clear();
        self.shifts.clear();
        self.steps.clear();
        self.squares.clear();
    }

    /// Adds the query (-2 q, 1) for the list of this centroid.
    pub(super) fn push(&mut self, query: &[f32], centroid: &[f32]) {
        let d = centroid.len();
        self.difference.clear();
        self.difference.extend(query.iter().zip(centroid).map(|(q, c)| -0.5 * q - c));
        self.code.resize(d.next_multiple_of(WORD), 0);
        let step = largest(&self.difference) / STEPS;
        let square = rounded(&self.difference, inverse(step), &mut self.code);
        let sum: i32 = self.code.iter().map(|&code| i32::from(code)).sum();
        let words = self.code.len() / WORD;
        let (group, place) = (self.n / GROUP * GROUP * words, self.n % GROUP);
        if place == 0 {
            self.words.resize(group + GROUP * words, 0);
        }
        let group = self.words.get_mut(group..).unwrap_or_default();
        for (to, word) in group.chunks_exact_mut(GROUP).zip(self.code.as_chunks::<WORD>().0) {
            to[place] = i32::from_le_bytes(word.map(|code| code as u8));
        }
        self.shifts.push(-i32::from(SHIFT) * sum);
        self.steps.push(step);
        self.squares.push(step * step * square as f32);
        self.n += 1;
    }
}

/// Some panels of a list.
struct Part<'a> {
    bytes: &'a [u8],
    squares: &'a [f32],
    step: f32,
    words: usize,
}

/// Where distances go.
struct Offer<'a> {
    names: &'a [u32],
    candidates: &'a mut Candidates,
    /// The first row.
    from: usize,
}

impl Offer<'_> {
    fn name(&self, query: usize) -> usize {
        self.names.get(query).copied().unwrap_or(u32::MAX) as usize
    }

    /// The distance below which a row matters to a query.
    fn limit(&self, query: usize) -> f32 {
        self.candidates.threshold(self.name(query))
    }

    fn take(&mut self, query: usize, panel: usize, distances: &[f32; LANES]) {
        let name = self.name(query);
        self.candidates.offer(name, distances, (self.from + panel * LANES) as u32);
    }
}

/// Queries compared with a panel at once: their sums fill the registers of AVX-512.
const GROUP: usize = 12;

/// A group of queries.
struct Group<'a> {
    /// For each word in turn, that of every query.
    words: &'a [i32],
    /// What their sums of products start from.
    starts: [i32; GROUP],
    /// What sums are taken times to be 2 <q, x>.
    factors: [f32; GROUP],
    /// |q|².
    squares: [f32; GROUP],
    /// What |x|² - 2 <q, x> must be below for x to matter.
    limits: [f32; GROUP],
}

/// For each query of a group, |x|² - 2 <q, x> of the rows x of a panel.
type Scores = [[f32; LANES]; GROUP];

/// Offers all rows that matter to the queries.
fn compare(part: &Part<'_>, queries: &Queries, offer: &mut Offer<'_>) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has just been found to have AVX-512F and its VNNI.
            return unsafe { x86::compare_512(part, queries, offer) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            return unsafe { x86::compare_256(part, queries, offer) };
        }
    }
    in_groups(part, queries, offer, scores_any);
}

/// Walks over groups of queries and all panels. `product` scores the rows of a panel, |x|² of which it is given, and
/// says for which queries of the group there are scores below the limit, one bit each; others' scores it need not give.
#[inline(always)]
fn in_groups(
    part: &Part<'_>,
    queries: &Queries,
    offer: &mut Offer<'_>,
    product: impl Fn(&Group<'_>, &[u8], &[f32; LANES], &mut Scores) -> u32,
) {
    let mut scores = [[0.0; LANES]; GROUP];
    for (number, words) in queries.words.chunks_exact(GROUP * part.words).enumerate() {
        let first = number * GROUP;
        let mut group = Group {
            words,
            starts: [0; GROUP],
            factors: [0.0; GROUP],
            squares: [0.0; GROUP],
            limits: [f32::NEG_INFINITY; GROUP],
        };
        for q in 0..GROUP.min(queries.n - first) {
            group.starts[q] = queries.shifts.get(first + q).copied().unwrap_or(0);
            group.factors[q] = 2.0 * part.step * queries.steps.get(first + q).copied().unwrap_or(0.0);
            group.squares[q] = queries.squares.get(first + q).copied().unwrap_or(0.0);
            group.limits[q] = offer.limit(first + q) - group.squares[q];
        }
        let panels = part.bytes.chunks_exact(LANES * part.words * WORD).zip(part.squares.as_chunks::<LANES>().0);
        for (p, (panel, squares)) in panels.enumerate() {
            let mut hits = product(&group, panel, squares, &mut scores);
            while hits != 0 {
                let q = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                offer.take(first + q, p, &scores[q].map(|score| score + group.squares[q]));
                group.limits[q] = offer.limit(first + q) - group.squares[q];
            }
        }
    }
}

/// The scores by plain loops.
#[inline(always)]
fn scores_any(group: &Group<'_>, panel: &[u8], squares: &[f32; LANES], scores: &mut Scores) -> u32 {
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
    let mut hits = 0;
    for (q, (scores, sums)) in scores.iter_mut().zip(sums).enumerate() {
        for ((score, sum), &square) in scores.iter_mut().zip(sums).zip(squares) {
            *score = square - group.factors[q] * sum as f32;
            hits |= u32::from(*score < group.limits[q]) << q;
        }
    }
    hits
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{in_groups, Offer, Part, Queries, GROUP, LANES, WORD};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn compare_512(part: &Part<'_>, queries: &Queries, offer: &mut Offer<'_>) {
        in_groups(part, queries, offer, |group, panel, squares, scores| {
            // SAFETY: chunks of 64 bytes and 16 squares are read, and 16 scores written, all within bounds; AVX-512 VNNI
            // is there.
            unsafe {
                let mut sums = group.starts.map(|start| _mm512_set1_epi32(start));
                for (x, words) in panel.chunks_exact(LANES * WORD).zip(group.words.chunks_exact(GROUP)) {
                    let x = _mm512_loadu_si512(x.as_ptr().cast());
                    for (sum, &q) in sums.iter_mut().zip(words) {
                        *sum = _mm512_dpbusd_epi32(*sum, x, _mm512_set1_epi32(q));
                    }
                }
                let squares = _mm512_loadu_ps(squares.as_ptr());
                let mut hits = 0;
                for (q, (scores, sum)) in scores.iter_mut().zip(sums).enumerate() {
                    let product = _mm512_mul_ps(_mm512_set1_ps(group.factors[q]), _mm512_cvtepi32_ps(sum));
                    let score = _mm512_sub_ps(squares, product);
                    let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(score, _mm512_set1_ps(group.limits[q]));
                    if below != 0 {
                        hits |= 1 << q;
                        _mm512_storeu_ps(scores.as_mut_ptr(), score);
                    }
                }
                hits
            }
        });
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn compare_256(part: &Part<'_>, queries: &Queries, offer: &mut Offer<'_>) {
        in_groups(part, queries, offer, |group, panel, squares, scores| {
            let mut hits = 0;
            // Registers hold the sums of six queries and eight rows.
            for (from, first) in [(0, 0), (0, GROUP / 2), (LANES / 2, 0), (LANES / 2, GROUP / 2)] {
                // SAFETY: half a chunk of 64 bytes and half of 16 squares are read, and half of 16 scores written, all
                // within bounds; AVX2 is there.
                unsafe {
                    let mut sums: [_; GROUP / 2] = std::array::from_fn(|q| _mm256_set1_epi32(group.starts[first + q]));
                    for (x, words) in panel.chunks_exact(LANES * WORD).zip(group.words.chunks_exact(GROUP)) {
                        let x = _mm256_loadu_si256(x.as_ptr().add(from * WORD).cast());
                        let even = _mm256_and_si256(x, _mm256_set1_epi16(0xff));
                        let odd = _mm256_srli_epi16::<8>(x);
                        for (sum, &q) in sums.iter_mut().zip(&words[first..]) {
                            let q = _mm256_set1_epi32(q);
                            let q_even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(q));
                            let q_odd = _mm256_srai_epi16::<8>(q);
                            let pair = _mm256_add_epi32(_mm256_madd_epi16(even, q_even), _mm256_madd_epi16(odd, q_odd));
                            *sum = _mm256_add_epi32(*sum, pair);
                        }
                    }
                    let squares = _mm256_loadu_ps(squares.as_ptr().add(from));
                    for (q, sum) in (first..).zip(sums) {
                        let product = _mm256_mul_ps(_mm256_set1_ps(group.factors[q]), _mm256_cvtepi32_ps(sum));
                        let score = _mm256_sub_ps(squares, product);
                        let below = _mm256_cmp_ps::<_CMP_LT_OQ>(score, _mm256_set1_ps(group.limits[q]));
                        hits |= u32::from(_mm256_movemask_ps(below) != 0) << q;
                        _mm256_storeu_ps(scores[q].as_mut_ptr().add(from), score);
                    }
                }
            }
            hits
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::knn::{product::Panels, Metric};
    use ndarray::Array2;

    const ROWS: u32 = 53;

    fn one(centroid: &[f32]) -> Centroids {
        let rows = [centroid, &[0.0]].concat();
        Centroids { panels: Panels::of(&rows, rows.len()), rows, n: 1 }
    }

    /// 53 rows in one list and 29 queries, of 7 coordinates; coded, and as they are.
    fn example() -> (Codes, Queries, Vec<Vec<f32>>) {
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 8.0;
        let points = Array2::from_shape_fn((82, 7), |(i, j)| value(i * 7 + j));
        let points = Points::new(points.view(), Metric::Euclidean).unwrap();
        let ids: Vec<u32> = (0..82).collect();
        let mapped: Vec<Vec<f32>> = points.rows(&ids).chunks(8).map(|row| row[..7].to_vec()).collect();
        let centroid: Vec<f32> = (0..7).map(|j| mapped[..10].iter().map(|row| row[j]).sum::<f32>() / 10.0).collect();
        let runs = Runs::new(&ids[..ROWS as usize], &[0, ROWS as usize], 82);
        let codes = Codes::of(&points, &one(&centroid), &runs);
        let (mut asked, mut queries) = (Vec::new(), Queries::default());
        points.write_queries(&ids[ROWS as usize..], &mut asked, &mut Vec::new());
        asked.chunks(8).for_each(|query| queries.push(query, &centroid));
        (codes, queries, mapped)
    }

    fn found(
        codes: &Codes,
        queries: &Queries,
        with: impl Fn(&Part<'_>, &Queries, &mut Offer<'_>),
    ) -> Vec<Vec<(u32, f32)>> {
        let names: Vec<u32> = (0..queries.n as u32).collect();
        let mut candidates = Candidates::new(queries.n, 20, ROWS as usize);
        let part = Part { bytes: &codes.bytes, squares: &codes.squares, step: codes.steps[0], words: codes.words };
        with(&part, queries, &mut Offer { names: &names, candidates: &mut candidates, from: 0 });
        let sorted = |q| {
            let mut found: Vec<_> = candidates.of(q).0.iter().map(|&(distance, row)| (row, distance)).collect();
            found.sort_by_key(|f| f.0);
            found
        };
        (0..queries.n).map(sorted).collect()
    }

    #[test]
    fn distances_are_close_and_the_same_on_every_processor() {
        let (codes, queries, mapped) = example();
        let plain = found(&codes, &queries, |part, queries, offer| in_groups(part, queries, offer, scores_any));
        for ((query, found), step) in mapped[ROWS as usize..].iter().zip(&plain).zip(&queries.steps) {
            assert!(found.len() >= 20);
            // every coordinate of both is off by half a step at most
            let most = 7f32.sqrt() * (step + codes.steps[0]) / 2.0 + 1e-4;
            for &(row, distance) in found {
                let truth: f32 = mapped[row as usize].iter().zip(query).map(|(x, q)| (x - q).powi(2)).sum();
                assert!((distance.max(0.0).sqrt() - truth.sqrt()).abs() < most, "{distance} {truth}");
            }
        }
        assert_eq!(found(&codes, &queries, compare), plain);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            assert_eq!(found(&codes, &queries, |p, q, o| unsafe { x86::compare_256(p, q, o) }), plain);
        }
    }

    #[test]
    fn a_list_of_one_point_repeated_has_distance_zero() {
        let points = Array2::from_elem((20, 3), 2.5f32);
        let points = Points::new(points.view(), Metric::Euclidean).unwrap();
        let runs = Runs::new(&(0..20).collect::<Vec<u32>>(), &[0, 20], 20);
        let codes = Codes::of(&points, &one(&[0.0; 3]), &runs);
        let mut queries = Queries::default();
        queries.push(&[0.0, 0.0, 0.0, 1.0], &[0.0; 3]);
        let found = found(&codes, &queries, compare);
        assert_eq!(found[0].len(), 20);
        assert!(found[0].iter().all(|f| f.1 == 0.0));
    }
}
