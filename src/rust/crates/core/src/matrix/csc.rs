//! Compressed columns on disk, streamed as row blocks.
//!
//! A pass reads its columns once, in groups, and partitions their values by row block. Every group
//! becomes one run of records ordered by block, which is kept in memory while the runs fit and in a
//! scratch file beyond. A block is then assembled from its part of every group. The threads that
//! ask for the first blocks share the work of the partition.

use super::csr::{cuts, Places};
use super::disk::{with_plain, Plain, Scratch, Shared};
use super::packed::Packable;
use super::rows::{Decoded, Fault};
use super::sparse::{touched, SparseParts};
use super::{
    Block, ColumnMap, Layout, Location, PackedState, Pass, Positions, Reads, Rows, Source, Stamp, BLOCK_ROWS,
    BLOCK_VALUES,
};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{guard, Allowance, Keeping, Session, Space};
use crate::store::Traffic;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

const COLUMNS: &str = "rows put together from compressed columns";

/// A `csc_matrix` element.
#[derive(Debug)]
pub(super) struct CscSource {
    parts: SparseParts,
}

impl CscSource {
    /// Makes the source of these parts, whose `indptr` is of columns.
    pub(super) fn new(parts: SparseParts) -> Self {
        CscSource { parts }
    }
}

impl Source for CscSource {
    fn shape(&self) -> (usize, usize) {
        self.parts.shape
    }

    fn dtype(&self) -> DType {
        self.parts.data.dtype()
    }

    fn layout(&self) -> Layout {
        Layout::Csc
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

    fn pass_bytes(&self, _: &Rows, columns: Option<&ColumnMap>) -> u64 {
        self.parts.bytes_of(&columns.map_or(Rows::All, |map| Rows::List(map.selected().to_vec().into())))
    }

    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>> {
        let (n_rows, n_cols) = self.parts.shape;
        let n = rows.len(n_rows);
        // The number of values of each row is not known without reading the file, so all blocks
        // have the same number of rows, by the average.
        let block_rows = (u128::from(BLOCK_VALUES) * n_rows as u128 / u128::from(self.parts.nnz().max(1)))
            .clamp(1, BLOCK_ROWS as u128) as usize;
        let blocks: Vec<_> = (0..n).step_by(block_rows).map(|s| s..(s + block_rows).min(n)).collect();
        let row_map = match rows {
            Rows::All => None,
            Rows::List(list) => Some(ColumnMap::new(n_rows, &list)?),
        };
        let read = match &columns {
            None => Rows::All,
            Some(map) => {
                let mut list = memory::copied(map.selected(), COLUMNS)?;
                list.sort_unstable();
                list.dedup();
                Rows::List(list.into())
            }
        };
        let indptr = &self.parts.indptr;
        let record = 8 + self.parts.data.dtype().size();
        // Two threads hold a group each, decoded and as records.
        let target = (allowed.memory / 8 / record).clamp(1 << 12, 1 << 21) as u64;
        let groups = cut_columns(read.len(n_cols), target, |i| {
            let c = read.row(i);
            indptr[c + 1] - indptr[c]
        });
        let shared = |dataset: &super::disk::RawDataset| {
            if dataset.is_contiguous() {
                return Shared::unshared();
            }
            let len = dataset.chunk()[0];
            Shared::new(groups.iter().map(|g| touched(indptr, &read, g, len)), 1, allowed.memory / 8)
        };
        let (indices, data) = (shared(&self.parts.indices), shared(&self.parts.data));
        let cuts = || memory::exactly(groups.len() + 1, cuts(indptr, &groups), COLUMNS);
        let packed = self.parts.packed(allowed, matches!(read, Rows::All), cuts)?;
        let from = Places { indices, data, packed, ascends: true };
        let n_groups = groups.len();
        Ok(Box::new(CscPass {
            parts: &self.parts,
            row_map,
            columns,
            block_rows,
            blocks,
            read,
            groups,
            from,
            memory: allowed.memory / 2,
            space: allowed.scratch.clone(),
            next: AtomicUsize::new(0),
            progress: Mutex::new(Progress {
                done: (0..n_groups).map(|_| None).collect(),
                left: n_groups,
                held: 0,
                error: None,
            }),
            changed: Condvar::new(),
            partition: OnceLock::new(),
            scratch: OnceLock::new(),
        }))
    }
}

/// Divides columns into groups of about `target` values, at least one column each.
fn cut_columns(n: usize, target: u64, values_of: impl Fn(usize) -> u64) -> Vec<Range<usize>> {
    let (mut groups, mut start, mut sum) = (Vec::new(), 0, 0);
    for i in 0..n {
        let v = values_of(i);
        if i > start && sum + v > target {
            groups.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += v;
    }
    if start < n {
        groups.push(start..n);
    }
    groups
}

/// The records of one group of columns, ordered by block. A record is the row within the block
/// (u32), the output column (u32) and the value, in this machine's byte order.
#[derive(Debug)]
struct Group {
    /// The number of the first record of each block, then the number of records.
    starts: Vec<u32>,
    place: Place,
}

/// The bytes of the records, or their offset in the scratch file.
#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    Scratch(u64),
}

/// The state of a partition, shared by the threads that work on it.
struct Progress {
    done: Vec<Option<Group>>,
    left: usize,
    /// Bytes of the records in memory.
    held: usize,
    error: Option<Error>,
}

struct CscPass<'a> {
    parts: &'a SparseParts,
    /// Output rows of each source row; `None` when all are kept in order.
    row_map: Option<ColumnMap>,
    columns: Option<Arc<ColumnMap>>,
    block_rows: usize,
    blocks: Vec<Range<usize>>,
    /// Source columns that are read, ascending.
    read: Rows,
    /// The groups of those columns, as ranges of positions in `read`.
    groups: Vec<Range<usize>>,
    from: Places,
    memory: usize,
    next: AtomicUsize,
    progress: Mutex<Progress>,
    changed: Condvar,
    partition: OnceLock<Vec<Group>>,
    /// The scratch space for records beyond `memory`.
    space: Space,
    scratch: OnceLock<Result<Scratch>>,
}

