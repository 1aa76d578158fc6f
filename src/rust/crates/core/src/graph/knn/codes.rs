//! Points in one byte per coordinate, for scanning lists: a quarter of the memory of f32, and four
//! products per instruction instead of one.
//!
//! A point is stored as its difference from the centroid of its list, in steps of 1/127 of the
//! largest difference in that list; a query is coded the same way for every list it is compared
//! with. Both are rounded once. The squared distance of the rounded points is computed in integers,
//! so it is the same on every machine. Its error is about 0.3 % in lists that are clouds, but is
//! unbounded where one far point widens the steps of a list of close ones. These distances
//! therefore only propose candidates, and the search measures how many neighbours they miss.

use super::candidates::Candidates;
use super::compare::{compare, Asked, Offer, Part, Room, GROUP, WORD};
use super::kmeans::Centroids;
use super::loops::{difference, largest, rounded};
use super::panels::LANES;
use super::points::{Points, Runs};
use super::NEIGHBOURS;
use super::POINTS;
use crate::error::Result;
use crate::memory;
use rayon::prelude::*;

/// Steps from the centroid to the farthest point.
const STEPS: f32 = 127.0;
/// The offset added to a row's steps, as the processor multiplies unsigned with signed bytes.
const SHIFT: u8 = 128;

/// Coded points by list, in panels of 16 rows. A panel holds the first word of each of its rows,
/// then the second word of each, and so on.
pub(super) struct Codes {
    bytes: Vec<u8>,
    /// |x|² of the rounded difference; infinite for padding rows.
    squares: Vec<f32>,
    /// Length of a step in each list.
    steps: Vec<f32>,
    words: usize,
}

impl Codes {
    /// Encodes the points of run c as differences from centroid c, for all c.
    pub(super) fn encode(points: &Points, centroids: &Centroids, runs: &Runs) -> Result<Self> {
        let words = points.d.div_ceil(WORD);
        let size = runs.n_rows();
        let mut bytes = memory::filled(memory::count(&[size, words * WORD], POINTS)?, SHIFT, POINTS)?;
        let mut squares = memory::filled(size, f32::INFINITY, POINTS)?;
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
            .collect::<Result<_>>()?;
        Ok(Codes { bytes, squares, steps, words })
    }

    /// Offers rows `from..to` of list `c` (`from` starts a panel) to the candidates of the queries,
    /// by squared distance. `names` has the number of each query in `candidates`.
    pub(super) fn offer(
        &self,
        c: usize,
        (from, to): (usize, usize),
        queries: &mut Queries,
        names: &[u32],
        candidates: &mut Candidates,
    ) {
        let to = to.next_multiple_of(LANES);
        let row = self.words * WORD;
        let bytes = self.bytes.get(from * row..to * row).unwrap_or_default();
        let squares = self.squares.get(from..to).unwrap_or_default();
        let part = Part { bytes, squares, words: self.words };
        let Queries { words, starts, steps, factors, squares, room, .. } = queries;
        let step = self.steps.get(c).copied().unwrap_or(0.0);
        factors.clear();
        factors.extend(steps.iter().map(|own| -2.0 * step * own));
        compare(&part, &Asked { words, starts, factors, squares }, room, &mut Offer { names, candidates, from });
    }
}

/// Encodes one list into its panels and returns the length of its steps. `rows` is a work buffer.
fn code_list(
    points: &Points,
    centroid: &[f32],
    ids: &[u32],
    words: usize,
    rows: &mut Vec<f32>,
    bytes: &mut [u8],
    squares: &mut [f32],
) -> Result<f32> {
    let (d, width) = (points.d, points.width());
    memory::lengthen(rows, ids.len() * width, 0.0, POINTS)?;
    rows.truncate(ids.len() * width);
    let mut most = 0.0f32;
    for (row, &id) in rows.chunks_exact_mut(width).zip(ids) {
        points.write_data(id as usize, row);
        row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
        most = most.max(largest(row.get(..d).unwrap_or_default()));
    }
    let step = most / STEPS;
    let mut code = vec![0i8; words * WORD];
    for (i, (row, square)) in rows.chunks_exact(width).zip(squares).enumerate() {
        let row = row.get(..d).unwrap_or_default();
        *square = step * step * rounded(row, inverse(step), &mut code).1 as f32;
        let panel = i / LANES * LANES * words * WORD;
        for (w, word) in code.chunks_exact(WORD).enumerate() {
            let at = panel + (w * LANES + i % LANES) * WORD;
            let to = bytes.get_mut(at..at + WORD).unwrap_or_default();
            to.iter_mut().zip(word).for_each(|(to, &code)| *to = code.wrapping_add_unsigned(SHIFT) as u8);
        }
    }
    Ok(step)
}

/// Returns 1 / step, or 0 where that is infinite (a step of 0 or a tiny one); all points of the
/// list then have the code 0.
fn inverse(step: f32) -> f32 {
    Some(step.recip()).filter(|inverse| inverse.is_finite()).unwrap_or(0.0)
}

/// Queries coded for one list, padded to whole groups of [`GROUP`].
#[derive(Default)]
pub(super) struct Queries {
    n: usize,
    /// Coded coordinates by group of queries: the first word of each query of the group, then the
    /// second word of each, and so on.
    words: Vec<i32>,
    /// The initial value of each query's sum of products, which undoes the offset [`SHIFT`] of the
    /// rows.
    starts: Vec<i32>,
    steps: Vec<f32>,
    squares: Vec<f32>,
    factors: Vec<f32>,
    room: Room,
    difference: Vec<f32>,
    code: Vec<i8>,
}

