//! Dense matrices on disk that lie genes x cells, read as cells x genes.

use super::disk::{as_bytes_mut, grow, reserve, with_plain, Cursor, Plain, RawDataset, Shared};
use super::rows::Wanted;
use super::{cut_blocks, Block, ColumnMap, Layout, Location, Pass, Positions, Reads, Rows, Source, Storage};
use crate::element::DType;
use crate::error::Result;
use crate::memory;
use crate::session::Allowance;
use crate::store::Node;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// Bytes of the cells that are read at once from a dataset in one run, in which a gene's values lie together.
const PIECE: u64 = 32 << 20;

/// A 2-D dataset whose rows are genes.
#[derive(Debug)]
pub(super) struct TurnedSource {
    location: Location,
    /// Cells, genes.
    shape: (usize, usize),
    values: RawDataset,
    tile: Tile,
}

/// The part of the dataset that is decoded at once: a chunk, or all genes of some cells where there are no chunks.
#[derive(Debug, Clone, Copy)]
struct Tile {
    genes: usize,
    cells: usize,
    /// Tiles that hold all genes of a cell.
    down: usize,
    /// Tiles that hold all cells of a gene.
    across: usize,
    bytes: usize,
}

impl TurnedSource {
    /// Opens a dataset.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when it is not 2-D or too long; those of opening a dataset.
    pub(super) fn open(node: &Node) -> Result<Self> {
        let values = RawDataset::open(node)?;
        let &[n_genes, n_cells] = values.shape() else {
            return Err(values.bad("2 dimensions", values.shape().len()));
        };
        let longest = u64::from(u32::MAX);
        if n_genes > longest || n_cells > longest {
            return Err(values.bad(format!("at most {longest} genes and cells"), format!("{n_genes} x {n_cells}")));
        }
        let location = Location { store: node.store().location().clone(), element: node.path().to_owned() };
        let shape = (n_cells as usize, n_genes as usize);
        Ok(TurnedSource { location, shape, tile: tile(&values, shape)?, values })
    }

    /// Decodes the tile of these genes and cells.
    fn decode(&self, down: usize, across: usize) -> Result<Vec<u8>> {
        let tile = &self.tile;
        if !self.values.is_contiguous() {
            return self.values.decode((down * tile.across + across) as u64, tile.bytes);
        }
        let (n_cells, n_genes) = self.shape;
        let size = self.values.dtype().size();
        let mut out = memory::zeros::<u8>(tile.bytes, "values of a dense matrix")?;
        let first = across * tile.cells;
        let here = tile.cells.min(n_cells - first) * size;
        for gene in 0..n_genes {
            self.values.read_run((gene * n_cells + first) as u64, &mut out[gene * tile.cells * size..][..here])?;
        }
        Ok(out)
    }
}

fn tile(values: &RawDataset, (n_cells, n_genes): (usize, usize)) -> Result<Tile> {
    let &[genes, cells] = values.chunk() else {
        return Err(values.bad("2 dimensions", values.chunk().len()));
    };
    let size = values.dtype().size() as u64;
    let (genes, cells, bytes) = if values.is_contiguous() {
        let column = (n_genes as u64).saturating_mul(size).max(1);
        let cells = (PIECE / column).clamp(1, (n_cells as u64).max(1));
        (n_genes.max(1) as u64, cells, (column * cells) as usize)
    } else {
        (genes.max(1), cells.max(1), values.chunk_bytes()?)
    };
    let (down, across) = ((n_genes as u64).div_ceil(genes), (n_cells as u64).div_ceil(cells));
    // All fit, as they are not longer than a dataset with 32-bit extents or one chunk of it in memory.
    Ok(Tile { genes: genes as usize, cells: cells as usize, down: down as usize, across: across as usize, bytes })
}

