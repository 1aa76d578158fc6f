//! Allocation of R's vectors. When R has no memory left, it jumps out of the call, past Rust's
//! frames and their destructors. So large vectors are allocated where R may jump, and only when
//! there is memory for the small objects around them, too.

use crate::reply::clean;
use anndataoom_core::{memory, Error, Result};
use extendr_api::prelude::*;
use extendr_api::{AsTypedSlice, GetSexp, SEXP};
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

/// Size in bytes from which on a vector is large.
const LARGE: usize = 1 << 16;
/// Bytes left free for everything that R makes besides a large vector: attributes, names, lists.
const ROOM: usize = 8 << 20;
/// Bytes that R takes for a string besides its text: a header and a pointer to it.
const STRING: usize = 64;

const INTEGERS: u32 = 13;
const DOUBLES: u32 = 14;
const LOGICALS: u32 = 10;
const TEXTS: u32 = 16;
const RAWS: u32 = 24;
/// R's number of the encoding UTF-8.
const UTF8: i32 = 1;

type Handler = unsafe extern "C" fn(SEXP, *mut c_void) -> SEXP;

// R's objects are opaque: only pointers to them pass.
#[allow(improper_ctypes)]
extern "C" {
    fn R_tryCatchError(
        body: unsafe extern "C" fn(*mut c_void) -> SEXP,
        data: *mut c_void,
        handler: Handler,
        other: *mut c_void,
    ) -> SEXP;
    fn R_ToplevelExec(run: extern "C" fn(*mut c_void), data: *mut c_void) -> i32;
    fn Rf_allocVector(kind: u32, length: isize) -> SEXP;
    fn Rf_mkCharLenCE(text: *const std::ffi::c_char, length: i32, encoding: i32) -> SEXP;
    fn SET_STRING_ELT(x: SEXP, at: isize, value: SEXP);
    static R_NilValue: SEXP;
    static R_NaString: SEXP;
}

unsafe extern "C" fn no_op(_: SEXP, _: *mut c_void) -> SEXP {
    // SAFETY: R's constant.
    unsafe { R_NilValue }
}

/// Runs `body`, out of which R may jump, so it must own nothing that has to be dropped. Returns
/// `None` when R raised an error.
///
/// # Errors
/// [`Error::Cancelled`] when R was interrupted.
fn catch<F: FnMut() -> SEXP>(body: F) -> Result<Option<Robj>> {
    struct Call<F> {
        body: F,
        found: SEXP,
    }
    unsafe extern "C" fn call<F: FnMut() -> SEXP>(data: *mut c_void) -> SEXP {
        // SAFETY: the `Call` of `catch`, alive until R_ToplevelExec returns.
        unsafe { ((*data.cast::<Call<F>>()).body)() }
    }
    // R_tryCatchError takes errors and prints none; R_ToplevelExec takes all other jumps.
    extern "C" fn guarded<F: FnMut() -> SEXP>(data: *mut c_void) {
        // SAFETY: R's own way to run code that may raise an error, on R's thread.
        let found = unsafe { R_tryCatchError(call::<F>, data, no_op, std::ptr::null_mut()) };
        // SAFETY: the `Call` of `catch`, to which there is no other reference meanwhile.
        unsafe { (*data.cast::<Call<F>>()).found = found };
    }
    single_threaded(|| {
        // SAFETY: R's constant.
        let mut this = Call { body, found: unsafe { R_NilValue } };
        // SAFETY: R's own way to run code that may jump, on R's thread, as everything of this crate
        // that touches R.
        let returned = unsafe { R_ToplevelExec(guarded::<F>, (&raw mut this).cast()) };
        if returned == 0 {
            return Err(Error::Cancelled);
        }
        // SAFETY: the new object gets R's protection before R makes another one.
        let found = unsafe { Robj::from_sexp(this.found) };
        Ok((!found.is_null()).then_some(found))
    })
}

/// Allocates a vector of `n` values, `bytes` in all, which are not initialised; `name` names it in
/// errors.
fn allocate(kind: u32, n: usize, bytes: usize, name: &str) -> Result<Robj> {
    // SAFETY: any length is valid; R refuses one that is too long.
    let new = || unsafe { Rf_allocVector(kind, n as isize) };
    if bytes < LARGE {
        // SAFETY: on R's thread.
        return Ok(single_threaded(|| unsafe { Robj::from_sexp(new()) }));
    }
    let refused = || Error::OutOfMemory { what: format!("'{name}' in R"), needed: bytes as u64 };
    memory::probe(bytes.saturating_add(ROOM)).map_err(|_| refused())?;
    catch(new)?.ok_or_else(refused)
}

/// Allocates an integer vector to be written.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn uninitialised(name: &str, n: usize) -> Result<Robj> {
    allocate(INTEGERS, n, n.saturating_mul(4), name)
}

