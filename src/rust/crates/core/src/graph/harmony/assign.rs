//! Clusters in which batches are to be as frequent as among all cells: passes that assign cells to
//! clusters block by block.

use super::blocks::{block_of, Batches, Blocks, Piece};
use super::soft::{add_shares, share, Space};
use super::{HarmonyParams, HARMONY};
use crate::error::Result;
use crate::memory;
use crate::random::mix_next;
use crate::session::Session;
use rayon::prelude::*;

/// The soft clusters of a round: centroids are fixed, assignments change.
pub(super) struct Clustering<'a> {
    /// The centroids and the width of the clusters.
    pub(super) space: Space<'a>,
    pub(super) batches: &'a Batches,
    params: &'a HarmonyParams,
    pub(super) session: &'a Session,
    round: usize,
    n_blocks: usize,
    /// The random key that divides the cells of the last pass into blocks.
    key: u64,
    blocks: Blocks,
    /// The penalties of the last pass: blocks x combinations x clusters.
    penalties: Vec<f32>,
    /// The number of cells assigned (a sum of shares): levels x clusters.
    pub(super) observed: Vec<f64>,
    /// The sum over the cells of the distances from centroids less sigma times the entropy of the
    /// assignments, divided by sigma.
    error: f64,
    /// Work buffer: the weights of the cells of a block.
    weights: Vec<f32>,
    /// Work buffer: the logarithms of the largest weights of the cells of a block.
    shifts: Vec<f32>,
}

/// A piece of a block with its part of the work buffers.
pub(super) struct Part<'p> {
    /// The cells of one combination that the part consists of.
    pub(super) piece: &'p Piece,
    /// The numbers of those cells.
    pub(super) cells: &'p [u32],
    /// Weights or shares: cells x clusters.
    pub(super) weights: &'p mut [f32],
    /// The logarithm of each cell's largest weight.
    pub(super) shifts: &'p mut [f32],
}

/// Divides the work buffers among successive pieces; `k` is the number of clusters.
pub(super) fn parts<'p>(
    blocks: &'p Blocks,
    pieces: &'p [Piece],
    k: usize,
    weights: &'p mut Vec<f32>,
    shifts: &'p mut Vec<f32>,
) -> Result<Vec<Part<'p>>> {
    let n = pieces.iter().map(|piece| piece.cells.len()).sum::<usize>();
    memory::lengthen(weights, n * k, 0.0, HARMONY)?;
    memory::lengthen(shifts, n, 0.0, HARMONY)?;
    let (mut weights, mut shifts) = (&mut weights[..n * k], &mut shifts[..n]);
    let each = pieces.iter().map(|piece| {
        let (of_weights, rest) = std::mem::take(&mut weights).split_at_mut(piece.cells.len() * k);
        weights = rest;
        let (of_shifts, rest) = std::mem::take(&mut shifts).split_at_mut(piece.cells.len());
        shifts = rest;
        Part { piece, cells: &blocks.cells[piece.cells.clone()], weights: of_weights, shifts: of_shifts }
    });
    memory::collected(each, HARMONY)
}

