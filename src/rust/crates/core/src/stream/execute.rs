//! Runs a pass: worker threads read, transform and map blocks; the calling thread takes the results
//! in block order.

use super::ahead::Ahead;
use super::needs::Needs;
use super::Order;
use crate::chain::LazyMatrix;
use crate::element::Data;
use crate::error::Result;
use crate::matrix::Block;
use crate::matrix::{ColumnCache, Layout, Pass, Positions, Rows, MAX_KEPT_COLUMNS};
use crate::memory;
use crate::session::{guard, Allowance, Lease, Session, STACK};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// The name, in errors, of the memory that a pass holds.
const PASS: &str = "a pass";
const ROWS: &str = "rows in the order of the file";

/// Runs one pass over `x` in order, `map` on every block (on worker threads) and `fold` on the
/// results in block order (on the calling thread). Counts progress in rows on `session.monitor`.
///
/// # Errors
/// The first error, in block order, of reading, `map` or `fold`;
/// [`Error::Cancelled`](crate::error::Error::Cancelled) when the monitor asks to stop.
pub(super) fn map_fold<S: Send>(
    x: &LazyMatrix,
    order: Order,
    session: &Session,
    map: impl Fn(Block) -> Result<S> + Sync,
    fold: impl FnMut(S) -> Result<()>,
) -> Result<()> {
    let pass = Opened::new(x, order, Leaves::NOTHING, session)?;
    pass.run(0..pass.n_blocks(), session, map, fold)
}

/// Returns whether a pass over `x` that is asked to keep its selected columns would keep them: a
/// selection of at most 8192 columns, but not all, of a sparse matrix on disk.
pub(crate) fn keeps_columns(x: &LazyMatrix) -> bool {
    let selected = x.columns().is_some_and(|c| c.len() <= MAX_KEPT_COLUMNS && c.len() < x.source().shape().1);
    selected && x.source().layout() != Layout::Dense && x.source().disk_bytes() > 0
}

/// The data that a pass keeps for later passes.
#[derive(Clone, Copy)]
pub(super) struct Leaves {
    /// Whether the columns it selects are kept.
    columns: bool,
    /// Whether packed rows are kept of all it reads.
    packed: bool,
}

impl Leaves {
    /// The choice to keep nothing, for a pass that comes once.
    pub(super) const NOTHING: Leaves = Leaves { columns: false, packed: false };

    /// Returns the data that a pass of a reducer with these needs keeps: packed rows always,
    /// selected columns if the needs ask for them.
    pub(super) fn for_needs(needs: Needs) -> Leaves {
        Leaves { columns: needs.keeps_columns, packed: true }
    }

    /// Returns this without columns, for a pass over some of the blocks.
    pub(super) fn without_columns(self) -> Leaves {
        Leaves { columns: false, ..self }
    }
}

/// The place that a pass reads from.
enum Place<'a> {
    /// Blocks that an earlier pass has kept.
    Kept(Arc<ColumnCache>),
    /// The source, or its column index.
    Source(Box<dyn Pass + 'a>),
}

/// A prepared pass, to be run over all or some of its blocks.
pub(super) struct Opened<'a> {
    x: &'a LazyMatrix,
    rows: Rows,
    /// The matrix row of each row in the order of the file, where the two orders differ.
    permutation: Option<Vec<u32>>,
    place: Place<'a>,
    /// Collects the selected columns of the blocks for later passes.
    filling: Option<ColumnCache>,
    /// The lease on the memory of the source.
    _reading: Option<Lease>,
}

impl<'a> Opened<'a> {
    /// Prepares a pass. If `leaves` asks for columns, they are kept compactly (in an eighth of the
    /// memory, then in a scratch file); [`Opened::leave`] hands them to later passes.
    ///
    /// # Errors
    /// Errors of preparing the pass.
    pub(super) fn new(x: &'a LazyMatrix, order: Order, leaves: Leaves, session: &Session) -> Result<Self> {
        let (rows, permutation) = match (order, x.source_rows()) {
            (Order::File, Rows::List(list)) if list.windows(2).any(|w| w[0] > w[1]) => {
                let mut by_file: Vec<u32> = memory::collected(0..list.len() as u32, ROWS)?;
                by_file.sort_by_key(|&i| list[i as usize]);
                let rows: Vec<u32> = memory::collected(by_file.iter().map(|&i| list[i as usize]), ROWS)?;
                (Rows::List(rows.into()), Some(by_file))
            }
            (_, rows) => (rows, None),
        };
        if let Some(cache) = x.cached_blocks(&rows, session) {
            return Ok(Opened { x, rows, permutation, place: Place::Kept(cache), filling: None, _reading: None });
        }
        let mut columns_kept = None;
        if leaves.columns && keeps_columns(x) {
            // The columns that were kept before are freed before their successor is made.
            x.forget_kept(session);
            columns_kept = Some(session.spare(8));
        }
        let reading = session.part(4);
        let keeping = session.keeping(leaves.packed);
        let allowed = Allowance { memory: reading.bytes(), scratch: session.scratch.clone(), keeping };
        let (source, columns) = (&**x.source(), x.column_map()?);
        let indexed = match x.index(session).zip(columns.as_ref()) {
            Some((index, columns)) => index.pass(source, &rows, columns, &allowed)?,
            None => None,
        };
        let pass = match indexed {
            Some(pass) => pass,
            None => source.pass(rows.clone(), columns, &allowed)?,
        };
        let empty = || Data::empty(source.dtype());
        let filling =
            columns_kept.map(|memory| ColumnCache::new(&*pass, x.shape().1, empty(), memory, allowed.scratch));
        Ok(Opened { x, rows, permutation, place: Place::Source(pass), filling, _reading: Some(reading) })
    }

