//! Fast local moving (Traag, Waltman & van Eck 2019, supplement, algorithm A.2, MoveNodesFast).

use super::aggregate::{Network, Tally};
use crate::context::Monitor;
use crate::error::Result;
use crate::graph::random::Stream;
use std::collections::VecDeque;

/// Gains below this share of the mean node's total weight are rounding, and would let nodes swing for ever.
const LEAST_GAIN: f64 = 1e-10;

/// Moves nodes to the neighbouring (or an empty) cluster of largest gain until no move gains; a node is looked at again
/// when a neighbour leaves for a cluster that is not its own. Labels in `membership` are below the number of nodes.
/// Tells whether any node moved.
pub(super) fn move_nodes<W: Copy + Into<f64>>(
    network: &Network<W>,
    membership: &mut [u32],
    penalty: f64,
    stream: &mut Stream,
    monitor: &Monitor,
) -> Result<bool> {
    let n = network.n_nodes();
    let mut size = vec![0.0; n];
    let mut count = vec![0u32; n];
    for (node, &cluster) in membership.iter().enumerate() {
        size[cluster as usize] += network.size[node];
        count[cluster as usize] += 1;
    }
    let mut empty: Vec<u32> = (0..n as u32).rev().filter(|&c| count[c as usize] == 0).collect();
    let mean = network.weights.iter().map(|&w| w.into()).sum::<f64>() / n.max(1) as f64;
    let least_gain = LEAST_GAIN * mean;

    let mut order: Vec<u32> = (0..n as u32).collect();
    stream.shuffle(&mut order);
    let mut queue = VecDeque::from(order);
    let mut queued = vec![true; n];
    let mut tally = Tally::new(n);
    let mut moved = false;
    let mut visits = 0u64;
    monitor.begin(n as u64);
    while let Some(node) = queue.pop_front() {
        visits += 1;
        if visits % 1024 == 0 {
            monitor.check()?;
            monitor.advance(1024);
        }
        let node = node as usize;
        queued[node] = false;
        let from = membership[node];
        for (other, weight) in network.neighbours(node) {
            tally.add(membership[other], weight);
        }
        let own = network.size[node];
        size[from as usize] -= own;
        let stay = tally.get(from) - penalty * own * size[from as usize];
        let (mut best, mut best_gain) = (from, stay + least_gain);
        for &cluster in tally.touched() {
            let gain = tally.get(cluster) - penalty * own * size[cluster as usize];
            if gain > best_gain && cluster != from {
                (best, best_gain) = (cluster, gain);
            }
        }
        tally.clear();
        if best_gain < 0.0 && count[from as usize] > 1 {
            if let Some(&cluster) = empty.last() {
                best = cluster;
            }
        }
        size[best as usize] += own;
        if best == from {
            continue;
        }
        moved = true;
        membership[node] = best;
        if count[best as usize] == 0 {
            empty.pop();
        }
        count[best as usize] += 1;
        count[from as usize] -= 1;
        if count[from as usize] == 0 {
            size[from as usize] = 0.0;
            empty.push(from);
        }
        for (other, _) in network.neighbours(node) {
            if membership[other] != best && !queued[other] {
                queued[other] = true;
                queue.push_back(other as u32);
            }
        }
    }
    Ok(moved)
}
