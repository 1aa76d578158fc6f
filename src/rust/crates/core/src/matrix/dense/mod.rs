//! Dense matrices on disk, in either orientation.

mod contiguous;
mod straight;
mod turned;

use super::disk::{as_bytes_mut, grow, reserve, with_plain, Cursor, Plain, RawDataset, Shared};
use super::rows::Wanted;
use super::{cut_blocks, Block, ColumnMap, Fetch, Layout, Location, Pass, Positions, Reads, Rows, Source, Storage};
use crate::element::DType;
use crate::error::Result;
use crate::memory;
use crate::session::Allowance;
use crate::store::{Node, Traffic};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

pub(super) use straight::Straight;
pub(super) use turned::Turned;

/// The order of the values in a dataset: by cell or by gene.
pub(super) trait Orientation: Debug + Send + Sync + Sized {
    /// The name of the extents in errors.
    const EXTENTS: &'static str;

    /// Returns cells and genes of a dataset with these extents.
    fn cells_and_genes(extents: (u64, u64)) -> (u64, u64);

    /// Returns the grid in which the dataset is decoded; `None` where its rows are contiguous and
    /// read without one.
    fn grid(values: &RawDataset, cells_and_genes: (usize, usize)) -> Result<Option<Grid>>;

    /// Returns the number of the chunk that a tile of the grid is.
    fn number(source: &DenseSource<Self>, grid: &Grid, band: usize, piece: usize) -> u64;

    /// Decodes one tile of the grid.
    fn decode(source: &DenseSource<Self>, grid: &Grid, band: usize, piece: usize) -> Result<Vec<u8>>;

    /// Appends a band of whole rows directly from the file; returns `false` where that is not
    /// possible.
    fn decode_rows<T: Plain>(_: &DenseSource<Self>, _: &Grid, _band: usize, _out: &mut Vec<T>) -> Result<bool> {
        Ok(false)
    }

    /// Copies one row of a tile to its place in a block.
    fn copy_row<T: Plain>(grid: &Grid, tile: &[u8], row: usize, genes: &Genes<'_>, to: &mut [u8]);
}

/// The tiles in which a dataset is decoded: bands of cells, each in pieces of genes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Cells of a tile.
    height: usize,
    /// Genes of a tile.
    width: usize,
    /// Tiles that hold a cell.
    across: usize,
    /// Bytes of a decoded tile.
    bytes: usize,
}

/// The genes of a tile that a pass keeps.
pub(super) enum Genes<'a> {
    /// The first `n` genes of the tile, which are the output's columns from `first` on.
    All { first: usize, n: usize },
    /// Pairs of a gene's number within the tile and its output column.
    Kept(&'a [(usize, usize)]),
}

/// A 2-D dataset.
#[derive(Debug)]
pub(super) struct DenseSource<O> {
    location: Location,
    /// Cells, genes.
    shape: (usize, usize),
    values: RawDataset,
    grid: Option<Grid>,
    orientation: PhantomData<O>,
}

impl<O: Orientation> DenseSource<O> {
    /// Opens a 2-D dataset of numbers.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) where it is not 2-D or has too large extents; errors
    /// of opening a dataset.
    pub(super) fn open(node: &Node) -> Result<Self> {
        let values = RawDataset::open(node)?;
        let &[a, b] = values.shape() else {
            return Err(values.bad("2 dimensions", values.shape().len()));
        };
        let longest = u64::from(u32::MAX);
        if a > longest || b > longest {
            return Err(values.bad(format!("at most {longest} {}", O::EXTENTS), format!("{a} x {b}")));
        }
        let location = Location { store: node.store().location().clone(), element: node.path().to_owned() };
        let (n_cells, n_genes) = O::cells_and_genes((a, b));
        let shape = (n_cells as usize, n_genes as usize);
        let grid = O::grid(&values, shape)?;
        Ok(DenseSource { location, shape, values, grid, orientation: PhantomData })
    }
}

