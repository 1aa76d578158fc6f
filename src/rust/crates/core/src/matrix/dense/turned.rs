//! Datasets whose rows are genes.

use super::{DenseSource, Genes, Grid, Orientation};
use crate::error::Result;
use crate::matrix::disk::{Plain, RawDataset};
use crate::memory;

/// Bytes of the cells that are read at once from a contiguous dataset, in which the values of a
/// gene are adjacent.
const PIECE: u64 = 32 << 20;

/// Genes x cells.
#[derive(Debug)]
pub(in crate::matrix) struct Turned;

impl Orientation for Turned {
    const EXTENTS: &'static str = "genes and cells";

    fn cells_and_genes((n_genes, n_cells): (u64, u64)) -> (u64, u64) {
        (n_cells, n_genes)
    }

    fn grid(values: &RawDataset, (n_cells, n_genes): (usize, usize)) -> Result<Option<Grid>> {
        let &[genes, cells] = values.chunk() else {
            return Err(values.bad("2 dimensions", values.chunk().len()));
        };
        let (width, height, bytes) = if values.is_contiguous() {
            let column = (n_genes as u64).saturating_mul(values.dtype().size() as u64).max(1);
            let cells = (PIECE / column).clamp(1, (n_cells as u64).max(1));
            (n_genes.max(1), cells as usize, (column * cells) as usize)
        } else {
            (genes.max(1) as usize, cells.max(1) as usize, values.chunk_bytes()?)
        };
        Ok(Some(Grid { height, width, across: n_genes.div_ceil(width), bytes }))
    }

    fn number(source: &DenseSource<Self>, grid: &Grid, band: usize, piece: usize) -> u64 {
        (piece * source.shape.0.div_ceil(grid.height) + band) as u64
    }

    fn decode(source: &DenseSource<Self>, grid: &Grid, band: usize, piece: usize) -> Result<Vec<u8>> {
        let ((n_cells, n_genes), values) = (source.shape, &source.values);
        if !values.is_contiguous() {
            return values.decode((piece * n_cells.div_ceil(grid.height) + band) as u64, grid.bytes);
        }
        let size = values.dtype().size();
        let mut out = memory::zeros::<u8>(grid.bytes, "values of a dense matrix")?;
        let first = band * grid.height;
        let here = grid.height.min(n_cells - first) * size;
        for gene in 0..n_genes {
            values.read_run((gene * n_cells + first) as u64, &mut out[gene * grid.height * size..][..here])?;
        }
        Ok(out)
    }

    #[inline]
    fn copy_row<T: Plain>(grid: &Grid, tile: &[u8], row: usize, genes: &Genes<'_>, to: &mut [u8]) {
        let size = size_of::<T>();
        let mut copy = |gene: usize, j: usize| {
            to[j * size..][..size].copy_from_slice(&tile[(gene * grid.height + row) * size..][..size]);
        };
        match *genes {
            Genes::All { first, n } => (0..n).for_each(|gene| copy(gene, first + gene)),
            Genes::Kept(kept) => kept.iter().for_each(|&(gene, j)| copy(gene, j)),
        }
    }
}
