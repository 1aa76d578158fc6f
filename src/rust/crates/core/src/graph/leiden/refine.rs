//! Refinement (Traag, Waltman & van Eck 2019, supplement, algorithm A.2, RefinePartition and MergeNodesSubset).

use super::aggregate::{Network, Tally};
use crate::context::Monitor;
use crate::error::Result;
use crate::graph::random::Stream;

/// Splits each of `clusters` into connected, well-connected parts: every node starts alone and, in random order, nodes
/// still alone may join a part of their own cluster with probability proportional to exp(gain / theta). Labels of the
/// parts are below the number of nodes.
pub(super) fn refine<W: Copy + Into<f64>>(
    network: &Network<W>,
    clusters: &[u32],
    penalty: f64,
    theta: f64,
    stream: &mut Stream,
    monitor: &Monitor,
) -> Result<Vec<u32>> {
    let n = network.n_nodes();
    let mut cluster_size = vec![0.0; n];
    for (node, &cluster) in clusters.iter().enumerate() {
        cluster_size[cluster as usize] += network.size[node];
    }
    let mut part: Vec<u32> = (0..n as u32).collect();
    let mut alone = vec![true; n];
    let mut size = network.size.to_vec();
    // Weight from a part to the rest of its cluster.
    let mut outward: Vec<f64> = (0..n)
        .map(|node| network.neighbours(node).filter(|&(j, _)| clusters[j] == clusters[node]).map(|(_, w)| w).sum())
        .collect();
    monitor.check()?;

    let mut order: Vec<u32> = (0..n as u32).collect();
    stream.shuffle(&mut order);
    let mut tally = Tally::new(n);
    let mut candidates: Vec<(u32, f64)> = Vec::new();
    for (visits, &node) in order.iter().enumerate() {
        if visits % 1024 == 0 {
            monitor.check()?;
        }
        let node = node as usize;
        let (own, all) = (network.size[node], cluster_size[clusters[node] as usize]);
        if !alone[node] || outward[node] < penalty * own * (all - own) {
            continue;
        }
        for (other, weight) in network.neighbours(node) {
            if clusters[other] == clusters[node] {
                tally.add(part[other], weight);
            }
        }
        candidates.clear();
        candidates.push((node as u32, 0.0)); // staying alone
        for &to in tally.touched() {
            let there = size[to as usize];
            let gain = tally.get(to) - penalty * own * there;
            if gain >= 0.0 && outward[to as usize] >= penalty * there * (all - there) {
                candidates.push((to, gain));
            }
        }
        let to = choose(&mut candidates, theta, stream);
        if to as usize != node {
            let (to, weight) = (to as usize, tally.get(to));
            part[node] = to as u32;
            size[to] += own;
            outward[to] += outward[node] - 2.0 * weight;
            alone[to] = false;
            alone[node] = false;
        }
        tally.clear();
    }
    Ok(part)
}

/// One of the candidates (label, gain) with probability proportional to exp(gain / theta); the best for theta = 0.
fn choose(candidates: &mut [(u32, f64)], theta: f64, stream: &mut Stream) -> u32 {
    let best = candidates.iter().skip(1).fold(candidates[0], |best, &c| if c.1 > best.1 { c } else { best });
    if theta == 0.0 {
        return best.0;
    }
    let mut total = 0.0;
    for (_, chance) in candidates.iter_mut() {
        let exponent = (*chance - best.1) / theta;
        *chance = if exponent > -40.0 { exponent.exp() } else { 0.0 };
        total += *chance;
    }
    if total == 1.0 {
        return best.0; // no other has a chance
    }
    let mut left = total * stream.uniform();
    for &(label, chance) in candidates.iter() {
        if left < chance {
            return label;
        }
        left -= chance;
    }
    best.0
}