impl Queries {
    /// Removes all queries and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.n = 0;
        self.words.clear();
        self.starts.clear();
        self.steps.clear();
        self.squares.clear();
    }

    /// Reserves memory for the words of `n` queries of `d` coordinates; the other buffers are
    /// small.
    pub(super) fn reserve(&mut self, n: usize, d: usize) -> Result<()> {
        let words = n.next_multiple_of(GROUP) * d.div_ceil(WORD);
        memory::reserve(&mut self.words, words, NEIGHBOURS)?;
        self.room.reserve(words)
    }

    /// Encodes the query (-2 q, 1) for the list of this centroid and adds it.
    pub(super) fn push(&mut self, query: &[f32], centroid: &[f32]) {
        let d = centroid.len();
        self.difference.resize(d, 0.0);
        self.code.resize(d.next_multiple_of(WORD), 0);
        difference(query.get(..d).unwrap_or_default(), centroid, &mut self.difference);
        let step = largest(&self.difference) / STEPS;
        let (sum, square) = rounded(&self.difference, inverse(step), &mut self.code);
        let words = self.code.len() / WORD;
        let (n, place) = (self.n / GROUP, self.n % GROUP);
        if place == 0 {
            let padded = (n + 1) * GROUP;
            self.words.resize(padded * words, 0);
            self.starts.resize(padded, 0);
            self.steps.resize(padded, 0.0);
            self.squares.resize(padded, 0.0);
        }
        let group = self.words.get_mut(n * GROUP * words..).unwrap_or_default();
        for (to, word) in group.chunks_exact_mut(GROUP).zip(self.code.as_chunks::<WORD>().0) {
            to[place] = i32::from_le_bytes(word.map(|code| code as u8));
        }
        self.starts[self.n] = -i32::from(SHIFT) * sum;
        self.steps[self.n] = step;
        self.squares[self.n] = step * step * square as f32;
        self.n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::knn::{panels::Panels, Metric};
    use ndarray::Array2;

    const ROWS: u32 = 53;

    fn one_centroid(centroid: &[f32]) -> Centroids {
        let rows = [centroid, &[0.0]].concat();
        Centroids { panels: Panels::from_rows(&rows, rows.len()).unwrap(), rows, n: 1 }
    }

    /// Makes 53 rows in one list and 29 queries, of 7 coordinates; returns them coded, and the
    /// mapped coordinates of all 82 points.
    fn example() -> (Codes, Queries, Vec<Vec<f32>>) {
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 8.0;
        let points = Array2::from_shape_fn((82, 7), |(i, j)| value(i * 7 + j));
        let points = Points::new(points.view(), Metric::Euclidean).unwrap();
        let ids: Vec<u32> = (0..82).collect();
        let mapped: Vec<Vec<f32>> = points.rows(&ids).unwrap().chunks(8).map(|row| row[..7].to_vec()).collect();
        let centroid: Vec<f32> = (0..7).map(|j| mapped[..10].iter().map(|row| row[j]).sum::<f32>() / 10.0).collect();
        let runs = Runs::new(&ids[..ROWS as usize], &[0, ROWS as usize], 82).unwrap();
        let codes = Codes::encode(&points, &one_centroid(&centroid), &runs).unwrap();
        let (mut asked, mut queries) = (Vec::new(), Queries::default());
        points.write_queries(&ids[ROWS as usize..], &mut asked, &mut Vec::new()).unwrap();
        asked.chunks(8).for_each(|query| queries.push(query, &centroid));
        (codes, queries, mapped)
    }

    fn found(codes: &Codes, queries: &mut Queries, rows: usize) -> Vec<Vec<(u32, f32)>> {
        let names: Vec<u32> = (0..queries.n as u32).collect();
        let mut candidates = Candidates::new(queries.n, 20, rows).unwrap();
        codes.offer(0, (0, rows), queries, &names, &mut candidates);
        let sorted = |q| {
            let mut found: Vec<_> = candidates.entries(q).0.iter().map(|&(distance, row)| (row, distance)).collect();
            found.sort_by_key(|f| f.0);
            found
        };
        (0..queries.n).map(sorted).collect()
    }

    #[test]
    fn distances_are_close() {
        let (codes, mut queries, mapped) = example();
        let found = found(&codes, &mut queries, ROWS as usize);
        assert_eq!(found.len(), 29);
        for ((query, found), step) in mapped[ROWS as usize..].iter().zip(found).zip(&queries.steps) {
            assert!(found.len() >= 20);
            // Every coordinate of row and query is off by half a step at most.
            let most = 7f32.sqrt() * (step + codes.steps[0]) / 2.0 + 1e-4;
            for (row, distance) in found {
                let truth: f32 = mapped[row as usize].iter().zip(query).map(|(x, q)| (x - q).powi(2)).sum();
                assert!((distance.max(0.0).sqrt() - truth.sqrt()).abs() < most, "{distance} {truth}");
            }
        }
    }

    #[test]
    fn a_list_of_one_point_repeated_has_distance_zero() {
        let points = Array2::from_elem((20, 3), 2.5f32);
        let points = Points::new(points.view(), Metric::Euclidean).unwrap();
        let runs = Runs::new(&(0..20).collect::<Vec<u32>>(), &[0, 20], 20).unwrap();
        let codes = Codes::encode(&points, &one_centroid(&[0.0; 3]), &runs).unwrap();
        let mut queries = Queries::default();
        queries.push(&[0.0, 0.0, 0.0, 1.0], &[0.0; 3]);
        let found = found(&codes, &mut queries, 20);
        assert_eq!(found[0].len(), 20);
        assert!(found[0].iter().all(|f| f.1 == 0.0));
    }
}
