//! Connected components of clusters.

use super::super::symmetric::Graph;
use super::aggregate::{renumber, CLUSTERS};
use crate::error::Result;
use crate::memory;
use crate::session::Monitor;

/// Makes each connected component of a cluster a cluster of its own, which never lowers the
/// objective: no edge is lost. Returns whether any cluster was split.
pub(super) fn split(graph: Graph, membership: &mut [u32], monitor: &Monitor) -> Result<bool> {
    const NONE: u32 = u32::MAX;
    let before = renumber(membership)?;
    let mut piece = memory::filled(membership.len(), NONE, CLUSTERS)?;
    let (mut stack, mut count) = (memory::room(membership.len(), CLUSTERS)?, 0usize);
    for first in 0..membership.len() {
        if first % 1024 == 0 {
            monitor.check()?;
        }
        if piece[first] != NONE {
            continue;
        }
        piece[first] = count as u32;
        stack.push(first as u32);
        while let Some(node) = stack.pop() {
            let (columns, weights) = graph.row(node as usize);
            for (&other, &weight) in columns.iter().zip(weights) {
                let same = membership[other as usize] == membership[first];
                if weight > 0.0 && same && piece[other as usize] == NONE {
                    piece[other as usize] = count as u32;
                    stack.push(other);
                }
            }
        }
        count += 1;
    }
    membership.copy_from_slice(&piece);
    Ok(count > before)
}
