//! The writing half of a backend: groups, arrays and attributes of a store that replaces its target
//! when it is complete.

use super::Kind;
use crate::codec::Compression;
use crate::error::Result;
use std::any::Any;

/// The layout of an array in its store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Extents of a chunk. With `None` the writer chooses them where chunks are needed, and stores
    /// the array in one piece elsewhere.
    pub chunk: Option<Vec<usize>>,
    /// Whether the first axis may grow.
    pub resizable: bool,
    /// Compression; needs chunks.
    pub compression: Compression,
    /// Whether bytes are shuffled before compression.
    pub shuffle: bool,
}

/// Upper bound of the bytes of a chunk whose extents the writer chooses.
const CHUNK_BYTES: usize = 512 << 10;

impl Layout {
    /// Returns the extents of a chunk for an array of values of `item` bytes: those asked for, else
    /// whole rows up to 512 KiB. Rows longer than that are cut.
    pub(super) fn chunk_of(&self, shape: &[usize], item: usize) -> Vec<usize> {
        let wanted = self.chunk.clone().unwrap_or_else(|| {
            let mut room = (CHUNK_BYTES / item.max(1)).max(1);
            let each = shape.iter().rev().map(|&extent| {
                let c = extent.clamp(1, room);
                room = (room / c).max(1);
                c
            });
            let mut chunk: Vec<usize> = each.collect();
            chunk.reverse();
            chunk
        });
        let limit = |(i, &c): (usize, &usize)| {
            if i == 0 && self.resizable {
                c.max(1)
            } else {
                c.clamp(1, shape[i].max(1))
            }
        };
        wanted.iter().enumerate().take(shape.len()).map(limit).collect()
    }

    /// Returns whether an array of these extents is stored in chunks. It is if it may grow, or if
    /// it has values and a compression or chunks are asked for. A scalar never is.
    pub(super) fn is_chunked(&self, shape: &[usize]) -> bool {
        let asked = self.compression != Compression::None || self.chunk.is_some();
        !shape.is_empty() && (self.resizable || (asked && !shape.contains(&0)))
    }
}

/// The value of an attribute to be set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setting<'a> {
    /// One text.
    Text(&'a str),
    /// A list of texts.
    Texts(&'a [&'a str]),
    /// One whole number.
    Integer(i64),
    /// A list of whole numbers.
    Integers(&'a [i64]),
    /// One truth value.
    Flag(bool),
}

/// Values to be written.
#[derive(Clone, Copy)]
pub(crate) enum Cells<'a> {
    /// Values as they are in memory, see [`Stored::read`](super::backend::Stored::read).
    Bytes(&'a [u8]),
    /// Texts of any length, without NUL.
    Texts(&'a [&'a str]),
}

/// The part of an array to which values are written.
#[derive(Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    /// The field that is written, for records; `None` for whole values.
    pub(crate) field: Option<&'a str>,
    /// Start and extents of a box; all of the array when `None`.
    pub(crate) place: Option<(&'a [usize], &'a [usize])>,
}

/// A new store, as its backend makes it.
pub(crate) trait StoreSink: Send + Sync {
    /// Returns the root group.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>>;

    /// Completes the store and puts it in place.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); the target is then unchanged.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A group being written. The keys of new members are free; those for `existing`, `remove` and the
/// `from` of `rename` exist.
pub(crate) trait GroupSink<'w> {
    /// Returns whether `key` is taken.
    fn exists(&self, key: &str) -> bool;

    /// Creates a subgroup.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn group(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>>;

    /// Returns the subgroup `key`; "." is this group itself.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn existing(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>>;

    /// Creates an array. Empty extents make a single value, and `None` an array without space.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn array(
        &self,
        key: &str,
        kind: &Kind,
        shape: Option<&[usize]>,
        layout: &Layout,
    ) -> Result<Box<dyn ArraySink + 'w>>;

    /// Sets an attribute, in place of one of the same name.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn set(&self, name: &str, value: Setting<'_>) -> Result<()>;

    /// Copies an element without decoding it: attributes, chunks and compression included. Returns
    /// `false` when this backend cannot, as for an element of another backend. `from` is the result
    /// of [`Object::any`](super::backend::Object::any).
    ///
    /// # Errors
    /// The errors of reading `from`, [`Error::Io`](crate::Error::Io).
    fn copy(&self, key: &str, from: &dyn Any) -> Result<bool>;

    /// Removes `key`. Later writes may take its space.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn remove(&self, key: &str) -> Result<()>;

    /// Renames the member `from` to `to`, a free name.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn rename(&self, from: &str, to: &str) -> Result<()>;
}

/// An array being written.
pub(crate) trait ArraySink {
    /// Writes the values `cells` to the part `to` of the array.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn write(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()>;

    /// Writes one chunk that is encoded already: the one that starts at entry `first` of the first
    /// axis, and at 0 of the others.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()>;

    /// Changes the extent of the first axis; the array must have been created resizable.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn resize(&self, extent: usize) -> Result<()>;

    /// Sets an attribute, like [`GroupSink::set`].
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn set(&self, name: &str, value: Setting<'_>) -> Result<()>;
}
