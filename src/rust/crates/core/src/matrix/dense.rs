//! Dense matrices on disk.

use super::disk::{as_bytes_mut, grow, reserve, with_plain, Cursor, Plain, RawDataset, Shared};
use super::rows::Wanted;
use super::{cut_blocks, Block, ColumnMap, Layout, Location, Pass, Positions, Reads, Rows, Source, Storage};
use crate::element::DType;
use crate::error::Result;
use crate::memory;
use crate::session::Allowance;
use crate::store::Node;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a contiguous dataset read at once when only some columns are kept.
const PIECE: usize = 1 << 20;

/// A 2-D dataset.
#[derive(Debug)]
pub(super) struct DenseSource {
    location: Location,
    shape: (usize, usize),
    values: RawDataset,
}

impl DenseSource {
    /// Opens a dataset.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) when it is not 2-D or too long; those of opening a dataset.
    pub(super) fn open(node: &Node) -> Result<Self> {
        let values = RawDataset::open(node)?;
        let &[n_rows, n_cols] = values.shape() else {
            return Err(values.bad("2 dimensions", values.shape().len()));
        };
        let longest = u64::from(u32::MAX);
        if n_rows > longest || n_cols > longest {
            return Err(values.bad(format!("at most {longest} rows and columns"), format!("{n_rows} x {n_cols}")));
        }
        let location = Location { store: node.store().location().clone(), element: node.path().to_owned() };
        Ok(DenseSource { location, shape: (n_rows as usize, n_cols as usize), values })
    }
}

impl Source for DenseSource {
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
        let (n, m) = self.shape;
        let blocks = cut_blocks(rows.len(n), |_| m as u64);
        let &[_, width] = self.values.chunk() else {
            return Err(self.values.bad("2 dimensions", self.values.chunk().len()));
        };
        let across = (m as u64).div_ceil(width);
        let mut kept = Vec::new();
        if let Some(map) = &columns {
            kept = memory::filled(across as usize, Vec::new(), "columns of a matrix")?;
            for (j, &c) in map.selected().iter().enumerate() {
                kept[(u64::from(c) / width) as usize].push((u64::from(c) % width, j));
            }
        }
        let ascending = match &rows {
            Rows::All => true,
            Rows::List(l) => l.windows(2).all(|w| w[0] <= w[1]),
        };
        let mut pass = DensePass { source: self, rows, columns, kept, blocks, shared: Shared::none() };
        if ascending && !self.values.is_contiguous() && across > 0 {
            let height = self.values.chunk()[0];
            let bands = pass.blocks.iter().map(|b| pass.bands(b, height).into_iter());
            pass.shared = Shared::new(bands, across, allowed.memory);
        }
        Ok(Box::new(pass))
    }
}

struct DensePass<'a> {
    source: &'a DenseSource,
    rows: Rows,
    columns: Option<Arc<ColumnMap>>,
    /// For each column of chunks: the columns kept, as (column within the chunk, output column).
    kept: Vec<Vec<(u64, usize)>>,
    blocks: Vec<Range<usize>>,
    shared: Shared,
}

