//! The counts of requests and bytes of remote stores.

/// The requests and bytes of a remote store so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, with repeated ones counted.
    pub requests: u64,
    /// Requests that were repeated.
    pub retries: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Bytes taken from the cache on this machine.
    pub cached: u64,
}
