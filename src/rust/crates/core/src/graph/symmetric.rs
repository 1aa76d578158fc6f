//! The requirements of UMAP and Leiden on their input graph, checked once.

use crate::error::{Error, Result};
use crate::graph::ahead::{ahead_all, prefetch};
use crate::memory;
use crate::session::Monitor;
use rayon::prelude::*;
use sprs::CsMatViewI;
use std::ops::Range;

/// The largest difference of a stored weight from its mirror image, relative to the larger: the
/// rounding of f32 arithmetic.
const TOLERANCE: f32 = 1e-5;

/// A borrowed graph in rows (CSR). A graph that passed [`check`], or was made from such a graph, is
/// symmetric, with finite weights of 0 or more. The weights are f32 as given, or sums of them.
#[derive(Clone, Copy)]
pub(crate) struct Graph<'a, W = f32> {
    pub(crate) indptr: &'a [usize],
    pub(crate) indices: &'a [u32],
    pub(crate) data: &'a [W],
}

impl<W> Graph<'_, W> {
    /// Returns the number of vertices.
    pub(crate) fn n_vertices(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Returns the neighbours of `vertex` and the weights of the edges to them.
    #[inline]
    pub(crate) fn row(&self, vertex: usize) -> (&[u32], &[W]) {
        let range = self.indptr[vertex]..self.indptr[vertex + 1];
        (&self.indices[range.clone()], &self.data[range])
    }
}

/// An owned [`Graph`].
pub(crate) struct OwnGraph<W = f32> {
    pub(crate) indptr: Vec<usize>,
    pub(crate) indices: Vec<u32>,
    pub(crate) data: Vec<W>,
}

impl<W> OwnGraph<W> {
    /// Makes a graph without vertices, with memory reserved for `n_vertices` vertices and `n_edges`
    /// edges.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub(crate) fn with_room(n_vertices: usize, n_edges: usize, what: &str) -> Result<Self> {
        let mut indptr = memory::room(n_vertices + 1, what)?;
        indptr.push(0);
        Ok(OwnGraph { indptr, indices: memory::room(n_edges, what)?, data: memory::room(n_edges, what)? })
    }

    /// Borrows the graph.
    #[inline]
    pub(crate) fn borrow(&self) -> Graph<'_, W> {
        Graph { indptr: &self.indptr, indices: &self.indices, data: &self.data }
    }
}

/// Checks the whole graph in one pass over its entries, and borrows it.
///
/// # Errors
/// [`Error::Shape`] where it is not square; [`Error::Parameter`] where it is CSC, has 2^32 vertices
/// or more, or is not symmetric; [`Error::Values`] for a negative or non-finite weight;
/// [`Error::Cancelled`].
pub(crate) fn check<'a>(
    graph: &'a CsMatViewI<'_, f32, u32, usize>,
    operation: &'static str,
    monitor: &Monitor,
) -> Result<Graph<'a>> {
    let (rows, cols) = graph.shape();
    if rows != cols {
        return Err(Error::shape("connectivities", format!("{rows} x {rows}"), format!("{rows} x {cols}")));
    }
    if !graph.is_csr() {
        return Err(Error::parameter("connectivities", "a matrix stored as CSR", "CSC"));
    }
    if u32::try_from(rows).is_err() {
        return Err(Error::parameter("connectivities", "fewer than 2^32 vertices", rows));
    }
    let indptr = graph.indptr().into_raw_storage();
    let view = Graph { indptr, indices: graph.indices(), data: graph.data() };
    // Each task checks the mirror images in some rows. These are far apart in memory, and the
    // accesses take most of the time.
    let tasks = rows.div_ceil(ROWS).min(rayon::current_num_threads()).max(1);
    let part = |t: usize| t * rows / tasks..(t + 1) * rows / tasks;
    let broken: Vec<Option<Broken>> =
        (0..tasks).into_par_iter().map(|t| first_broken(&view, part(t), monitor)).collect::<Result<_>>()?;
    match broken.into_iter().flatten().min_by_key(|broken| (broken.row, broken.entry)) {
        None => Ok(view),
        Some(broken) => Err(broken.error(&view, operation)),
    }
}

/// Rows per parallel task, at least.
const ROWS: usize = 1 << 14;

/// An entry that is no valid weight, or has no mirror image.
struct Broken {
    row: usize,
    entry: usize,
    /// The entry in the place of its mirror image.
    at: usize,
}

impl Broken {
    /// Makes the error for the entry.
    fn error(&self, graph: &Graph, operation: &'static str) -> Error {
        let (col, weight) = (graph.indices[self.entry] as usize, graph.data[self.entry]);
        if is_weight(weight) {
            return asymmetric(graph, operation, self.row, col, self.at);
        }
        Error::Values {
            element: "connectivities".into(),
            operation,
            expected: "finite weights >= 0",
            found: weight.to_string(),
            row: self.row,
            column: col,
        }
    }
}

/// Returns whether a weight is finite and 0 or more.
fn is_weight(weight: f32) -> bool {
    weight >= 0.0 && weight.is_finite()
}

