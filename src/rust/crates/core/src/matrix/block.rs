//! A run of rows of an expression matrix in memory, which a pass hands to its consumer.

use crate::element::{Data, Number};
use crate::error::Result;
use crate::memory;
use crate::with_data;
use std::ops::Range;

/// The rows of the matrix (as the caller sees it) that a block holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Positions {
    /// Consecutive rows.
    Range(Range<usize>),
    /// Row `i` of the block is row `list[i]` of the matrix.
    List(Vec<u32>),
}

impl Positions {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match self {
            Positions::Range(r) => r.len(),
            Positions::List(l) => l.len(),
        }
    }

    /// Returns whether the block has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the matrix row of block row `i` (`i < len`).
    #[inline]
    pub fn row(&self, i: usize) -> usize {
        match self {
            Positions::Range(r) => r.start + i,
            Positions::List(l) => l[i] as usize,
        }
    }
}

/// Values of a block: compressed rows or dense rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Storage {
    /// Compressed sparse rows. Within a row, indices ascend strictly (the source sorted them and
    /// summed duplicates); explicit zeros may occur.
    Csr {
        /// `n_rows + 1` offsets, the first 0.
        indptr: Vec<usize>,
        /// Column of each stored value.
        indices: Vec<u32>,
        /// The stored values.
        data: Data,
    },
    /// Dense, row-major, `n_rows x n_cols`.
    Dense(Data),
}

/// A run of rows, in the order the pass was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The matrix row of each row of the block.
    pub positions: Positions,
    /// Number of columns of the matrix, after selection.
    pub n_cols: usize,
    /// The values.
    pub storage: Storage,
}

impl Block {
    /// Returns the number of rows.
    pub fn n_rows(&self) -> usize {
        self.positions.len()
    }

    /// Returns the bytes of the values and their indices.
    pub fn bytes(&self) -> usize {
        match &self.storage {
            Storage::Csr { indptr, indices, data } => {
                indptr.len() * 8 + indices.len() * 4 + data.len() * data.dtype().size()
            }
            Storage::Dense(data) => data.len() * data.dtype().size(),
        }
    }

    /// Returns the same block with float values. They are f64 for 64-bit floats and for integers
    /// wider than 16 bits, so that no count is rounded before it is summed. They are f32 for all
    /// other types, whose values f32 holds exactly.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn into_float(mut self) -> Result<Block> {
        fn conv<T: Number>(v: &[T]) -> Result<Data> {
            use crate::element::DType::*;
            const FLOATS: &str = "rows of a matrix as floats";
            Ok(match T::DTYPE {
                I32 | I64 | U32 | U64 | F64 => Data::F64(memory::collected(v.iter().map(|x| x.to_f64()), FLOATS)?),
                _ => Data::F32(memory::collected(v.iter().map(|x| x.to_f64() as f32), FLOATS)?),
            })
        }
        let (Storage::Csr { data, .. } | Storage::Dense(data)) = &mut self.storage;
        if !matches!(data, Data::F32(_) | Data::F64(_)) {
            *data = with_data!(&*data, v => conv(v)?);
        }
        Ok(self)
    }
}
