//! Compressed rows on disk.

use super::disk::{with_plain, Cursor, Plain, Shared};
use super::packed::{self, Packable, Reader};
use super::rows::{Decoded, Wanted};
use super::spare;
use super::sparse::{touched, SparseParts};
use super::{
    cut_blocks, Block, ColumnMap, Fetch, Layout, Location, PackedState, Pass, Positions, Reads, Rows, Source, Stamp,
    BLOCK_VALUES,
};
use crate::element::DType;
use crate::error::Result;
use crate::memory;
use crate::session::{Allowance, Keeping, Session, Space};
use crate::store::Traffic;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Entries decoded before they are packed, so that they are still in the cache.
const STEP: u64 = 1 << 16;

/// A `csr_matrix` element.
#[derive(Debug)]
pub(super) struct CsrSource {
    parts: SparseParts,
}

impl CsrSource {
    /// Makes the source of these parts, whose `indptr` is of rows.
    pub(super) fn new(parts: SparseParts) -> Self {
        CsrSource { parts }
    }
}

impl Source for CsrSource {
    fn shape(&self) -> (usize, usize) {
        self.parts.shape
    }

    fn dtype(&self) -> DType {
        self.parts.data.dtype()
    }

    fn layout(&self) -> Layout {
        Layout::Csr
    }

    fn nnz(&self) -> Option<u64> {
        Some(self.parts.nnz())
    }

    fn disk_bytes(&self) -> u64 {
        self.parts.disk_bytes
    }

    fn location(&self) -> Option<Location> {
        Some(self.parts.location())
    }

    fn stamp(&self) -> Option<Stamp> {
        self.parts.stamp()
    }

    fn packed(&self, keeping: &Keeping, scratch: &Space) -> PackedState {
        self.parts.packed_state(keeping, scratch)
    }

    fn pack(&self, path: &Path, session: &Session) -> Result<Option<(u64, bool)>> {
        let kept = self.parts.pack(path, session)?;
        Ok(Some((kept.bytes, kept.made)))
    }

    fn reads(&self) -> Reads {
        self.parts.reads()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.parts.store.traffic()
    }

    fn pass_bytes(&self, rows: &Rows, _: Option<&ColumnMap>) -> u64 {
        self.parts.bytes_of(rows)
    }

    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>> {
        let indptr = &self.parts.indptr;
        let blocks = cut_blocks(rows.len(self.parts.shape.0), |i| {
            let r = rows.row(i);
            indptr[r + 1] - indptr[r]
        });
        let ascending = match &rows {
            Rows::All => true,
            Rows::List(l) => l.windows(2).all(|w| w[0] <= w[1]),
        };
        let shared = |dataset: &super::disk::RawDataset| {
            if !ascending || dataset.is_contiguous() {
                return Shared::unshared();
            }
            let len = dataset.chunk()[0];
            Shared::new(blocks.iter().map(|b| touched(indptr, &rows, b, len)), 1, allowed.memory / 2)
        };
        let (indices, data) = (shared(&self.parts.indices), shared(&self.parts.data));
        let cuts = || memory::exactly(blocks.len() + 1, cuts(indptr, &blocks), "blocks of rows");
        let packed = self.parts.packed(allowed, matches!(rows, Rows::All), cuts)?;
        let from = Places { indices, data, packed, ascends: ascending };
        Ok(Box::new(CsrPass { parts: &self.parts, rows, columns, blocks, from }))
    }
}

struct CsrPass<'a> {
    parts: &'a SparseParts,
    rows: Rows,
    columns: Option<Arc<ColumnMap>>,
    blocks: Vec<Range<usize>>,
    from: Places,
}

/// Returns the position in the vectors of the matrix at which each of `runs` of rows (columns, in
/// CSC) begins, then the number of all stored values.
pub(super) fn cuts<'a>(indptr: &'a [u64], runs: &'a [Range<usize>]) -> impl Iterator<Item = u64> + 'a {
    runs.iter().map(|run| indptr[run.start]).chain(indptr.last().copied())
}

