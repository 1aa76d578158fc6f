//! Connected components of clusters.

use super::super::symmetric::Graph;
use super::aggregate::renumber;
use super::aside::CLUSTERS;
use crate::error::Result;
use crate::graph::groups::members;
use crate::memory;
use crate::session::Monitor;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes each connected component of a cluster a cluster of its own, which never lowers the
/// objective: no edge is lost. Returns whether any cluster was split.
///
/// Clusters are searched in parallel. No vertex is touched by two searches, so the result does not
/// depend on their order.
pub(super) fn split(graph: Graph, membership: &mut [u32], monitor: &Monitor) -> Result<bool> {
    const NONE: u32 = u32::MAX;
    let before = renumber(membership)?;
    let (start, members) = members(membership, before)?;
    let none = (0..membership.len()).map(|_| AtomicU32::new(NONE));
    let piece: Vec<AtomicU32> = memory::collected(none, CLUSTERS)?;
    let clusters = &*membership;
    (0..before).into_par_iter().try_for_each_init(Vec::new, |stack, c| {
        let members = &members[start[c]..start[c + 1]];
        memory::reserve(stack, members.len(), CLUSTERS)?;
        let is_new = |vertex: u32| piece[vertex as usize].load(Ordering::Relaxed) == NONE;
        for (k, &first) in members.iter().enumerate() {
            if k % 1024 == 0 {
                monitor.check()?;
            }
            if !is_new(first) {
                continue;
            }
            let found = |vertex: u32, stack: &mut Vec<u32>| {
                piece[vertex as usize].store(first, Ordering::Relaxed);
                stack.push(vertex);
            };
            found(first, stack);
            while let Some(vertex) = stack.pop() {
                let (columns, weights) = graph.row(vertex as usize);
                for (&other, &weight) in columns.iter().zip(weights) {
                    if weight > 0.0 && clusters[other as usize] == c as u32 && is_new(other) {
                        found(other, stack);
                    }
                }
            }
        }
        Ok::<_, crate::Error>(())
    })?;
    membership.iter_mut().zip(&piece).for_each(|(cluster, piece)| *cluster = piece.load(Ordering::Relaxed));
    Ok(renumber(membership)? > before)
}
