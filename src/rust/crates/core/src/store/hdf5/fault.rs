//! Errors of the HDF5 library, in a user's words.

use crate::error::{Error, Result};
use crate::memory;
use std::cell::RefCell;
use std::io::ErrorKind;

/// Bytes that must be free for a failure not to be blamed on lack of memory. The library allocates
/// buffers, and text for its error messages.
const ENOUGH: usize = 32 << 20;

/// Checks that a failed call of the library did not fail for want of memory or of remote bytes.
/// `what` names the work in an error.
///
/// # Errors
/// The error that [`keep_error`] kept, which is then forgotten; [`Error::OutOfMemory`] when the
/// system has little memory.
pub(crate) fn fed(what: &str) -> Result<()> {
    if let Some(error) = REMOTE.take() {
        return Err(error);
    }
    memory::probe(ENOUGH).map_err(|_| memory::refused::<u8>(ENOUGH, what))
}

/// Returns every line of HDF5's error stack, outermost first.
fn frames(error: &hdf5::Error) -> Vec<String> {
    match error.stack() {
        Some(stack) => stack.iter().map(|frame| lossy(frame.desc())).collect(),
        None => vec![lossy(&error.to_string())],
    }
}

/// Returns a text as valid UTF-8. The library quotes names of the file, and its bindings mark them
/// as UTF-8 unchecked.
fn lossy(text: &str) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// Returns the operating system's message inside an HDF5 error, if there is one ("No space left on
/// device").
fn system_message(frames: &[String]) -> Option<&str> {
    frames.iter().find_map(|f| {
        let rest = f.split_once("error message = '")?.1;
        Some(rest.split_once('\'').map_or(rest, |(message, _)| message))
    })
}

/// Returns the kind of the operating system's error inside an HDF5 error, `Other` where there is
/// none.
pub(super) fn kind(error: &hdf5::Error) -> ErrorKind {
    let number = frames(error).iter().find_map(|f| {
        let rest = f.split_once("errno = ")?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    number.map_or(ErrorKind::Other, |number| std::io::Error::from_raw_os_error(number).kind())
}

thread_local! {
    /// The reason why a callback of this crate failed last in this thread. The library takes only a
    /// status from a callback.
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

thread_local! {
    /// The reason why remote bytes did not come to this thread.
    static REMOTE: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Keeps the error by which remote bytes did not come, until [`fed`] returns it.
pub(super) fn keep_error(error: Error) {
    REMOTE.set(Some(error));
}

/// Keeps the reason why a callback of this crate (driver, filter) is about to fail, for [`cause`].
pub(super) fn keep(reason: String) {
    KEPT.with(|kept| *kept.borrow_mut() = Some(reason));
}

/// Returns the cause of an error: the reason that a callback kept ([`keep`]), the operating
/// system's message, or else HDF5's innermost line. The kept reason is forgotten in any case.
pub(crate) fn cause(error: &hdf5::Error) -> String {
    // Taken in any case: a later error must not report the reason of this one.
    let kept = KEPT.with(|kept| kept.borrow_mut().take());
    let frames = frames(error);
    let ours = ["driver write request failed", "driver read request failed", "filter returned failure during read"];
    if let Some(reason) = kept.filter(|_| frames.iter().any(|f| ours.contains(&f.as_str()))) {
        return reason;
    }
    match system_message(&frames) {
        Some(message) => message.to_owned(),
        None => frames.last().cloned().unwrap_or_default(),
    }
}

/// Returns the bytes that a truncated file has and the bytes it should have, where HDF5 reports
/// them; `None` for other errors.
pub(crate) fn truncation(error: &hdf5::Error) -> Option<(Option<u64>, Option<u64>)> {
    let frames = frames(error);
    let line = frames.iter().find(|f| f.contains("truncated file"))?;
    let number = |key: &str| {
        let rest = line.split_once(key)?.1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    Some((number(": eof = ").or_else(|| number("eof = ")), number("stored_eof = ")))
}

/// Returns the name of a compression filter, if the error is that this build lacks it.
pub(crate) fn missing_filter(error: &hdf5::Error) -> Option<String> {
    let frames = frames(error);
    let line = frames.iter().find(|f| f.contains("filter") && f.contains("not registered"))?;
    let name = line.split('\'').nth(1).unwrap_or("of unknown name");
    Some(format!("compression filter '{name}'"))
}

/// Returns whether the failed call was a write. It was if a line of the library's error stack has
/// the word "write" in it.
pub(crate) fn is_write(error: &hdf5::Error) -> bool {
    frames(error).iter().any(|f| f.contains("write"))
}
