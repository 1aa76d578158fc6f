//! The choice of the edges whose forces act on the points of a batch in an epoch. Sixteen edges are
//! tested at a time, across the rows of the graph, because rows are too short and too uneven in
//! length to fill registers or for branch prediction.

use super::super::symmetric::Graph;
use super::clock::Clock;
use super::lanes::{Lanes, Registers, LANES};
use crate::graph::ahead::prefetch;
use std::ops::Range;

/// The number of edges by which prefetches run ahead of the test.
const AHEAD: usize = 1024;

/// The sampled edges of successive points.
#[derive(Default)]
pub(super) struct Sampled {
    /// The other ends of the sampled edges, point by point; elements after the last one have no
    /// meaning.
    others: Vec<u32>,
    /// The offset of each point's edges in `others`, then the end of the last point's.
    starts: Vec<usize>,
    /// For every sixteen edges, the number of edges sampled before them and the bits of those
    /// sampled among them.
    tested: Vec<(usize, u16)>,
}

impl Sampled {
    /// Tests the edges of `points` in the epoch of `clock`.
    #[inline(always)]
    pub(super) fn fill<R: Registers>(&mut self, level: R, graph: Graph, points: Range<usize>, clock: Clock) {
        let rows = &graph.indptr[points.start..=points.end];
        let edges = rows[0]..rows[points.len()];
        let (columns, rest_columns) = graph.indices[edges.clone()].as_chunks::<LANES>();
        let (weights, rest_weights) = graph.data[edges.clone()].as_chunks::<LANES>();
        self.begin(edges.len());
        let mut count = 0;
        let all = columns.iter().zip(weights).zip((edges.start..).step_by(LANES));
        for ((columns, weights), edge) in all {
            // The processor's own prefetching stops at the end of a page.
            prefetch(graph.indices, edge + AHEAD);
            prefetch(graph.data, edge + AHEAD);
            count = self.test(level, columns, weights, edge, count, clock);
        }
        // The last edges are padded with edges of weight 0, which are never sampled.
        let (mut columns, mut weights) = ([0; LANES], [0.0; LANES]);
        columns[..rest_columns.len()].copy_from_slice(rest_columns);
        weights[..rest_weights.len()].copy_from_slice(rest_weights);
        self.test(level, &columns, &weights, edges.end - rest_columns.len(), count, clock);
        self.starts.clear();
        self.starts.extend(rows.iter().map(|row| {
            let at = row - edges.start;
            let (before, hits) = self.tested[at / LANES];
            before + (u32::from(hits) & ((1 << (at % LANES)) - 1)).count_ones() as usize
        }));
    }

    /// Tests sixteen edges, the first of which is number `edge`, and stores those sampled after the
    /// `count` sampled before. Returns the new count.
    #[inline(always)]
    fn test<R: Registers>(
        &mut self,
        level: R,
        columns: &[u32; LANES],
        weights: &[f32; LANES],
        edge: usize,
        count: usize,
        clock: Clock,
    ) -> usize {
        let hits = R::Lanes::sampled(level, weights, edge as u32, clock);
        if let Some(to) = self.others[count..].first_chunk_mut() {
            R::Lanes::pack(level, columns, hits, to);
        }
        self.tested.push((count, hits));
        count + hits.count_ones() as usize
    }

    /// Grows the buffers for the samples of this many edges.
    fn begin(&mut self, n_edges: usize) {
        self.tested.clear();
        if self.others.len() < n_edges + 2 * LANES {
            self.others.resize(n_edges + 2 * LANES, 0); // whole registers are written
        }
    }

    /// Returns the other ends of all sampled edges.
    pub(super) fn other_ends(&self) -> &[u32] {
        &self.others[..self.starts.last().copied().unwrap_or(0)]
    }

    /// Returns the range in [`Sampled::other_ends`] of the `k`-th point's edges.
    #[inline(always)]
    pub(super) fn edge_range(&self, k: usize) -> Range<usize> {
        self.starts[k]..self.starts[k + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Graph, Sampled};
    use crate::simd::Plain;

    #[test]
    fn every_edge_is_sampled_as_often_as_its_weight_says() {
        let weights = [1.0f32, 0.5, 0.0, 0.25, 0.001, 0.9, 0.03];
        let degrees = [3usize, 0, 1, 40, 16, 20, 0];
        let mut indptr = vec![0];
        degrees.iter().for_each(|degree| indptr.push(indptr[indptr.len() - 1] + degree));
        let n_edges: usize = degrees.iter().sum();
        let indices: Vec<u32> = (0..n_edges as u32).collect();
        let data: Vec<f32> = (0..n_edges).map(|edge| 2.0 * weights[edge % weights.len()]).collect();
        let graph = Graph { indptr: &indptr, indices: &indices, data: &data };
        let (mut times, mut sampled) = (vec![0u32; n_edges], Sampled::default());
        for epoch in 0..1000 {
            for points in [0..2, 2..7, 7..7] {
                let clock = Clock { to_share: 0.5, least: 0.01, epoch };
                sampled.fill(Plain, graph, points.clone(), clock);
                for (k, point) in points.enumerate() {
                    for &edge in &sampled.other_ends()[sampled.edge_range(k)] {
                        assert!((indptr[point]..indptr[point + 1]).contains(&(edge as usize)));
                        times[edge as usize] += 1;
                    }
                }
            }
        }
        for (times, weight) in times.iter().zip(&data) {
            let share = f64::from(weight * 0.5);
            let expected = if share < 0.01 { 0.0 } else { 1000.0 * share };
            assert!((f64::from(*times) - expected).abs() <= 1.0, "{times} for {share}");
        }
    }
}
