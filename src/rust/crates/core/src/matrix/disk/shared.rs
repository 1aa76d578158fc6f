//! A cache of decoded chunks that several blocks of one pass need.

use crate::error::Result;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

type Bytes = Arc<Vec<u8>>;
/// A chunk that one block decodes while others wait for it.
type ChunkSlot = Arc<OnceLock<Result<Bytes>>>;

/// The chunks of a dataset that several blocks of a pass need, and the decoded bytes of those in
/// use now.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<ChunkCache>,
    /// The number of blocks that need a band, for bands that more than one needs.
    counts: HashMap<u64, u32>,
    /// Chunks in a band.
    across: u64,
    /// Bytes kept at most; one chunk is kept whatever its size.
    limit: usize,
}

/// The number of requests for each chunk, the chunks kept with their sizes, and the bytes of all.
#[derive(Debug, Default)]
struct ChunkCache {
    taken: HashMap<u64, u32>,
    kept: HashMap<u64, (ChunkSlot, usize)>,
    held: usize,
}

impl Shared {
    /// Makes a cache for a pass without shared chunks.
    pub(crate) fn unshared() -> Self {
        Shared { state: Mutex::default(), counts: HashMap::new(), across: 1, limit: 0 }
    }

    /// Makes a cache for a pass over ascending rows, and counts the blocks that need each band of
    /// `across` chunks. `blocks` has, for each block in the order of the pass, its bands as
    /// ascending runs. Because rows ascend, a band of a block is shared with an earlier block
    /// exactly if it is not beyond the last band of all earlier blocks. At most `limit` bytes of
    /// decoded chunks are kept, but always one chunk.
    pub(crate) fn new<I: Iterator<Item = RangeInclusive<u64>>>(
        blocks: impl Iterator<Item = I>,
        across: u64,
        limit: usize,
    ) -> Self {
        let mut counts = HashMap::new();
        let mut reached: Option<u64> = None;
        for runs in blocks {
            let before = reached;
            let mut last_counted: Option<u64> = None;
            for run in runs {
                let (first, last) = run.into_inner();
                if let Some(end) = before {
                    let from = last_counted.map_or(first, |l| first.max(l + 1));
                    for band in from..=last.min(end) {
                        *counts.entry(band).or_insert(1u32) += 1;
                        last_counted = Some(band);
                    }
                }
                reached = Some(reached.map_or(last, |r| r.max(last)));
            }
        }
        Shared { state: Mutex::default(), counts, across, limit }
    }

    /// Returns whether several blocks need the chunk.
    #[inline]
    pub(crate) fn contains(&self, chunk: u64) -> bool {
        !self.counts.is_empty() && self.counts.contains_key(&(chunk / self.across))
    }

    fn lock(&self) -> MutexGuard<'_, ChunkCache> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the decoded chunk, for one block; each block asks once. The chunk is dropped after
    /// its last request.
    fn decoded(&self, chunk: u64, size: usize, decode: impl FnOnce() -> Result<Vec<u8>>) -> Result<Bytes> {
        let Some(&uses) = self.counts.get(&(chunk / self.across)) else {
            return decode().map(Arc::new);
        };
        let cell = {
            let mut state = self.lock();
            let ChunkCache { taken, kept, held } = &mut *state;
            let count = taken.entry(chunk).or_insert(0);
            *count += 1;
            let last = *count >= uses;
            let present = kept.get(&chunk).map(|(cell, _)| cell.clone());
            match present {
                Some(cell) => {
                    if last {
                        kept.remove(&chunk);
                        *held -= size;
                    }
                    Some(cell)
                }
                None if !last && (kept.is_empty() || *held + size <= self.limit) => {
                    let cell = Arc::new(OnceLock::new());
                    kept.insert(chunk, (cell.clone(), size));
                    *held += size;
                    Some(cell)
                }
                None => None,
            }
        };
        match cell {
            Some(cell) => cell.get_or_init(|| decode().map(Arc::new)).clone(),
            None => decode().map(Arc::new),
        }
    }
}

/// The position of one block as it reads a dataset forwards. The cursor asks [`Shared`] for each
/// chunk once, however many runs of rows of the block are in that chunk.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    shared: &'a Shared,
    current: Option<(u64, Bytes)>,
}

impl<'a> Cursor<'a> {
    /// Makes a cursor at the start of a block.
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Cursor { shared, current: None }
    }

    /// Returns whether other blocks need the chunk too.
    #[inline]
    pub(crate) fn is_shared(&self, chunk: u64) -> bool {
        self.shared.contains(chunk)
    }

    /// Returns the decoded chunk of `size` bytes. Chunks must be requested in ascending order; a
    /// repeated request returns the same bytes.
    pub(crate) fn chunk(&mut self, chunk: u64, size: usize, decode: impl FnOnce() -> Result<Vec<u8>>) -> Result<&[u8]> {
        if self.current.as_ref().is_none_or(|(c, _)| *c != chunk) {
            self.current = Some((chunk, self.shared.decoded(chunk, size, decode)?));
        }
        Ok(self.current.as_ref().map_or(&[], |(_, bytes)| bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Checks that every chunk which blocks of rows share is decoded once, and none is kept at the
    /// end.
    #[test]
    fn chunks_are_decoded_once() {
        let blocks: Vec<Vec<RangeInclusive<u64>>> =
            vec![vec![0..=3], vec![3..=3, 5..=5], vec![5..=5, 5..=5], vec![5..=9], vec![9..=12], vec![14..=15]];
        let shared = Shared::new(blocks.iter().map(|b| b.iter().cloned()), 1, 1 << 20);
        let decoded = RefCell::new(HashMap::new());
        for block in &blocks {
            let mut cursor = Cursor::new(&shared);
            for chunk in block.iter().cloned().flatten() {
                let bytes = cursor.chunk(chunk, 1, || {
                    *decoded.borrow_mut().entry(chunk).or_insert(0) += 1;
                    Ok(vec![chunk as u8])
                });
                assert_eq!(bytes.unwrap(), &[chunk as u8]);
            }
        }
        assert!(decoded.borrow().values().all(|&n| n == 1), "{decoded:?}");
        let state = shared.lock();
        assert!(state.kept.is_empty() && state.held == 0);
    }

    #[test]
    fn bands_and_limits() {
        // Two blocks share band 1 of three chunks; there is memory for one chunk only.
        let shared = Shared::new([0..=1u64, 1..=2].into_iter().map(std::iter::once), 3, 10);
        assert!(shared.contains(3) && shared.contains(5) && !shared.contains(2) && !shared.contains(6));
        for _ in 0..2 {
            for chunk in 3..6 {
                assert_eq!(*shared.decoded(chunk, 10, || Ok(vec![chunk as u8])).unwrap(), [chunk as u8]);
            }
        }
        assert!(shared.lock().kept.is_empty());
    }
}
