//! The chunks of a dataset as its file lists them, believed only when they fit the extents.

use super::filters::filters;
use crate::codec::id;
use hdf5::Dataset;

/// Where a chunk is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk {
    /// Its row-major number in the grid of chunks.
    pub(crate) number: u64,
    /// Its first byte in the file.
    pub(crate) address: u64,
    /// Bytes stored.
    pub(crate) size: u64,
    /// The filters that were not applied to it, one bit each.
    pub(crate) mask: u32,
}

/// The expectation of [`of`], for errors.
pub(crate) const EXPECTED: &str = "every chunk once and within the extents, with its bytes";

/// Chunks that extents may have whatever is stored, and how often those stored beyond that: the library takes time for
/// every one, there or not.
const UNQUESTIONED: u64 = 1 << 16;
const MISSING: u64 = 64;
const REWRITE: &str = "write it again with larger chunks, or all of them";

fn grid(shape: &[u64], chunk: &[u64]) -> Vec<u64> {
    shape.iter().zip(chunk).map(|(&n, &c)| n.div_ceil(c.max(1))).collect()
}

/// Chunks that the extents have.
pub(crate) fn count(shape: &[u64], chunk: &[u64]) -> u64 {
    grid(shape, chunk).iter().fold(1_u64, |n, &e| n.saturating_mul(e))
}

/// The first index of chunk `number` along each axis.
pub(crate) fn place(mut number: u64, shape: &[u64], chunk: &[u64]) -> Vec<u64> {
    let mut first: Vec<u64> = chunk.to_vec();
    for (at, across) in first.iter_mut().zip(grid(shape, chunk)).rev() {
        let across = across.max(1);
        *at *= number % across;
        number /= across;
    }
    first
}

/// The chunks that were written, taken in one walk, by number.
///
/// # Errors
/// With a description of the chunk that cannot be: outside the extents, there twice, without bytes; of far more chunks than
/// are stored; or of what the library says.
pub(crate) fn of(dataset: &Dataset, shape: &[u64], chunk: &[u64]) -> Result<Vec<Chunk>, String> {
    // Before 1.14.4 the library gave addresses relative to the end of the user block.
    let base = if hdf5::library_version() < (1, 14, 4) {
        dataset.file().and_then(|f| f.create_plist()).map_or(0, |p| p.userblock())
    } else {
        0
    };
    let grid = grid(shape, chunk);
    let filters = dataset.create_plist().and_then(|p| filters(p.id())).map_err(|e| super::fault::cause(&e))?;
    // The library looks for the checksum that the last filter left in front of the chunk where there is less than one.
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
        wrong = Some(format!("one {what}, at {:?} of {shape:?}", c.offset));
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
