//! Long calls: the work runs on a thread of its own while R's thread watches for Ctrl-C and draws progress.

use crate::args::Args;
use anndataoom_core::context::{guard, release_memory};
use anndataoom_core::{Context, Error, Result};
use extendr_api::prelude::*;
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::time::{Duration, Instant};

extern "C" {
    fn R_ToplevelExec(fun: extern "C" fn(*mut std::ffi::c_void), data: *mut std::ffi::c_void) -> i32;
    fn R_CheckUserInterrupt();
}

extern "C" fn check_interrupt(_: *mut std::ffi::c_void) {
    // SAFETY: called by R on R's thread; a pending interrupt jumps to R_ToplevelExec, past no Rust frame but this.
    unsafe { R_CheckUserInterrupt() }
}

/// Whether the user pressed Ctrl-C. Only from R's thread.
fn interrupted() -> bool {
    // SAFETY: R's own way to run code that may jump; gives FALSE when it did.
    unsafe { R_ToplevelExec(check_interrupt, std::ptr::null_mut()) == 0 }
}

const POLL: Duration = Duration::from_millis(50);
const DRAW: Duration = Duration::from_millis(200);

/// Runs `work` with threads and memory from `args`; `args$progress`, an R function of one number (0 to 1), is called
/// a few times a second. No R object may enter `work`.
///
/// # Errors
/// Those of `work`; [`Error::Cancelled`] after Ctrl-C.
pub(crate) fn run<T: Send>(args: &Args, work: impl FnOnce(&Context) -> Result<T> + Send) -> Result<T> {
    let ctx = args.context()?;
    let progress: Option<Function> = args.get("progress").and_then(|f| f.as_function());
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
            .map_err(|e| Error::Internal(format!("cannot start a thread: {e}")))?;
        let mut drawn = Instant::now();
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(result) => {
                    release_memory();
                    return result;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Error::Internal("a worker vanished".to_owned())),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if interrupted() {
                ctx.monitor.cancel();
            }
            if let (Some(draw), true) = (&progress, drawn.elapsed() >= DRAW) {
                if draw.call(pairlist!(ctx.monitor.fraction())).is_err() {
                    ctx.monitor.cancel();
                }
                drawn = Instant::now();
            }
        }
    })
}
