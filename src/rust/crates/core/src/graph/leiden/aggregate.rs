//! A network of one level, and the network of its clusters.

use super::aside::{Filed, Growing, CLUSTERS};
use crate::error::Result;
use crate::graph::ahead::{ahead_around, prefetch};
use crate::graph::groups::members;
use crate::graph::symmetric::{Graph, OwnGraph};
use crate::memory;
use crate::session::Session;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Parts per parallel task.
const PARTS: usize = 1024;
/// Parallel tasks whose results are in memory at a time, beside the network that they are added to.
const TOGETHER: usize = 32;

/// A borrowed network: a graph with f32 (the input) or f64 weights and a size per node. Loops are
/// ignored.
pub(super) struct Network<'a, W> {
    pub(super) graph: Graph<'a, W>,
    pub(super) size: &'a [f64],
}

impl<W: Copy + Into<f64>> Network<'_, W> {
    pub(super) fn n_nodes(&self) -> usize {
        self.size.len()
    }

    /// Returns the other nodes that `node` has an edge to, with the weights.
    #[inline]
    pub(super) fn neighbours(&self, node: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (others, weights) = self.graph.row(node);
        others.iter().zip(weights).map(|(&j, &w)| (j as usize, w.into())).filter(move |&(j, w)| j != node && w > 0.0)
    }
}

impl<W> Network<'_, W> {
    /// Prefetches for the nodes after `nodes[i]`: their sizes, labels and edges, and the labels of
    /// the other ends. Calls `met` with the label of every other end of one near node, so that the
    /// caller can prefetch its own data about that label.
    #[inline(always)]
    pub(super) fn prefetch(&self, nodes: &[u32], i: usize, labels: &[u32], met: impl Fn(u32)) {
        if let Some(&node) = nodes.get(i + 24) {
            prefetch(self.size, node as usize);
            prefetch(labels, node as usize);
        }
        let Graph { indptr, indices, data } = self.graph;
        ahead_around((indptr, indices, data), nodes, i, labels);
        if let Some(&node) = nodes.get(i + 3) {
            let row = indptr[node as usize]..indptr[node as usize + 1];
            indices[row].iter().for_each(|&other| met(labels[other as usize]));
        }
    }
}

/// An owned network of a higher level.
pub(super) struct Level {
    graph: OwnGraph<f64>,
    size: Vec<f64>,
}

impl Level {
    /// Borrows the network.
    pub(super) fn network(&self) -> Network<'_, f64> {
        Network { graph: self.graph.borrow(), size: &self.size }
    }
}

/// Sums of weights by cluster, cleared in time proportional to the clusters touched.
pub(super) struct Tally {
    weight: Vec<f64>,
    /// The clusters with a sum are the first `count`, in the order of their first weight.
    touched: Vec<u32>,
    count: usize,
}

impl Tally {
    /// Makes sums of 0 for `n_clusters` clusters.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn new(n_clusters: usize) -> Result<Self> {
        Ok(Tally { weight: memory::zeros(n_clusters, CLUSTERS)?, touched: vec![0], count: 0 })
    }

    /// Adds weights other than 0 to the sums of their clusters.
    #[inline]
    pub(super) fn add(&mut self, weights: impl Iterator<Item = (u32, f64)>) {
        for (cluster, weight) in weights {
            if self.count + 1 >= self.touched.len() {
                self.touched.resize(2 * self.touched.len(), 0);
            }
            let sum = &mut self.weight[cluster as usize];
            // There is no branch: whether a cluster was touched before cannot be predicted, and a
            // branch would wait for memory.
            self.touched[self.count] = cluster;
            self.count += usize::from(*sum == 0.0);
            *sum += weight;
        }
    }

    /// Prefetches the sum of a cluster.
    #[inline(always)]
    pub(super) fn prefetch(&self, cluster: u32) {
        prefetch(&self.weight, cluster as usize);
    }

    /// Returns the sum of a cluster.
    #[inline]
    pub(super) fn get(&self, cluster: u32) -> f64 {
        self.weight[cluster as usize]
    }

    /// Returns the clusters with a sum, in the order of their first weight.
    #[inline]
    pub(super) fn touched(&self) -> &[u32] {
        &self.touched[..self.count]
    }

    /// Resets all sums to 0.
    #[inline]
    pub(super) fn clear(&mut self) {
        for &cluster in &self.touched[..self.count] {
            self.weight[cluster as usize] = 0.0;
        }
        self.count = 0;
    }
}

/// Cleared tallies that tasks take and return, so that there is one per thread.
#[derive(Default)]
pub(super) struct Tallies(Mutex<Vec<Tally>>);