impl DensePass<'_> {
    /// Rows of chunks that hold the block's rows.
    fn bands(&self, block: &Range<usize>, height: u64) -> Vec<std::ops::RangeInclusive<u64>> {
        match &self.rows {
            Rows::All => vec![block.start as u64 / height..=(block.end as u64).saturating_sub(1) / height],
            Rows::List(l) => l[block.clone()].iter().map(|&r| u64::from(r) / height).map(|b| b..=b).collect(),
        }
    }

    fn n_out(&self) -> usize {
        self.columns.as_ref().map_or(self.source.shape.1, |m| m.n_out())
    }

    fn read_as<T: Plain>(&self, block: usize) -> Result<Block> {
        let range = self.blocks[block].clone();
        let wanted = Wanted::new(&self.rows, &range)?;
        let (n_out, values) = (self.n_out(), &self.source.values);
        let mut out: Vec<T> = Vec::new();
        reserve(&mut out, wanted.len() as u64 * n_out as u64, || self.source.location.element.clone())?;
        if n_out > 0 {
            if values.is_contiguous() {
                self.read_contiguous(&wanted, &mut out)?;
            } else {
                self.read_chunks(&wanted, &mut out)?;
            }
        }
        if values.is_swapped() {
            out.iter_mut().for_each(|x| *x = x.swapped());
        }
        if let Some(order) = wanted.order() {
            let mut ordered = Vec::new();
            reserve(&mut ordered, (order.len() * n_out) as u64, || self.source.location.element.clone())?;
            for &i in order {
                ordered.extend_from_slice(&out[i as usize * n_out..][..n_out]);
            }
            out = ordered;
        }
        Ok(Block { positions: Positions::Range(range), n_cols: n_out, storage: Storage::Dense(T::wrap(out)) })
    }

    fn read_contiguous<T: Plain>(&self, wanted: &Wanted<'_>, out: &mut Vec<T>) -> Result<()> {
        let (m, values) = (self.source.shape.1, &self.source.values);
        let Some(map) = &self.columns else {
            for run in wanted.runs() {
                let start = grow(out, run.len() * m);
                values.read_run((run.start * m) as u64, as_bytes_mut(&mut out[start..]))?;
            }
            return Ok(());
        };
        let low = map.selected().iter().copied().min().unwrap_or(0) as usize;
        let high = map.selected().iter().copied().max().map_or(0, |c| c as usize + 1);
        // A few neighbouring columns of long rows are read row by row, everything else whole rows at a time.
        let narrow = (high - low) * 4 < m && m * size_of::<T>() > 1 << 14;
        let (from, width) = if narrow { (low, high - low) } else { (0, m) };
        let rows_at_once = if narrow { 1 } else { (PIECE / (m * size_of::<T>()).max(1)).max(1) };
        let mut piece: Vec<T> = Vec::new();
        for run in wanted.runs() {
            for first in run.clone().step_by(rows_at_once) {
                let n = rows_at_once.min(run.end - first);
                memory::lengthen(&mut piece, n * width, T::default(), "rows of a dense matrix")?;
                piece.truncate(n * width);
                values.read_run((first * m + from) as u64, as_bytes_mut(&mut piece))?;
                for row in piece.chunks_exact(width) {
                    out.extend(map.selected().iter().map(|&c| row[c as usize - from]));
                }
            }
        }
        Ok(())
    }

    fn read_chunks<T: Plain>(&self, wanted: &Wanted<'_>, out: &mut Vec<T>) -> Result<()> {
        let (values, m, n_out) = (&self.source.values, self.source.shape.1, self.n_out());
        let (height, width) = (values.chunk()[0] as usize, values.chunk()[1] as usize);
        let bytes = values.chunk_bytes()?;
        let across = m.div_ceil(width);
        let size = size_of::<T>();
        let mut cursor = Cursor::new(&self.shared);
        let mut i = 0;
        while i < wanted.len() {
            let band = wanted.at(i) / height;
            let mut end = i + 1;
            while end < wanted.len() && wanted.at(end) / height == band {
                end += 1;
            }
            let number = (band * across) as u64;
            // A whole band of whole rows that nobody else needs goes straight to its place.
            if self.columns.is_none() && width == m && end - i == height && !cursor.is_shared(number) {
                values.decode_run(number, 1, out)?;
                i = end;
                continue;
            }
            let start = grow(out, (end - i) * n_out);
            let to = as_bytes_mut(&mut out[start..]);
            for piece in 0..across {
                if self.columns.is_some() && self.kept[piece].is_empty() {
                    continue;
                }
                let number = number + piece as u64;
                let chunk = cursor.chunk(number, bytes, || values.decode(number, bytes))?;
                let present = width.min(m - piece * width);
                for k in i..end {
                    let row = &chunk[(wanted.at(k) - band * height) * width * size..][..present * size];
                    let to = &mut to[(k - i) * n_out * size..][..n_out * size];
                    if self.columns.is_none() {
                        to[piece * width * size..][..present * size].copy_from_slice(row);
                    } else {
                        for &(c, j) in &self.kept[piece] {
                            to[j * size..][..size].copy_from_slice(&row[c as usize * size..][..size]);
                        }
                    }
                }
            }
            i = end;
        }
        Ok(())
    }
}

impl Pass for DensePass<'_> {
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
