//! A copy of the graph with vertices renumbered so that neighbours are close in memory. Passes over
//! the graph are bound by memory latency, and cells are stored in any order.

use super::ahead::{ahead_all, ahead_around, prefetch};
use super::kept::Kept;
use super::links::{Links, Origin};
use super::symmetric::{check, Graph, OwnGraph};
use crate::error::{Error, Result};
use crate::memory::{self, Zero};
use crate::session::{Monitor, Session};
use rayon::prelude::*;
use sprs::CsMatViewI;

/// Vertices per parallel task.
const VERTICES: usize = 4096;
/// Weights of a kept graph that are read at a time.
const PIECE: usize = 1 << 20;

/// A renumbered graph; its vertex `v` is vertex `order[v]` of the original.
pub(super) struct Renumbered {
    graph: OwnGraph,
    /// The original vertex of each vertex.
    pub(super) order: Vec<u32>,
}

/// The name of a copy of a graph in errors.
const GRAPH: &str = "a copy of the graph, its vertices renumbered";

impl Renumbered {
    /// Checks a graph ([`check`]) and renumbers it. A graph that was handed over is freed before
    /// the end; of a kept one, columns and weights are read apart, so that there is never more than
    /// one graph in memory.
    ///
    /// # Errors
    /// Errors of [`check`], [`Error::OutOfMemory`](crate::Error::OutOfMemory),
    /// [`Error::Cancelled`](crate::Error::Cancelled), [`Error::Io`](crate::Error::Io).
    pub(super) fn from_origin(origin: Origin<impl Links>, operation: &'static str, session: &Session) -> Result<Self> {
        let monitor = &session.monitor;
        match origin {
            Origin::Memory(links) => Self::new(check(&links.borrowed(), operation, monitor)?, monitor),
            Origin::Kept(kept) => Self::from_kept(&kept, operation, session),
        }
    }

    /// Renumbers a kept graph.
    fn from_kept(kept: &Kept, operation: &'static str, session: &Session) -> Result<Self> {
        let monitor = &session.monitor;
        let starts = kept.starts().unwrap_or_default();
        let n = starts.len().saturating_sub(1);
        let indptr: Vec<usize> = memory::collected(starts.iter().map(|&start| start as usize), GRAPH)?;
        let indices = kept.columns(session)?;
        {
            let data = all_weights(kept, session)?;
            let links = CsMatViewI::try_new((n, n), &indptr, &indices, &data);
            check(&links.map_err(|(.., e)| Error::shape("connectivities", "rows of links", e))?, operation, monitor)?;
        }
        let Numbers { number, order } = Numbers::new(&indptr, &indices, monitor)?;
        let new = starts_of(&indptr, &order)?;
        let columns =
            gather((&indptr, &indices), &order, &new, |c| number[c as usize], |c| prefetch(&number, c as usize))?;
        drop(indices);
        let mut data = memory::zeros::<f32>(columns.len(), GRAPH)?;
        // Weights come in the order of the file, some rows at a time.
        let mut piece = memory::zeros::<f32>(PIECE.min(data.len()), GRAPH)?;
        let mut row = 0;
        while row < n {
            monitor.check()?;
            let first = indptr[row];
            // A row is read whole: longer ones than a piece make it longer.
            let last = indptr.partition_point(|&start| start <= first + PIECE).clamp(row + 2, n + 1) - 1;
            let size = indptr[last] - first;
            memory::lengthen(&mut piece, size, 0.0, GRAPH)?;
            kept.weights(first, &mut piece[..size])?;
            for v in row..last {
                if let Some(&next) = number.get(v + 16) {
                    prefetch(&new, next as usize);
                }
                if let Some(&next) = number.get(v + 8) {
                    ahead_all(&data[new[next as usize]..new[next as usize + 1]]);
                }
                let from = &piece[indptr[v] - first..indptr[v + 1] - first];
                data[new[number[v] as usize]..][..from.len()].copy_from_slice(from);
            }
            row = last;
        }
        Ok(Renumbered { graph: OwnGraph { indptr: new, indices: columns, data }, order })
    }

    /// Renumbers the vertices of a graph that was checked.
    pub(super) fn new(graph: Graph, monitor: &Monitor) -> Result<Self> {
        let Graph { indptr, indices, data } = graph;
        let Numbers { number, order } = Numbers::new(indptr, indices, monitor)?;
        let new = starts_of(indptr, &order)?;
        let columns =
            gather((indptr, indices), &order, &new, |c| number[c as usize], |c| prefetch(&number, c as usize))?;
        drop(number);
        let data = gather((indptr, data), &order, &new, |weight| weight, |_| ())?;
        Ok(Renumbered { graph: OwnGraph { indptr: new, indices: columns, data }, order })
    }

    /// Returns the renumbered graph and leaves an empty one in its place. The order of the vertices
    /// stays, for [`Renumbered::arrange`] and [`Renumbered::restore`].
    pub(super) fn hand_over(&mut self) -> OwnGraph {
        let empty = OwnGraph { indptr: Vec::new(), indices: Vec::new(), data: Vec::new() };
        std::mem::replace(&mut self.graph, empty)
    }

