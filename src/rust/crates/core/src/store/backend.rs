//! The reading half of a backend: a store of groups and arrays, with attributes and values.
//! [`Store`](super::Store), [`Node`](super::Node) and [`Values`](super::Values) are built on these
//! traits. Nothing outside this module knows which backend is behind them.
//!
//! Errors name store and element. A backend checks the sizes it reads against the stored bytes
//! before it allocates memory for them.

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
    /// Returns the location of the store.
    fn location(&self) -> &Location;

    /// Returns the name of its format: "hdf5", "zarr" or "memory".
    fn format(&self) -> &'static str;

    /// Returns the group or array at `path`, links followed; "" is the root.
    ///
    /// # Errors
    /// [`Error::Missing`], with the keys that are there.
    fn object(self: Arc<Self>, path: &str) -> Result<Arc<dyn Object>>;

    /// Returns the bytes of all that is stored.
    fn bytes(&self) -> u64;

    /// Returns the policy on other stores from which this one may take parts of itself.
    fn external(&self) -> External {
        External::Refuse
    }

    /// Returns a mark of the present state of the store, which changes with the file; `None` where
    /// there is none.
    fn state(&self) -> Option<FileState> {
        None
    }

    /// Returns the requests and bytes so far; `None` for a local store.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Returns whether the store was opened to be saved into.
    fn can_save(&self) -> bool {
        false
    }

    /// Begins to save into the store.
    ///
    /// # Errors
    /// [`Error::State`] when it was not opened for saving, or has changed since.
    fn change(&self) -> Result<Box<dyn Change>> {
        Err(Error::State(format!(
            "'{}' was opened read-only: open it with mode \"r+\", or write another file",
            self.location()
        )))
    }
}

/// A save into a store. None of it is visible before it is committed.
pub(crate) trait Change {
    /// Returns the root group as it will be after the save.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>>;

    /// Puts all changes into the store, and opens its new state.
    ///
    /// # Errors
    /// [`Error::Io`]; the store is then unchanged, or the rest of the save is done when it is
    /// opened next.
    fn commit(self: Box<Self>) -> Result<Arc<dyn Backend>>;
}

/// The state of a file, by which a change of it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileState {
    /// Length in bytes.
    pub(crate) bytes: u64,
    /// Time of the last change since 1970: seconds, nanoseconds.
    pub(crate) modified: (u64, u32),
    /// Number of the file in its file system; 0 where there is none.
    pub(crate) inode: u64,
}

/// The identity of a group or array: a text that is the same whichever links lead to it, and
/// differs from that of any other.
pub(crate) type Identity = String;

/// A group or array.
pub(crate) trait Object: Send + Sync {
    /// Returns the store of this object.
    fn backend(&self) -> Arc<dyn Backend>;

    /// Returns the path in the store, without a leading slash.
    fn path(&self) -> &str;

    /// Returns whether this is a group.
    fn is_group(&self) -> bool;

    /// Returns the member `key` of a group, links followed. If a link leads to another store, the
    /// member is an object of that store.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Format`] for an array, [`Error::External`].
    fn child(&self, key: &str) -> Result<Arc<dyn Object>>;

    /// Returns whether a group has a link `key`, wherever it leads.
    ///
    /// # Errors
    /// [`Error::Format`] for a damaged group.
    fn has_link(&self, key: &str) -> Result<bool>;

    /// Returns the names of the members of a group, in the order of creation where the store keeps
    /// it, else by name.
    ///
    /// # Errors
    /// [`Error::Format`].
    fn keys(&self) -> Result<Vec<String>>;

    /// Returns whether there is an attribute `name`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Format`].
    fn has_attribute(&self, name: &str) -> Result<bool>;

    /// Reads the attribute `name`; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::Format`].
    fn attribute(&self, name: &str) -> Result<Option<Attribute>>;

    /// Returns the identity of this object.
    ///
    /// # Errors
    /// [`Error::Format`].
    fn identity(&self) -> Result<Identity>;

    /// Returns the extents of an array; `None` for a group and for an array without space (`null`).
    fn shape(&self) -> Option<Vec<usize>>;

    /// Prepares to read the values of an array, of any type, as a whole or by rows.
    ///
    /// # Errors
    /// [`Error::Format`] for a group, or a damaged array.
    fn values(&self) -> Result<Box<dyn Stored + '_>>;

    /// Prepares to read an array of numbers chunk by chunk.
    ///
    /// # Errors
    /// [`Error::Format`] for a group, or a damaged array; [`Error::Unsupported`] for a type or
    /// filter that cannot be read.
    fn array(&self) -> Result<Arc<dyn ChunkedArray>>;

    /// Returns the object itself, for its own backend to cast.
    fn as_any(&self) -> &dyn Any;
}

impl dyn Object + '_ {
    /// Makes an [`Error::Format`] about this element.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Format {
            path: self.backend().location().clone(),
            element: named(self.path()).to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Makes an [`Error::Unsupported`] about this element; `hint` is empty or starts with "; ".
    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Unsupported {
            path: self.backend().location().clone(),
            element: named(self.path()).to_owned(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Makes an [`Error::Missing`] about the member `key`, with the keys that are there.
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

/// Returns the name of an element in messages.
fn named(path: &str) -> &str {
    if path.is_empty() {
        "/"
    } else {
        path
    }
}

/// Returns the path of the member `key` of the group at `path`.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}/{key}")
    }
}

/// The values of an array or attribute, as their backend reads them.
pub(crate) trait Stored {
    /// Returns the kind of one value.
    fn kind(&self) -> &Kind;

    /// Returns the extents, empty for a single value; `None` without space.
    fn extents(&self) -> Option<Vec<usize>>;

    /// Returns an upper bound of the bytes of the values, from the bytes stored for them. Larger
    /// extents are not believed.
    fn max_bytes(&self) -> u64;

    /// Fills `out` with values as they are in memory: numbers in the byte order of this machine,
    /// pairs of f64 for complex ones, text of fixed length with its padding.
    ///
    /// # Errors
    /// [`Error::Format`] for damaged values.
    fn read(&self, part: &Part<'_>, out: &mut [u8]) -> Result<()>;

    /// Hands the bytes of texts of any length to `give`, one text after the other.
    ///
    /// # Errors
    /// [`Error::Format`] for damaged values; the errors of `give`.
    fn texts(&self, part: &Part<'_>, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// A selection of stored values.
pub(crate) struct Part<'a> {
    /// The field that is read, for records; `None` for whole values.
    pub(crate) field: Option<&'a str>,
    /// The kind of one value, or of one entry of an array type.
    pub(crate) kind: &'a Kind,
    /// Extents of the array in every value, for array types; else empty.
    pub(crate) inner: &'a [usize],
    /// The range of the first axis, within the extents; `None` for all of it.
    pub(crate) rows: Option<Range<usize>>,
    /// Number of values in the selection, with the entries of array types counted.
    pub(crate) count: usize,
}
