//! The interface of a stored matrix to the streaming executor.

use super::{Block, ColumnMap};
use crate::element::DType;
use crate::error::Result;
use crate::session::{Allowance, Keeping, Session, Space};
use crate::store::Traffic;
use crate::vector::Vector;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The layout of a stored matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Compressed rows.
    Csr,
    /// Compressed columns.
    Csc,
    /// Dense, by cells or (in loom files) by genes.
    Dense,
}

impl Layout {
    /// Returns "csr", "csc" or "dense".
    pub fn name(self) -> &'static str {
        match self {
            Layout::Csr => "csr",
            Layout::Csc => "csc",
            Layout::Dense => "dense",
        }
    }
}

/// The location of a matrix, by which another process can open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The store; a path in it is absolute.
    pub store: crate::location::Location,
    /// The element inside it ("X", "layers/counts", "raw/X").
    pub element: String,
}

impl Location {
    /// Returns the path of the element in its file, also where the store is only a group of the
    /// file. It identifies the matrix within the file.
    pub fn in_file(&self) -> String {
        match self.store.group() {
            "" => self.element.clone(),
            group => format!("{group}/{}", self.element),
        }
    }
}

/// Rows of a source, in the order in which a pass delivers them.
#[derive(Debug, Clone)]
pub enum Rows {
    /// All rows.
    All,
    /// These source rows, in this order; repeats allowed. All `< n_rows`.
    List(Vector<u32>),
}

impl Rows {
    /// Returns the number of rows delivered by a source of `n_rows` rows.
    pub fn len(&self, n_rows: usize) -> usize {
        match self {
            Rows::All => n_rows,
            Rows::List(l) => l.len(),
        }
    }

    /// Returns the source row at delivered position `i`.
    #[inline]
    pub fn row(&self, i: usize) -> usize {
        match self {
            Rows::All => i,
            Rows::List(l) => l[i] as usize,
        }
    }
}

/// Counts of the chunks of a matrix's values and indices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// The number of chunks; 0 for contiguous values.
    pub chunks: u64,
    /// Chunks decoded since the matrix was opened; more than `chunks` after one pass means that it
    /// decoded some twice.
    pub decoded: u64,
}

/// A stored matrix, cells x genes. Cheap to share; every method may be called from any thread.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Returns the numbers of rows (obs) and columns (var).
    fn shape(&self) -> (usize, usize);

    /// Returns the dtype of the stored values.
    fn dtype(&self) -> DType;

    /// Returns the storage layout.
    fn layout(&self) -> Layout;

    /// Returns the number of stored values; `None` for dense matrices.
    fn nnz(&self) -> Option<u64>;

    /// Returns the (compressed) bytes on disk; 0 for a matrix in memory.
    fn disk_bytes(&self) -> u64;

    /// Returns the location; `None` in memory.
    fn location(&self) -> Option<Location>;

    /// Returns the present state of the file; `None` where there is no plain file whose state can
    /// be told.
    fn stamp(&self) -> Option<super::Stamp> {
        None
    }

    /// Returns the state of its packed rows in a session, for passes with this `keeping` and
    /// scratch space.
    fn packed(&self, keeping: &Keeping, scratch: &Space) -> super::PackedState {
        let _ = (keeping, scratch);
        super::PackedState::None
    }

    /// Makes the file of packed rows at `path`, unless one of this matrix is there, and reads packed
    /// rows from it from now on. Returns its bytes and whether it was made; `None` for a matrix that
    /// cannot be packed.
    ///
    /// # Errors
    /// The errors of reading the matrix and of writing the file.
    fn pack(&self, path: &Path, session: &Session) -> Result<Option<(u64, bool)>> {
        let _ = (path, session);
        Ok(None)
    }

    /// Returns the counts of the reads so far.
    fn reads(&self) -> Reads {
        Reads::default()
    }

    /// Returns the requests and bytes of its store so far; `None` unless the store is far.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Returns the stored bytes, in whole chunks, that a pass over `rows` and `columns` (all where
    /// `None`) reads, approximately.
    fn pass_bytes(&self, rows: &Rows, columns: Option<&ColumnMap>) -> u64 {
        let _ = (rows, columns);
        self.disk_bytes()
    }

    /// Prepares one pass over `rows` that keeps `columns` (all where `None`). `allowed` bounds the
    /// memory and scratch space of the pass besides the blocks it has handed out.
    ///
    /// # Errors
    /// Errors of reading the element.
    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>>;

    /// Returns the source itself if it is made of other matrices, so that a session that is saved
    /// can find them; else `None`.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }
}

/// The stored bytes of a block in a remote store, which are located, and the work that fetches
/// them.
pub struct Fetch<'a> {
    /// The number of bytes; an estimate where the store does not tell it.
    pub bytes: u64,
    /// The work.
    pub run: Box<dyn FnOnce() -> Result<()> + Send + 'a>,
}

impl Fetch<'_> {
    /// Returns the fetch of no bytes.
    pub fn nothing() -> Self {
        Fetch { bytes: 0, run: Box::new(|| Ok(())) }
    }
}

/// One pass: a fixed sequence of blocks that depends on the source and the rows alone, never on
/// threads or memory. Blocks may be read from several threads and out of order, each once. Blocks
/// that have rows in the same chunk of the file share the decoded chunk.
pub trait Pass: Send + Sync {
    /// Returns the row positions (in the delivered order) of each block; together they cover all
    /// rows.
    fn blocks(&self) -> &[Range<usize>];

    /// Returns the approximate bytes of the decoded block, which bound the number of blocks in
    /// flight.
    fn cost(&self, block: usize) -> usize;

    /// Returns whether the stored bytes of a block are in a remote store.
    fn is_remote(&self, block: usize) -> bool {
        let _ = block;
        false
    }

    /// Locates the stored bytes of a block in a remote store, which may take requests of its own.
    /// Returns the work that prefetches them for a later [`Pass::read`].
    ///
    /// # Errors
    /// Errors of locating them; the work returns those of fetching them.
    fn prefetch(&self, block: usize) -> Result<Fetch<'_>> {
        let _ = block;
        Ok(Fetch::nothing())
    }

    /// Reads block `block`. Its positions are `Positions::Range(blocks()[block])`, its values are
    /// in the stored dtype.
    ///
    /// # Errors
    /// Errors of reading the data, also for data that contradicts itself.
    fn read(&self, block: usize) -> Result<Block>;
}

/// Most stored values of a block of several rows (8 MB of indices and f32 values).
pub const BLOCK_VALUES: u64 = 1 << 20;
/// Most rows of a block.
pub const BLOCK_ROWS: usize = 1 << 16;

/// Divides `n` rows into blocks of at most [`BLOCK_VALUES`] values (but at least one row) and
/// [`BLOCK_ROWS`] rows.
pub fn cut_blocks(n: usize, values_of: impl Fn(usize) -> u64) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let (mut start, mut sum) = (0, 0u64);
    for i in 0..n {
        let v = values_of(i);
        if i > start && (sum + v > BLOCK_VALUES || i - start >= BLOCK_ROWS) {
            blocks.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += v;
    }
    if start < n {
        blocks.push(start..n);
    }
    blocks
}
