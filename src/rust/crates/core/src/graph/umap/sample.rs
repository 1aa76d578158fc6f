//! Which edges the points of a batch feel in an epoch: sixteen edges are tested at a time, across the rows of the graph,
//! because rows are too short and too uneven in length to fill registers or to be foreseen by the processor.

use super::super::symmetric::Graph;
use super::lanes::{Lanes, LANES};
use std::ops::Range;

/// The test of an edge in one epoch: an edge of `share` p is sampled in every 1/p-th epoch. The phases of successive
/// edges are multiples of the golden ratio, so that they do not fall into the same epochs.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// Weight to share of epochs.
    pub(super) to_share: f32,
    /// Lighter edges are never sampled.
    pub(super) least: f32,
    pub(super) epoch: u32,
}

impl Clock {
    /// Successive phases are apart by this share of 2^32.
    pub(super) const GOLDEN: u32 = 0x9E37_79B9;
    /// Phases and shares have this many bits.
    pub(super) const BITS: u32 = 23;
    /// The bits of a phase.
    pub(super) const MASK: u32 = (1 << Self::BITS) - 1;

    /// Whether edge number `edge` of the graph, of this weight, is sampled; never one of weight 0.
    #[inline(always)]
    pub(super) fn samples(&self, edge: u32, weight: f32) -> bool {
        // 1 + share has share as its 23 mantissa bits; 2^23 for a share of 1.
        let share = (1.0 + weight * self.to_share).to_bits() - 1f32.to_bits();
        let phase = edge.wrapping_mul(Self::GOLDEN) >> (32 - Self::BITS);
        let clock = phase.wrapping_add(self.epoch.wrapping_mul(share)) & Self::MASK;
        (clock < share) & (weight >= self.least)
    }
}

/// The sampled edges of successive points.
#[derive(Default)]
pub(super) struct Sampled {
    /// Their other ends, point by point; what follows the last one is of no meaning.
    others: Vec<u32>,
    /// Where the edges of each point begin in `others`, and where those of the last end.
    starts: Vec<usize>,
    /// Of every sixteen edges, how many sampled ones lie before them and which of them are sampled.
    tested: Vec<(usize, u16)>,
}

impl Sampled {
    /// Tests the edges of `points`.
    #[inline(always)]
    pub(super) fn fill<L: Lanes>(&mut self, graph: Graph, points: Range<usize>, clock: Clock) {
        let rows = &graph.indptr[points.start..=points.end];
        let edges = rows[0]..rows[points.len()];
        let (columns, rest_columns) = graph.indices[edges.clone()].as_chunks::<LANES>();
        let (weights, rest_weights) = graph.data[edges.clone()].as_chunks::<LANES>();
        // The last edges are filled up with those of weight 0, which are never sampled.
        let (mut last_columns, mut last_weights) = ([0; LANES], [0.0; LANES]);
        last_columns[..rest_columns.len()].copy_from_slice(rest_columns);
        last_weights[..rest_weights.len()].copy_from_slice(rest_weights);
        self.begin(edges.len());
        let (mut count, mut edge) = (0, edges.start as u32);
        let columns = columns.iter().chain(std::iter::once(&last_columns));
        let weights = weights.iter().chain(std::iter::once(&last_weights));
        for (columns, weights) in columns.zip(weights) {
            let hits = L::sampled(weights, edge, clock);
            if let Some(to) = self.others[count..].first_chunk_mut() {
                L::pack(columns, hits, to);
            }
            self.tested.push((count, hits));
            count += hits.count_ones() as usize;
            edge = edge.wrapping_add(LANES as u32);
        }
        self.starts.clear();
        self.starts.extend(rows.iter().map(|row| {
            let at = row - edges.start;
            let (before, hits) = self.tested[at / LANES];
            before + (u32::from(hits) & ((1 << (at % LANES)) - 1)).count_ones() as usize
        }));
    }

    /// Makes room for the samples of this many edges.
    fn begin(&mut self, n_edges: usize) {
        self.tested.clear();
        if self.others.len() < n_edges + 2 * LANES {
            self.others.resize(n_edges + 2 * LANES, 0); // whole registers are written
        }
    }

    /// The other ends of all sampled edges.
    pub(super) fn others(&self) -> &[u32] {
        &self.others[..self.starts.last().copied().unwrap_or(0)]
    }

    /// Where among [`Sampled::others`] those of the `k`-th point are.
    #[inline(always)]
    pub(super) fn of(&self, k: usize) -> Range<usize> {
        self.starts[k]..self.starts[k + 1]
    }
}