impl CsrPass<'_> {
    /// Reads a block of values of type `T`.
    fn read_as<T: Packable>(&self, block: usize) -> Result<Block> {
        let (range, indptr) = (self.blocks[block].clone(), &self.parts.indptr);
        let wanted = Wanted::new(&self.rows, &range)?;
        let (indices, data) = (spare::buffer(), spare::buffer::<T>());
        let mut decoded = Decoded { indptr: memory::room(wanted.len() + 1, "offsets of rows")?, indices, data };
        let mut sum = 0u64;
        decoded.indptr.push(0);
        for i in 0..wanted.len() {
            let r = wanted.row(i);
            sum += indptr[r + 1] - indptr[r];
            decoded.indptr.push(sum as usize);
        }
        let runs: Vec<Range<u64>> = wanted.runs().iter().map(|r| indptr[r.start]..indptr[r.end]).collect();
        self.parts.read(&runs, sum, &self.from, &mut decoded)?;
        let (n_rows, n_cols) = self.parts.shape;
        debug_assert!(range.end <= self.rows.len(n_rows));
        let decoded = decoded
            .tidy(n_cols as u32, self.columns.as_deref())
            .map_err(|fault| self.parts.fault(&fault, |i| wanted.row(i)))?
            .gather(wanted.order())?;
        let n_cols = self.columns.as_ref().map_or(n_cols, |m| m.n_out());
        Ok(Block { positions: Positions::Range(range), n_cols, storage: decoded.into_storage() })
    }
}

impl Pass for CsrPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        let (range, indptr) = (self.blocks[block].clone(), &self.parts.indptr);
        let values = match &self.rows {
            Rows::All => indptr[range.end] - indptr[range.start],
            Rows::List(l) => l[range].iter().map(|&r| indptr[r as usize + 1] - indptr[r as usize]).sum(),
        };
        values as usize * (4 + self.parts.data.dtype().size())
    }

    fn is_remote(&self, block: usize) -> bool {
        self.parts.is_remote() && !self.is_packed(block)
    }

    fn prefetch(&self, block: usize) -> Result<Fetch<'_>> {
        let wanted = Wanted::new(&self.rows, &self.blocks[block])?;
        let indptr = &self.parts.indptr;
        let runs: Vec<Range<u64>> = wanted.runs().iter().map(|r| indptr[r.start]..indptr[r.end]).collect();
        // The chunk that two blocks share was fetched with the first of them.
        let before = block.checked_sub(1).filter(|_| self.from.ascends).and_then(|block| {
            let (range, rows) = (&self.blocks[block], &self.rows);
            let last = |i: usize| indptr[rows.row(i) + 1];
            range.clone().rev().find(|&i| last(i) > indptr[rows.row(i)]).map(|i| last(i) - 1)
        });
        self.parts.ahead(&runs, before)
    }

    fn read(&self, block: usize) -> Result<Block> {
        with_plain!(self.parts.data.dtype(), T => self.read_as::<T>(block))
    }
}

impl CsrPass<'_> {
    /// Returns whether the first entry of a block is read from packed rows: then most of them are,
    /// and nothing of it need be fetched ahead.
    fn is_packed(&self, block: usize) -> bool {
        let Some(packed) = &self.from.packed else { return false };
        let indptr = &self.parts.indptr;
        let mut rows = self.blocks[block].clone().map(|i| self.rows.row(i));
        rows.find(|&r| indptr[r] < indptr[r + 1]).is_some_and(|r| packed.holds(indptr[r]))
    }
}

impl Drop for CsrPass<'_> {
    fn drop(&mut self) {
        self.parts.forget_ahead();
    }
}

