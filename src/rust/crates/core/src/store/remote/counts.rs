//! Counts of the requests to services.

use crate::store::traffic::Traffic;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counts of one place.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes: AtomicU64,
    cached: AtomicU64,
}

impl Counts {
    /// Adds a request.
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a repeated request, which is also added as a request.
    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `n` bytes received.
    pub(super) fn bytes(&self, n: usize) {
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Adds `n` bytes taken from the cache.
    pub(super) fn cached(&self, n: usize) {
        self.cached.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Returns the counts so far.
    pub(super) fn so_far(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            requests: of(&self.requests),
            retries: of(&self.retries),
            bytes: of(&self.bytes),
            cached: of(&self.cached),
        }
    }
}
