//! The first visit of the nodes of a very large network, where nearly all of them move: stretches
//! of nodes far from each other are swept side by side.
//!
//! Within its stretch a sweep sees every move at once, as local moving does. Of the stretches beside
//! it, it sees the state before they began. Neighbours are close in number (`locality`), so hardly
//! any of them are in one of those. Stretches do not depend on the number of threads. Whatever a
//! sweep left or got wrong, the queue after it finds: it begins with all nodes again.

use super::aggregate::{Tallies, Tally, CLUSTERS};
use super::moving::State;
use crate::error::Result;
use crate::memory;
use crate::session::Monitor;
use rayon::prelude::*;
use std::ops::Range;

/// Nodes of a stretch.
const STRETCH: usize = 4096;
/// Stretches that are swept side by side.
const BESIDE: usize = 16;

/// The labels of a stretch after its sweep.
struct Swept {
    nodes: Range<usize>,
    labels: Vec<u32>,
}

/// Visits all nodes once, stretch by stretch, and moves each node to the neighbouring cluster of
/// largest gain. A stretch is a range of node numbers. At these positions, `order` has the same
/// nodes in the order of their visits. Returns whether any node moved.
pub(super) fn sweep<W: Copy + Into<f64> + Sync>(
    state: &mut State<W>,
    order: &[u32],
    monitor: &Monitor,
) -> Result<bool> {
    let n = order.len();
    let rounds = n.div_ceil(STRETCH).div_ceil(BESIDE);
    let (tallies, changes) = (Tallies::default(), Tallies::default());
    let mut moved = false;
    for round in 0..rounds {
        monitor.check()?;
        let stretch = |k: usize| {
            let first = ((k * rounds + round) * STRETCH).min(n);
            let nodes = first..(first + STRETCH).min(n);
            let (mut tally, mut change) = (tallies.take(n)?, changes.take(n)?);
            let labels = swept(state, &order[nodes.clone()], nodes.clone(), &mut tally, &mut change)?;
            change.clear();
            tallies.give(tally);
            changes.give(change);
            Ok(Swept { nodes, labels })
        };
        let all: Vec<Swept> = (0..BESIDE).into_par_iter().map(stretch).collect::<Result<_>>()?;
        for Swept { nodes, labels } in all {
            monitor.advance(nodes.len() as u64);
            for (node, to) in nodes.zip(labels) {
                moved |= state.relabel(node, to);
            }
        }
    }
    Ok(moved)
}

/// Sweeps the stretch of these nodes, in this order. Returns its labels; the sizes of clusters do
/// not count its moves yet.
fn swept<W: Copy + Into<f64>>(
    state: &State<W>,
    order: &[u32],
    nodes: Range<usize>,
    tally: &mut Tally,
    change: &mut Tally,
) -> Result<Vec<u32>> {
    let mut labels = memory::copied(&state.membership[nodes.clone()], CLUSTERS)?;
    for (i, &node) in order.iter().enumerate() {
        state.ahead(order, i, tally);
        let node = node as usize;
        let from = labels[node - nodes.start];
        let label = |other: usize| match other.checked_sub(nodes.start) {
            Some(at) if at < labels.len() => labels[at],
            _ => state.membership[other],
        };
        let (best, gain) = state.best_of(node, from, tally, label, |cluster| change.get(cluster));
        // A node that would rather be alone is left to the queue.
        if best != from && gain >= 0.0 {
            labels[node - nodes.start] = best;
            let own = state.network.size[node];
            change.add([(from, -own), (best, own)].into_iter());
        }
    }
    Ok(labels)
}
