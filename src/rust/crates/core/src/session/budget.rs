//! Working memory, leased to the calls of a session.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// The bytes leased in a session, by all calls that run in it.
#[derive(Debug, Clone, Default)]
pub struct Budget(Arc<AtomicUsize>);

/// A part of the memory of a session, returned when it is dropped.
#[derive(Debug)]
pub struct Lease {
    bytes: usize,
    of: Budget,
}

/// The two leases of work of the graph stage: on the session's `graph_memory`, and on as much of
/// its `memory` as was free.
#[derive(Debug)]
pub struct Held {
    /// The lease of the graph stage's memory.
    pub(super) _own: Lease,
    /// The lease of the passes' memory.
    pub(super) _of_passes: Lease,
}

impl Budget {
    /// Returns the number of bytes leased now.
    pub fn leased(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Leases `want` bytes, or as many as are free of `limit`, but never fewer than `floor` (or
    /// `want`, if that is less). So the bytes leased may exceed `limit`.
    pub(super) fn lease_anyway(&self, floor: usize, want: usize, limit: usize) -> Lease {
        let free = |leased| want.min(usize::max(limit.saturating_sub(leased), floor));
        let add = |leased: usize| Some(leased.saturating_add(free(leased)));
        let (Ok(leased) | Err(leased)) = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        Lease { bytes: free(leased), of: self.clone() }
    }

    /// Leases `want` bytes, or as many as are free of `limit`; `None`, and no lease, where fewer
    /// than `least` are free.
    pub(super) fn lease(&self, least: usize, want: usize, limit: usize) -> Option<Lease> {
        let mut bytes = 0;
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |leased| {
            bytes = want.min(limit.saturating_sub(leased));
            (bytes >= least).then(|| leased.saturating_add(bytes))
        });
        taken.is_ok().then(|| Lease { bytes, of: self.clone() })
    }
}

impl Lease {
    /// Returns the number of bytes that may be used.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all but `bytes` of the lease to the session.
    pub fn shrink(&mut self, bytes: usize) {
        let back = self.bytes.saturating_sub(bytes);
        self.bytes -= back;
        self.of.0.fetch_sub(back, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_share_the_limit_and_go_back() {
        let budget = Budget::default();
        let mut first = budget.lease(0, 60, 100).unwrap();
        let second = budget.lease(10, 60, 100).unwrap();
        assert_eq!((first.bytes(), second.bytes(), budget.leased()), (60, 40, 100));
        assert!(budget.lease(1, 1, 100).is_none());
        assert_eq!(budget.lease(0, 1, 100).unwrap().bytes(), 0);
        assert_eq!(budget.lease_anyway(5, 10, 100).bytes(), 5);
        assert_eq!(budget.lease_anyway(20, 10, 100).bytes(), 10);
        assert_eq!(budget.lease_anyway(5, 80, 150).bytes(), 50);
        first.shrink(25);
        first.shrink(70);
        assert_eq!((first.bytes(), budget.leased()), (25, 65));
        drop(first);
        drop(second);
        assert_eq!(budget.leased(), 0);
    }

    #[test]
    fn threads_never_lease_more_than_there_is() {
        let budget = Budget::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for want in 1..2000 {
                        let lease = budget.lease(0, want, 1000);
                        assert!(budget.leased() <= 1000, "{lease:?}");
                    }
                });
            }
        });
        assert_eq!(budget.leased(), 0);
    }
}
