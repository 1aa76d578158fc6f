//! What UMAP and Leiden ask of their input, checked once.

use crate::context::Monitor;
use crate::error::{Error, Result};
use sprs::CsMatI;

/// How far a stored weight may be from its mirror image, relative to the larger: rounding of f32 arithmetic.
const TOLERANCE: f32 = 1e-5;

/// A borrowed symmetric CSR graph that passed [`check`]: square, symmetric, finite and non-negative.
#[derive(Clone, Copy)]
pub(crate) struct Graph<'a> {
    pub(crate) indptr: &'a [usize],
    pub(crate) indices: &'a [u32],
    pub(crate) data: &'a [f32],
}

impl Graph<'_> {
    pub(crate) fn n_vertices(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Neighbours of `vertex` and the weights to them.
    #[inline]
    pub(crate) fn row(&self, vertex: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[vertex]..self.indptr[vertex + 1];
        (&self.indices[range.clone()], &self.data[range])
    }
}

/// Checks the whole graph in one pass over its entries.
///
/// # Errors
/// [`Error::Shape`] when it is not square, [`Error::Parameter`] when it is CSC, holds 2^32 vertices or more, or is not
/// symmetric, [`Error::Values`] for a negative or non-finite weight, [`Error::Cancelled`].
pub(crate) fn check<'a>(
    graph: &'a CsMatI<f32, u32, usize>,
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
    // Rows are visited in ascending order, so the mirror images of row j's entries turn up in the order of row j:
    // one cursor per row finds each of them without a search.
    let mut cursor: Vec<usize> = indptr[..rows].to_vec();
    for row in 0..rows {
        if row % 4096 == 0 {
            monitor.check()?;
        }
        for (&column, &weight) in view.row(row).0.iter().zip(view.row(row).1) {
            let col = column as usize;
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(Error::Values {
                    element: "connectivities".into(),
                    operation,
                    expected: "finite weights >= 0",
                    found: weight.to_string(),
                    row,
                    column: col,
                });
            }
            let at = cursor[col];
            if !(at < indptr[col + 1]
                && view.indices[at] as usize == row
                && (view.data[at] - weight).abs() <= TOLERANCE * weight.max(view.data[at]))
            {
                return Err(asymmetric(&view, operation, row, col, at));
            }
            cursor[col] += 1;
        }
    }
    Ok(view)
}

/// Names the entry that has no equal mirror image: either (row, col), or the one the cursor of row `col` stands on.
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
