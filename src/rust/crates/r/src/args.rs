//! Named arguments of a call from R. Errors of decoding name the argument.

use crate::given::given;
use crate::handles::{MatrixHandle, StoreHandle};
use anndataoom_core::given::Given;
use anndataoom_core::store::Store;
use anndataoom_core::verbs;
use anndataoom_core::{memory, Error, LazyMatrix, Result, Session};
use extendr_api::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// The session of this process, whose caches last from one call to the next.
static SESSION: LazyLock<Session> = LazyLock::new(Session::default);

/// The arguments of one call, an R list, by name. `NULL` counts as absent.
pub(crate) struct Args(HashMap<String, Robj>);

/// Returns the class of an object that is more than its values: a factor, a date, a 64-bit integer
/// in the bits of a double.
fn class(x: &Robj) -> Option<String> {
    x.get_attrib("class")?.as_string_vector()?.into_iter().find(|c| !matches!(c.as_str(), "AsIs" | "matrix" | "array"))
}

/// Describes the value found, for an error.
fn found(x: &Robj) -> String {
    if let Some(class) = class(x) {
        return format!("{class} of length {}", x.len());
    }
    let kind = match x.rtype() {
        Rtype::Strings => "character".to_owned(),
        Rtype::Doubles => "numeric".to_owned(),
        Rtype::Logicals => "logical".to_owned(),
        Rtype::Integers => "integer".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    if x.len() != 1 {
        return format!("{kind} of length {}", x.len());
    }
    if x.is_na() {
        return "NA".to_owned();
    }
    match (x.as_str(), x.as_bool(), x.as_real().or_else(|| x.as_integer().map(f64::from))) {
        (Some(s), ..) => format!("\"{s}\""),
        (_, Some(b), _) => if b { "TRUE" } else { "FALSE" }.to_owned(),
        (.., Some(v)) if v.is_infinite() => if v > 0.0 { "Inf" } else { "-Inf" }.to_owned(),
        (.., Some(v)) if v.abs() >= 1e15 => format!("{v:e}"),
        (.., Some(v)) => v.to_string(),
        _ => kind,
    }
}

/// Reads a numeric or integer vector as doubles; NA becomes NaN.
pub(crate) fn doubles(name: &'static str, x: &Robj) -> Result<Vec<f64>> {
    if class(x).is_some() {
        Err(Error::parameter(name, "numbers", found(x)))
    } else if let Some(v) = x.as_real_slice() {
        memory::copied(v, name)
    } else if let Some(v) = x.as_integer_slice() {
        memory::collected(v.iter().map(|&i| if i == i32::MIN { f64::NAN } else { f64::from(i) }), name)
    } else {
        Err(Error::parameter(name, "numbers", found(x)))
    }
}

fn gone() -> Error {
    Error::State("this object was closed, or belongs to another R session: open its file again".to_owned())
}

/// Returns the matrix behind a handle.
pub(crate) fn matrix(handle: &Robj) -> Result<LazyMatrix> {
    let handle: &ExternalPtr<MatrixHandle> = handle.try_into().map_err(|_| gone())?;
    Ok(handle.try_addr().map_err(crate::reply::r_error)?.0.clone())
}

impl Args {
    /// Takes the arguments from a named list.
    ///
    /// # Errors
    /// [`Error::Internal`] when `args` is not a list.
    pub(crate) fn new(args: &Robj) -> Result<Self> {
        let list = args.as_list().ok_or_else(|| Error::Internal("arguments are not a list".to_owned()))?;
        Ok(Args(list.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect()))
    }

    /// Returns an argument; `None` when absent.
    pub(crate) fn get(&self, name: &str) -> Option<&Robj> {
        self.0.get(name)
    }

    fn need(&self, name: &'static str, expected: &str) -> Result<&Robj> {
        self.get(name).ok_or_else(|| Error::parameter(name, expected, "NULL"))
    }

    /// Reads one number, which may be infinite but not NaN; `None` when absent.
    pub(crate) fn opt_f64(&self, name: &'static str) -> Result<Option<f64>> {
        let Some(x) = self.get(name) else { return Ok(None) };
        let value = match x.len() {
            _ if class(x).is_some() => None,
            1 => x.as_real().or_else(|| x.as_integer().filter(|&i| i != i32::MIN).map(f64::from)),
            _ => None,
        };
        match value {
            Some(v) if !v.is_nan() => Ok(Some(v)),
            _ => Err(Error::parameter(name, "one number", found(x))),
        }
    }

    /// Reads one number, which may be NaN or NA; `None` when absent.
    pub(crate) fn opt_fill(&self, name: &'static str) -> Result<Option<f64>> {
        match self.opt_doubles(name) {
            Ok(Some(v)) if v.len() == 1 => Ok(v.first().copied()),
            Ok(None) => Ok(None),
            _ => Err(Error::parameter(name, "one number", self.get(name).map_or_else(|| "NULL".to_owned(), found))),
        }
    }

    /// Reads one number, as [`Args::opt_f64`] does, that may not be absent.
    pub(crate) fn f64(&self, name: &'static str) -> Result<f64> {
        self.opt_f64(name)?.ok_or_else(|| Error::parameter(name, "one number", "NULL"))
    }

    /// Reads an integer >= 0 below 9e15; `None` when absent.
    pub(crate) fn opt_usize(&self, name: &'static str) -> Result<Option<usize>> {
        match self.opt_f64(name)? {
            None => Ok(None),
            Some(v) if v >= 0.0 && v.fract() == 0.0 && v < 9e15 => Ok(Some(v as usize)),
            Some(_) => Err(Error::parameter(name, "a whole number, 0 or more", found(self.need(name, "a number")?))),
        }
    }

    /// Reads an integer >= 0 below 9e15 that may not be absent.
    pub(crate) fn usize(&self, name: &'static str) -> Result<usize> {
        self.opt_usize(name)?.ok_or_else(|| Error::parameter(name, "a whole number", "NULL"))
    }

    /// Reads an integer >= 0 below 9e15 that may not be absent.
    pub(crate) fn u64(&self, name: &'static str) -> Result<u64> {
        Ok(self.usize(name)? as u64)
    }

    /// Reads `TRUE` or `FALSE`.
    pub(crate) fn bool(&self, name: &'static str) -> Result<bool> {
        let x = self.need(name, "TRUE or FALSE")?;
        match x.as_bool() {
            Some(b) if x.len() == 1 => Ok(b),
            _ => Err(Error::parameter(name, "TRUE or FALSE", found(x))),
        }
    }

    /// Reads one string, not NA; `None` when absent.
    pub(crate) fn opt_str(&self, name: &'static str) -> Result<Option<&str>> {
        let Some(x) = self.get(name) else { return Ok(None) };
        match x.as_str() {
            Some(s) if x.len() == 1 && !s.is_na() => Ok(Some(s)),
            _ => Err(Error::parameter(name, "one string", found(x))),
        }
    }

    /// Reads one string, not NA, that may not be absent.
    pub(crate) fn str(&self, name: &'static str) -> Result<&str> {
        self.opt_str(name)?.ok_or_else(|| Error::parameter(name, "one string", "NULL"))
    }

    /// Reads a numeric or integer vector as doubles, NA as NaN; `None` when absent.
    pub(crate) fn opt_doubles(&self, name: &'static str) -> Result<Option<Vec<f64>>> {
        self.get(name).map(|x| doubles(name, x)).transpose()
    }

    /// Reads positions, which R counts from 1, as zero-based ones; `None` when absent.
    pub(crate) fn opt_positions(&self, name: &'static str) -> Result<Option<Vec<u32>>> {
        let Some(values) = self.opt_doubles(name)? else { return Ok(None) };
        let position = |v: f64| {
            if v >= 1.0 && v <= f64::from(u32::MAX) {
                Ok(v as u32 - 1)
            } else {
                Err(Error::parameter(name, "positions from 1", v))
            }
        };
        memory::tried(values.into_iter().map(position), name).map(Some)
    }

    /// Reads a character vector without NA; `None` when absent.
    pub(crate) fn opt_strings(&self, name: &'static str) -> Result<Option<Vec<String>>> {
        let Some(x) = self.get(name) else { return Ok(None) };
        let bad = |found: String| Error::parameter(name, "strings", found);
        let strings = x.as_str_vector().ok_or_else(|| bad(found(x)))?;
        if strings.iter().any(CanBeNA::is_na) {
            return Err(bad("NA".to_owned()));
        }
        Ok(Some(strings.into_iter().map(str::to_owned).collect()))
    }

    /// Returns the external pointer to a `T`.
    pub(crate) fn handle<T: 'static>(&self, name: &str) -> Result<&ExternalPtr<T>> {
        self.get(name).ok_or_else(gone)?.try_into().map_err(|_| gone())
    }

    /// Returns the store behind the handle `store`.
    pub(crate) fn store(&self) -> Result<Arc<Store>> {
        Ok(self.handle::<StoreHandle>("store")?.try_addr().map_err(crate::reply::r_error)?.0.clone())
    }

    /// Returns the matrix behind a handle.
    pub(crate) fn matrix(&self, name: &'static str) -> Result<LazyMatrix> {
        matrix(self.get(name).ok_or_else(gone)?)
    }

    /// Starts a call of the session with the settings of R's options: argument `settings`, a named
    /// list.
    pub(crate) fn session(&self) -> Result<Session> {
        let settings: Vec<(&str, Robj)> =
            self.get("settings").and_then(|l| l.as_list()).map(|l| l.iter().collect()).unwrap_or_default();
        let of = |name: &str| settings.iter().find(|s| s.0 == name).map_or(Given::Nothing, |s| given(&s.1));
        verbs::call(&SESSION, of)
    }
}
