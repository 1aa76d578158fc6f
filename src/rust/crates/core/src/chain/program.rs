//! Runs all nodes of a chain over one block, a row at a time, in f64.

use super::nodes::Node;
use super::row::Row;
use crate::element::{DType, Number};
use crate::error::Result;
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::with_data;
use std::sync::Arc;

const ROWS: &str = "rows of a matrix, transformed";

/// Applies `nodes` to a block in the stored dtype; `out` (float32 or float64) is the dtype of the
/// result.
pub(super) fn apply(nodes: &[Arc<dyn Node>], block: Block, out: DType) -> Result<Block> {
    if nodes.is_empty() {
        return Ok(block);
    }
    if out == DType::F64 {
        run::<f64>(nodes, block)
    } else {
        run::<f32>(nodes, block)
    }
}

fn run<O: Number>(nodes: &[Arc<dyn Node>], block: Block) -> Result<Block> {
    let Block { positions, n_cols, storage } = block;
    let n_rows = positions.len();
    let fills = nodes.iter().any(|n| n.fills_zeros());
    let most = match &storage {
        Storage::Csr { indptr, .. } => indptr.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0),
        Storage::Dense(_) => n_cols,
    };
    let mut row = Row::new(n_cols, most, fills)?;
    let (elementwise, others) = nodes.split_at(nodes.iter().take_while(|n| n.is_elementwise()).count());
    let storage = match storage {
        Storage::Csr { indptr, indices, data } if others.is_empty() => {
            let mut values: Vec<O> = memory::filled(indices.len(), O::default(), ROWS)?;
            with_data!(&data, v => {
                for i in 0..n_rows {
                    let range = indptr[i]..indptr[i + 1];
                    elementwise_row(elementwise, positions.row(i), &v[range.clone()], &mut values[range]);
                }
            });
            Storage::Csr { indptr, indices, data: O::wrap(values) }
        }
        Storage::Csr { indptr, indices, data } => {
            let n_values = if fills { memory::count(&[n_rows, n_cols], ROWS)? } else { indices.len() };
            let mut values: Vec<O> = memory::room(n_values, ROWS)?;
            for i in 0..n_rows {
                let range = indptr[i]..indptr[i + 1];
                let started = row.start(&indices[range.clone()]);
                with_data!(&data, v => elementwise_row(elementwise, positions.row(i), &v[range], started));
                for node in others {
                    node.apply(&mut row, positions.row(i));
                }
                values.extend(row.values().iter().map(|&x| O::from_f64(x)));
            }
            if fills {
                Storage::Dense(O::wrap(values))
            } else {
                Storage::Csr { indptr, indices, data: O::wrap(values) }
            }
        }
        Storage::Dense(data) => {
            let mut values: Vec<O> = memory::room(data.len(), ROWS)?;
            for i in 0..n_rows {
                row.load(&data, i * n_cols..(i + 1) * n_cols);
                for node in nodes {
                    node.apply(&mut row, positions.row(i));
                }
                values.extend(row.values().iter().map(|&x| O::from_f64(x)));
            }
            Storage::Dense(O::wrap(values))
        }
    };
    Ok(Block { positions, n_cols, storage })
}

/// Number of results remembered within a row.
const SLOTS: usize = 64;

/// Runs the nodes that depend on the row and the value alone, for one row. Counts are mostly small
/// whole numbers, so the logarithm of each is taken once a row and looked up after that: the same
/// bits for a fraction of the time.
#[inline(always)]
fn elementwise_row<T: Number, O: Number>(nodes: &[Arc<dyn Node>], position: usize, values: &[T], out: &mut [O]) {
    let one = |x: f64| nodes.iter().fold(x, |x, node| node.value(x, position));
    // A cache addressed by the whole part of the value and compared by all its bits: right for any
    // value.
    const NONE: u64 = u64::MAX;
    let (mut known, mut results) = ([NONE; SLOTS], [O::default(); SLOTS]);
    for (to, x) in out.iter_mut().zip(values) {
        let x = x.to_f64();
        // Adding 2^52 moves the whole part into the lowest bits of the mantissa.
        let slot = (x + 4_503_599_627_370_496.0).to_bits() as usize % SLOTS;
        if known[slot] != x.to_bits() || known[slot] == NONE {
            known[slot] = x.to_bits();
            results[slot] = O::from_f64(one(x));
        }
        *to = results[slot];
    }
}