impl Source for TurnedSource {
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

    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>> {
        let ((n, m), tile) = (self.shape, self.tile);
        let blocks = cut_blocks(rows.len(n), |_| m as u64);
        let mut kept = memory::filled(tile.down, Vec::new(), "columns of a matrix")?;
        match &columns {
            Some(map) => {
                for (j, &c) in map.selected().iter().enumerate() {
                    kept[c as usize / tile.genes].push((c as usize % tile.genes, j));
                }
            }
            None => {
                for (down, kept) in kept.iter_mut().enumerate() {
                    let first = down * tile.genes;
                    let genes = (0..tile.genes.min(m - first)).map(|gene| (gene, first + gene));
                    *kept = memory::collected(genes, "columns of a matrix")?;
                }
            }
        }
        let ascending = match &rows {
            Rows::All => true,
            Rows::List(l) => l.windows(2).all(|w| w[0] <= w[1]),
        };
        let mut pass = TurnedPass { source: self, rows, columns, kept, blocks, shared: Shared::none() };
        if ascending && tile.down > 0 {
            let bands = pass.blocks.iter().map(|b| pass.bands(b).into_iter());
            pass.shared = Shared::new(bands, tile.down as u64, allowed.memory);
        }
        Ok(Box::new(pass))
    }
}

struct TurnedPass<'a> {
    source: &'a TurnedSource,
    rows: Rows,
    columns: Option<Arc<ColumnMap>>,
    /// For each run of genes that tiles hold: the genes kept, as (gene within the tile, output column).
    kept: Vec<Vec<(usize, usize)>>,
    blocks: Vec<Range<usize>>,
    /// Tiles, those of the same cells one after the other.
    shared: Shared,
}

impl TurnedPass<'_> {
    /// Runs of cells, as tiles hold them, in which the block's cells lie.
    fn bands(&self, block: &Range<usize>) -> Vec<RangeInclusive<u64>> {
        let cells = self.source.tile.cells as u64;
        match &self.rows {
            Rows::All => vec![block.start as u64 / cells..=(block.end as u64).saturating_sub(1) / cells],
            Rows::List(l) => l[block.clone()].iter().map(|&r| u64::from(r) / cells).map(|b| b..=b).collect(),
        }
    }

    fn n_out(&self) -> usize {
        self.columns.as_ref().map_or(self.source.shape.1, |m| m.n_out())
    }

    fn read_as<T: Plain>(&self, block: usize) -> Result<Block> {
        let range = self.blocks[block].clone();
        let wanted = Wanted::new(&self.rows, &range)?;
        let (n_out, element) = (self.n_out(), || self.source.location.element.clone());
        let mut out: Vec<T> = Vec::new();
        reserve(&mut out, wanted.len() as u64 * n_out as u64, element)?;
        if n_out > 0 {
            self.read_tiles(&wanted, &mut out)?;
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

    fn read_tiles<T: Plain>(&self, wanted: &Wanted<'_>, out: &mut Vec<T>) -> Result<()> {
        let (tile, n_out, size) = (&self.source.tile, self.n_out(), size_of::<T>());
        let mut cursor = Cursor::new(&self.shared);
        let mut i = 0;
        while i < wanted.len() {
            let across = wanted.at(i) / tile.cells;
            let mut end = i + 1;
            while end < wanted.len() && wanted.at(end) / tile.cells == across {
                end += 1;
            }
            let start = grow(out, (end - i) * n_out);
            let to = as_bytes_mut(&mut out[start..]);
            for (down, kept) in self.kept.iter().enumerate().filter(|(_, kept)| !kept.is_empty()) {
                let number = (across * tile.down + down) as u64;
                let bytes = cursor.chunk(number, tile.bytes, || self.source.decode(down, across))?;
                for k in i..end {
                    let cell = wanted.at(k) - across * tile.cells;
                    let row = &mut to[(k - i) * n_out * size..][..n_out * size];
                    for &(gene, j) in kept {
                        row[j * size..][..size].copy_from_slice(&bytes[(gene * tile.cells + cell) * size..][..size]);
                    }
                }
            }
            i = end;
        }
        Ok(())
    }
}

impl Pass for TurnedPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        self.blocks[block].len() * self.n_out() * self.source.values.dtype().size()
    }

    fn read(&self, block: usize) -> Result<Block> {
        with_plain!(self.source.values.dtype(), T => self.read_as::<T>(block))
    }
}
