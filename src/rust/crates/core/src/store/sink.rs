//! The writing half of a backend: groups, arrays and attributes, put in place when all is there.

use super::Kind;
use crate::codec::Compression;
use crate::error::Result;
use std::any::Any;

/// How an array is laid out in its store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Extents of a chunk; `None` lets the writer choose where chunks are needed, and stores in one piece elsewhere.
    pub chunk: Option<Vec<usize>>,
    /// Whether the first axis may grow.
    pub resizable: bool,
    /// Compression; needs chunks.
    pub compression: Compression,
    /// Whether bytes are shuffled before compression.
    pub shuffle: bool,
}

/// Bytes of a chunk that the writer chooses itself.
const CHUNK_BYTES: usize = 512 << 10;

impl Layout {
    /// Extents of a chunk for an array of values of `item` bytes: those asked for, else whole rows up to a size. Rows longer
    /// than that are cut.
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

    /// Whether an array of these extents is stored in chunks: one without values is not unless it may grow.
    pub(super) fn is_chunked(&self, shape: &[usize]) -> bool {
        let asked = self.compression != Compression::None || self.chunk.is_some();
        !shape.is_empty() && (self.resizable || (asked && !shape.contains(&0)))
    }
}

/// An attribute to be set.
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
    /// As they are in memory, see [`Stored::read`](super::backend::Stored::read).
    Bytes(&'a [u8]),
    /// Texts of any length, without NUL.
    Texts(&'a [&'a str]),
}

/// Where in an array values go.
#[derive(Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    /// The one field of records they are of.
    pub(crate) field: Option<&'a str>,
    /// Start and extents of a box; all of the array when `None`.
    pub(crate) place: Option<(&'a [usize], &'a [usize])>,
}

/// A new store, as its backend makes it.
pub(crate) trait StoreSink: Send + Sync {
    /// The root group.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn root(&self) -> Result<Box<dyn GroupSink<'_> + '_>>;

    /// Makes it last and puts it in place.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io); what was there is then as it was.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A group being written. Keys given are names that are free, or for `existing`, `remove` and `rename` there.
pub(crate) trait GroupSink<'w> {
    /// Whether `key` is taken.
    fn exists(&self, key: &str) -> bool;

    /// Creates a subgroup.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn group(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>>;

    /// The subgroup `key`; "." is this one.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn existing(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>>;

    /// Creates an array, a single value for no extents, and one without space for `None`.
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

    /// Sets an attribute, in the place of one of that name.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn set(&self, name: &str, value: Setting<'_>) -> Result<()>;

    /// Copies an element unread, attributes, chunks and compression included; `false` when this backend cannot take it so,
    /// for one of another backend. `from` is what [`Object::any`](super::backend::Object::any) gives.
    ///
    /// # Errors
    /// The errors of reading `from`, [`Error::Io`](crate::Error::Io).
    fn copy(&self, key: &str, from: &dyn Any) -> Result<bool>;

    /// Removes `key`. What is written afterwards may take its space.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn remove(&self, key: &str) -> Result<()>;

    /// Gives `from` the name `to`, which is free.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn rename(&self, from: &str, to: &str) -> Result<()>;
}

/// An array being written.
pub(crate) trait ArraySink {
    /// Writes values.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn write(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()>;

    /// Writes the chunk that starts at entry `first` of the first axis, and at 0 of the others, as it is stored.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()>;

    /// Gives the first axis another extent; the array was created resizable.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn resize(&self, extent: usize) -> Result<()>;

    /// Sets an attribute, as [`GroupSink::set`].
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    fn set(&self, name: &str, value: Setting<'_>) -> Result<()>;
}
