//! Conversion of panics to errors.

use crate::error::{Error, Result};

/// Runs `work` and turns a panic into [`Error::Internal`]: the last line of defence, not a way to
/// report errors.
///
/// # Errors
/// The errors of `work`, and [`Error::Internal`] for a panic.
pub fn guard<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("panic");
        Err(Error::Internal(text.to_owned()))
    })
}
