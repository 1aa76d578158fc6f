//! Regrouping of blocks of any size into chunks of one size, which are encoded on the threads that
//! made the blocks.
//!
//! The place of a block's values in the output is known only once all blocks before it have
//! arrived, because column selections change the number of stored values. A worker therefore hands
//! in each block it has made. The worker that completes the sequence divides it into chunks, by
//! reference. Every worker then encodes (assembles, compresses) chunks until none is left, and goes
//! back to reading. No worker waits for the block of another.

use super::encode::{encode, Encoded, Piece, Span};
use crate::error::{Error, Result};
use crate::session::Monitor;
use crate::store::Compression;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The queue between blocks and encoded chunks of `chunk` values, which leave it in order.
pub(super) struct Spool<'m> {
    /// Values per chunk.
    chunk: usize,
    compression: Compression,
    monitor: &'m Monitor,
    state: Mutex<SpoolState>,
}

#[derive(Default)]
struct SpoolState {
    /// First row of the next block in the sequence.
    next_row: usize,
    /// Blocks that arrived before their predecessors: (row after the block, block) by first row.
    early: BTreeMap<usize, (usize, Arc<Piece>)>,
    /// Spans of values that do not fill a chunk yet.
    rest: Vec<Span>,
    rest_len: usize,
    /// The number of chunks made so far.
    cut: u64,
    /// The number of values in the sequence so far.
    total: u64,
    /// Chunks to be encoded.
    jobs: VecDeque<(u64, Vec<Span>)>,
    /// Encoded chunks, by number.
    done: BTreeMap<u64, Encoded>,
}

impl<'m> Spool<'m> {
    /// Makes an empty queue of chunks of `chunk` values.
    pub(super) fn new(chunk: usize, compression: Compression, monitor: &'m Monitor) -> Self {
        Spool { chunk: chunk.max(1), compression, monitor, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, SpoolState> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in the block of the rows from `start` to before `end`; then encodes chunks while there
    /// are any.
    pub(super) fn put(&self, start: usize, end: usize, piece: Piece) -> Result<()> {
        self.queue(start, end, piece);
        self.work()
    }

    /// Hands in a block and leaves its chunks to [`Spool::work`].
    pub(super) fn queue(&self, start: usize, end: usize, piece: Piece) {
        let mut state = self.lock();
        state.early.insert(start, (end, Arc::new(piece)));
        let state = &mut *state;
        while let Some((end, piece)) = state.early.remove(&state.next_row) {
            state.append(piece, self.chunk);
            state.next_row = end;
        }
    }

    /// Encodes queued chunks until none is left.
    pub(super) fn work(&self) -> Result<()> {
        loop {
            let Some((number, spans)) = self.lock().jobs.pop_front() else { return Ok(()) };
            self.monitor.check()?;
            let encoded = encode(&spans, self.chunk, self.compression)?;
            self.lock().done.insert(number, encoded);
        }
    }

    /// Returns chunk `number` and removes it, once it is encoded; else `None`.
    pub(super) fn take_chunk(&self, number: u64) -> Option<Encoded> {
        self.lock().done.remove(&number)
    }

    /// Encodes the values that are left, after the last block, as a last chunk padded with zeros.
    /// Returns the number of chunks and of values.
    pub(super) fn finish(&self) -> Result<(u64, u64)> {
        {
            let mut state = self.lock();
            if !state.early.is_empty() {
                return Err(Error::Internal("a block of a pass is missing".to_owned()));
            }
            if state.rest_len > 0 {
                let spans = std::mem::take(&mut state.rest);
                state.queue(spans);
            }
        }
        self.work()?;
        let state = self.lock();
        Ok((state.cut, state.total))
    }
}

impl SpoolState {
    /// Adds the values of the next block in the sequence, and queues the chunks that are full.
    fn append(&mut self, piece: Arc<Piece>, chunk: usize) {
        let len = piece.len();
        self.total += len as u64;
        let mut at = 0;
        while at < len {
            let take = (chunk - self.rest_len).min(len - at);
            self.rest.push(Span { piece: piece.clone(), range: at..at + take });
            self.rest_len += take;
            at += take;
            if self.rest_len == chunk {
                let spans = std::mem::take(&mut self.rest);
                self.queue(spans);
            }
        }
    }

    fn queue(&mut self, spans: Vec<Span>) {
        self.jobs.push_back((self.cut, spans));
        self.cut += 1;
        self.rest_len = 0;
    }
}
