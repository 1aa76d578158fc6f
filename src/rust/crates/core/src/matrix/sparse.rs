//! The common parts of CSR and CSC elements: three datasets that must agree.

use super::disk::{with_plain, Cursor, Plain, RawDataset, Shared};
use super::index::hash_words;
use super::packed::Packed;
use super::rows::Fault;
use super::{Fetch, Location, Reads, Rows, Stamp};
use crate::element::{DType, SparseFormat};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::run_both;
use crate::store::{FileState, Node, Store};
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The parts of a compressed matrix, which were checked against each other.
#[derive(Debug)]
pub(super) struct SparseParts {
    /// The store of the matrix.
    pub(super) store: Arc<Store>,
    /// The path of the matrix in the store.
    pub(super) element: String,
    /// Numbers of rows (obs) and columns (var).
    pub(super) shape: (usize, usize),
    /// Offsets of rows (CSR) or columns (CSC): ascending from 0 to the number of stored values.
    pub(super) indptr: Vec<u64>,
    /// Columns (CSR) or rows (CSC) of the stored values.
    pub(super) indices: RawDataset,
    /// The stored values.
    pub(super) data: RawDataset,
    /// Bytes of the three datasets in the file.
    pub(super) disk_bytes: u64,
    /// Checksum of `indptr`.
    checksum: OnceLock<u64>,
    /// The packed rows of this matrix, which live as long as the matrix.
    packed: Mutex<Option<Arc<Packed>>>,
}

impl SparseParts {
    /// Opens the group of a matrix of the given format and shape.
    ///
    /// # Errors
    /// [`Error::Format`] where the datasets contradict each other or the shape; errors of opening a
    /// dataset.
    pub(super) fn open(group: &Node, format: SparseFormat, shape: (usize, usize)) -> Result<Self> {
        let (store, element) = (group.store(), group.path());
        let open = |name: &str| RawDataset::open(&group.child(name)?);
        let (data, indices, offsets) = (open("data")?, open("indices")?, open("indptr")?);
        for d in [&data, &indices, &offsets] {
            if d.shape().len() != 1 {
                return Err(d.bad("1 dimension", d.shape().len()));
            }
        }
        for d in [&indices, &offsets] {
            if matches!(d.dtype(), DType::Bool | DType::F16 | DType::F32 | DType::F64) {
                return Err(d.bad("integers", d.dtype()));
            }
        }
        let (n_major, axis) = match format {
            SparseFormat::Csc => (shape.1, "columns"),
            SparseFormat::Csr => (shape.0, "rows"),
        };
        if offsets.shape()[0] != n_major as u64 + 1 {
            return Err(offsets.bad(format!("{} offsets for {n_major} {axis}", n_major + 1), offsets.shape()[0]));
        }
        let nnz = indices.shape()[0];
        if data.shape()[0] != nnz {
            return Err(data.bad(format!("{nnz} values, one per index"), data.shape()[0]));
        }
        let indptr = with_plain!(offsets.dtype(), T => read_offsets::<T>(&offsets)?);
        if indptr.first() != Some(&0) {
            let found = indptr.first().map_or("none".to_owned(), |first| format!("a first offset of {first}"));
            return Err(offsets.bad("offsets that start at 0", found));
        }
        if let Some(i) = indptr.windows(2).position(|w| w[0] > w[1]) {
            let found = format!("{} after {} at position {}", indptr[i + 1], indptr[i], i + 1);
            return Err(offsets.bad("ascending offsets", found));
        }
        if indptr.last() != Some(&nnz) {
            let found = indptr.last().copied().unwrap_or(0);
            return Err(offsets.bad(format!("a last offset of {nnz}, the number of stored values"), found));
        }
        let disk_bytes = data.disk_bytes() + indices.disk_bytes() + offsets.disk_bytes();
        Ok(SparseParts {
            store: store.clone(),
            element: element.to_owned(),
            shape,
            indptr,
            indices,
            data,
            disk_bytes,
            checksum: OnceLock::new(),
            packed: Mutex::default(),
        })
    }

    /// Returns the number of stored values.
    pub(super) fn nnz(&self) -> u64 {
        self.indptr.last().copied().unwrap_or(0)
    }

    /// Returns the location of the matrix.
    pub(super) fn location(&self) -> Location {
        Location { store: self.store.location().clone(), element: self.element.clone() }
    }

