//! The one executor: every pass over a matrix goes through [`map_fold`].
//!
//! Worker threads read and transform blocks and run `map` on each; the calling thread runs `fold` on the results in
//! block order. Block boundaries belong to the source, so results are the same bits for any number of threads.

use crate::chain::LazyMatrix;
use crate::context::{guard, Context, STACK};
use crate::element::Data;
use crate::error::{Error, Result};
use crate::matrix::{Block, ColumnCache, Layout, Pass, Positions, Rows, MAX_KEPT_COLUMNS};
use crate::memory;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};

const ROWS: &str = "rows in the order of the file";

/// In which order the rows of a pass come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the matrix shows them: for readers and writers.
    Matrix,
    /// As they lie in the file: no chunk is decoded twice however the rows are permuted. Blocks carry the matrix
    /// positions of their rows. For reducers, whose per-row results are scattered by position.
    File,
}

/// One pass over `x`: `map` on every block (on worker threads), `fold` on the results in block order (on the calling
/// thread). Progress is counted in rows on `ctx.monitor`.
///
/// # Errors
/// The first error, in block order, of reading, `map` or `fold`; [`Error::Cancelled`] when asked to stop.
pub fn map_fold<S: Send>(
    x: &LazyMatrix,
    order: Order,
    ctx: &Context,
    map: impl Fn(Block) -> Result<S> + Sync,
    fold: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    run(x, order, false, ctx, map, fold)
}

/// [`map_fold`] in the order of the file that also keeps the columns of a selection of genes compactly for the next pass
/// (an eighth of the memory of `ctx`, then a scratch file). For verbs that come in a row over the same selection.
///
/// # Errors
/// As [`map_fold`], and those of writing the scratch file.
pub(crate) fn map_fold_keeping<S: Send>(
    x: &LazyMatrix,
    ctx: &Context,
    map: impl Fn(Block) -> Result<S> + Sync,
    fold: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    run(x, Order::File, keeps_columns(x), ctx, map, fold)
}

/// Whether [`map_fold_keeping`] keeps anything of this chain.
pub(crate) fn keeps_columns(x: &LazyMatrix) -> bool {
    let selected = x.columns().is_some_and(|c| c.len() <= MAX_KEPT_COLUMNS && c.len() < x.source().shape().1);
    selected && x.source().layout() != Layout::Dense && x.source().disk_bytes() > 0
}

fn run<S: Send>(
    x: &LazyMatrix,
    order: Order,
    keeps: bool,
    ctx: &Context,
    map: impl Fn(Block) -> Result<S> + Sync,
    mut fold: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    let (rows, permutation) = match (order, x.source_rows()) {
        (Order::File, Rows::List(list)) if list.windows(2).any(|w| w[0] > w[1]) => {
            let mut by_file: Vec<u32> = memory::collected(0..list.len() as u32, ROWS)?;
            by_file.sort_by_key(|&i| list[i as usize]);
            let rows: Vec<u32> = memory::collected(by_file.iter().map(|&i| list[i as usize]), ROWS)?;
            (Rows::List(rows.into()), Some(by_file))
        }
        (_, rows) => (rows, None),
    };
    let (kept, index) = (x.kept(&rows), x.index());
    let from_source;
    let (pass, filling): (&dyn Pass, Option<ColumnCache>) = match &kept {
        Some(cache) => (&**cache, None),
        None => {
            if keeps {
                // What was kept before goes before its successor is made.
                x.keep(&rows, None);
            }
            let (source, columns) = (&**x.source(), x.column_map()?);
            let indexed = match index.as_ref().zip(columns.as_ref()) {
                Some((index, columns)) => index.pass(source, &rows, columns, ctx.memory / 4)?,
                None => None,
            };
            from_source = match indexed {
                Some(pass) => pass,
                None => source.pass(rows.clone(), columns, ctx.memory / 4)?,
            };
            let pass = &*from_source;
            let empty = || Data::empty(x.source().dtype());
            (pass, keeps.then(|| ColumnCache::new(pass, x.shape().1, empty(), ctx.memory / 8)))
        }
    };
    execute(x, pass, filling.as_ref(), permutation.as_deref(), ctx, map, &mut fold)?;
    if let Some(cache) = filling.filter(ColumnCache::complete) {
        x.keep(&rows, Some(cache));
    }
    Ok(())
}

