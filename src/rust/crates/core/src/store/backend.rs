//! The reading half of a backend: a store of groups and arrays, with attributes and values. [`Store`](super::Store),
//! [`Node`](super::Node) and [`Values`](super::Values) are made of these, and nothing outside this room knows which backend
//! is behind them.
//!
//! Errors name store and element; what a backend reads is checked against what is stored before memory is taken for it.

use super::array::ChunkedArray;
use super::sink::GroupSink;
use super::traffic::Traffic;
use super::{Attribute, External, Kind};
use crate::error::{Error, Result};
use crate::location::Location;
use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// An open store.
pub(crate) trait Backend: Send + Sync {
    /// Where it is.
    fn location(&self) -> &Location;

    /// The name of its format: "hdf5", "zarr" or "memory".
    fn format(&self) -> &'static str;

    /// The group or array at `path`, links followed; "" is the root.
    ///
    /// # Errors
    /// [`Error::Missing`], with the keys that are there.
    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>>;

    /// Bytes of all that is stored.
    fn bytes(&self) -> u64;

    /// Which other stores it may take parts of itself from.
    fn external(&self) -> External {
        External::Refuse
    }

    /// A mark of its present state, which changes with the file; `None` where there is none.
    fn state(&self) -> Option<State> {
        None
    }

    /// What it took so far; `None` for a store of this machine.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Whether it was opened to be saved into.
    fn can_save(&self) -> bool {
        false
    }

    /// Starts saving into it.
    ///
    /// # Errors
    /// [`Error::State`] when it was not opened for that, or has changed since.
    fn change(&self) -> Result<Box<dyn Change>> {
        Err(Error::State(format!(
            "'{}' was opened read-only: open it with mode \"r+\", or write another file",
            self.location()
        )))
    }
}

/// A store being saved into: nothing of it is seen before it is committed.
pub(crate) trait Change {
    /// The root group as it will be.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>>;

    /// Puts everything in and opens what the store is then.
    ///
    /// # Errors
    /// [`Error::Io`]; the store is then as it was, or what is left is done when it is opened next.
    fn commit(self: Box<Self>) -> Result<Arc<dyn Backend>>;
}

/// The state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Time of the last change since 1970: seconds, nanoseconds.
    pub(crate) modified: (u64, u32),
    /// Number of the file in its file system; 0 where there is none.
    pub(crate) inode: u64,
}

/// The identity of a group or array, whichever links lead to it: any text that is the same for the same one.
pub(crate) type Identity = String;

/// A group or array.
pub(crate) trait Object: Send + Sync {
    /// The store it is in.
    fn backend(&self) -> Arc<dyn Backend>;

    /// Its path there, without a leading slash.
    fn path(&self) -> &str;

    /// Whether it is a group.
    fn is_group(&self) -> bool;

    /// The member `key` of a group, links followed; one in another store is an object of that.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Format`] for an array, [`Error::External`].
    fn child(&self, key: &str) -> Result<Arc<dyn Object>>;

    /// Whether a group has a link `key`, wherever it leads.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged group.
    fn has_link(&self, key: &str) -> Result<bool>;

    /// Members of a group, in the order of creation where that is kept, else by name.
    ///
    /// # Errors
    /// [`Error::Format`].
    fn keys(&self) -> Result<Vec<String>>;

    /// Whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`].
    fn has_attribute(&self, name: &str) -> Result<bool>;

    /// The attribute `name`.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::Format`].
    fn attribute(&self, name: &str) -> Result<Option<Attribute>>;

    /// Its identity.
    ///
    /// # Errors
    /// [`Error::Format`].
    fn identity(&self) -> Result<Identity>;

    /// Extents of an array; `None` for a group and for an array without space (`null`).
    fn shape(&self) -> Option<Vec<usize>>;

    /// The values of an array, to be read as a whole.
    ///
    /// # Errors
    /// [`Error::Format`] for a group, or a damaged array.
    fn values(&self) -> Result<Box<dyn Stored + '_>>;

    /// An array of numbers, to be read chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Format`] for a group, or a damaged array; [`Error::Unsupported`] for a type or filter that nobody reads.
    fn array(&self) -> Result<Arc<dyn ChunkedArray>>;

    /// Itself, for its own backend.
    fn any(&self) -> &dyn Any;
}

impl dyn Object + '_ {
    /// [`Error::Format`] about this element.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Format {
            path: self.backend().location().clone(),
            element: named(self.path()).to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Unsupported {
            path: self.backend().location().clone(),
            element: named(self.path()).to_owned(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// [`Error::Missing`] about the member `key`, with the keys that are there.
    pub(crate) fn missing(&self, key: &str) -> Error {
        const SHOWN: usize = 20;
        let name = named(self.path());
        let hint = match self.keys() {
            Ok(keys) if keys.is_empty() => format!("; '{name}' is empty"),
            Ok(keys) => {
                let more = if keys.len() > SHOWN { ", ..." } else { "" };
                let shown = keys.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
                format!("; '{name}' has {shown}{more}")
            }
            Err(_) => String::new(),
        };
        Error::Missing { path: self.backend().location().clone(), element: below(self.path(), key), hint }
    }
}

/// The name of an element in messages.
fn named(path: &str) -> &str {
    if path.is_empty() {
        "/"
    } else {
        path
    }
}

/// The path of the member `key` of the group at `path`.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}/{key}")
    }
}

/// Values of an array or attribute, as their backend reads them.
pub(crate) trait Stored {
    /// The kind of one value.
    fn kind(&self) -> &Kind;

    /// Extents, empty for a single value; `None` without space.
    fn extents(&self) -> Option<Vec<usize>>;

    /// The most bytes that the values can be, for what of them is stored: extents beyond it are not believed.
    fn most(&self) -> u64;

    /// Fills `out` with values as they are in memory: numbers in the order of this machine, pairs of f64 for complex ones,
    /// text of fixed length with its padding.
    ///
    /// # Errors
    /// [`Error::Format`] for damaged values.
    fn read(&self, part: &Part<'_>, out: &mut [u8]) -> Result<()>;

    /// Gives the bytes of texts of any length, one after the other.
    ///
    /// # Errors
    /// [`Error::Format`] for damaged values; those of `give`.
    fn texts(&self, part: &Part<'_>, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// A selection of stored values.
pub(crate) struct Part<'a> {
    /// The one field of records that is meant.
    pub(crate) field: Option<&'a str>,
    /// The kind of one value, or of one entry of an array type.
    pub(crate) kind: &'a Kind,
    /// Extents of every value, for array types; else empty.
    pub(crate) inner: &'a [usize],
    /// The run of the first axis, all of it when `None`; within the extents.
    pub(crate) rows: Option<Range<usize>>,
    /// Values in it, entries of array types counted.
    pub(crate) count: usize,
}