/// The reading of value ranges of both datasets, for rows (CSR) and for columns (CSC).
impl SparseParts {
    /// Appends the entries at positions `runs` (ascending, `sum` entries in all) to `out`. Entries
    /// that are packed are unpacked. All others are read from the file, and are packed too if the
    /// pass fills the packed rows.
    pub(super) fn read<T: Packable>(
        &self,
        runs: &[Range<u64>],
        sum: u64,
        from: &Places,
        out: &mut Decoded<T>,
    ) -> Result<()> {
        // Blocks are nearly alike in size, so memory for the largest serves them all.
        let room = if sum > BLOCK_VALUES / 2 { sum.max(BLOCK_VALUES) } else { sum };
        super::disk::reserve(&mut out.indices, room, || self.element.clone())?;
        super::disk::reserve(&mut out.data, room, || self.element.clone())?;
        let mut cursors = (Cursor::new(&from.indices), Cursor::new(&from.data));
        let Some(packed::Pass { packed, fills }) = &from.packed else {
            return runs.iter().try_for_each(|run| self.append(run, &mut cursors, out));
        };
        let mut reader = Reader::new(packed);
        for run in runs {
            let mut left = run.clone();
            while !left.is_empty() {
                left.start = reader.append(&left, &mut out.indices, &mut out.data)?;
                if left.is_empty() {
                    break;
                }
                let (first, end) = (left.start, reader.missing(&left));
                if !fills {
                    self.append(&(first..end), &mut cursors, out)?;
                    left.start = end;
                }
                let before = out.indices.len();
                // A remote store delivers the chunks of a block together.
                let step = if self.store.location().path().is_some() { self.step() } else { u64::MAX };
                while left.start < end {
                    let step = left.start..(left.start / step + 1).saturating_mul(step).min(end);
                    self.append(&step, &mut cursors, out)?;
                    reader.fill(&(first..step.end), &out.indices[before..], &out.data[before..])?;
                    left.start = step.end;
                }
            }
        }
        Ok(())
    }

    /// Returns the number of entries that are decoded and then packed at a time: whole chunks, so
    /// few that the entries are still in the caches of the processor when they are packed.
    pub(super) fn step(&self) -> u64 {
        let chunk = [&self.indices, &self.data].map(|array| if array.is_contiguous() { 1 } else { array.chunk()[0] });
        let chunk = chunk[0].max(chunk[1]);
        chunk.saturating_mul((STEP / chunk).max(1))
    }

    /// Appends the values of a run, read from the file.
    fn append<T: Plain>(
        &self,
        run: &Range<u64>,
        (indices, data): &mut (Cursor<'_>, Cursor<'_>),
        out: &mut Decoded<T>,
    ) -> Result<()> {
        match self.indices.dtype() {
            // The bytes are the same; a negative index becomes one past any column, and is found
            // when rows are checked.
            DType::I32 | DType::U32 => self.indices.append(run.clone(), indices, &mut out.indices)?,
            other => with_plain!(other, S => {
                let mut piece: Vec<S> = Vec::new();
                self.indices.append(run.clone(), indices, &mut piece)?;
                let index = |x: &S| x.offset().and_then(|i| u32::try_from(i).ok()).unwrap_or(u32::MAX);
                super::disk::reserve(&mut out.indices, piece.len() as u64, || self.element.clone())?;
                out.indices.extend(piece.iter().map(index));
            }),
        }
        self.data.append(run.clone(), data, &mut out.data)
    }
}

/// The places from which a pass over a compressed matrix takes entries: packed rows, and decoded
/// chunks that several blocks share.
pub(super) struct Places {
    /// Decoded chunks of the indices that blocks share.
    pub(super) indices: Shared,
    /// Decoded chunks of the values that blocks share.
    pub(super) data: Shared,
    /// Packed rows that the pass reads or fills.
    pub(super) packed: Option<packed::Pass>,
    /// Whether blocks that share a chunk follow each other.
    pub(super) ascends: bool,
}
