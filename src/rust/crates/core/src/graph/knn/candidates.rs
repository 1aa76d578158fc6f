//! The best candidates of each query of a block.

use super::panels::LANES;
use super::NEIGHBOURS;
use crate::error::Result;
use crate::memory;

/// For each query of a block, the rows with the `keep` lowest scores so far.
///
/// A row is collected when its score is below the query's threshold. When a query's buffer is full,
/// the best `keep` stay and the threshold falls to the worst of them. No row with a score below the
/// final threshold is lost.
pub(super) struct Candidates {
    keep: usize,
    capacity: usize,
    entries: Vec<(f32, u32)>,
    counts: Vec<usize>,
    thresholds: Vec<f32>,
}

impl Candidates {
    /// Makes empty buffers for up to `queries` queries; `rows` is the most rows that can be offered
    /// to one.
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

    /// Removes all candidates, for a new block of queries.
    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.thresholds.fill(f32::INFINITY);
    }

    /// Returns the score below which rows are collected for a query.
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

    /// Collects the rows `first..first + 16` below the threshold. Never inlined, so that the check
    /// in `offer` stays small.
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

    /// Drops all but the best `keep` candidates of a query and lowers its threshold to the worst of
    /// them.
    #[cold]
    fn make_room(&mut self, query: usize) {
        let entries = self.entries.get_mut(query * self.capacity..(query + 1) * self.capacity);
        let worst = entries.map_or(f32::NEG_INFINITY, |entries| shrink(entries, self.keep));
        if let (Some(count), Some(threshold)) = (self.counts.get_mut(query), self.thresholds.get_mut(query)) {
            (*count, *threshold) = (self.keep, worst);
        }
    }

    /// Returns the candidates of a query in no particular order, and its threshold: no row with a
    /// lower score was lost.
    pub(super) fn entries(&mut self, query: usize) -> (&mut [(f32, u32)], f32) {
        let from = query * self.capacity;
        let count = self.counts.get(query).copied().unwrap_or(0);
        let threshold = self.thresholds.get(query).copied().unwrap_or(f32::INFINITY);
        (self.entries.get_mut(from..from + count).unwrap_or_default(), threshold)
    }

    /// Returns the `rank`-th lowest score of a query so far (from 1), infinite where it has fewer
    /// candidates.
    pub(super) fn ranked(&mut self, query: usize, rank: usize) -> f32 {
        let (entries, _) = self.entries(query);
        match rank.checked_sub(1) {
            Some(at) if at < entries.len() => entries.select_nth_unstable_by(at, |a, b| a.0.total_cmp(&b.0)).1 .0,
            _ => f32::INFINITY,
        }
    }
}

/// Moves the `keep` lowest scores to the front and returns the highest of them; minus infinity
/// where there are no more than `keep`.
pub(super) fn shrink(entries: &mut [(f32, u32)], keep: usize) -> f32 {
    match keep.checked_sub(1) {
        Some(at) if at < entries.len() => entries.select_nth_unstable_by(at, |a, b| a.0.total_cmp(&b.0)).1 .0,
        _ => f32::NEG_INFINITY,
    }
}
