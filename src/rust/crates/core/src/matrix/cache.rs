//! A compact cache of selected columns, filled by one pass and used by later ones.
//!
//! After genes have been selected, a tenth of the matrix is read again and again: for scaling,
//! second moments and projection. The first such pass leaves its blocks here, with columns as u16
//! and small whole numbers as u8 or u16. They are in memory up to a limit, and in an unlinked
//! scratch file beyond. Later passes get the very same blocks back (boundaries, values, dtype), so
//! results do not depend on the cache.

use super::disk::Scratch;
use super::{Block, Pass, Positions, Storage};
use crate::element::{Data, Number};
use crate::error::{Error, Result};
use crate::memory;
use crate::session::{Lease, Space};
use crate::with_data;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;

/// Most columns worth keeping: about the number that a selection of genes leaves, and within the
/// range of u16.
pub(crate) const MAX_COLUMNS: usize = 8192;

const KEPT: &str = "selected columns kept between passes";

/// Values of one block in as few bytes as they need.
#[derive(Debug)]
enum Values {
    U8(Vec<u8>),
    U16(Vec<u16>),
    /// Values in their own dtype.
    Stored(Data),
}

impl Values {
    /// Returns the bytes per value.
    fn width(&self) -> usize {
        match self {
            Values::U8(_) => 1,
            Values::U16(_) => 2,
            Values::Stored(d) => d.dtype().size(),
        }
    }
}

/// One block in compact form.
#[derive(Debug)]
struct Packed {
    indptr: Vec<u32>,
    columns: Vec<u16>,
    values: Values,
}

/// The place of a block.
#[derive(Debug)]
enum Kept {
    Memory(Packed),
    /// Offset in the scratch file, and bytes per value: 1 and 2 for whole numbers, 4 and 8 for
    /// floats in their own dtype.
    Scratch {
        at: u64,
        indptr: Vec<u32>,
        width: usize,
    },
}

/// The blocks of one pass, filled by that pass.
#[derive(Debug)]
pub(crate) struct ColumnCache {
    blocks: Vec<Range<usize>>,
    costs: Vec<usize>,
    n_cols: usize,
    /// An empty buffer of the stored dtype.
    dtype: Data,
    kept: Vec<OnceLock<Kept>>,
    left: AtomicUsize,
    memory: Lease,
    space: Space,
    scratch: OnceLock<Scratch>,
}

/// Returns the values as the smallest integers that hold every value exactly. Returns `None` where
/// no type does or the values are as narrow already. -0.0 is not an integer.
fn pack(data: &Data) -> Result<Option<Values>> {
    fn largest_code<T: Number>(v: &[T]) -> Option<u16> {
        let mut most = 0u16;
        let mut exact = true;
        for x in v {
            let x = x.to_f64();
            // The cast saturates; NaN becomes 0, which then differs from it.
            let k = x as u16;
            exact &= (f64::from(k)).to_bits() == x.to_bits();
            most = most.max(k);
        }
        exact.then_some(most)
    }
    let size = data.dtype().size();
    let Some(most) = with_data!(data, v => largest_code(v)) else { return Ok(None) };
    if most <= 255 && size > 1 {
        Ok(Some(Values::U8(with_data!(data, v => memory::collected(v.iter().map(|x| x.to_f64() as u8), KEPT)?))))
    } else if size > 2 {
        Ok(Some(Values::U16(with_data!(data, v => memory::collected(v.iter().map(|x| x.to_f64() as u16), KEPT)?))))
    } else {
        Ok(None)
    }
}

/// Converts whole numbers to the dtype of `like`.
fn unpack<S: Number>(values: &[S], like: &Data) -> Result<Data> {
    fn as_type<S: Number, T: Number>(values: &[S], _: &[T]) -> Result<Data> {
        Ok(T::wrap(memory::collected(values.iter().map(|x| T::from_f64(x.to_f64())), KEPT)?))
    }
    with_data!(like, v => as_type(values, v))
}

/// Reads the numbers of `N` bytes each from `bytes`.
fn numbers<'a, const N: usize, T>(
    bytes: &'a [u8],
    from: impl Fn([u8; N]) -> T + 'a,
) -> impl ExactSizeIterator<Item = T> + 'a {
    bytes.chunks_exact(N).map(move |b| {
        let mut raw = [0; N];
        raw.copy_from_slice(b);
        from(raw)
    })
}

impl ColumnCache {
    /// Makes an empty cache for the blocks of `pass`, which have `n_cols` columns. `dtype` is an
    /// empty buffer whose type is the dtype of the values. Blocks are kept in the memory of the
    /// lease `memory` while it lasts, then in a scratch file in `space`.
    pub(crate) fn new(pass: &dyn Pass, n_cols: usize, dtype: Data, memory: Lease, space: Space) -> Self {
        let blocks = pass.blocks().to_vec();
        let costs = (0..blocks.len()).map(|b| pass.cost(b)).collect();
        let kept = blocks.iter().map(|_| OnceLock::new()).collect();
        let left = AtomicUsize::new(memory.bytes());
        ColumnCache { blocks, costs, n_cols, dtype, kept, left, memory, space, scratch: OnceLock::new() }
    }

