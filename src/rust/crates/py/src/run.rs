//! Long calls: the work runs on a thread of its own, without the GIL, while Python's thread watches for Ctrl-C.

use crate::errors::to_py_err;
use anndataoom_core::context::{guard, release_memory};
use anndataoom_core::{Context, Error, Result};
use pyo3::prelude::*;
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);
const DRAW: Duration = Duration::from_millis(200);

/// Threads, memory and progress as `anndataoom.settings` says.
fn settings(py: Python<'_>) -> PyResult<(Context, Option<Py<PyAny>>)> {
    let call = py.import("anndataoom._settings")?.getattr("call_settings")?.call0()?;
    let (threads, memory, progress): (Option<usize>, usize, Option<Py<PyAny>>) = call.extract()?;
    let mut ctx = threads.map_or_else(Context::default, Context::with_threads);
    ctx.memory = memory;
    Ok((ctx, progress))
}

/// Runs `work`; no Python object may enter it.
///
/// # Errors
/// Those of `work` as Python exceptions; `KeyboardInterrupt` after Ctrl-C.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce(&Context) -> Result<T> + Send) -> PyResult<T> {
    let (ctx, progress) = settings(py)?;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let worker = ctx.clone();
        std::thread::Builder::new()
            .name("anndataoom".to_owned())
            .stack_size(16 << 20)
            .spawn_scoped(scope, move || {
                // The receiver outlives the worker: sending cannot fail.
                let _ = sender.send(guard(|| work(&worker)));
            })
            .map_err(|e| to_py_err(Error::Internal(format!("cannot start a thread: {e}"))))?;
        let mut receiver = receiver;
        let (mut interrupt, mut drawn) = (None, Instant::now());
        loop {
            let (back, outcome) = py.detach(move || {
                let outcome = receiver.recv_timeout(POLL);
                (receiver, outcome)
            });
            receiver = back;
            match outcome {
                Ok(_) if interrupt.is_some() => break,
                Ok(result) => {
                    release_memory();
                    return result.map_err(to_py_err);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(to_py_err(Error::Internal("a worker vanished".to_owned())))
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let mut seen = py.check_signals();
            if let (Some(draw), true) = (&progress, drawn.elapsed() >= DRAW) {
                seen = seen.and_then(|()| draw.call1(py, (ctx.monitor.fraction(),)).map(|_| ()));
                drawn = Instant::now();
            }
            if let Err(e) = seen {
                ctx.monitor.cancel();
                interrupt.get_or_insert(e);
            }
        }
        Err(interrupt.unwrap_or_else(|| to_py_err(Error::Cancelled)))
    })
}

/// Runs something short with the GIL, panics included in its errors.
pub(crate) fn quick<T>(work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    guard(work).map_err(to_py_err)
}
