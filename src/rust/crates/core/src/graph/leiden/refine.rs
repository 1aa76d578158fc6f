//! Refinement (Traag, Waltman & van Eck 2019, supplement, algorithm A.2, RefinePartition and
//! MergeNodesSubset).

use super::aggregate::{Network, Tally};
use super::aside::CLUSTERS;
use super::moving::visits;
use crate::error::Result;
use crate::graph::groups::members;
use crate::graph::random::Stream;
use crate::memory;
use crate::session::Monitor;
use rayon::prelude::*;

/// Splits each of the `n_clusters` clusters into connected, well-connected parts. Every node starts
/// as a part of its own. In random order, nodes that are still alone may join a part of their own
/// cluster with probability proportional to exp(gain / theta). Returns the part of each node, a
/// number below the number of nodes.
///
/// Clusters do not affect each other, so they are refined in parallel, each with a random stream of
/// its own.
pub(super) fn refine<W: Copy + Into<f64> + Sync>(
    network: &Network<W>,
    clusters: &[u32],
    n_clusters: usize,
    penalty: f64,
    theta: f64,
    stream: &mut Stream,
    monitor: &Monitor,
) -> Result<Vec<u32>> {
    let n = network.n_nodes();
    let (start, members) = members(clusters, n_clusters)?;
    let mut place = memory::zeros::<u32>(n, CLUSTERS)?;
    for range in start.windows(2) {
        members[range[0]..range[1]].iter().zip(0..).for_each(|(&node, at)| place[node as usize] = at);
    }
    let seed = stream.bits();
    let mut parts = memory::zeros::<u32>(n, CLUSTERS)?;
    let mut slices = memory::room(n_clusters, CLUSTERS)?;
    let mut rest = parts.as_mut_slice();
    for range in start.windows(2) {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(range[1] - range[0]);
        slices.push(head);
        rest = tail;
    }
    slices.into_par_iter().zip(start.par_windows(2)).enumerate().try_for_each(|(c, (parts, range))| {
        monitor.check()?;
        let members = &members[range[0]..range[1]];
        let mut stream = Stream::new(seed, 0, c as u64);
        Cluster { network, clusters, members, place: &place, penalty, theta }.refine(parts, &mut stream, monitor)
    })?;
    let mut part = memory::zeros::<u32>(n, CLUSTERS)?;
    members.iter().zip(parts).for_each(|(&node, label)| part[node as usize] = label);
    Ok(part)
}

/// A cluster to refine; its nodes are numbered by their place in `members`.
struct Cluster<'a, W> {
    network: &'a Network<'a, W>,
    clusters: &'a [u32],
    members: &'a [u32],
    place: &'a [u32],
    penalty: f64,
    theta: f64,
}

impl<W: Copy + Into<f64>> Cluster<'_, W> {
    /// Returns the other members that a member has an edge to, with the weights of the edges.
    #[inline]
    fn neighbours(&self, member: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let node = self.members[member] as usize;
        let own = self.clusters[node];
        let inside = self.network.neighbours(node).filter(move |&(j, _)| self.clusters[j] == own);
        inside.map(|(j, weight)| (self.place[j], weight))
    }

    /// Writes the label of each member's part: the node that the part grew from.
    fn refine(&self, labels: &mut [u32], stream: &mut Stream, monitor: &Monitor) -> Result<()> {
        let (n, penalty) = (self.members.len(), self.penalty);
        if n == 1 {
            labels[0] = self.members[0];
            return Ok(());
        }
        let sizes = self.members.iter().map(|&node| self.network.size[node as usize]);
        let own_size: Vec<f64> = memory::collected(sizes, CLUSTERS)?;
        let all: f64 = own_size.iter().sum();
        let mut part: Vec<u32> = memory::collected(0..n as u32, CLUSTERS)?;
        let mut alone = memory::filled(n, true, CLUSTERS)?;
        let mut size = memory::copied(&own_size, CLUSTERS)?;
        // Weight of the edges from each part to the rest of the cluster.
        let outward = (0..n).map(|member| self.neighbours(member).map(|(_, w)| w).sum());
        let mut outward: Vec<f64> = memory::collected(outward, CLUSTERS)?;
        let mut tally = Tally::new(n)?;
        let mut candidates: Vec<(u32, f64)> = Vec::new();
        for (visited, member) in visits(n, stream)?.into_iter().enumerate() {
            if visited % 1024 == 0 {
                monitor.check()?;
            }
            let member = member as usize;
            let own = own_size[member];
            if !alone[member] || outward[member] < penalty * own * (all - own) {
                continue;
            }
            tally.add(self.neighbours(member).map(|(other, weight)| (part[other as usize], weight)));
            candidates.clear();
            candidates.push((member as u32, 0.0)); // staying alone
            for &to in tally.touched() {
                let there = size[to as usize];
                let gain = tally.get(to) - penalty * own * there;
                if gain >= 0.0 && outward[to as usize] >= penalty * there * (all - there) {
                    candidates.push((to, gain));
                }
            }
            let to = choose(&mut candidates, self.theta, stream) as usize;
            if to != member {
                part[member] = to as u32;
                size[to] += own;
                outward[to] += outward[member] - 2.0 * tally.get(to as u32);
                alone[to] = false;
                alone[member] = false;
            }
            tally.clear();
        }
        labels.iter_mut().zip(&part).for_each(|(label, &part)| *label = self.members[part as usize]);
        Ok(())
    }
}

/// Draws one of the candidates (label, gain) with probability proportional to exp(gain / theta);
/// takes the best where theta is 0.
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
        return best.0; // no other candidate has a chance
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
