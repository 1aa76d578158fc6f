//! Errors of the HDF5 library, in a user's words.

use crate::error::{Error, Result};
use crate::memory;
use std::cell::RefCell;
use std::io::ErrorKind;

/// Memory without which the library may have failed for want of it: it asks for buffers and for
/// what says so.
const ENOUGH: usize = 32 << 20;

/// Whether a call of the library failed of itself: the system still has memory, and all bytes that
/// were far away came.
///
/// # Errors
/// The reason why bytes far away did not come; [`Error::OutOfMemory`] when the system has little
/// memory.
pub(crate) fn fed(what: &str) -> Result<()> {
    if let Some(error) = FAR.take() {
        return Err(error);
    }
    memory::probe(ENOUGH).map_err(|_| memory::refused::<u8>(ENOUGH, what))
}

/// Every line of HDF5's error stack, outermost first.
fn frames(error: &hdf5::Error) -> Vec<String> {
    match error.stack() {
        Some(stack) => stack.iter().map(|frame| lossy(frame.desc())).collect(),
        None => vec![lossy(&error.to_string())],
    }
}

/// The library quotes names of the file, which its bindings take for UTF-8 whatever they are.
fn lossy(text: &str) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// The operating system's message inside an HDF5 error, if there is one ("No space left on
/// device").
fn system_message(frames: &[String]) -> Option<&str> {
    frames.iter().find_map(|f| {
        let rest = f.split_once("error message = '")?.1;
        Some(rest.split_once('\'').map_or(rest, |(message, _)| message))
    })
}

/// Returns the kind of the operating system's error inside an HDF5 error, `Other` where there is none.
pub(super) fn kind(error: &hdf5::Error) -> ErrorKind {
    let number = frames(error).iter().find_map(|f| {
        let rest = f.split_once("errno = ")?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    });
    number.map_or(ErrorKind::Other, |number| std::io::Error::from_raw_os_error(number).kind())
}

thread_local! {
    /// Why a callback of ours failed last in this thread: the library takes only a status from
    /// them.
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

thread_local! {
    /// Why bytes far away did not come to this thread.
    static FAR: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Keeps the reason why bytes far away did not come, for [`fed`].
pub(super) fn keep_error(error: Error) {
    FAR.set(Some(error));
}

/// Keeps the reason why a callback of ours (driver, filter) is about to fail, for [`cause`].
pub(super) fn keep(reason: String) {
    KEPT.with(|kept| *kept.borrow_mut() = Some(reason));
}

/// The cause: our own callback's reason or the operating system's message, else HDF5's innermost
/// line.
pub(crate) fn cause(error: &hdf5::Error) -> String {
    // Taken in any case: a later error must not report the record of this one.
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

/// For a truncated file: the bytes it has and the bytes it should have, where HDF5 tells.
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

/// The name of a compression filter that this build lacks, when that is what failed.
pub(crate) fn missing_filter(error: &hdf5::Error) -> Option<String> {
    let frames = frames(error);
    let line = frames.iter().find(|f| f.contains("filter") && f.contains("not registered"))?;
    let name = line.split('\'').nth(1).unwrap_or("of unknown name");
    Some(format!("compression filter '{name}'"))
}

/// Whether writing failed, rather than reading.
pub(crate) fn is_write(error: &hdf5::Error) -> bool {
    frames(error).iter().any(|f| f.contains("write"))
}