impl<O: Orientation> Source for DenseSource<O> {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    fn dtype(&self) -> DType {
        self.values.dtype()
    }

    fn layout(&self) -> Layout {
        Layout::Dense
    }

    fn nnz(&self) -> Option<u64> {
        None
    }

    fn disk_bytes(&self) -> u64 {
        self.values.disk_bytes()
    }

    fn location(&self) -> Option<Location> {
        Some(self.location.clone())
    }

    fn reads(&self) -> Reads {
        self.values.reads()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.values.traffic()
    }

    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>> {
        let (n, m) = self.shape;
        let blocks = cut_blocks(rows.len(n), |_| m as u64);
        let mut kept = Vec::new();
        if let (Some(map), Some(grid)) = (&columns, &self.grid) {
            kept = memory::filled(grid.across, Vec::new(), "columns of a matrix")?;
            for (j, &c) in map.selected().iter().enumerate() {
                kept[c as usize / grid.width].push((c as usize % grid.width, j));
            }
        }
        let ascending = match &rows {
            Rows::All => true,
            Rows::List(l) => l.windows(2).all(|w| w[0] <= w[1]),
        };
        let mut pass = DensePass { source: self, rows, columns, kept, blocks, shared: Shared::unshared() };
        if let Some(grid) = self.grid.filter(|grid| ascending && grid.across > 0) {
            let bands = pass.blocks.iter().map(|b| pass.bands(b, grid.height as u64).into_iter());
            pass.shared = Shared::new(bands, grid.across as u64, allowed.memory);
        }
        Ok(Box::new(pass))
    }
}

impl<O> Drop for DensePass<'_, O> {
    fn drop(&mut self) {
        self.source.values.forget_ahead();
    }
}

struct DensePass<'a, O> {
    source: &'a DenseSource<O>,
    rows: Rows,
    columns: Option<Arc<ColumnMap>>,
    /// For each piece of a band, the genes kept, as (gene within the tile, output column).
    kept: Vec<Vec<(usize, usize)>>,
    blocks: Vec<Range<usize>>,
    /// Shared tiles; the tiles of the same cells have successive numbers.
    shared: Shared,
}

