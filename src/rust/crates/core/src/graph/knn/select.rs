//! The best candidates of each query of a block, and their order by exact distance.

use super::points::{Points, Runs, Table};
use super::product::LANES;
use super::NEIGHBOURS;
use crate::error::Result;
use crate::memory;

/// For each query of a block, the rows with the `keep` lowest scores so far.
///
/// A row is first only collected when its score is below the query's threshold; when a query's buffer is full, the best
/// `keep` stay and the threshold falls to the worst of them. No row with a score below the final threshold is lost.
pub(super) struct Candidates {
    keep: usize,
    capacity: usize,
    entries: Vec<(f32, u32)>,
    counts: Vec<usize>,
    thresholds: Vec<f32>,
}

impl Candidates {
    /// For up to `queries` queries and `rows` rows.
    pub(super) fn new(queries: usize, keep: usize, rows: usize) -> Result<Self> {
        let keep = keep.min(rows);
        let capacity = (2 * keep).max(keep + 32).min(rows.max(1));
        Ok(Candidates {
            keep,
            capacity,
            entries: memory::filled(queries * capacity, (0.0, 0), NEIGHBOURS)?,
            counts: memory::filled(queries, 0, NEIGHBOURS)?,
            thresholds: memory::filled(queries, f32::INFINITY, NEIGHBOURS)?,
        })
    }

    /// Starts a new block.
    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.thresholds.fill(f32::INFINITY);
    }

    /// The score below which rows are collected for a query.
    #[inline(always)]
    pub(super) fn threshold(&self, query: usize) -> f32 {
        self.thresholds.get(query).copied().unwrap_or(f32::NEG_INFINITY)
    }

    /// Offers the rows `first..first + 16` to a query.
    #[inline(always)]
    pub(super) fn offer(&mut self, query: usize, scores: &[f32; LANES], first: u32) {
        let threshold = self.threshold(query);
        let below = scores.iter().fold(0u32, |any, &score| any | u32::from(score < threshold));
        if below != 0 {
            self.collect(query, scores, first);
        }
    }

    #[inline(never)]
    fn collect(&mut self, query: usize, scores: &[f32; LANES], first: u32) {
        scores.iter().zip(first..).for_each(|(&score, row)| self.push(query, score, row));
    }

    /// Offers one row to a query.
    #[inline(always)]
    pub(super) fn push(&mut self, query: usize, score: f32, row: u32) {
        let full = self.counts.get(query).is_some_and(|&count| count == self.capacity);
        if full && score < self.threshold(query) {
            self.make_room(query);
        }
        if score < self.threshold(query) {
            let Some(count) = self.counts.get_mut(query) else { return };
            if let Some(entry) = self.entries.get_mut(query * self.capacity + *count) {
                *entry = (score, row);
                *count += 1;
            }
        }
    }

    /// Leaves a query the best `keep`, and none above the threshold.
    #[cold]
    fn make_room(&mut self, query: usize) {
        let entries = self.entries.get_mut(query * self.capacity..(query + 1) * self.capacity);
        let worst = entries.map_or(f32::NEG_INFINITY, |entries| shrink(entries, self.keep));
        if let (Some(count), Some(threshold)) = (self.counts.get_mut(query), self.thresholds.get_mut(query)) {
            (*count, *threshold) = (self.keep, worst);
        }
    }

    /// The candidates of a query in no particular order, and the score below which none was lost.
    pub(super) fn of(&mut self, query: usize) -> (&mut [(f32, u32)], f32) {
        let from = query * self.capacity;
        let count = self.counts.get(query).copied().unwrap_or(0);
        let threshold = self.thresholds.get(query).copied().unwrap_or(f32::INFINITY);
        (self.entries.get_mut(from..from + count).unwrap_or_default(), threshold)
    }

    /// The `rank`-th lowest score of a query so far (from 1), infinite when it has fewer candidates.
    pub(super) fn ranked(&mut self, query: usize, rank: usize) -> f32 {
        let (entries, _) = self.of(query);
        match rank.checked_sub(1) {
            Some(at) if at < entries.len() => entries.select_nth_unstable_by(at, |a, b| a.0.total_cmp(&b.0)).1 .0,
            _ => f32::INFINITY,
        }
    }
}

