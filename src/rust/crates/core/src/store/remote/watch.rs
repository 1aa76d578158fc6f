//! Connections whose waiting ends when the call they work for is cancelled. They wait in slices,
//! and check after each.

use crate::session::Monitor;
use std::time::{Duration, Instant};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::Error;

/// Time of a slice.
const SLICE: Duration = Duration::from_millis(50);

/// Returns whether the call that this thread works for was cancelled.
pub(super) fn is_cancelled() -> bool {
    Monitor::of_thread().is_some_and(|monitor| monitor.is_cancelled())
}

/// Waits for a time, or until the call is cancelled; returns `false` if it was.
pub(super) fn pause(time: Duration) -> bool {
    let end = Instant::now() + time;
    loop {
        if is_cancelled() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(SLICE));
    }
}

/// Puts [`Watched`] over plain connections, below encryption.
#[derive(Debug, Default)]
pub(super) struct Watch;

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Watched<In>>, Error> {
        Ok(chained.map(Watched))
    }
}

/// A connection whose waiting ends when the call is cancelled.
#[derive(Debug)]
pub(super) struct Watched<In>(In);

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let whole = timeout.for_read();
        let end = whole.not_zero().map(|time| Instant::now() + *time);
        loop {
            if is_cancelled() {
                return Err(Error::Io(std::io::Error::other("interrupted")));
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Error::Timeout(whole.reason));
            }
            // All slices are equal, so that the timeout of the connection is set only once.
            let slice = NextTimeout { after: SLICE.into(), per_read: None, ..whole };
            match self.0.await_input(slice) {
                Err(Error::Timeout(_)) => {}
                done => return done,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