impl<O: Orientation> DensePass<'_, O> {
    /// Returns the bands of the grid that hold the block's rows.
    fn bands(&self, block: &Range<usize>, height: u64) -> Vec<RangeInclusive<u64>> {
        match &self.rows {
            Rows::All => vec![block.start as u64 / height..=(block.end as u64).saturating_sub(1) / height],
            Rows::List(l) => l[block.clone()].iter().map(|&r| u64::from(r) / height).map(|b| b..=b).collect(),
        }
    }

    /// Returns the number of output columns.
    fn n_out(&self) -> usize {
        self.columns.as_ref().map_or(self.source.shape.1, |m| m.n_out())
    }

    /// Reads a block of values of type `T`.
    fn read_as<T: Plain>(&self, block: usize) -> Result<Block> {
        let range = self.blocks[block].clone();
        let wanted = Wanted::new(&self.rows, &range)?;
        let (n_out, element) = (self.n_out(), || self.source.location.element.clone());
        let mut out: Vec<T> = Vec::new();
        reserve(&mut out, wanted.len() as u64 * n_out as u64, element)?;
        if n_out > 0 {
            match &self.source.grid {
                Some(grid) => self.read_tiles(grid, &wanted, &mut out)?,
                None => contiguous::read_rows(self, &wanted, &mut out)?,
            }
        }
        if self.source.values.is_swapped() {
            out.iter_mut().for_each(|x| *x = x.swapped());
        }
        if let Some(order) = wanted.order() {
            let mut ordered = Vec::new();
            reserve(&mut ordered, (order.len() * n_out) as u64, element)?;
            for &i in order {
                ordered.extend_from_slice(&out[i as usize * n_out..][..n_out]);
            }
            out = ordered;
        }
        Ok(Block { positions: Positions::Range(range), n_cols: n_out, storage: Storage::Dense(T::wrap(out)) })
    }

    /// Appends the wanted rows by decoding the tiles that hold them.
    fn read_tiles<T: Plain>(&self, grid: &Grid, wanted: &Wanted<'_>, out: &mut Vec<T>) -> Result<()> {
        let (n_out, size) = (self.n_out(), size_of::<T>());
        let mut cursor = Cursor::new(&self.shared);
        let mut i = 0;
        while i < wanted.len() {
            let band = wanted.row(i) / grid.height;
            let mut end = i + 1;
            while end < wanted.len() && wanted.row(end) / grid.height == band {
                end += 1;
            }
            let first = (band * grid.across) as u64;
            // A whole band that no other block needs is decoded directly into the output.
            let whole = self.columns.is_none() && end - i == grid.height && !cursor.is_shared(first);
            if whole && O::decode_rows(self.source, grid, band, out)? {
                i = end;
                continue;
            }
            let start = grow(out, (end - i) * n_out);
            let to = as_bytes_mut(&mut out[start..]);
            for piece in 0..grid.across {
                let Some(genes) = self.genes(grid, piece) else { continue };
                let decode = || O::decode(self.source, grid, band, piece);
                let tile = cursor.chunk(first + piece as u64, grid.bytes, decode)?;
                for k in i..end {
                    let to = &mut to[(k - i) * n_out * size..][..n_out * size];
                    O::copy_row::<T>(grid, tile, wanted.row(k) - band * grid.height, &genes, to);
                }
            }
            i = end;
        }
        Ok(())
    }

    /// Returns the genes to keep of a piece of a band; `None` where there are none.
    fn genes(&self, grid: &Grid, piece: usize) -> Option<Genes<'_>> {
        let first = piece * grid.width;
        match &self.columns {
            None => Some(Genes::All { first, n: grid.width.min(self.source.shape.1 - first) }),
            Some(_) => Some(self.kept[piece].as_slice()).filter(|kept| !kept.is_empty()).map(Genes::Kept),
        }
    }
}

impl<O: Orientation> Pass for DensePass<'_, O> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        self.blocks[block].len() * self.n_out() * self.source.values.dtype().size()
    }

    fn is_remote(&self, _: usize) -> bool {
        self.source.values.is_remote()
    }

    fn prefetch(&self, block: usize) -> Result<Fetch<'_>> {
        let (source, range) = (self.source, &self.blocks[block]);
        let m = source.shape.1 as u64;
        let Some(grid) = self.source.grid.filter(|_| !source.values.is_contiguous()) else {
            // Whole rows as they lie; others are read piece by piece.
            if source.grid.is_some() || self.columns.is_some() {
                return Ok(Fetch::nothing());
            }
            let wanted = Wanted::new(&self.rows, range)?;
            let runs: Vec<_> = wanted.runs().iter().map(|r| r.start as u64 * m..r.end as u64 * m).collect();
            let wanted = source.values.wanted(std::iter::empty(), &runs)?;
            return Ok(source.values.ahead(wanted));
        };
        let mut bands: Vec<u64> = self.bands(range, grid.height as u64).into_iter().flatten().collect();
        bands.sort_unstable();
        bands.dedup();
        // The band in which two blocks meet came with the first of them.
        let shared = |band: u64| self.shared.contains(band * grid.across as u64);
        if block > 0 && bands.first().is_some_and(|&band| shared(band)) {
            bands.remove(0);
        }
        let pieces = || (0..grid.across).filter(|&piece| self.genes(&grid, piece).is_some());
        let number = |band: u64, piece: usize| O::number(source, &grid, band as usize, piece);
        let chunks = bands.iter().flat_map(|&band| pieces().map(move |piece| number(band, piece)));
        let wanted = source.values.wanted(chunks, &[])?;
        Ok(source.values.ahead(wanted))
    }

    fn read(&self, block: usize) -> Result<Block> {
        with_plain!(self.source.values.dtype(), T => self.read_as::<T>(block))
    }
}