/// Allocates a double vector to be written.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub(crate) fn uninitialised_doubles(name: &str, n: usize) -> Result<Robj> {
    allocate(DOUBLES, n, n.saturating_mul(8), name)
}

macro_rules! vectors {
    ($($(#[$doc:meta])* $function:ident: $kind:ident, $value:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::OutOfMemory`].
        pub(crate) fn $function(name: &str, values: impl ExactSizeIterator<Item = $value>) -> Result<Robj> {
            let n = values.len();
            let mut out = allocate($kind, n, n.saturating_mul(size_of::<$value>()), name)?;
            let to: Option<&mut [$value]> = out.as_typed_slice_mut();
            let to = to.ok_or_else(|| Error::Internal("a vector of another kind".to_owned()))?;
            to.iter_mut().zip(values).for_each(|(to, value)| *to = value);
            Ok(out)
        }
    )*};
}
vectors! {
    /// Makes an integer vector.
    integers: INTEGERS, i32;
    /// Makes a double vector.
    doubles: DOUBLES, f64;
    /// Makes a logical vector.
    logicals: LOGICALS, Rbool;
    /// Makes a raw vector.
    raws: RAWS, u8;
}

/// Writes `of` each value of `from`, on `threads` threads.
fn write_all<S: Copy + Sync, T: Send>(to: &mut [T], from: &[S], of: impl Fn(S) -> T + Sync, threads: usize) {
    const PART: usize = 1 << 20;
    memory::large_pages(to);
    let parts = Mutex::new(to.chunks_mut(PART).zip(from.chunks(PART)));
    let work = || loop {
        let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((to, from)) = next else { break };
        to.iter_mut().zip(from).for_each(|(to, &x)| *to = of(x));
    };
    std::thread::scope(|scope| {
        // As many as the system starts: this one works too.
        for _ in 1..threads.min(from.len().div_ceil(PART)) {
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

macro_rules! vectors_from {
    ($($(#[$doc:meta])* $function:ident: $kind:ident, $value:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::OutOfMemory`].
        pub(crate) fn $function<S: Copy + Sync>(
            name: &str,
            from: &[S],
            of: impl Fn(S) -> $value + Sync,
            threads: usize,
        ) -> Result<Robj> {
            let mut out = allocate($kind, from.len(), size_of::<$value>().saturating_mul(from.len()), name)?;
            let to: Option<&mut [$value]> = out.as_typed_slice_mut();
            write_all(to.ok_or_else(|| Error::Internal("a vector of another kind".to_owned()))?, from, of, threads);
            Ok(out)
        }
    )*};
}
vectors_from! {
    /// Makes a vector of integers from values, on several threads.
    integers_from: INTEGERS, i32;
    /// Makes a vector of doubles from values, on several threads.
    doubles_from: DOUBLES, f64;
}

/// Makes a vector of the first `n` strings of `values`, which may be called twice; `None` is NA.
///
/// # Errors
/// [`Error::OutOfMemory`]; [`Error::Shape`] for a string of 2^31 bytes or more, which R cannot
/// hold.
pub(crate) fn texts<'a, I: Iterator<Item = Option<&'a str>>>(
    name: &str,
    n: usize,
    values: impl Fn() -> I,
) -> Result<Robj> {
    let lengths = values().flatten().map(str::len);
    let (sum, longest) = lengths.fold((0_usize, 0), |(sum, longest), n| (sum + n, longest.max(n)));
    if longest > i32::MAX as usize {
        return Err(Error::Shape {
            what: format!("the longest string of '{name}'"),
            expected: "at most 2147483647 bytes, R's limit".to_owned(),
            found: format!("{longest}"),
        });
    }
    let bytes = sum.saturating_add(n.saturating_mul(STRING));
    let out = allocate(TEXTS, n, n.saturating_mul(8), name)?;
    // SAFETY: `out` outlives the pointer.
    let to = unsafe { out.get() };
    let fill = || {
        for (i, value) in values().take(n).enumerate() {
            let text = match value.map(clean) {
                // SAFETY: the text is UTF-8 without NUL, and its length was found to be below 2^31.
                Some(s) => unsafe { Rf_mkCharLenCE(s.as_ptr().cast(), s.len() as i32, UTF8) },
                // SAFETY: R's constant.
                None => unsafe { R_NaString },
            };
            // SAFETY: `to` has `n` places for texts.
            unsafe { SET_STRING_ELT(to, i as isize, text) };
        }
        to
    };
    if bytes < LARGE {
        single_threaded(fill);
        return Ok(out);
    }
    let refused = || Error::OutOfMemory { what: format!("'{name}' in R"), needed: bytes as u64 };
    memory::probe(bytes.saturating_add(ROOM)).map_err(|_| refused())?;
    catch(fill)?.ok_or_else(refused)
}