    /// Returns the rows of `x` (n x width, by original vertex) in the new order.
    pub(super) fn arrange<T: Copy>(&self, x: &[T], width: usize) -> Result<Vec<T>> {
        let row = |&vertex: &u32| &x[vertex as usize * width..(vertex as usize + 1) * width];
        let mut out = memory::room(x.len(), GRAPH)?;
        self.order.iter().for_each(|vertex| out.extend_from_slice(row(vertex)));
        Ok(out)
    }

    /// Returns the rows of `x` (n x width, in the new order) by original vertex.
    pub(super) fn restore<T: Copy + Default>(&self, x: &[T], width: usize) -> Result<Vec<T>> {
        let mut original = memory::filled(x.len(), T::default(), GRAPH)?;
        for (row, &vertex) in x.chunks_exact(width.max(1)).zip(&self.order) {
            original[vertex as usize * width..][..width].copy_from_slice(row);
        }
        Ok(original)
    }

    /// Returns the renumbered graph.
    pub(super) fn graph(&self) -> Graph<'_> {
        self.graph.borrow()
    }
}

/// Numbers of the vertices of a graph.
struct Numbers {
    /// The number of each original vertex.
    number: Vec<u32>,
    /// The original vertex of each number.
    order: Vec<u32>,
}

impl Numbers {
    /// Numbers the vertices in breadth-first order (Cuthill & McKee 1969, without sorting by
    /// degree).
    fn new(indptr: &[usize], indices: &[u32], monitor: &Monitor) -> Result<Self> {
        const NONE: u32 = u32::MAX;
        let n = indptr.len() - 1;
        let mut number = memory::filled(n, NONE, GRAPH)?;
        let mut order: Vec<u32> = memory::room(n, GRAPH)?;
        for first in 0..n {
            if number[first] != NONE {
                continue;
            }
            number[first] = order.len() as u32;
            let mut next = order.len();
            order.push(first as u32);
            while next < order.len() {
                if next.is_multiple_of(1024) {
                    monitor.check()?;
                }
                ahead_around::<f32, _>((indptr, indices, &[]), &order, next, &number);
                let vertex = order[next] as usize;
                for &column in &indices[indptr[vertex]..indptr[vertex + 1]] {
                    if number[column as usize] == NONE {
                        number[column as usize] = order.len() as u32;
                        order.push(column);
                    }
                }
                next += 1;
            }
        }
        Ok(Numbers { number, order })
    }
}

/// Returns the offset of each row in the new order, and the number of links.
fn starts_of(indptr: &[usize], order: &[u32]) -> Result<Vec<usize>> {
    let mut starts = memory::room(order.len() + 1, GRAPH)?;
    let mut end = 0;
    starts.push(end);
    starts.extend(order.iter().map(|&vertex| {
        end += indptr[vertex as usize + 1] - indptr[vertex as usize];
        end
    }));
    Ok(starts)
}

/// Returns `value` of the entries of each row, in the new order of the rows, whose offsets are
/// `starts`. `soon` gets entries some rows before `value` does.
fn gather<T: Copy + Sync, U: Zero + Send>(
    (indptr, entries): (&[usize], &[T]),
    order: &[u32],
    starts: &[usize],
    value: impl Fn(T) -> U + Sync,
    soon: impl Fn(T) + Sync,
) -> Result<Vec<U>> {
    let row = |vertex: u32| indptr[vertex as usize]..indptr[vertex as usize + 1];
    let mut out = memory::zeros::<U>(entries.len(), GRAPH)?;
    let mut left = out.as_mut_slice();
    let mut blocks = Vec::with_capacity(order.len().div_ceil(VERTICES));
    for (k, vertices) in order.chunks(VERTICES).enumerate() {
        let first = k * VERTICES;
        let (block, others) = left.split_at_mut(starts[first + vertices.len()] - starts[first]);
        left = others;
        blocks.push((vertices, block));
    }
    blocks.into_par_iter().for_each(|(vertices, mut to)| {
        for (i, &vertex) in vertices.iter().enumerate() {
            if let Some(&vertex) = vertices.get(i + 24) {
                prefetch(indptr, vertex as usize);
            }
            if let Some(&vertex) = vertices.get(i + 16) {
                ahead_all(&entries[row(vertex)]);
            }
            if let Some(&vertex) = vertices.get(i + 8) {
                entries[row(vertex)].iter().for_each(|&entry| soon(entry));
            }
            let from = &entries[row(vertex)];
            let (here, others) = std::mem::take(&mut to).split_at_mut(from.len());
            to = others;
            here.iter_mut().zip(from).for_each(|(to, &entry)| *to = value(entry));
        }
    });
    Ok(out)
}

/// Reads all weights of a kept graph.
fn all_weights(kept: &Kept, session: &Session) -> Result<Vec<f32>> {
    let mut weights = memory::zeros::<f32>(kept.n_values(), GRAPH)?;
    for (k, piece) in weights.chunks_mut(PIECE).enumerate() {
        session.monitor.check()?;
        kept.weights(k * PIECE, piece)?;
    }
    Ok(weights)
}