/// Runs `of(part, sums, rows)` for all parts in parallel. Returns the sums (one per cluster) and
/// the value of each part, in the order of the parts.
fn sums_of(
    parts: &mut [Part<'_>],
    k: usize,
    session: &Session,
    of: impl Fn(&mut Part<'_>, &mut [f32], &mut Vec<f32>) -> Result<f64> + Sync,
) -> Result<Vec<(Vec<f32>, f64)>> {
    let each = parts.par_iter_mut().map_init(Vec::new, |rows, part| {
        session.monitor.check()?;
        let mut sums = memory::zeros(k, HARMONY)?;
        let value = of(part, &mut sums, rows)?;
        Ok((sums, value))
    });
    memory::parallel(each, HARMONY)?.into_iter().collect()
}

impl<'a> Clustering<'a> {
    /// Assigns all cells without a penalty.
    pub(super) fn new(
        points: &[f32],
        space: Space<'a>,
        batches: &'a Batches,
        params: &'a HarmonyParams,
        round: usize,
        session: &'a Session,
    ) -> Result<Self> {
        let (n, k) = (batches.of.len(), space.n_clusters());
        let n_blocks = ((1.0 / params.block_size).ceil() as usize).clamp(1, n);
        let n_penalties = memory::count(&[n_blocks, batches.combinations.len(), k], HARMONY)?;
        let penalties = memory::filled(n_penalties, 1.0f32, HARMONY)?;
        let observed = memory::zeros(memory::count(&[batches.n_levels(), k], HARMONY)?, HARMONY)?;
        let (blocks, weights, shifts) = Default::default();
        let key = 0;
        let mut new = Clustering {
            space,
            batches,
            params,
            session,
            round,
            n_blocks,
            key,
            blocks,
            penalties,
            observed,
            error: 0.0,
            weights,
            shifts,
        };
        new.blocks.fill(batches, n_blocks, |cell| block_of(key, cell, n_blocks))?;
        let Clustering { blocks, space, observed, error, weights, shifts, .. } = &mut new;
        let ones = vec![1.0; k];
        for block in &blocks.blocks {
            let mut parts = parts(blocks, &blocks.pieces[block.clone()], k, weights, shifts)?;
            let found = sums_of(&mut parts, k, session, |part, sums, rows| {
                space.weigh(points, part.cells.iter().map(|&cell| cell as usize), rows, part.weights, part.shifts)?;
                Ok(share(part.weights, &ones, sums) + part.shifts.iter().map(|&s| f64::from(s)).sum::<f64>())
            })?;
            for (part, (sums, logarithms)) in parts.iter().zip(&found) {
                add(observed, batches, part.piece.combination, sums, 1.0);
                *error -= logarithms;
            }
        }
        Ok(new)
    }

    /// Returns the penalties with which a cell was assigned in the last pass, one per cluster.
    pub(super) fn penalties_of(&self, cell: usize) -> &[f32] {
        penalties_at(&self.penalties, self.batches, self.space.n_clusters(), self.n_blocks, self.key, cell)
    }

    /// Assigns all cells again, block by block. The penalties of a block follow from how frequent
    /// the batches are in the clusters without the cells of the block.
    pub(super) fn pass(&mut self, points: &[f32], pass: usize) -> Result<()> {
        let k = self.space.n_clusters();
        let Clustering { space, batches, params, session, round, n_blocks, .. } = self;
        let (batches, params, session, n_blocks, old) = (*batches, *params, *session, *n_blocks, self.key);
        let key = mix_next(mix_next(params.seed) ^ ((*round as u64 + 1) << 32 | pass as u64));
        let mut penalties = memory::zeros(self.penalties.len(), HARMONY)?;
        let Clustering { blocks, observed, error, weights, shifts, penalties: before, .. } = self;
        blocks.fill(batches, n_blocks, |cell| block_of(key, cell, n_blocks))?;
        *error = 0.0;
        let width = batches.combinations.len() * k;
        for (block, to) in blocks.blocks.iter().zip(penalties.chunks_exact_mut(width)) {
            let mut parts = parts(blocks, &blocks.pieces[block.clone()], k, weights, shifts)?;
            let removed = sums_of(&mut parts, k, session, |part, sums, rows| {
                space.weigh(points, part.cells.iter().map(|&cell| cell as usize), rows, part.weights, part.shifts)?;
                for (row, &cell) in part.weights.chunks_exact(k).zip(part.cells) {
                    add_shares(row, penalties_at(before, batches, k, n_blocks, old, cell as usize), sums);
                }
                Ok(part.shifts.iter().map(|&s| f64::from(s)).sum())
            })?;
            for (part, (sums, shifts)) in parts.iter().zip(&removed) {
                add(observed, batches, part.piece.combination, sums, -1.0);
                *error -= shifts;
            }
            let logarithms = penalise(observed, batches, k, to)?;
            let to = &*to;
            let added = sums_of(&mut parts, k, session, |part, sums, _| {
                Ok(share(part.weights, &to[part.piece.combination * k..][..k], sums))
            })?;
            for (part, (sums, totals)) in parts.iter().zip(&added) {
                add(observed, batches, part.piece.combination, sums, 1.0);
                let logarithms = &logarithms[part.piece.combination * k..][..k];
                *error += sums.iter().zip(logarithms).map(|(&s, l)| f64::from(s) * l).sum::<f64>() - totals;
            }
        }
        self.penalties = penalties;
        self.key = key;
        Ok(())
    }

    /// Returns the objective: distances less entropies, plus the divergence of the batches in each
    /// cluster from those of all cells.
    pub(super) fn objective(&self) -> f64 {
        let k = self.space.n_clusters();
        let sizes = sizes(&self.observed, self.batches, k);
        let levels = self.observed.chunks_exact(k).zip(self.batches.shares.iter().zip(&self.batches.theta));
        let unlike = levels.map(|(row, (share, theta))| {
            let of = |(&o, size): (&f64, &f64)| o.max(0.0) * -logarithm(o, size * share);
            theta * row.iter().zip(&sizes).map(of).sum::<f64>()
        });
        self.params.sigma * (self.error + unlike.sum::<f64>())
    }
}

/// Returns the number of cells assigned to each cluster (a sum of shares), `k` values.
pub(super) fn sizes(observed: &[f64], batches: &Batches, k: usize) -> Vec<f64> {
    let mut sizes = vec![0.0; k];
    let first = batches.factors().next().unwrap_or_default();
    for row in observed[first.start * k..first.end * k].chunks_exact(k) {
        sizes.iter_mut().zip(row).for_each(|(s, o)| *s += o);
    }
    sizes
}

/// Returns the logarithm of the penalty of a batch with `observed` cells in a cluster where
/// `expected` are expected. One cell more of each keeps clusters that have hardly any cells from
/// getting extreme penalties (Harmony 2).
fn logarithm(observed: f64, expected: f64) -> f64 {
    ((2.0 * expected.max(0.0) + 1.0) / (observed.max(0.0) + expected.max(0.0) + 1.0)).ln()
}

/// Writes the penalties of each combination and cluster, and returns their logarithms.
fn penalise(observed: &[f64], batches: &Batches, k: usize, to: &mut [f32]) -> Result<Vec<f64>> {
    let sizes = sizes(observed, batches, k);
    let mut of_levels = memory::room(observed.len(), HARMONY)?;
    for (row, (share, theta)) in observed.chunks_exact(k).zip(batches.shares.iter().zip(&batches.theta)) {
        of_levels.extend(row.iter().zip(&sizes).map(|(&o, size)| theta * logarithm(o, size * share)));
    }
    let mut logarithms = memory::zeros::<f64>(to.len(), HARMONY)?;
    for (row, levels) in logarithms.chunks_exact_mut(k).zip(&batches.combinations) {
        for &level in levels {
            row.iter_mut().zip(&of_levels[level as usize * k..][..k]).for_each(|(sum, l)| *sum += l);
        }
        // Penalties are relative to the largest of them, so that they cannot all underflow to 0.
        let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|l| *l -= most);
    }
    to.iter_mut().zip(&logarithms).for_each(|(to, l)| *to = l.exp() as f32);
    Ok(logarithms)
}

/// Returns the penalties of a cell's block and combination, one per cluster.
fn penalties_at<'p>(
    penalties: &'p [f32],
    batches: &Batches,
    k: usize,
    n_blocks: usize,
    key: u64,
    cell: usize,
) -> &'p [f32] {
    let at = block_of(key, cell, n_blocks) * batches.combinations.len() + batches.of[cell] as usize;
    &penalties[at * k..][..k]
}

/// Adds the cells assigned of a combination, `sums`, times `sign` to each of its levels.
fn add(observed: &mut [f64], batches: &Batches, combination: usize, sums: &[f32], sign: f64) {
    for &level in &batches.combinations[combination] {
        let to = &mut observed[level as usize * sums.len()..][..sums.len()];
        to.iter_mut().zip(sums).for_each(|(o, &s)| *o += sign * f64::from(s));
    }
}
