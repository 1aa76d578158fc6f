//! Datasets whose rows are cells.

use super::{DenseSource, Genes, Grid, Orientation};
use crate::error::Result;
use crate::matrix::disk::{Plain, RawDataset};

/// Cells x genes.
#[derive(Debug)]
pub(in crate::matrix) struct Straight;

impl Orientation for Straight {
    const EXTENTS: &'static str = "rows and columns";

    fn cells_and_genes(extents: (u64, u64)) -> (u64, u64) {
        extents
    }

    fn grid(values: &RawDataset, (_, n_genes): (usize, usize)) -> Result<Option<Grid>> {
        let &[height, width] = values.chunk() else {
            return Err(values.bad("2 dimensions", values.chunk().len()));
        };
        if values.is_contiguous() {
            return Ok(None);
        }
        let (height, width) = (height.max(1) as usize, width.max(1) as usize);
        Ok(Some(Grid { height, width, across: n_genes.div_ceil(width), bytes: values.chunk_bytes()? }))
    }

    fn number(_: &DenseSource<Self>, grid: &Grid, band: usize, piece: usize) -> u64 {
        (band * grid.across + piece) as u64
    }

    fn decode(source: &DenseSource<Self>, grid: &Grid, band: usize, piece: usize) -> Result<Vec<u8>> {
        source.values.decode((band * grid.across + piece) as u64, grid.bytes)
    }

    fn decode_rows<T: Plain>(source: &DenseSource<Self>, grid: &Grid, band: usize, out: &mut Vec<T>) -> Result<bool> {
        let whole = grid.width == source.shape.1;
        if whole {
            source.values.decode_run(band as u64, 1, out)?;
        }
        Ok(whole)
    }

    #[inline]
    fn copy_row<T: Plain>(grid: &Grid, tile: &[u8], row: usize, genes: &Genes<'_>, to: &mut [u8]) {
        let size = size_of::<T>();
        // A tile at the edge may end with the last gene of the matrix.
        let row = &tile[row * grid.width * size..];
        match *genes {
            Genes::All { first, n } => to[first * size..][..n * size].copy_from_slice(&row[..n * size]),
            Genes::Kept(kept) => {
                for &(gene, j) in kept {
                    to[j * size..][..size].copy_from_slice(&row[gene * size..][..size]);
                }
            }
        }
    }
}