impl Drop for CscPass<'_> {
    fn drop(&mut self) {
        self.parts.forget_ahead();
    }
}

impl CscPass<'_> {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all groups of records. The first calls partition them together: each thread takes
    /// the next group that is not yet taken.
    fn partition<T: Packable>(&self) -> Result<&[Group]> {
        if let Some(groups) = self.partition.get() {
            return Ok(groups);
        }
        while let Some(range) = self.groups.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let result = guard(|| self.partition_group::<T>(range));
            let mut progress = self.lock();
            match result {
                Ok(group) => {
                    let at = self.groups.partition_point(|g| g.start < range.start);
                    progress.done[at] = Some(group);
                    progress.left -= 1;
                }
                Err(e) => {
                    self.next.store(self.groups.len(), Ordering::Relaxed);
                    progress.error.get_or_insert(e);
                }
            }
            self.changed.notify_all();
        }
        let mut progress = self.lock();
        while progress.left > 0 && progress.error.is_none() {
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(e) = &progress.error {
            return Err(e.clone());
        }
        Ok(self.partition.get_or_init(|| progress.done.drain(..).flatten().collect()))
    }

    /// Calls `each(output row, output column, value)` for every kept value of the decoded columns
    /// `range`.
    fn for_each<T: Plain>(&self, range: &Range<usize>, decoded: &Decoded<T>, mut each: impl FnMut(u32, u32, T)) {
        for i in range.clone() {
            let column = self.read.row(i) as u32;
            let values = decoded.indptr[i - range.start]..decoded.indptr[i - range.start + 1];
            let mut row_of = |out_column: u32| {
                for k in values.clone() {
                    match &self.row_map {
                        None => each(decoded.indices[k], out_column, decoded.data[k]),
                        Some(map) => map.outputs(decoded.indices[k]).for_each(|r| each(r, out_column, decoded.data[k])),
                    }
                }
            };
            match &self.columns {
                None => row_of(column),
                Some(map) => map.outputs(column).for_each(&mut row_of),
            }
        }
    }

    /// Reads a group of columns and sorts its values into records by block.
    fn partition_group<T: Packable>(&self, range: &Range<usize>) -> Result<Group> {
        let indptr = &self.parts.indptr;
        let indptr_room = memory::room(range.len() + 1, COLUMNS)?;
        let mut decoded = Decoded::<T> { indptr: indptr_room, indices: Vec::new(), data: Vec::new() };
        decoded.indptr.push(0);
        let (mut sum, mut runs) = (0u64, Vec::<Range<u64>>::new());
        for i in range.clone() {
            let c = self.read.row(i);
            let values = indptr[c]..indptr[c + 1];
            sum += values.end - values.start;
            decoded.indptr.push(sum as usize);
            match runs.last_mut() {
                Some(run) if run.end == values.start => run.end = values.end,
                _ => runs.push(values),
            }
        }
        let is_packed = |run: &Range<u64>| self.from.packed.as_ref().is_some_and(|packed| packed.holds(run.start));
        if self.parts.is_remote() && !runs.first().is_some_and(is_packed) {
            (self.parts.ahead(&runs, None)?.run)()?;
        }
        self.parts.read(&runs, sum, &self.from, &mut decoded)?;
        let n_rows = self.parts.shape.0;
        if let Some(k) = decoded.indices.iter().position(|&r| r as usize >= n_rows) {
            let at = decoded.indptr.partition_point(|&p| p <= k) - 1;
            let fault = Fault::Column { row: at, column: decoded.indices[k] };
            return Err(self.parts.fault(&fault, |i| self.read.row(range.start + i)));
        }

        let size = 8 + size_of::<T>();
        let block_rows = self.block_rows as u32;
        let mut next = memory::zeros::<u32>(self.blocks.len() + 1, COLUMNS)?;
        let mut total = 0u64;
        self.for_each(range, &decoded, |row, _, _| {
            next[(row / block_rows) as usize + 1] += 1;
            total += 1;
        });
        if total > u64::from(u32::MAX) {
            return Err(Error::Memory {
                what: format!("one column of '{}', repeated", self.parts.element),
                needed: total.saturating_mul(size as u64),
                limit: u64::from(u32::MAX) * size as u64,
                hint: "; select fewer rows".to_owned(),
            });
        }
        for b in 0..self.blocks.len() {
            next[b + 1] += next[b];
        }
        let starts = memory::copied(&next, COLUMNS)?;
        let mut records: Vec<u8> = Vec::new();
        super::disk::reserve(&mut records, total * size as u64, || self.parts.element.clone())?;
        records.resize(total as usize * size, 0);
        self.for_each(range, &decoded, |row, column, value| {
            let block = (row / block_rows) as usize;
            let record = &mut records[next[block] as usize * size..][..size];
            next[block] += 1;
            record[..4].copy_from_slice(&(row % block_rows).to_ne_bytes());
            record[4..8].copy_from_slice(&column.to_ne_bytes());
            record[8..].copy_from_slice(super::disk::as_bytes_mut(&mut [value]));
        });

        {
            let mut progress = self.lock();
            if progress.held + records.len() <= self.memory {
                progress.held += records.len();
                return Ok(Group { starts, place: Place::Memory(records) });
            }
        }
        Ok(Group { starts, place: Place::Scratch(self.scratch()?.append(&records)?) })
    }

    /// Returns the scratch file; creates it at the first call.
    fn scratch(&self) -> Result<&Scratch> {
        self.scratch.get_or_init(|| Scratch::new(&self.space)).as_ref().map_err(Clone::clone)
    }

    /// Assembles a block from the records of all groups.
    fn read_as<T: Packable>(&self, block: usize) -> Result<Block> {
        let groups = self.partition::<T>()?;
        let range = self.blocks[block].clone();
        let size = 8 + size_of::<T>();
        let total: usize = groups.iter().map(|g| (g.starts[block + 1] - g.starts[block]) as usize).sum();
        let mut records: Vec<u8> = Vec::new();
        super::disk::reserve(&mut records, (total * size) as u64, || self.parts.element.clone())?;
        for group in groups {
            let (from, to) = (group.starts[block] as usize * size, group.starts[block + 1] as usize * size);
            match &group.place {
                Place::Memory(bytes) => records.extend_from_slice(&bytes[from..to]),
                Place::Scratch(at) => {
                    let start = records.len();
                    records.resize(start + to - from, 0);
                    self.scratch()?.read(at + from as u64, &mut records[start..])?;
                }
            }
        }

        // Counting sort by row; within a row, records stay in the order of the columns read.
        let field = |r: &[u8], at: usize| u32::from_ne_bytes([r[at], r[at + 1], r[at + 2], r[at + 3]]);
        let mut next = memory::zeros::<usize>(range.len() + 1, COLUMNS)?;
        for r in records.chunks_exact(size) {
            next[field(r, 0) as usize + 1] += 1;
        }
        for i in 0..range.len() {
            next[i + 1] += next[i];
        }
        let indptr = memory::copied(&next, COLUMNS)?;
        let (mut indices, mut data) =
            (memory::zeros::<u32>(total, COLUMNS)?, memory::filled(total, T::default(), COLUMNS)?);
        for r in records.chunks_exact(size) {
            let at = &mut next[field(r, 0) as usize];
            indices[*at] = field(r, 4);
            super::disk::as_bytes_mut(&mut data[*at..=*at]).copy_from_slice(&r[8..]);
            *at += 1;
        }
        let n_cols = self.columns.as_ref().map_or(self.parts.shape.1, |m| m.n_out());
        let decoded = Decoded { indptr, indices, data }.tidy(n_cols as u32, None).map_err(|fault| match fault {
            Fault::Other(e) => e,
            Fault::Overflow { column, .. } | Fault::Column { column, .. } => {
                let column = self.columns.as_ref().map_or(column, |m| m.selected()[column as usize]);
                let expected = format!("repeated entries whose sum fits {}", self.parts.data.dtype());
                self.parts.data.bad(expected, format!("an overflow in column {column}"))
            }
        })?;
        Ok(Block { positions: Positions::Range(range), n_cols, storage: decoded.into_storage() })
    }
}

impl Pass for CscPass<'_> {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        let (n_rows, size) = (self.parts.shape.0.max(1) as u64, self.parts.data.dtype().size());
        let values = self.parts.nnz().div_ceil(n_rows) as usize * self.blocks[block].len();
        // The values are in memory as records, then as rows.
        values * (12 + 2 * size)
    }

    fn read(&self, block: usize) -> Result<Block> {
        with_plain!(self.parts.data.dtype(), T => self.read_as::<T>(block))
    }
}
