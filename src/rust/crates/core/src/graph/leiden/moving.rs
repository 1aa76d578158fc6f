//! Fast local moving (Traag, Waltman & van Eck 2019, supplement, algorithm A.2, MoveNodesFast).

use super::aggregate::{Network, Tallies, Tally, CLUSTERS};
use super::sweep::sweep;
use crate::error::Result;
use crate::graph::ahead::ahead;
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
/// Nodes of the networks whose nodes are swept in stretches first.
const MANY: usize = 1 << 21;

/// The present clusters of nodes.
pub(super) struct State<'a, W> {
    pub(super) network: &'a Network<'a, W>,
    pub(super) membership: &'a mut [u32],
    /// The sum of the sizes of each cluster's nodes.
    size: Vec<f64>,
    /// The number of each cluster's nodes.
    count: Vec<u32>,
    penalty: f64,
    least_gain: f64,
}

impl<W: Copy + Into<f64>> State<'_, W> {
    /// Prefetches for [`State::best`] of the nodes after `nodes[i]`.
    #[inline(always)]
    pub(super) fn ahead(&self, nodes: &[u32], i: usize, tally: &Tally) {
        self.network.ahead(nodes, i, self.membership, |cluster| {
            tally.ahead(cluster);
            ahead(&self.size, cluster as usize);
        });
    }

    /// Returns the cluster of largest gain for a node: its own, a neighbour's, or `None` for an
    /// empty one.
    #[inline]
    fn best(&self, node: usize, tally: &mut Tally) -> Option<u32> {
        let from = self.membership[node];
        let (best, gain) = self.best_of(node, from, tally, |other| self.membership[other], |_| -0.0);
        (gain >= 0.0 || self.count[from as usize] == 1).then_some(best)
    }

    /// Returns the cluster of largest gain for a node, and the gain. Candidates are the clusters of
    /// its neighbours and its own, `from`, which is preferred by a small margin. `label` returns
    /// the cluster of a node. `change` returns by how much a cluster has grown since its size was
    /// recorded in this state.
    #[inline(always)]
    pub(super) fn best_of(
        &self,
        node: usize,
        from: u32,
        tally: &mut Tally,
        label: impl Fn(usize) -> u32,
        change: impl Fn(u32) -> f64,
    ) -> (u32, f64) {
        tally.add(self.network.neighbours(node).map(|(other, weight)| (label(other), weight)));
        let own = self.network.size[node];
        let size = |cluster: u32| self.size[cluster as usize] + change(cluster);
        let stay = tally.get(from) - self.penalty * own * (size(from) - own);
        let (mut best, mut best_gain) = (from, stay + self.least_gain);
        for &cluster in tally.touched() {
            let gain = tally.get(cluster) - self.penalty * own * size(cluster);
            if gain > best_gain && cluster != from {
                (best, best_gain) = (cluster, gain);
            }
        }
        tally.clear();
        (best, best_gain)
    }

    /// Moves a node to a cluster. Returns whether it was in another one.
    pub(super) fn relabel(&mut self, node: usize, to: u32) -> bool {
        let from = std::mem::replace(&mut self.membership[node], to);
        if from == to {
            return false;
        }
        let own = self.network.size[node];
        self.size[from as usize] -= own;
        self.size[to as usize] += own;
        self.count[to as usize] += 1;
        self.count[from as usize] -= 1;
        if self.count[from as usize] == 0 {
            self.size[from as usize] = 0.0;
        }
        true
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
/// node is first evaluated one by one; in networks of [`MANY`] nodes, in a [`sweep`] before.
pub(super) fn move_nodes<W: Copy + Into<f64> + Sync>(
    network: &Network<W>,
    membership: &mut [u32],
    penalty: f64,
    stream: &mut Stream,
    monitor: &Monitor,
) -> Result<bool> {
    move_many(network, membership, penalty, stream, MANY, monitor)
}

/// Works as [`move_nodes`]; networks of `many` nodes are swept first.
fn move_many<W: Copy + Into<f64> + Sync>(
    network: &Network<W>,
    membership: &mut [u32],
    penalty: f64,
    stream: &mut Stream,
    many: usize,
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
    let mut state = State { network, membership, size, count, penalty, least_gain: LEAST_GAIN * mean };

    let order = visits(n, stream)?;
    monitor.begin(n as u64);
    let mut moved = false;
    if scattered && n >= many {
        moved = sweep(&mut state, &order, monitor)?;
        unsettled = 0;
        empty.clear();
        empty.extend((0..n as u32).rev().filter(|&c| state.count[c as usize] == 0));
        monitor.begin(n as u64);
    }
    // A node is in the queue once at most.
    let mut queue = VecDeque::from(order);
    let mut queued = memory::filled(n, true, CLUSTERS)?;
    let tallies = Tallies::default();
    let mut tally = Tally::new(n)?;
    let mut batch: Vec<u32> = Vec::new();
    while !queue.is_empty() {
        monitor.check()?;
        let settled = unsettled == 0;
        batch.clear();
        batch.extend(queue.drain(..queue.len().min(if settled { BATCH } else { NODES })));
        monitor.advance(batch.len() as u64);
        unsettled = unsettled.saturating_sub(if unsettled == usize::MAX { 0 } else { batch.len() });
        let wants: Option<Vec<bool>> = if settled {
            let look = |nodes: &[u32]| {
                let mut tally = tallies.take(n)?;
                let leaves = |(i, &node): (usize, &u32)| {
                    state.ahead(nodes, i, &tally);
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
                state.ahead(&batch, i, &tally);
            }
            let node = node as usize;
            queued[node] = false;
            let from = state.membership[node];
            let best = state.best(node, &mut tally).or_else(|| empty.last().copied()).unwrap_or(from);
            if best == from {
                continue;
            }
            moved = true;
            if state.count[best as usize] == 0 {
                empty.pop();
            }
            state.relabel(node, best);
            if state.count[from as usize] == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::leiden::{quality, Objective, Problem};
    use crate::graph::symmetric::{Graph, OwnGraph};
    use crate::session::Session;

    const N: usize = 70_000;

    /// Makes a graph of groups of 350 successive vertices, with a third of the links between them.
    fn graph() -> OwnGraph {
        let mut stream = Stream::new(7, 0, 0);
        let mut rows: Vec<Vec<(u32, f32)>> = vec![Vec::new(); N];
        for i in 0..N {
            for link in 0..6 {
                let j = if link % 3 == 0 { stream.below(N) } else { i / 350 * 350 + stream.below(350) };
                if j != i && rows[i].iter().all(|&(other, _)| other as usize != j) {
                    let weight = 0.25 + stream.uniform() as f32;
                    rows[i].push((j as u32, weight));
                    rows[j].push((i as u32, weight));
                }
            }
        }
        let mut graph = OwnGraph::with_room(N, 0, CLUSTERS).unwrap();
        for row in rows {
            graph.indices.extend(row.iter().map(|edge| edge.0));
            graph.data.extend(row.iter().map(|edge| edge.1));
            graph.indptr.push(graph.indices.len());
        }
        graph
    }

    /// Returns the clusters after one round of moves, of networks of `many` nodes by a sweep first,
    /// and their modularity.
    fn moved(graph: Graph, many: usize, threads: usize) -> (Vec<u32>, f64) {
        let session = Session::with_threads(threads);
        session
            .install(|| {
                let problem = Problem::new(graph, Objective::Modularity, 1.0).unwrap();
                let network = Network { graph, size: &problem.size };
                let mut membership: Vec<u32> = (0..N as u32).collect();
                let mut stream = Stream::new(1, 0, 0);
                assert!(
                    move_many(&network, &mut membership, problem.penalty, &mut stream, many, &session.monitor).unwrap()
                );
                let quality = quality(graph, &problem, &membership).unwrap();
                Ok((membership, quality))
            })
            .unwrap()
    }

    #[test]
    fn a_sweep_of_stretches_loses_no_quality_and_does_not_depend_on_threads() {
        let graph = graph();
        let (one_by_one, swept) = (moved(graph.borrow(), usize::MAX, 2), moved(graph.borrow(), 0, 1));
        assert!(one_by_one.0 != swept.0);
        assert!(swept.1 >= one_by_one.1 - 0.01, "{} {}", swept.1, one_by_one.1);
        for threads in [2, 3] {
            assert!(moved(graph.borrow(), 0, threads).0 == swept.0);
        }
    }
}
