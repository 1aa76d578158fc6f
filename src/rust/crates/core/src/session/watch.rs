//! Long calls on a thread of their own, while the thread of a face watches.

use super::guard::guard;
use super::heap::{release_memory, share_arenas};
use super::session::Session;
use crate::error::{Error, Result};
use crate::reserve;
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Stack of the thread that runs a verb.
const VERB_STACK: usize = 16 << 20;

/// The interval at which a face looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);
/// The interval at which a face draws progress.
const DRAW: Duration = Duration::from_millis(200);

/// Runs `work` on a thread of its own while the calling thread watches, and returns its result.
/// Until the work ends, `watch` is called every 50 ms. It gets the share of the work that is done
/// (0 to 1) if 200 ms have passed since it last got one, else `None`. An error of `watch` (Ctrl-C,
/// a bar that cannot be drawn) cancels the work. Between calls of `watch`, `wait` gets a function
/// that blocks for up to 50 ms, and must call it; a face with a lock on its interpreter releases
/// the lock meanwhile. At the end, the threads of the session's pool are ended, and freed memory is
/// returned to the system.
///
/// # Errors
/// Outer: the first error of `watch`, unless `work` failed with an error other than
/// [`Error::Cancelled`]. It is returned even if `work` succeeded. Inner: the errors of `work`;
/// [`Error::Internal`] for a panic of `work`; [`Error::OutOfMemory`] when no thread can be started
/// or memory is short.
pub fn watched<T: Send, E>(
    session: &Session,
    work: impl FnOnce(&Session) -> Result<T> + Send,
    wait: impl Fn(&mut (dyn FnMut() + Send)),
    mut watch: impl FnMut(Option<f64>) -> std::result::Result<(), E>,
) -> std::result::Result<Result<T>, E> {
    if let Err(e) = reserve::provide() {
        return Ok(Err(e));
    }
    share_arenas(session.threads);
    std::thread::scope(|scope| {
        let (sender, mut receiver) = sync_channel(1);
        let spawned = std::thread::Builder::new().name("anndataoom".to_owned()).stack_size(VERB_STACK).spawn_scoped(
            scope,
            // The receiver outlives the worker, so sending cannot fail.
            move || drop(sender.send(session.monitor.during(|| guard(|| work(session))))),
        );
        if let Err(e) = spawned {
            let what = format!("a thread to work on ({e})");
            return Ok(Err(Error::OutOfMemory { what, needed: VERB_STACK as u64 }));
        }
        let (mut stopped, mut drawn) = (None, Instant::now());
        loop {
            let mut outcome = Err(RecvTimeoutError::Timeout);
            wait(&mut || {
                // A receiver that is borrowed alone may go to the thread that waits.
                let receiver = &mut receiver;
                outcome = receiver.recv_timeout(POLL);
            });
            match outcome {
                Ok(result) => {
                    session.pool.end();
                    release_memory();
                    return match (stopped, result) {
                        // Work that ended before it noticed the cancellation counts as cancelled,
                        // because the signal was taken from the face.
                        (Some(e), Ok(_) | Err(Error::Cancelled)) => Err(e),
                        (_, result) => Ok(result),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Err(Error::Internal("a worker vanished".to_owned()))),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let due = stopped.is_none() && drawn.elapsed() >= DRAW;
            if due {
                drawn = Instant::now();
            }
            if let Err(e) = watch(due.then(|| session.monitor.fraction())) {
                session.monitor.cancel();
                stopped.get_or_insert(e);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until_cancelled(session: &Session) -> Result<()> {
        loop {
            session.monitor.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_watch_stops_the_work_with_its_own_error() {
        let fails = |drawing: Option<f64>| drawing.map_or(Ok(()), |_| Err("no terminal"));
        let session = Session::default();
        assert_eq!(watched(&session, until_cancelled, |pause| pause(), fails).unwrap_err(), "no terminal");

        // Only the first error counts, and nothing is drawn after it.
        let session = Session::default();
        let mut calls = 0;
        let found = watched(
            &session,
            |session| {
                let ended = until_cancelled(session);
                std::thread::sleep(4 * DRAW);
                ended
            },
            |pause| pause(),
            |drawing| {
                calls += 1;
                assert!(calls == 1 || drawing.is_none());
                Err(calls)
            },
        );
        assert_eq!(found.unwrap_err(), 1);
        assert!(calls > 4);
    }

    #[test]
    fn the_work_keeps_its_result_and_its_error() {
        let session = Session::default();
        let quiet = |_: Option<f64>| Ok::<(), ()>(());
        assert_eq!(watched(&session, |_| Ok(7), |pause| pause(), quiet).unwrap().unwrap(), 7);
        let failed = watched(&session, |_| Err::<(), _>(Error::Numerical("no".to_owned())), |pause| pause(), quiet);
        assert_eq!(failed.unwrap().unwrap_err().to_string(), "no");
        let fails = |_: Option<f64>| Err::<(), _>("stop");
        let disk = |session: &Session| until_cancelled(session).map_err(|_| Error::State("disk full".to_owned()));
        assert_eq!(watched(&session, disk, |pause| pause(), fails).unwrap().unwrap_err().to_string(), "disk full");
        let ended = watched(&Session::default(), until_cancelled, |pause| pause(), fails);
        assert_eq!(ended.unwrap_err(), "stop");
    }
}
