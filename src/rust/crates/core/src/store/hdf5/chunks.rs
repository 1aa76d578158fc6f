//! The chunks of a dataset as the file lists them, checked against the extents.

use super::filters::filters;
use crate::codec::id;
use hdf5::Dataset;

/// The place of a chunk in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    /// Row-major number in the grid of chunks.
    pub(crate) number: u64,
    /// First byte in the file.
    pub(crate) address: u64,
    /// Bytes stored.
    pub(crate) size: u64,
    /// The filters that the writer skipped for this chunk, one bit each.
    pub(crate) mask: u32,
}

/// The rule that [`read_list`] checks, as errors name it.
pub(crate) const EXPECTED: &str = "every chunk once and within the extents, with its bytes";

/// The number of chunks that extents may have whatever is stored, and the factor by which it may
/// exceed the stored ones beyond that. The library spends time on every chunk, stored or not.
const UNQUESTIONED: u64 = 1 << 16;
const MISSING: u64 = 64;
const REWRITE: &str = "write it again with larger chunks, or all of them";

fn grid(shape: &[u64], chunk: &[u64]) -> Vec<u64> {
    shape.iter().zip(chunk).map(|(&n, &c)| n.div_ceil(c.max(1))).collect()
}

/// Returns the number of chunks that cover an array of extents `shape`, in chunks of extents
/// `chunk`; at most `u64::MAX`.
pub(crate) fn count(shape: &[u64], chunk: &[u64]) -> u64 {
    grid(shape, chunk).iter().fold(1_u64, |n, &e| n.saturating_mul(e))
}

/// Returns the index, in values, at which chunk `number` begins along each axis. `shape` has the
/// extents of the array, and `chunk` the extents of a chunk.
pub(crate) fn place(mut number: u64, shape: &[u64], chunk: &[u64]) -> Vec<u64> {
    let mut first: Vec<u64> = chunk.to_vec();
    for (at, across) in first.iter_mut().zip(grid(shape, chunk)).rev() {
        let across = across.max(1);
        *at *= number % across;
        number /= across;
    }
    first
}

/// Reads the list of the chunks that were written, in one walk, and sorts it by number.
///
/// # Errors
/// A description of a chunk that does not fit: outside the extents, listed twice, or without bytes;
/// of extents with far more chunks than are stored; or of an error of the library.
pub(crate) fn read_list(dataset: &Dataset, shape: &[u64], chunk: &[u64]) -> Result<Vec<Chunk>, String> {
    // Before HDF5 1.14.4 the library returned addresses relative to the end of the user block.
    let base = if hdf5::library_version() < (1, 14, 4) {
        dataset.file().and_then(|f| f.create_plist()).map_or(0, |p| p.userblock())
    } else {
        0
    };
    let grid = grid(shape, chunk);
    let filters = dataset.create_plist().and_then(|p| filters(p.id())).map_err(|e| super::fault::cause(&e))?;
    // A chunk shorter than the checksum that its last filter appended makes the library read before
    // the chunk's start.
    let short = |mask: u32, size: u64| {
        let last = filters.iter().enumerate().rev().find(|(i, _)| mask.checked_shr(*i as u32).unwrap_or(0) & 1 == 0);
        size < 4 && last.is_some_and(|(_, f)| f.id == id::FLETCHER32)
    };
    let mut chunks = Vec::new();
    let mut wrong = None;
    let visited = dataset.chunks_visit(|c| {
        let mut number = 0u64;
        let mut fits = c.offset.len() == grid.len();
        for ((&at, &size), &extent) in c.offset.iter().zip(chunk).zip(&grid) {
            fits &= at % size == 0 && at / size < extent;
            number = number.saturating_mul(extent).saturating_add(at / size);
        }
        let what = match () {
            () if !fits => "outside its extents",
            () if c.addr == u64::MAX => "without a place in the file",
            () if c.size == 0 => "of no bytes",
            () if short(c.filter_mask, c.size) => "shorter than its checksum",
            () => {
                let address = c.addr.saturating_add(base);
                if chunks.try_reserve(1).is_ok() {
                    chunks.push(Chunk { number, address, size: c.size, mask: c.filter_mask });
                    return 0;
                }
                "for which there is no memory"
            }
        };
        wrong = Some(format!("a chunk {what}, at {:?} of {shape:?}", c.offset));
        1
    });
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    visited.map_err(|e| super::fault::cause(&e))?;
    chunks.sort_unstable_by_key(|c| c.number);
    match chunks.windows(2).find(|w| w[0].number == w[1].number) {
        Some(twice) => Err(format!("chunk {} twice", twice[0].number)),
        None => {
            let (all, stored) = (count(shape, chunk), chunks.len() as u64);
            if all > UNQUESTIONED.max(stored.saturating_mul(MISSING)) {
                return Err(format!("{stored} stored of the {all} that extents {shape:?} have; {REWRITE}"));
            }
            Ok(chunks)
        }
    }
}
