//! A copy of the graph with vertices renumbered so that neighbours are close in memory. Passes over
//! the graph are bound by memory latency, and cells are stored in any order.

use super::ahead::ahead_around;
use super::symmetric::{Graph, OwnGraph};
use crate::error::Result;
use crate::memory;
use crate::session::Monitor;
use rayon::prelude::*;

/// Vertices per parallel task.
const VERTICES: usize = 4096;

/// A renumbered graph; its vertex `v` is vertex `order[v]` of the original.
pub(super) struct Renumbered {
    graph: OwnGraph,
    /// The original vertex of each vertex.
    pub(super) order: Vec<u32>,
}

/// The name of a copy of a graph in errors.
const GRAPH: &str = "a copy of the graph, its vertices renumbered";

impl Renumbered {
    /// Renumbers the vertices in breadth-first order (Cuthill & McKee 1969, without sorting by
    /// degree).
    pub(super) fn new(graph: Graph, monitor: &Monitor) -> Result<Self> {
        const NONE: u32 = u32::MAX;
        let n = graph.n_vertices();
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
                ahead_around::<f32, _>((graph.indptr, graph.indices, &[]), &order, next, &number);
                for &column in graph.row(order[next] as usize).0 {
                    if number[column as usize] == NONE {
                        number[column as usize] = order.len() as u32;
                        order.push(column);
                    }
                }
                next += 1;
            }
        }
        let mut indptr = memory::room(n + 1, GRAPH)?;
        let mut end = 0;
        indptr.push(end);
        indptr.extend(order.iter().map(|&vertex| {
            end += graph.row(vertex as usize).0.len();
            end
        }));
        let (mut indices, mut data) = (memory::zeros::<u32>(end, GRAPH)?, memory::zeros::<f32>(end, GRAPH)?);
        let (mut indices_left, mut data_left) = (indices.as_mut_slice(), data.as_mut_slice());
        let mut blocks = Vec::with_capacity(n.div_ceil(VERTICES));
        for (vertices, ends) in order.chunks(VERTICES).zip(indptr.chunks(VERTICES)) {
            let size = indptr[(blocks.len() * VERTICES + vertices.len()).min(n)] - ends[0];
            let (i, rest_i) = indices_left.split_at_mut(size);
            let (d, rest_d) = data_left.split_at_mut(size);
            (indices_left, data_left) = (rest_i, rest_d);
            blocks.push((vertices, i, d));
        }
        blocks.into_par_iter().for_each(|(vertices, indices, data)| {
            let mut at = 0;
            for (i, &vertex) in vertices.iter().enumerate() {
                ahead_around((graph.indptr, graph.indices, graph.data), vertices, i, &number);
                let (columns, weights) = graph.row(vertex as usize);
                let here = at..at + columns.len();
                at = here.end;
                indices[here.clone()].iter_mut().zip(columns).for_each(|(to, &c)| *to = number[c as usize]);
                data[here].copy_from_slice(weights);
            }
        });
        Ok(Renumbered { graph: OwnGraph { indptr, indices, data }, order })
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
