//! Fast local moving (Traag, Waltman & van Eck 2019, supplement, algorithm A.2, MoveNodesFast).

use super::aggregate::{Network, Tallies, Tally};
use super::aside::CLUSTERS;
use crate::error::Result;
use crate::graph::ahead::prefetch;
use crate::graph::random::Stream;
use crate::memory;
use crate::session::Monitor;
use rayon::prelude::*;
use std::collections::VecDeque;

/// The least gain of a move, as a share of the mean weight per node: smaller gains are rounding
/// errors, by which nodes would move back and forth forever.
const LEAST_GAIN: f64 = 1e-10;

/// Returns a random order of visits. In a large network it is random only within windows of 256
/// nodes: neighbours are close in number (`locality`), and the memory of a window stays in the
/// cache.
pub(super) fn visits(n: usize, stream: &mut Stream) -> Result<Vec<u32>> {
    let window = if n > 16_384 { 256 } else { n.max(1) };
    let mut order: Vec<u32> = memory::collected(0..n as u32, CLUSTERS)?;
    order.chunks_mut(window).for_each(|window| stream.shuffle(window));
    Ok(order)
}

/// Nodes of the networks that are large enough for parallel work, and nodes evaluated at a time in
/// these.
const BATCH: usize = 8192;
/// Nodes per parallel task.
const NODES: usize = 512;

/// The present clusters of nodes.
struct Moving<'a, W> {
    network: &'a Network<'a, W>,
    membership: &'a mut [u32],
    /// The sum of the sizes of each cluster's nodes.
    size: Vec<f64>,
    /// The number of each cluster's nodes.
    count: Vec<u32>,
    penalty: f64,
    least_gain: f64,
}

impl<W: Copy + Into<f64>> Moving<'_, W> {
    /// Prefetches for [`Moving::best`] of the nodes after `nodes[i]`.
    #[inline(always)]
    fn prefetch(&self, nodes: &[u32], i: usize, tally: &Tally) {
        self.network.prefetch(nodes, i, self.membership, |cluster| {
            tally.prefetch(cluster);
            prefetch(&self.size, cluster as usize);
        });
    }

    /// Returns the cluster of largest gain for a node: its own, a neighbour's, or `None` for an
    /// empty one.
    #[inline]
    fn best(&self, node: usize, tally: &mut Tally) -> Option<u32> {
        let from = self.membership[node];
        tally.add(self.network.neighbours(node).map(|(other, weight)| (self.membership[other], weight)));
        let own = self.network.size[node];
        let stay = tally.get(from) - self.penalty * own * (self.size[from as usize] - own);
        let (mut best, mut best_gain) = (from, stay + self.least_gain);
        for &cluster in tally.touched() {
            let gain = tally.get(cluster) - self.penalty * own * self.size[cluster as usize];
            if gain > best_gain && cluster != from {
                (best, best_gain) = (cluster, gain);
            }
        }
        tally.clear();
        (best_gain >= 0.0 || self.count[from as usize] == 1).then_some(best)
    }
}

/// Moves nodes to the neighbouring (or an empty) cluster of largest gain until no move gains. A
/// node is evaluated again when a neighbour moves to another cluster than its own. Labels in
/// `membership` are below the number of nodes. Returns whether any node moved.
///
/// Nodes come from the queue in batches. The nodes of a batch that want to move are found in
/// parallel, from the clusters before the batch. Only these are then evaluated again, one by one,
/// so that every move is decided from the present clusters. Batches do not depend on the number of
/// threads. Where most clusters have one node at the start, so that nearly all nodes move, each
/// node is first evaluated one by one.
pub(super) fn move_nodes<W: Copy + Into<f64> + Sync>(
    network: &Network<W>,
    membership: &mut [u32],
    penalty: f64,
    stream: &mut Stream,
    monitor: &Monitor,
) -> Result<bool> {
    let n = network.n_nodes();
    let mut size = memory::zeros::<f64>(n, CLUSTERS)?;
    let mut count = memory::zeros::<u32>(n, CLUSTERS)?;
    for (node, &cluster) in membership.iter().enumerate() {
        size[cluster as usize] += network.size[node];
        count[cluster as usize] += 1;
    }
    // Every cluster may become empty.
    let mut empty: Vec<u32> = memory::room(n, CLUSTERS)?;
    empty.extend((0..n as u32).rev().filter(|&c| count[c as usize] == 0));
    let mean = network.graph.data.iter().map(|&w| w.into()).sum::<f64>() / n.max(1) as f64;
    // The number of nodes still to be evaluated one by one.
    let scattered = n - empty.len() > n / 2;
    let mut unsettled = if n < BATCH { usize::MAX } else { usize::from(scattered) * n };
    let tallies = Tallies::default();
    let mut state = Moving { network, membership, size, count, penalty, least_gain: LEAST_GAIN * mean };

    // A node is in the queue once at most.
    let mut queue = VecDeque::from(visits(n, stream)?);
    let mut queued = memory::filled(n, true, CLUSTERS)?;
    let mut tally = Tally::new(n)?;
    let mut moved = false;
    let mut batch: Vec<u32> = Vec::new();
    monitor.begin(n as u64);
    while !queue.is_empty() {
        monitor.check()?;
        let settled = unsettled == 0;
        batch.clear();
        batch.extend(queue.drain(..queue.len().min(if settled { BATCH } else { NODES })));
        monitor.advance(batch.len() as u64);
        unsettled = unsettled.saturating_sub(if unsettled == usize::MAX { 0 } else { batch.len() });
        let wants: Option<Vec<bool>> = if settled {
            let look = |nodes: &[u32]| {
                let mut tally = tallies.get(n)?;
                let leaves = |(i, &node): (usize, &u32)| {
                    state.prefetch(nodes, i, &tally);
                    state.best(node as usize, &mut tally) != Some(state.membership[node as usize])
                };
                let wants: Vec<bool> = nodes.iter().enumerate().map(leaves).collect();
                tallies.give(tally);
                Ok(wants)
            };
            let wants: Vec<Vec<bool>> = batch.par_chunks(NODES).map(look).collect::<Result<_>>()?;
            // A neighbour that moves within the batch puts the node into the queue again.
            batch.iter().for_each(|&node| queued[node as usize] = false);
            Some(wants.concat())
        } else {
            None
        };
        for (i, &node) in batch.iter().enumerate() {
            if wants.as_ref().is_some_and(|wants| !wants[i]) {
                continue;
            }
            if !settled {
                state.prefetch(&batch, i, &tally);
            }
            let node = node as usize;
            queued[node] = false;
            let from = state.membership[node];
            let best = state.best(node, &mut tally).or_else(|| empty.last().copied()).unwrap_or(from);
            if best == from {
                continue;
            }
            moved = true;
            let own = network.size[node];
            state.membership[node] = best;
            if state.count[best as usize] == 0 {
                empty.pop();
            }
            state.size[from as usize] -= own;
            state.size[best as usize] += own;
            state.count[best as usize] += 1;
            state.count[from as usize] -= 1;
            if state.count[from as usize] == 0 {
                state.size[from as usize] = 0.0;
                empty.push(from);
            }
            for (other, _) in network.neighbours(node) {
                if state.membership[other] != best && !queued[other] {
                    queued[other] = true;
                    queue.push_back(other as u32);
                }
            }
        }
    }
    Ok(moved)
}