    fn pass(&self) -> &dyn Pass {
        match &self.place {
            Place::Kept(cache) => &**cache,
            Place::Source(pass) => &**pass,
        }
    }

    /// Returns the number of blocks of the pass.
    pub(super) fn n_blocks(&self) -> usize {
        self.pass().blocks().len()
    }

    /// Returns the rows of every block, in the order of the pass.
    pub(super) fn blocks(&self) -> &[Range<usize>] {
        self.pass().blocks()
    }

    /// Keeps the selected columns in the caches of `session` for later passes, if every block was
    /// read.
    pub(super) fn leave(self, session: &Session) {
        if let Some(cache) = self.filling.and_then(ColumnCache::complete) {
            self.x.keep(&self.rows, cache, session);
        }
    }

    /// Runs [`map_fold`] over the blocks `blocks`.
    pub(super) fn run<S: Send>(
        &self,
        blocks: Range<usize>,
        session: &Session,
        map: impl Fn(Block) -> Result<S> + Sync,
        mut fold: impl FnMut(S) -> Result<()>,
    ) -> Result<()> {
        let (x, pass) = (self.x, self.pass());
        let rows = pass.blocks()[blocks.clone()].iter().map(|r| r.len() as u64).sum();
        session.monitor.begin(rows);

        let ahead = Ahead::new(pass, &blocks, session);
        let work = |b: usize| -> Result<S> {
            session.monitor.check()?;
            let mut block = match &ahead {
                None => pass.read(b)?,
                Some(ahead) => {
                    ahead.wait(b)?;
                    let block = pass.read(b)?;
                    ahead.read(b);
                    block
                }
            };
            if let Some(cache) = &self.filling {
                cache.keep(b, &block)?;
            }
            let n_rows = block.n_rows();
            if let (Some(p), Positions::Range(r)) = (&self.permutation, &block.positions) {
                block.positions = Positions::List(memory::copied(&p[r.clone()], ROWS)?);
            }
            let out = map(x.transform(block)?)?;
            session.monitor.advance(n_rows as u64);
            Ok(out)
        };

        // A block in flight takes its decoded bytes, about as much again when transformed, and the
        // state of the consumer.
        let dense_row = if x.is_sparse() { 0 } else { x.shape().1 * x.dtype().size() };
        let cost = |b: usize| pass.cost(b).max(pass.blocks()[b].len() * dense_row);
        let widest = blocks.clone().map(cost).max().unwrap_or(0).max(1);
        let blocks_at_once = 2 * session.threads;
        let wanted = (3 * widest).saturating_mul(blocks_at_once).min(session.memory / 2);
        let flight = session.lease(PASS, 0, wanted)?;
        let window = (flight.bytes() / (3 * widest)).clamp(1, blocks_at_once);
        let threads = session.threads.min(window).min(blocks.len());
        if threads <= 1 && ahead.is_none() {
            return blocks.clone().try_for_each(|b| fold(guard(|| work(b))?));
        }

        let queue = Queue::new(blocks.clone(), window);
        std::thread::scope(|scope| {
            let _fetching = ahead.as_ref().map(|ahead| {
                ahead.start(scope);
                StopAhead(ahead)
            });
            let stop = StopOnDrop(&queue);
            let task = || {
                session.monitor.during(|| {
                    while let Some(b) = queue.claim() {
                        queue.put(b, guard(|| work(b)));
                    }
                });
            };
            // The system may refuse to start some threads. If it starts none, the calling thread
            // does the work.
            let started = (0..threads)
                .take_while(|_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, task).is_ok())
                .count();
            if started == 0 {
                return blocks.clone().try_for_each(|b| fold(guard(|| work(b))?));
            }
            let result = blocks.clone().try_for_each(|b| fold(queue.wait_for(b)?));
            drop(stop);
            result
        })
    }
}

/// The blocks that wait for a worker and the results that wait for `fold`, at most `window` of
/// them.
struct Queue<S> {
    state: Mutex<QueueState<S>>,
    changed: Condvar,
    stopped: AtomicBool,
    end: usize,
    window: usize,
}

struct QueueState<S> {
    next: usize,
    folded: usize,
    done: BTreeMap<usize, Result<S>>,
}

impl<S> Queue<S> {
    fn new(blocks: Range<usize>, window: usize) -> Self {
        let Range { start, end } = blocks;
        Queue {
            state: Mutex::new(QueueState { next: start, folded: start, done: BTreeMap::new() }),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            end,
            window,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, QueueState<S>> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until the next block lies within the window and returns it; `None` when there are no
    /// more.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if self.stopped.load(Ordering::Relaxed) || state.next >= self.end {
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

    /// Waits for the result of `block`, the next one to be folded, and returns it.
    fn wait_for(&self, block: usize) -> Result<S> {
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

/// Ends what fetches ahead however the folding ends.
struct StopAhead<'a, 'p>(&'a Ahead<'p>);

impl Drop for StopAhead<'_, '_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Stops the queue when it is dropped, so that waiting workers end however the folding ends.
struct StopOnDrop<'a, S>(&'a Queue<S>);

impl<S> Drop for StopOnDrop<'_, S> {
    fn drop(&mut self) {
        let _state = self.0.lock();
        self.0.stopped.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }
}
