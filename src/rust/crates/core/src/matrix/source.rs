//! The interface of a stored matrix to the streaming executor.

use super::{Block, ColumnMap};
use crate::element::DType;
use crate::error::Result;
use crate::session::{Allowance, Keeping, Space};
use crate::store::Traffic;
use crate::vector::Vector;
use std::ops::Range;
use std::sync::Arc;

/// How a matrix is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Compressed rows.
    Csr,
    /// Compressed columns.
    Csc,
    /// Dense, row-major.
    Dense,
}

impl Layout {
    /// "csr", "csc" or "dense".
    pub fn name(self) -> &'static str {
        match self {
            Layout::Csr => "csr",
            Layout::Csc => "csc",
            Layout::Dense => "dense",
        }
    }
}

/// Where a matrix lives, enough to open it again in another process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The store; a path is absolute.
    pub store: crate::location::Location,
    /// The element inside it ("X", "layers/counts", "raw/X").
    pub element: String,
}

impl Location {
    /// The path of the element in the file, where the store is a group of it: no other matrix of the file has it.
    pub fn in_file(&self) -> String {
        match self.store.group() {
            "" => self.element.clone(),
            group => format!("{group}/{}", self.element),
        }
    }
}

/// Rows of a source, in the order a pass shall deliver them.
#[derive(Debug, Clone)]
pub enum Rows {
    /// All rows.
    All,
    /// These source rows, in this order; repeats allowed. All `< n_rows`.
    List(Vector<u32>),
}

impl Rows {
    /// Number of rows delivered by a source of `n_rows` rows.
    pub fn len(&self, n_rows: usize) -> usize {
        match self {
            Rows::All => n_rows,
            Rows::List(l) => l.len(),
        }
    }

    /// Source row at delivered position `i`.
    #[inline]
    pub fn at(&self, i: usize) -> usize {
        match self {
            Rows::All => i,
            Rows::List(l) => l[i] as usize,
        }
    }
}

/// Chunks of the values (and indices) of a matrix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Chunks there are; 0 for values in one run.
    pub chunks: u64,
    /// Chunks decoded since the matrix was opened: once more than `chunks` is one pass too many.
    pub decoded: u64,
}

/// A stored matrix, cells x genes. Cheap to share; every method may be called from any thread.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Rows (obs), columns (var).
    fn shape(&self) -> (usize, usize);

    /// Dtype of the stored values.
    fn dtype(&self) -> DType;

    /// Storage layout.
    fn layout(&self) -> Layout;

    /// Stored values; `None` for dense matrices.
    fn nnz(&self) -> Option<u64>;

    /// Bytes on disk (compressed), 0 when in memory.
    fn disk_bytes(&self) -> u64;

    /// Where it lives; `None` in memory.
    fn location(&self) -> Option<Location>;

    /// The present state of the file it is read from; `None` when there is no plain file to tell it by.
    fn stamp(&self) -> Option<super::Stamp> {
        None
    }

    /// State of its packed rows in a session, by the room its passes would be given.
    fn packed(&self, keeping: &Keeping, scratch: &Space) -> super::PackedState {
        let _ = (keeping, scratch);
        super::PackedState::None
    }

    /// Counts of the reads so far.
    fn reads(&self) -> Reads {
        Reads::default()
    }

    /// Requests and bytes so far of the store it is in, where that is far away.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Stored bytes a pass over `rows` and `columns` (all when `None`) reads, roughly: whole chunks.
    fn pass_bytes(&self, rows: &Rows, columns: Option<&ColumnMap>) -> u64 {
        let _ = (rows, columns);
        self.disk_bytes()
    }

    /// Prepares one pass over `rows`, keeping `columns` (all when `None`). `allowed` bounds what the pass may hold besides
    /// the blocks it has handed out.
    ///
    /// # Errors
    /// When the element cannot be read.
    fn pass<'a>(
        &'a self,
        rows: Rows,
        columns: Option<Arc<ColumnMap>>,
        allowed: &Allowance,
    ) -> Result<Box<dyn Pass + 'a>>;

    /// Itself, for a source made of other matrices, so that who saves a session can find them.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }
}

/// One pass: a fixed sequence of blocks that depends on the source and the rows alone, never on threads or memory. Blocks may be
/// read from several threads and out of order, each once; neighbouring blocks share a decoded chunk where they meet.
pub trait Pass: Send + Sync {
    /// Row positions (in the delivered order) of each block; together they cover all rows.
    fn blocks(&self) -> &[Range<usize>];

    /// Bytes the block will take decoded, roughly: bounds the blocks in flight.
    fn cost(&self, block: usize) -> usize;

    /// Bytes of the block as they are stored, roughly, where these are far away; else 0.
    fn stored(&self, block: usize) -> usize {
        let _ = block;
        0
    }

    /// Fetches the stored bytes of a block far away, for [`Pass::read`] to come.
    ///
    /// # Errors
    /// When they cannot be had.
    fn ahead(&self, block: usize) -> Result<()> {
        let _ = block;
        Ok(())
    }

    /// Reads block `block`; its positions are `Positions::Range(blocks()[block])`, its values in the stored dtype.
    ///
    /// # Errors
    /// When the data cannot be read or contradicts itself.
    fn read(&self, block: usize) -> Result<Block>;
}

/// Stored values after which a block ends (8 MB of indices and f32 values).
pub const BLOCK_VALUES: u64 = 1 << 20;
/// Rows after which a block ends whatever it holds.
pub const BLOCK_ROWS: usize = 1 << 16;

/// Cuts `n` rows into blocks of at most [`BLOCK_VALUES`] values (but at least one row) and [`BLOCK_ROWS`] rows.
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