/// Moves the `keep` lowest to the front and returns the worst of them.
fn shrink(entries: &mut [(f32, u32)], keep: usize) -> f32 {
    match keep.checked_sub(1) {
        Some(at) if at < entries.len() => entries.select_nth_unstable_by(at, |a, b| a.0.total_cmp(&b.0)).1 .0,
        _ => f32::NEG_INFINITY,
    }
}

/// A point and how far it is, in the order of neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbour {
    pub(super) key: f64,
    pub(super) id: u32,
}

/// Keeps the `most` nearest, in order.
fn order(found: &mut Vec<Neighbour>, most: usize) {
    let by = |a: &Neighbour, b: &Neighbour| a.key.total_cmp(&b.key).then(a.id.cmp(&b.id));
    if most > 0 && found.len() > most {
        found.select_nth_unstable_by(most - 1, by);
    }
    found.truncate(most);
    found.sort_unstable_by(by);
}

/// The `most` nearest points to `id` among the candidates, by exact distance, `id` itself left out. `square` is the
/// squared length of the mapped query.
///
/// Returns whether it is certain that no row lost to the threshold belongs among them.
pub(super) fn refine(
    points: &Points,
    table: &Table,
    id: u32,
    square: f64,
    candidates: (&mut [(f32, u32)], f32),
    most: usize,
    found: &mut Vec<Neighbour>,
) -> bool {
    let (entries, threshold) = candidates;
    let slack = points.slack(square);
    entries.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found.clear();
    let mut worst = f64::INFINITY;
    for &(score, row) in entries.iter() {
        if f64::from(score) - slack > worst {
            break;
        }
        let Some(other) = table.runs.id(row as usize) else { continue };
        if other == id {
            continue;
        }
        found.push(Neighbour { key: points.key(id as usize, other as usize), id: other });
        if found.len() == most {
            worst = found.iter().fold(f64::NEG_INFINITY, |m, f| m.max(points.score(f.key, square)));
        }
    }
    order(found, most);
    if most == 0 || threshold == f32::INFINITY {
        return true;
    }
    let last = found.get(most - 1).map_or(f64::INFINITY, |f| points.score(f.key, square));
    last < f64::from(threshold) - slack
}

/// The `most` nearest points to `id` by exact distance among the `keep` best candidates, `id` itself left out.
pub(super) fn nearest(
    points: &Points,
    runs: &Runs,
    id: u32,
    entries: &mut [(f32, u32)],
    keep: usize,
    most: usize,
    found: &mut Vec<Neighbour>,
) {
    shrink(entries, keep);
    let others = entries.iter().take(keep).filter_map(|&(_, row)| runs.id(row as usize)).filter(|&other| other != id);
    found.clear();
    found.extend(others.map(|other| Neighbour { key: 0.0, id: other }));
    // the rows are anywhere in memory: all are on their way before the first is needed
    found.iter().for_each(|f| points.fetch(f.id as usize));
    found.iter_mut().for_each(|f| f.key = points.key(id as usize, f.id as usize));
    order(found, most);
}

/// The `most` nearest points to `id` in the table, in f64 throughout: for the rare query whose neighbours f32 cannot
/// tell apart (many duplicates, or distances tiny beside the coordinates).
pub(super) fn scan(points: &Points, table: &Table, id: u32, most: usize, found: &mut Vec<Neighbour>) {
    found.clear();
    let mut worst = f64::INFINITY;
    for other in table.runs.points().filter(|&other| other != id) {
        let key = points.key(id as usize, other as usize);
        if key <= worst {
            found.push(Neighbour { key, id: other });
            if found.len() >= 2 * most + 32 {
                order(found, most);
                worst = found.last().map_or(f64::INFINITY, |f| f.key);
            }
        }
    }
    order(found, most);
}

/// The order of a row: the point itself (false), then by distance and number.
pub(super) fn own_first(a: &(bool, f32, u32), b: &(bool, f32, u32)) -> std::cmp::Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
}

/// Writes a row of the result: the point itself where it is one of those searched, then its neighbours.
pub(super) fn write_row(
    points: &Points,
    own: Option<u32>,
    found: &[Neighbour],
    indices: &mut [u32],
    distances: &mut [f32],
) {
    let row = own.map(|id| (id, 0.0)).into_iter().chain(found.iter().map(|f| (f.id, points.distance(f.key))));
    for ((index, distance), (i, d)) in indices.iter_mut().zip(distances).zip(row) {
        (*index, *distance) = (i, d);
    }
}