impl Tallies {
    /// Takes a tally of `n` clusters, or makes one.
    pub(super) fn get(&self, n: usize) -> Result<Tally> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.map_or_else(|| Tally::new(n), Ok)
    }

    /// Returns a cleared tally for other tasks.
    pub(super) fn give(&self, tally: Tally) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tally);
    }
}

/// Replaces labels below n by 0, 1, ... in the order of first members, and returns the number of
/// clusters.
///
/// # Errors
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
pub(super) fn renumber(membership: &mut [u32]) -> Result<usize> {
    const NONE: u32 = u32::MAX;
    let mut number = memory::filled(membership.len(), NONE, CLUSTERS)?;
    let mut count = 0;
    for cluster in membership {
        let number = &mut number[*cluster as usize];
        if *number == NONE {
            *number = count;
            count += 1;
        }
        *cluster = *number;
    }
    Ok(count as usize)
}

/// A level that is made: its edges may be in scratch files.
pub(super) struct Made {
    graph: Growing,
    size: Vec<f64>,
}

impl Made {
    /// Returns the level, in memory. The network that it was made of should be freed before.
    ///
    /// # Errors
    /// Errors of [`Filed::read`].
    pub(super) fn level(self, session: &Session) -> Result<Level> {
        Ok(Level { graph: self.graph.grown(session)?, size: self.size })
    }
}

/// Makes the network whose nodes are the `n_parts` clusters of `part`. Returns it with the
/// partition of these nodes induced by the coarser `clusters`.
pub(super) fn aggregate<W: Copy + Into<f64> + Sync>(
    network: &Network<W>,
    part: &[u32],
    n_parts: usize,
    clusters: &[u32],
    session: &Session,
) -> Result<(Made, Vec<u32>)> {
    let (start, members) = members(part, n_parts)?;
    let tallies = Tallies::default();
    let made = |block: usize| {
        session.monitor.check()?;
        let mut tally = tallies.get(n_parts)?;
        let mut level = Level { graph: OwnGraph::with_room(PARTS, 0, CLUSTERS)?, size: Vec::new() };
        let mut first = Vec::with_capacity(PARTS);
        for p in block * PARTS..((block + 1) * PARTS).min(n_parts) {
            let mut size = 0.0;
            for (i, &node) in members.iter().enumerate().take(start[p + 1]).skip(start[p]) {
                network.prefetch(&members, i, part, |other| tally.prefetch(other));
                size += network.size[node as usize];
                let others = network.neighbours(node as usize).map(|(other, weight)| (part[other], weight));
                tally.add(others.filter(|&(other, _)| other != p as u32));
            }
            let OwnGraph { indptr, indices, data } = &mut level.graph;
            memory::reserve(indices, tally.touched().len(), CLUSTERS)?;
            memory::reserve(data, tally.touched().len(), CLUSTERS)?;
            indices.extend_from_slice(tally.touched());
            data.extend(tally.touched().iter().map(|&other| tally.get(other)));
            indptr.push(indices.len());
            level.size.push(size);
            first.push(members[start[p]] as usize);
            tally.clear();
        }
        tallies.give(tally);
        Ok((first, level))
    };
    let bytes = network.graph.indices.len() * (size_of::<u32>() + size_of::<W>());
    let graph = Growing::new(n_parts, Filed::new(bytes, session))?;
    let mut all = Made { graph, size: memory::room(n_parts, CLUSTERS)? };
    let mut induced = memory::room(n_parts, CLUSTERS)?;
    let n_blocks = n_parts.div_ceil(PARTS);
    for from in (0..n_blocks).step_by(TOGETHER) {
        let blocks = (from..n_blocks.min(from + TOGETHER)).into_par_iter();
        let blocks: Vec<(Vec<usize>, Level)> = blocks.map(made).collect::<Result<_>>()?;
        for (first, block) in blocks {
            all.graph.append(&block.graph, session)?;
            all.size.extend_from_slice(&block.size);
            // A part is within one cluster, so its first member has the cluster of all.
            induced.extend(first.iter().map(|&node| clusters[node]));
        }
    }
    renumber_wide(&mut induced, clusters.len())?;
    Ok((all, induced))
}

/// Replaces labels below `bound` as [`renumber`] does.
fn renumber_wide(membership: &mut [u32], bound: usize) -> Result<()> {
    const NONE: u32 = u32::MAX;
    let mut number = memory::filled(bound, NONE, CLUSTERS)?;
    let mut count = 0;
    for cluster in membership {
        let number = &mut number[*cluster as usize];
        if *number == NONE {
            *number = count;
            count += 1;
        }
        *cluster = *number;
    }
    Ok(())
}