fn execute<S: Send>(
    x: &LazyMatrix,
    pass: &dyn Pass,
    filling: Option<&ColumnCache>,
    permutation: Option<&[u32]>,
    ctx: &Context,
    map: impl Fn(Block) -> Result<S> + Sync,
    mut fold: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    let n_blocks = pass.blocks().len();
    ctx.monitor.begin(x.shape().0 as u64);

    let work = |b: usize| -> Result<S> {
        ctx.monitor.check()?;
        let mut block = pass.read(b)?;
        if let Some(cache) = filling {
            cache.keep(b, &block)?;
        }
        let n_rows = block.n_rows();
        if let (Some(p), Positions::Range(r)) = (permutation, &block.positions) {
            block.positions = Positions::List(memory::copied(&p[r.clone()], ROWS)?);
        }
        let out = map(x.transform(block)?)?;
        ctx.monitor.advance(n_rows as u64);
        Ok(out)
    };

    // A block in flight costs its decoded bytes, about as much again transformed, and the consumer's state.
    let dense_row = if x.is_sparse() { 0 } else { x.shape().1 * x.dtype().size() };
    let cost = |b: usize| pass.cost(b).max(pass.blocks()[b].len() * dense_row);
    let widest = (0..n_blocks).map(cost).max().unwrap_or(0).max(1);
    let window = (ctx.memory / 2 / (3 * widest)).clamp(1, 2 * ctx.threads);
    let threads = ctx.threads.min(window).min(n_blocks);
    if threads <= 1 {
        return (0..n_blocks).try_for_each(|b| fold(guard(|| work(b))?));
    }

    let queue = Queue::new(n_blocks, window);
    std::thread::scope(|scope| {
        let stop = StopOnDrop(&queue);
        let task = || {
            while let Some(b) = queue.claim() {
                queue.put(b, guard(|| work(b)));
            }
        };
        // As many as the system starts; without any, this thread does the work.
        let started = (0..threads)
            .take_while(|_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, task).is_ok())
            .count();
        if started == 0 {
            return (0..n_blocks).try_for_each(|b| fold(guard(|| work(b))?));
        }
        let result = (0..n_blocks).try_for_each(|b| fold(queue.take(b)?));
        drop(stop);
        result
    })
}

/// Blocks waiting to be claimed and results waiting to be folded, at most `window` of them.
struct Queue<S> {
    state: Mutex<QueueState<S>>,
    changed: Condvar,
    stopped: AtomicBool,
    n_blocks: usize,
    window: usize,
}

struct QueueState<S> {
    next: usize,
    folded: usize,
    done: BTreeMap<usize, Result<S>>,
}

