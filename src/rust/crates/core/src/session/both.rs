//! Two pieces of work that wait, at the same time.

use super::{guard, Monitor, STACK};
use crate::error::Result;

/// Runs `first` on a thread of its own while the calling thread runs `second`; one after the other
/// where the system gives no thread. It is for work that waits, such as requests to a remote store.
/// Both end when the call they work for is cancelled.
pub(crate) fn run_both<A: Send, B>(
    first: impl Fn() -> Result<A> + Sync,
    second: impl FnOnce() -> Result<B>,
) -> (Result<A>, Result<B>) {
    let monitor = Monitor::of_thread();
    let guarded = || {
        guard(|| match &monitor {
            Some(monitor) => monitor.during(&first),
            None => first(),
        })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, guarded);
        let second = second();
        let first = match thread {
            // `guard` leaves no panic to be joined.
            Ok(thread) => thread.join().unwrap_or_else(|_| guarded()),
            Err(_) => guarded(),
        };
        (first, second)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::sync::Arc;

    #[test]
    fn both_run_for_the_call_of_this_thread() {
        let monitor = Arc::new(Monitor::default());
        let cancelled = || Ok(Monitor::of_thread().is_some_and(|monitor| monitor.is_cancelled()));
        monitor.cancel();
        let (first, second) = monitor.during(|| run_both(cancelled, cancelled));
        assert!(first.unwrap() && second.unwrap());
        let (first, second) = run_both(|| -> Result<()> { panic!("no") }, || Ok(7));
        assert!(matches!(first, Err(Error::Internal(text)) if text == "no"));
        assert_eq!(second.unwrap(), 7);
    }
}