    /// Keeps block `b` with the values that the source returned, before any operation of a chain.
    /// Columns are kept as u16, small whole numbers as u8 or u16. Does nothing for a dense block,
    /// for a block too large for these types, and where there is no space.
    ///
    /// # Errors
    /// Errors of writing the scratch file.
    pub(crate) fn keep(&self, b: usize, block: &Block) -> Result<()> {
        let Storage::Csr { indptr, indices, data } = &block.storage else { return Ok(()) };
        let Some(slot) = self.kept.get(b) else { return Ok(()) };
        if indices.len() >= u32::MAX as usize || block.n_cols > usize::from(u16::MAX) {
            return Ok(());
        }
        let packed = Packed {
            indptr: memory::collected(indptr.iter().map(|&e| e as u32), KEPT)?,
            columns: memory::collected(indices.iter().map(|&c| c as u16), KEPT)?,
            values: match pack(data)? {
                Some(values) => values,
                None => Values::Stored(data.copied(KEPT)?),
            },
        };
        let width = packed.values.width();
        let bytes = packed.indptr.len() * 4 + packed.columns.len() * (2 + width);
        let in_memory = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| l.checked_sub(bytes)).is_ok();
        let kept = match packed {
            p if in_memory => Kept::Memory(p),
            Packed { indptr, columns, values: Values::U8(v) } => {
                let mut out: Vec<u8> = memory::room(columns.len() * 3, KEPT)?;
                columns.iter().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
                out.extend_from_slice(&v);
                let Some(at) = self.spill(&out)? else { return Ok(()) };
                Kept::Scratch { at, indptr, width: 1 }
            }
            Packed { indptr, columns, values: Values::U16(v) } => {
                let mut out: Vec<u8> = memory::room(columns.len() * 4, KEPT)?;
                columns.iter().chain(&v).for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
                let Some(at) = self.spill(&out)? else { return Ok(()) };
                Kept::Scratch { at, indptr, width: 2 }
            }
            Packed { indptr, columns, values: Values::Stored(d) } => {
                let mut out: Vec<u8> = memory::room(columns.len() * (2 + width), KEPT)?;
                columns.iter().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
                match &d {
                    Data::F32(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
                    Data::F64(v) => v.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes())),
                    // Large integers do not go to the scratch file; the source is read again.
                    _ => return Ok(()),
                }
                let Some(at) = self.spill(&out)? else { return Ok(()) };
                Kept::Scratch { at, indptr, width }
            }
        };
        let _ = slot.set(kept);
        Ok(())
    }

    /// Appends the bytes of a block to the scratch file and returns their offset. Returns `None`
    /// where scratch files have no space; the source is then read again.
    fn spill(&self, bytes: &[u8]) -> Result<Option<u64>> {
        match self.scratch()?.append(bytes) {
            Err(Error::Scratch { .. }) => Ok(None),
            at => at.map(Some),
        }
    }

    /// Returns the scratch file; creates it at the first call.
    fn scratch(&self) -> Result<&Scratch> {
        if self.scratch.get().is_none() {
            let _ = self.scratch.set(Scratch::new(&self.space)?);
        }
        self.scratch.get().ok_or_else(|| Error::Internal("no scratch file".to_owned()))
    }

    /// Returns the bytes in memory and in the scratch file.
    pub(crate) fn held(&self) -> (u64, u64) {
        let bytes = |n: usize, values: usize, width: usize| (n * 4 + values * (2 + width)) as u64;
        self.kept.iter().filter_map(OnceLock::get).fold((0, 0), |(memory, scratch), kept| match kept {
            Kept::Memory(p) => (memory + bytes(p.indptr.len(), p.columns.len(), p.values.width()), scratch),
            Kept::Scratch { indptr, width, .. } => {
                let n = indptr.last().map_or(0, |&e| e as usize);
                (memory + bytes(indptr.len(), 0, 0), scratch + bytes(0, n, *width))
            }
        })
    }

    /// Returns the cache, with its lease shrunk to the memory it takes, if every block is kept;
    /// else `None`.
    pub(crate) fn complete(mut self) -> Option<Self> {
        let held = self.memory.bytes() - *self.left.get_mut();
        self.memory.shrink(held);
        self.kept.iter().all(|k| k.get().is_some()).then_some(self)
    }
}

/// A pass over the cached blocks.
impl Pass for ColumnCache {
    fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    fn cost(&self, block: usize) -> usize {
        self.costs.get(block).copied().unwrap_or(0)
    }

    fn read(&self, b: usize) -> Result<Block> {
        let lost = || Error::Internal("a block was not kept".to_owned());
        let (kept, range) = (self.kept.get(b).and_then(OnceLock::get).ok_or_else(lost)?, self.blocks[b].clone());
        let (indptr, indices, data) = match kept {
            Kept::Memory(p) => {
                let data = match &p.values {
                    Values::U8(v) => unpack(v, &self.dtype)?,
                    Values::U16(v) => unpack(v, &self.dtype)?,
                    Values::Stored(d) => d.copied(KEPT)?,
                };
                (&p.indptr, memory::collected(p.columns.iter().map(|&c| u32::from(c)), KEPT)?, data)
            }
            Kept::Scratch { at, indptr, width } => {
                let n = indptr.last().map_or(0, |&e| e as usize);
                let mut bytes = memory::zeros::<u8>(n * (2 + width), KEPT)?;
                self.scratch()?.read(*at, &mut bytes)?;
                let (columns, values) = bytes.split_at(2 * n);
                let indices = memory::collected(numbers(columns, u16::from_le_bytes).map(u32::from), KEPT)?;
                let data = match width {
                    1 => unpack(values, &self.dtype)?,
                    2 => unpack(&memory::collected(numbers(values, u16::from_le_bytes), KEPT)?, &self.dtype)?,
                    4 => Data::F32(memory::collected(numbers(values, f32::from_le_bytes), KEPT)?),
                    _ => Data::F64(memory::collected(numbers(values, f64::from_le_bytes), KEPT)?),
                };
                (indptr, indices, data)
            }
        };
        let indptr = memory::collected(indptr.iter().map(|&e| e as usize), KEPT)?;
        let storage = Storage::Csr { indptr, indices, data };
        Ok(Block { positions: Positions::Range(range), n_cols: self.n_cols, storage })
    }
}
