//! Blocks and chunks of rows that the caller pulls one by one, for a loop of its own.
//!
//! A thread runs the pass and holds each block until the caller asks for it. The workers read ahead
//! by as many blocks as the memory of the pass allows, and each stored chunk is decoded once.

use super::execute::map_fold;
use super::Order;
use crate::chain::LazyMatrix;
use crate::element::{Array, Data, Sparse, SparseFormat, Value};
use crate::error::{Error, Result};
use crate::matrix::{Block, Storage};
use crate::memory;
use crate::session::{guard, Session, STACK};
use std::ops::Range;
use std::sync::mpsc::{sync_channel, Receiver};
use std::thread::JoinHandle;

/// The blocks of a matrix in order. The iterator may be dropped at any moment: the pass then ends
/// after the blocks in work.
#[derive(Debug)]
pub struct Blocks {
    running: Option<(Receiver<Result<Block>>, JoinHandle<()>)>,
    /// The process that started the pass. A fork does not inherit the threads of the pass, so that
    /// it cannot read on.
    process: u32,
}

impl Blocks {
    /// Begins a pass over `x` in a thread. The pass ends with [`Error::Cancelled`] when the monitor
    /// of `session` asks to stop.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when no thread can be started.
    pub fn new(x: &LazyMatrix, order: Order, session: &Session) -> Result<Self> {
        let (x, session) = (x.clone(), session.clone());
        let (sender, receiver) = sync_channel(0);
        let pass = move || {
            let ended = guard(|| {
                map_fold(&x, order, &session, Ok, |block| sender.send(Ok(block)).map_err(|_| Error::Cancelled))
            });
            if let Err(e) = ended {
                // The receiver is gone after a drop; then the error is lost on purpose.
                drop(sender.send(Err(e)));
            }
        };
        let started = std::thread::Builder::new().name("anndataoom".to_owned()).stack_size(STACK).spawn(pass);
        let thread = started.map_err(|e| Error::OutOfMemory {
            what: format!("a thread that reads ahead ({e})"),
            needed: STACK as u64,
        })?;
        Ok(Blocks { running: Some((receiver, thread)), process: std::process::id() })
    }
}

impl Iterator for Blocks {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        if self.running.is_some() && self.process != std::process::id() {
            std::mem::forget(self.running.take());
            let why = "blocks of a matrix cannot be read on in a forked process: start over there";
            return Some(Err(Error::State(why.to_owned())));
        }
        let (receiver, _) = self.running.as_ref()?;
        match receiver.recv() {
            Ok(Ok(block)) => Some(Ok(block)),
            Ok(Err(e)) => {
                self.stop();
                Some(Err(e))
            }
            Err(_) => {
                self.stop();
                None
            }
        }
    }
}

impl Blocks {
    fn stop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.running.take());
        } else if let Some((receiver, thread)) = self.running.take() {
            drop(receiver);
            // `guard` has caught the panics of the thread.
            drop(thread.join());
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The rows of a matrix in matrix order, in chunks of a fixed number of rows, in memory.
#[derive(Debug)]
pub struct Chunks {
    blocks: Blocks,
    shape: (usize, usize),
    size: usize,
    /// The first row that was not yet given out.
    next: usize,
    /// A block that is only partly given out, and the number of its rows that were.
    rest: Option<(Block, usize)>,
    empty: Storage,
}

/// The name, in errors, of a chunk.
const CHUNK: &str = "a chunk of rows";

impl Chunks {
    /// Begins a pass over `x` in chunks of `size` rows; the last chunk may be shorter.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a size of 0; the errors of [`Blocks::new`].
    pub fn new(x: &LazyMatrix, size: usize, session: &Session) -> Result<Self> {
        if size == 0 {
            return Err(Error::parameter("chunk_size", "at least 1 row", size));
        }
        let data = Data::empty(x.dtype());
        let empty = match x.is_sparse() {
            true => Storage::Csr { indptr: vec![0], indices: Vec::new(), data },
            false => Storage::Dense(data),
        };
        let blocks = Blocks::new(x, Order::Matrix, session)?;
        Ok(Chunks { blocks, shape: x.shape(), size, next: 0, rest: None, empty })
    }

    fn chunk(&mut self, rows: Range<usize>) -> Result<Value> {
        let mut chunk = self.empty.clone();
        let mut left = rows.len();
        while left > 0 {
            let (block, from) = match self.rest.take() {
                Some(rest) => rest,
                None => {
                    let ended = || Error::Internal("a pass gave fewer rows than there are".to_owned());
                    (self.blocks.next().ok_or_else(ended)??, 0)
                }
            };
            let to = (from + left).min(block.n_rows());
            left -= to - from;
            if from == 0 && to == block.n_rows() && rows.len() == to {
                chunk = block.storage;
                break;
            }
            append(&mut chunk, &block, from..to)?;
            if to < block.n_rows() {
                self.rest = Some((block, to));
            }
        }
        let (n, m) = (rows.len(), self.shape.1);
        Ok(match chunk {
            Storage::Csr { indptr, indices, data } => {
                let indptr = memory::collected(indptr.iter().map(|&e| e as u64), CHUNK)?;
                Value::Sparse(Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data })
            }
            Storage::Dense(data) => Value::Array(Array { shape: vec![n, m], data }),
        })
    }
}

/// Appends the rows `rows` of a block to `to`.
fn append(to: &mut Storage, block: &Block, rows: Range<usize>) -> Result<()> {
    match (to, &block.storage) {
        (Storage::Csr { indptr: p, indices: i, data: d }, Storage::Csr { indptr, indices, data }) => {
            let entries = indptr[rows.start]..indptr[rows.end];
            let start = i.len();
            memory::reserve(p, rows.len(), CHUNK)?;
            p.extend(indptr[rows.start + 1..=rows.end].iter().map(|&e| start + e - entries.start));
            memory::reserve(i, entries.len(), CHUNK)?;
            i.extend_from_slice(&indices[entries.clone()]);
            extend(d, data, entries)
        }
        (Storage::Dense(d), Storage::Dense(data)) => {
            extend(d, data, rows.start * block.n_cols..rows.end * block.n_cols)
        }
        _ => Err(Error::Internal("the blocks of a chain differ in layout".to_owned())),
    }
}

fn extend(to: &mut Data, from: &Data, range: Range<usize>) -> Result<()> {
    to.reserve(range.len(), CHUNK)?;
    macro_rules! of {
        ($($dtype:ident),*) => {
            match (to, from) {
                $((Data::$dtype(to), Data::$dtype(from)) => to.extend_from_slice(&from[range]),)*
                _ => return Err(Error::Internal("the blocks of a chain differ in dtype".to_owned())),
            }
        };
    }
    of!(Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64);
    Ok(())
}

impl Iterator for Chunks {
    type Item = Result<(Range<usize>, Value)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.shape.0 {
            return None;
        }
        let rows = self.next..self.next.saturating_add(self.size).min(self.shape.0);
        self.next = rows.end;
        let chunk = self.chunk(rows.clone());
        if chunk.is_err() {
            self.next = self.shape.0;
        }
        Some(chunk.map(|chunk| (rows, chunk)))
    }
}