    /// Returns the present state of the file; `None` where there is no plain file.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let FileState { bytes, modified, inode } = self.store.state()?;
        let offsets = *self.checksum.get_or_init(|| hash_words(&self.indptr));
        Some(Stamp { bytes, modified, inode, offsets })
    }

    /// Returns whether the matrix is in a remote store.
    pub(super) fn is_remote(&self) -> bool {
        self.data.is_remote()
    }

    /// Locates the stored bytes of the entries at positions `runs` (ascending). Chunks up to the
    /// chunk with entry `before` are left out: an earlier block fetches them. Returns the work that
    /// fetches the bytes of indices and values at the same time.
    ///
    /// # Errors
    /// Errors of locating them; the work returns those of fetching them.
    pub(super) fn ahead(&self, runs: &[Range<u64>], before: Option<u64>) -> Result<Fetch<'_>> {
        let wanted = |dataset: &RawDataset| {
            let len = if dataset.is_contiguous() { 1 } else { dataset.chunk()[0] };
            let mut next = before.map_or(0, |value| value / len + 1);
            let mut chunks = Vec::new();
            for run in runs.iter().filter(|run| !run.is_empty() && !dataset.is_contiguous()) {
                let (first, last) = (next.max(run.start / len), (run.end - 1) / len);
                chunks.extend(first..=last);
                next = next.max(last + 1);
            }
            dataset.wanted(chunks.into_iter(), runs)
        };
        let (indices, data) = run_both(|| wanted(&self.indices), || wanted(&self.data));
        let (indices, data) = (indices?, data?);
        let bytes = self.indices.bytes_of(&indices).saturating_add(self.data.bytes_of(&data));
        Ok(Fetch { bytes, run: Box::new(move || self.indices.fetch_ahead(&indices, Some((&self.data, &data)))) })
    }

    /// Drops prefetched bytes that were not read.
    pub(super) fn forget_ahead(&self) {
        self.indices.forget_ahead();
        self.data.forget_ahead();
    }

    /// Holds packed rows, in place of those held before.
    pub(super) fn hold(&self, packed: Option<&Arc<Packed>>) {
        *self.packed.lock().unwrap_or_else(PoisonError::into_inner) = packed.cloned();
    }

    /// Returns the stored bytes of the chunks that hold these rows (columns, in CSC), estimated
    /// from the number of chunks.
    pub(super) fn bytes_of(&self, rows: &Rows) -> u64 {
        let (Rows::List(list), nnz) = (rows, self.nnz()) else { return self.disk_bytes };
        // It is an estimate: where memory for a better one is missing, the bytes of all rows do.
        let Ok(mut list) = memory::copied(list, "rows") else { return self.disk_bytes };
        list.sort_unstable();
        let n = list.len();
        let rows = Rows::List(list.into());
        let share = |dataset: &RawDataset| {
            let len = if dataset.is_contiguous() { 1 } else { dataset.chunk()[0] };
            let (mut chunks, mut next) = (0, 0);
            for run in touched(&self.indptr, &rows, &(0..n), len) {
                chunks += (run.end() + 1).saturating_sub(next.max(*run.start()));
                next = next.max(run.end() + 1);
            }
            dataset.disk_bytes() as f64 * chunks as f64 / nnz.div_ceil(len).max(1) as f64
        };
        (share(&self.indices) + share(&self.data)) as u64
    }

    /// Returns the counts of chunks of indices and values.
    pub(super) fn reads(&self) -> Reads {
        let (a, b) = (self.indices.reads(), self.data.reads());
        Reads { chunks: a.chunks + b.chunks, decoded: a.decoded + b.decoded }
    }

    /// Makes the error for a row (a column, in CSC) that cannot be used. `major` converts its place
    /// among the rows read to its number in the file.
    pub(super) fn fault(&self, fault: &Fault, major: impl Fn(usize) -> usize) -> Error {
        let (n_rows, n_cols) = self.shape;
        let by_row = self.indptr.len() == n_rows + 1;
        let (axis, cross, n) = if by_row { ("row", "column", n_cols) } else { ("column", "row", n_rows) };
        match *fault {
            Fault::Column { row, column } => {
                let found =
                    if column == u32::MAX { "a negative or too large one".to_owned() } else { column.to_string() };
                self.indices.bad(format!("{cross} indices below {n} in {axis} {}", major(row)), found)
            }
            Fault::Other(ref e) => e.clone(),
            Fault::Overflow { row, column } => self.data.bad(
                format!("repeated entries whose sum fits {}", self.data.dtype()),
                format!("an overflow in {axis} {}, {cross} {column}", major(row)),
            ),
        }
    }
}

/// Reads the offsets, and checks that none is negative.
fn read_offsets<T: Plain>(dataset: &RawDataset) -> Result<Vec<u64>> {
    let n = dataset.shape()[0];
    let none = Shared::unshared();
    let mut values: Vec<T> = Vec::new();
    dataset.append(0..n, &mut Cursor::new(&none), &mut values)?;
    let mut offsets = memory::room(values.len(), "offsets of a sparse matrix")?;
    for (i, x) in values.iter().enumerate() {
        let negative = || dataset.bad("offsets of 0 or more", format!("{x:?} at position {i}"));
        offsets.push(x.offset().ok_or_else(negative)?);
    }
    Ok(offsets)
}

/// Returns the numbers of the chunks of `len` values that hold rows `block` of a pass, as runs in
/// the order of the rows.
pub(super) fn touched<'a>(
    indptr: &'a [u64],
    rows: &'a Rows,
    block: &Range<usize>,
    len: u64,
) -> impl Iterator<Item = RangeInclusive<u64>> + 'a {
    let pieces = match rows {
        Rows::All => block.start..block.start + 1,
        Rows::List(_) => block.clone(),
    };
    let last = block.end;
    pieces.filter_map(move |i| {
        let (from, to) = match rows {
            Rows::All => (i, last),
            Rows::List(l) => (l[i] as usize, l[i] as usize + 1),
        };
        let (from, to) = (indptr[from], indptr[to]);
        (from < to).then(|| from / len..=(to - 1) / len)
    })
}
