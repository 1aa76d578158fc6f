//! What stores far away take.

/// What a store far away took so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, those sent again counted.
    pub requests: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Bytes that were in the cache on this machine.
    pub cached: u64,
}