/// Returns the first broken entry in these columns. Rows are visited in ascending order, so the
/// mirror images of row j's entries occur in the order of row j. One cursor per row therefore finds
/// each of them without a search.
fn first_broken(graph: &Graph, columns: Range<usize>, monitor: &Monitor) -> Result<Option<Broken>> {
    let Graph { indptr, indices, data } = *graph;
    let mut cursor = memory::copied(&indptr[columns.clone()], "the graph, checked")?;
    for row in 0..graph.n_vertices() {
        if row % 4096 == 0 {
            monitor.check()?;
        }
        for entry in indptr[row]..indptr[row + 1] {
            let cursor_of = |entry: usize| cursor.get((*indices.get(entry)? as usize).checked_sub(columns.start)?);
            if let Some(cursor) = cursor_of(entry + 32) {
                ahead_all(std::slice::from_ref(cursor));
            }
            if let Some(&at) = cursor_of(entry + 16) {
                prefetch(indices, at);
                prefetch(data, at);
            }
            let (col, weight) = (indices[entry] as usize, data[entry]);
            let Some(cursor) = col.checked_sub(columns.start).and_then(|c| cursor.get_mut(c)) else { continue };
            let at = *cursor;
            if !(is_weight(weight)
                && at < indptr[col + 1]
                && indices[at] as usize == row
                && (data[at] - weight).abs() <= TOLERANCE * weight.max(data[at]))
            {
                return Ok(Some(Broken { row, entry, at }));
            }
            *cursor += 1;
        }
    }
    Ok(None)
}

/// Makes the error about the entry without an equal mirror image: (row, col), or the entry at the
/// cursor of row `col`.
fn asymmetric(graph: &Graph, operation: &str, row: usize, col: usize, at: usize) -> Error {
    let weight = |row: usize, col: usize| {
        let (columns, weights) = graph.row(row);
        columns.iter().position(|&c| c as usize == col).map_or("no entry".to_owned(), |k| weights[k].to_string())
    };
    let (mut row, mut col) = (row, col);
    if weight(row, col) == weight(col, row) && at < graph.indptr[col + 1] {
        (row, col) = (col, graph.indices[at] as usize);
    }
    Error::parameter(
        "connectivities",
        format!("a symmetric matrix ({operation} is defined on undirected graphs)"),
        format!("{} at ({row}, {col}) but {} at ({col}, {row})", weight(row, col), weight(col, row)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a ring, long enough for several tasks; each vertex is linked to the one before and the
    /// one after.
    fn ring() -> (Vec<usize>, Vec<u32>, Vec<f32>) {
        let n = 3 * ROWS as u32;
        let row = |i: u32| {
            let mut row = [(i + n - 1) % n, (i + 1) % n];
            row.sort_unstable();
            row
        };
        ((0..=n as usize).map(|i| 2 * i).collect(), (0..n).flat_map(row).collect(), vec![1.0; 2 * n as usize])
    }

    fn checked(indptr: Vec<usize>, indices: Vec<u32>, data: Vec<f32>) -> Result<usize> {
        let n = indptr.len() - 1;
        let graph = CsMatViewI::new((n, n), &indptr, &indices, &data);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| check(&graph, "leiden", &Monitor::default()).map(|graph| graph.n_vertices()))
    }

    #[test]
    fn the_first_broken_entry_is_named_whichever_task_finds_it() {
        let (indptr, indices, data) = ring();
        assert_eq!(checked(indptr.clone(), indices.clone(), data.clone()).unwrap(), 3 * ROWS);
        let mut two = data.clone();
        two[2 * (2 * ROWS + 5)] = 7.0;
        two[2 * (ROWS + 9)] = 5.0;
        let told = checked(indptr.clone(), indices.clone(), two).unwrap_err().to_string();
        let (row, col) = (ROWS + 9, ROWS + 8);
        assert!(told.contains(&format!("1 at ({col}, {row}) but 5 at ({row}, {col})")), "{told}");
        let mut bad = data;
        bad[2 * (2 * ROWS + 5)] = f32::NAN;
        let told = checked(indptr, indices, bad).unwrap_err().to_string();
        assert!(told.contains(&format!("{}", 2 * ROWS + 5)) || told.contains(&format!("{}", 2 * ROWS + 4)), "{told}");
    }

    #[test]
    fn renumbered_rows_are_the_old_ones() {
        let (indptr, indices, data) = ring();
        let n = indptr.len() - 1;
        let data: Vec<f32> = data.iter().enumerate().map(|(i, _)| i as f32).collect();
        let graph = Graph { indptr: &indptr, indices: &indices, data: &data };
        let new = crate::graph::locality::Renumbered::new(graph, &Monitor::default()).unwrap();
        let mut seen = vec![false; n];
        for (v, &old) in new.order.iter().enumerate() {
            seen[old as usize] = true;
            let columns: Vec<u32> = new.graph().row(v).0.iter().map(|&c| new.order[c as usize]).collect();
            assert_eq!((columns.as_slice(), new.graph().row(v).1), graph.row(old as usize));
        }
        assert!(seen.iter().all(|&s| s));
    }
}
