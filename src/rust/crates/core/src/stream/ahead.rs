//! Blocks whose stored bytes are remote: threads of their own locate and fetch those of the next
//! blocks while the workers are at others.

use crate::error::{Error, Result};
use crate::matrix::{Fetch, Pass};
use crate::session::{guard, Lease, Session, STACK};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope};

/// Upper bound of the blocks that are located or fetched at the same time. Most of that time is
/// waiting.
const AT_ONCE: usize = 16;

/// The blocks of a pass ahead of its workers.
pub(super) struct Ahead<'a> {
    pass: &'a dyn Pass,
    session: &'a Session,
    end: usize,
    /// The memory of bytes that have come, or are on their way, and were not read.
    memory: Lease,
    state: Mutex<Progress>,
    changed: Condvar,
}

struct Progress {
    /// The next block to be located, which takes no memory to speak of.
    next: usize,
    /// The next block to be fetched.
    fetched: usize,
    /// The bytes that have come or are on their way, of each block and of all.
    bytes: HashMap<usize, u64>,
    held: u64,
    came: HashMap<usize, Result<()>>,
    stopped: bool,
    /// Whether there are threads that fetch.
    started: bool,
}

impl<'a> Ahead<'a> {
    /// Makes the read-ahead for some blocks of a pass; returns `None` where their bytes are not
    /// remote.
    pub(super) fn new(pass: &'a dyn Pass, blocks: &Range<usize>, session: &'a Session) -> Option<Ahead<'a>> {
        if !blocks.clone().any(|block| pass.is_remote(block)) {
            return None;
        }
        let (bytes, came, started) = (HashMap::new(), HashMap::new(), false);
        let state =
            Progress { next: blocks.start, fetched: blocks.start, bytes, held: 0, came, stopped: false, started };
        let (memory, end) = (session.part(8), blocks.end);
        Some(Ahead { pass, session, end, memory, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_change<'s>(&self, state: MutexGuard<'s, Progress>) -> MutexGuard<'s, Progress> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads that fetch, in `scope`. If none can be started, [`Ahead::wait`] fetches
    /// the block that it waits for.
    pub(super) fn start<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        let fetch = || self.session.monitor.during(|| self.fetch());
        let blocks = self.end - self.lock().next;
        for _ in 0..AT_ONCE.min(blocks) {
            if Builder::new().stack_size(STACK).spawn_scoped(scope, fetch).is_err() {
                break;
            }
            self.lock().started = true;
        }
    }

    /// Locates the stored bytes of a block, unless it is read from a place on this machine.
    fn located(&self, block: usize) -> Result<Fetch<'_>> {
        match self.pass.is_remote(block) {
            true => self.pass.prefetch(block),
            false => Ok(Fetch::nothing()),
        }
    }

    fn fetch(&self) {
        loop {
            let mut state = self.lock();
            if state.stopped || state.next >= self.end {
                return;
            }
            let block = state.next;
            state.next += 1;
            drop(state);
            let came = guard(|| {
                let fetch = self.located(block);
                // Also in the turn of a block that cannot be located, so that the next has its turn.
                let bytes = fetch.as_ref().map_or(0, |fetch| fetch.bytes);
                if self.has_room(block, bytes) {
                    (fetch?.run)()
                } else {
                    Err(Error::Cancelled)
                }
            });
            self.lock().came.insert(block, came);
            self.changed.notify_all();
        }
    }

    /// Waits until the bytes of a block may be fetched, one block after the other; returns `false`
    /// once all was stopped. A block larger than the memory is fetched alone.
    fn has_room(&self, block: usize, bytes: u64) -> bool {
        let mut state = self.lock();
        let most = self.memory.bytes() as u64;
        while !state.stopped && (block != state.fetched || (state.held > 0 && state.held.saturating_add(bytes) > most))
        {
            state = self.wait_for_change(state);
        }
        state.fetched = block + 1;
        state.held = state.held.saturating_add(bytes);
        state.bytes.insert(block, bytes);
        self.changed.notify_all();
        !state.stopped
    }

    /// Waits until the bytes of a block are fetched. It may be called once for each block.
    ///
    /// # Errors
    /// Errors of fetching them; [`Error::Cancelled`] once the read-ahead was stopped.
    pub(super) fn wait(&self, block: usize) -> Result<()> {
        let mut state = self.lock();
        if !state.started {
            drop(state);
            return (self.located(block)?.run)();
        }
        loop {
            if let Some(came) = state.came.remove(&block) {
                return came;
            }
            if state.stopped {
                return Err(Error::Cancelled);
            }
            state = self.wait_for_change(state);
        }
    }

    /// Notes that a block was read: the room of its bytes is free for the bytes of other blocks.
    pub(super) fn read(&self, block: usize) {
        let mut state = self.lock();
        state.held -= state.bytes.remove(&block).unwrap_or(0);
        drop(state);
        self.changed.notify_all();
    }

    /// Stops the read-ahead. Its threads end once the requests under way have come, and calls of
    /// [`Ahead::wait`] return.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Block;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// A pass whose blocks take a while to come, with the bytes that are held for it.
    struct Slow {
        blocks: Vec<Range<usize>>,
        bytes: u64,
        now: AtomicU64,
        most: AtomicU64,
    }

    impl Slow {
        fn new(bytes: u64) -> Slow {
            Slow { blocks: (0..60).map(|i| i..i + 1).collect(), bytes, now: 0.into(), most: 0.into() }
        }
    }

    impl Pass for Slow {
        fn blocks(&self) -> &[Range<usize>] {
            &self.blocks
        }

        fn cost(&self, _: usize) -> usize {
            1
        }

        fn is_remote(&self, _: usize) -> bool {
            true
        }

        fn prefetch(&self, block: usize) -> Result<Fetch<'_>> {
            std::thread::sleep(Duration::from_millis(2));
            if block == 50 {
                return Err(Error::State("no".to_owned()));
            }
            let run = move || {
                let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                Ok(())
            };
            Ok(Fetch { bytes: self.bytes, run: Box::new(run) })
        }

        fn read(&self, _: usize) -> Result<Block> {
            Err(Error::Cancelled)
        }
    }

    /// Takes all blocks in order. Returns the upper bound of those that were under way or had come.
    fn most(pass: &Slow, memory: usize) -> u64 {
        let session = Session { memory, ..Session::with_threads(2) };
        let ahead = Ahead::new(pass, &(0..60), &session).unwrap();
        std::thread::scope(|scope| {
            ahead.start(scope);
            for block in 0..60 {
                let came = ahead.wait(block);
                if block == 50 {
                    assert_eq!(came.unwrap_err().to_string(), "no");
                    ahead.stop();
                    break;
                }
                came.unwrap();
                pass.now.fetch_sub(1, Ordering::SeqCst);
                ahead.read(block);
            }
        });
        pass.most.load(Ordering::SeqCst)
    }

    #[test]
    fn many_blocks_are_under_way_as_far_as_memory_goes() {
        assert!(most(&Slow::new(0), 1 << 20) >= 8);
        // An eighth of the memory is for ten blocks.
        let most_of_ten = most(&Slow::new(100), 8 * 1000);
        assert!((5..=10).contains(&most_of_ten), "{most_of_ten}");
        // A block larger than the memory comes alone.
        assert_eq!(most(&Slow::new(5000), 8 * 1000), 1);
    }
}