impl<S> Queue<S> {
    fn new(n_blocks: usize, window: usize) -> Self {
        Queue {
            state: Mutex::new(QueueState { next: 0, folded: 0, done: BTreeMap::new() }),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            n_blocks,
            window,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, QueueState<S>> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The next block to work on, once it lies within the window; `None` when there are no more.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if self.stopped.load(Ordering::Relaxed) || state.next >= self.n_blocks {
                return None;
            }
            if state.next < state.folded + self.window {
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn put(&self, block: usize, result: Result<S>) {
        self.lock().done.insert(block, result);
        self.changed.notify_all();
    }

    /// Waits for the result of `block`, the next to be folded.
    fn take(&self, block: usize) -> Result<S> {
        let mut state = self.lock();
        loop {
            if let Some(result) = state.done.remove(&block) {
                state.folded = block + 1;
                self.changed.notify_all();
                return result;
            }
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// Releases waiting workers however the folding ends.
struct StopOnDrop<'a, S>(&'a Queue<S>);

impl<S> Drop for StopOnDrop<'_, S> {
    fn drop(&mut self) {
        let _state = self.0.lock();
        self.0.stopped.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }
}

/// The name of a matrix in memory in errors.
const COLLECTED: &str = "a matrix in memory";

/// What values in memory take in the form their caller keeps them in, and how much they may.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes allowed.
    pub limit: u64,
    /// Bytes of a value that is kept: of a stored one of a sparse matrix with its index, of any of a dense one.
    pub value: u64,
    /// Bytes besides.
    pub fixed: u64,
}

impl Room {
    /// As the core keeps them: compressed rows, or a dense array in its dtype.
    pub fn own(x: &LazyMatrix, limit: u64) -> Room {
        let size = x.dtype().size() as u64;
        if x.is_sparse() {
            Room { limit, value: 4 + size, fixed: 8 * (x.shape().0 as u64 + 1) }
        } else {
            Room { limit, value: size, fixed: 0 }
        }
    }

    fn needed(&self, values: u64) -> u64 {
        values.saturating_mul(self.value).saturating_add(self.fixed)
    }
}

/// The rows of `x` in matrix order, whole, in memory: for small selections. `limit` bounds the bytes of the result.
///
/// # Errors
/// As [`collect_in`].
pub fn collect(x: &LazyMatrix, ctx: &Context, limit: u64) -> Result<crate::element::Value> {
    collect_in(x, ctx, &Room::own(x, limit))
}

/// [`collect`] for a caller whose form of the values takes another room.
///
/// # Errors
/// [`Error::Memory`] when the result exceeds the limit, before anything is read where its size is known; of selected
/// sparse values with the size that those read so far let expect. Those of the pass.
pub fn collect_in(x: &LazyMatrix, ctx: &Context, room: &Room) -> Result<crate::element::Value> {
    use crate::element::{Array, Sparse, SparseFormat, Value};
    use crate::matrix::Storage;
    let (n, m) = x.shape();
    let too_large = |needed: u64, about: &str| Error::Memory {
        what: format!("{n} x {m} values of {} in memory{about}", x.name()),
        needed,
        limit: room.limit,
        hint: "; select fewer rows or columns, or raise the limit".to_owned(),
    };
    let known = match x.source().nnz() {
        _ if !x.is_sparse() => Some(n as u64 * m as u64),
        Some(nnz) if matches!(x.source_rows(), crate::matrix::Rows::All) && x.columns().is_none() => Some(nnz),
        _ => None,
    };
    if let Some(needed) = known.map(|values| room.needed(values)).filter(|needed| *needed > room.limit) {
        return Err(too_large(needed, ""));
    }
    if x.is_sparse() {
        let (mut indptr, mut indices, mut data) = (vec![0u64], Vec::new(), Data::empty(x.dtype()));
        map_fold(x, Order::Matrix, ctx, Ok, |block| {
            let Storage::Csr { indptr: p, indices: i, data: d } = block.storage else {
                return Err(Error::Internal("a sparse chain gave a dense block".to_owned()));
            };
            let start = indices.len() as u64;
            memory::reserve(&mut indptr, p.len(), COLLECTED)?;
            indptr.extend(p.iter().skip(1).map(|&e| start + e as u64));
            memory::reserve(&mut indices, i.len(), COLLECTED)?;
            indices.extend_from_slice(&i);
            data.reserve(d.len(), COLLECTED)?;
            data.extend(&d);
            if room.needed(indices.len() as u64) > room.limit {
                let rows = indptr.len() as f64 - 1.0;
                let whole = (indices.len() as f64 * n as f64 / rows.max(1.0)) as u64;
                let about =
                    if rows < n as f64 { format!(" (as the first {rows} rows let expect)") } else { String::new() };
                return Err(too_large(room.needed(whole), &about));
            }
            Ok(())
        })?;
        Ok(Value::Sparse(Sparse { format: SparseFormat::Csr, shape: (n, m), indptr, indices, data }))
    } else {
        let mut data = Data::empty(x.dtype());
        data.reserve(memory::count(&[n, m], COLLECTED)?, COLLECTED)?;
        map_fold(x, Order::Matrix, ctx, Ok, |block| {
            let Storage::Dense(d) = block.storage else {
                return Err(Error::Internal("a dense chain gave a sparse block".to_owned()));
            };
            data.extend(&d);
            Ok(())
        })?;
        Ok(Value::Array(Array { shape: vec![n, m], data }))
    }
}
