//! Long calls: a separate thread works while R's thread watches for Ctrl-C and draws progress.

use crate::args::Args;
use crate::reply::r_error;
use anndataoom_core::session::watched;
use anndataoom_core::{Error, Result, Session};
use extendr_api::prelude::*;

extern "C" {
    fn R_ToplevelExec(fun: extern "C" fn(*mut std::ffi::c_void), data: *mut std::ffi::c_void) -> i32;
    fn R_CheckUserInterrupt();
    /// Whether Ctrl-C stays pending; R's own code sets it around what must not be torn apart.
    static mut R_interrupts_suspended: i32;
}

/// Runs short R code with Ctrl-C left pending until it has ended: R would make an error of it, which
/// `try()` hides.
pub(crate) fn uninterrupted<T>(run: impl FnOnce() -> T) -> T {
    struct Before(i32);
    impl Drop for Before {
        fn drop(&mut self) {
            // SAFETY: on R's thread, like everything of this crate that touches R.
            unsafe { R_interrupts_suspended = self.0 }
        }
    }
    single_threaded(|| {
        // SAFETY: on R's thread; the variable is R's own and always there.
        let _before = Before(unsafe { R_interrupts_suspended });
        // SAFETY: as above.
        unsafe { R_interrupts_suspended = 1 };
        run()
    })
}

extern "C" fn check_interrupt(_: *mut std::ffi::c_void) {
    // SAFETY: called by R on R's thread; a pending interrupt jumps to R_ToplevelExec, past no Rust
    // frame but this.
    unsafe { R_CheckUserInterrupt() }
}

/// Returns whether the user pressed Ctrl-C. Must be called on R's thread.
fn interrupted() -> bool {
    // SAFETY: R's own way to run code that may jump; it returns FALSE if the code did.
    unsafe { R_ToplevelExec(check_interrupt, std::ptr::null_mut()) == 0 }
}

/// Calls `draw`, which R's `careful()` made. It returns `NULL`, the text of an error, or `FALSE`
/// after Ctrl-C.
fn show(draw: &Function, fraction: f64) -> Result<()> {
    let reply = draw.call(pairlist!(fraction)).map_err(r_error)?;
    match (reply.as_str(), reply.as_bool()) {
        (Some(message), _) => Err(Error::Progress {
            message: message.to_owned(),
            hint: "; options(anndataoom.progress = FALSE) works without one",
        }),
        (None, Some(false)) => Err(Error::Cancelled),
        _ => Ok(()),
    }
}

/// Runs `work` with threads and memory from `args`. The R function `args$progress` gets the
/// fraction done (0 to 1) a few times a second. `work` may not touch R objects.
///
/// # Errors
/// The errors of `work`; [`Error::Cancelled`] after Ctrl-C; [`Error::Progress`] when progress
/// cannot be drawn.
pub(crate) fn run<T: Send>(args: &Args, work: impl FnOnce(&Session) -> Result<T> + Send) -> Result<T> {
    watching(&args.session()?, args, work)
}

/// Runs `work` like [`run`], in a session that outlives the call.
///
/// # Errors
/// The errors of [`run`].
pub(crate) fn watching<T: Send>(
    session: &Session,
    args: &Args,
    work: impl FnOnce(&Session) -> Result<T> + Send,
) -> Result<T> {
    let progress: Option<Function> = args.get("progress").and_then(|f| f.as_function());
    let watch = |fraction: Option<f64>| match (&progress, fraction) {
        _ if interrupted() => Err(Error::Cancelled),
        (Some(draw), Some(fraction)) => show(draw, fraction),
        _ => Ok(()),
    };
    watched(session, work, |pause| pause(), watch)?
}
