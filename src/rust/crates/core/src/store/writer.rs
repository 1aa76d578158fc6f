//! A store being written: groups, arrays and attributes, put in place when it is whole.

use super::backend::{below, Change};
use super::sink::{ArraySink, Cells, GroupSink, Layout, Setting, StoreSink, Target};
use super::{Kind, Store};
use crate::dtype::{as_bytes, Number};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// A new store that replaces its target on [`Writer::commit`] and disappears when dropped before.
///
/// The target may be the store that is being read: whoever has it open keeps the old content. Whatever fails, a full
/// disk included, the target stays as it was.
pub struct Writer(Box<dyn StoreSink>);

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(sink: Box<dyn StoreSink>) -> Writer {
        Writer(sink)
    }

    /// Starts a file that will be `target`. Links are followed: the file they lead to is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory is not there or not writable, or `target` is a directory.
    pub fn create(target: impl AsRef<Path>) -> Result<Writer> {
        Ok(Writer(super::backends::create(target.as_ref())?))
    }

    /// Starts a Zarr store that will be `target`, a folder. Links are followed: the store they lead to is replaced, which
    /// whoever has it open finds changed.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder is not there or not writable, or `target` is something else than a store;
    /// [`Error::Parameter`] for a format that is none.
    pub fn create_zarr(target: impl AsRef<Path>, format: super::ZarrFormat) -> Result<Writer> {
        Ok(Writer(super::backends::create_zarr(target.as_ref(), format)?))
    }

    /// The root group.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn root(&self) -> Result<GroupWriter<'_>> {
        Ok(GroupWriter { sink: self.0.root()?, path: String::new() })
    }

    /// Brings everything to the disk and puts the store in the place of the target, whose permissions it takes.
    ///
    /// # Errors
    /// [`Error::Io`] naming the target, which is then as it was.
    pub fn commit(self) -> Result<()> {
        self.0.commit()
    }
}

/// A save under way: nothing of it is in the store before [`Update::commit`].
pub(crate) struct Update(Box<dyn Change>);

impl Update {
    /// Starts saving into a store.
    ///
    /// # Errors
    /// [`Error::State`] when it was opened read-only, or was saved or changed since it was opened; [`Error::Io`] when others
    /// have it open.
    pub(crate) fn begin(store: &Store) -> Result<Update> {
        store.backend().change().map(Update)
    }

    /// The root group as it will be.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn root(&self) -> Result<GroupWriter<'_>> {
        Ok(GroupWriter { sink: self.0.root()?, path: String::new() })
    }

    /// Puts everything into the store and opens what it is then.
    ///
    /// # Errors
    /// [`Error::Io`]; the store is then as it was, or what is left is done when it is opened next.
    pub(crate) fn commit(self) -> Result<Arc<Store>> {
        self.0.commit().map(Store::new)
    }
}

/// A group of a store being written.
pub struct GroupWriter<'w> {
    sink: Box<dyn GroupSink<'w> + 'w>,
    path: String,
}

impl<'w> GroupWriter<'w> {
    fn of(&self, key: &str, sink: Box<dyn GroupSink<'w> + 'w>) -> GroupWriter<'w> {
        GroupWriter { sink, path: if key == "." { self.path.clone() } else { below(&self.path, key) } }
    }

    /// Path inside the store, without a leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same group, in which paths begin: what is in it is named from there.
    pub(crate) fn into_root(self) -> GroupWriter<'w> {
        GroupWriter { path: String::new(), ..self }
    }

    /// Whether `key` is taken.
    pub fn exists(&self, key: &str) -> bool {
        self.sink.exists(key)
    }

    /// Creates the subgroup `key`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a key that no store can hold or that is taken, [`Error::Io`].
    pub fn group(&self, key: &str) -> Result<GroupWriter<'w>> {
        self.new_name(key)?;
        Ok(self.of(key, self.sink.group(key)?))
    }

    /// Creates the array `key` of numbers of type `T`; an empty `shape` makes a scalar.
    ///
    /// # Errors
    /// As [`GroupWriter::group`].
    pub(crate) fn dataset<T: Number>(&self, key: &str, shape: &[usize], layout: &Layout) -> Result<DatasetWriter<'w>> {
        self.dataset_of(key, &Kind::of(T::DTYPE), shape, layout)
    }

    /// Creates the array `key` of any kind of values.
    ///
    /// # Errors
    /// As [`GroupWriter::group`].
    pub(crate) fn dataset_of(
        &self,
        key: &str,
        kind: &Kind,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<DatasetWriter<'w>> {
        self.new_name(key)?;
        let sink = self.sink.array(key, kind, Some(shape), layout)?;
        Ok(DatasetWriter { sink, path: below(&self.path, key), shape: shape.to_vec() })
    }

    /// Creates the array `key` of UTF-8 texts of any length and writes them.
    ///
    /// # Errors
    /// As [`GroupWriter::group`]; [`Error::Parameter`] for a text with a NUL in it.
    pub(crate) fn texts<'s>(
        &self,
        key: &str,
        texts: impl ExactSizeIterator<Item = &'s str>,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<DatasetWriter<'w>> {
        const AT_ONCE: usize = 1 << 16;
        let dataset = self.dataset_of(key, &Kind::TEXT, shape, layout)?;
        let per_row: usize = shape.iter().skip(1).product();
        if per_row == 0 {
            return Ok(dataset);
        }
        let rows = (AT_ONCE / per_row).max(1);
        let mut texts = texts.peekable();
        let (mut start, mut count) = (vec![0; shape.len()], shape.to_vec());
        while texts.peek().is_some() {
            let run: Vec<&str> = texts.by_ref().take(rows * per_row).collect();
            let written = run.len() / per_row;
            if let Some(first) = count.first_mut() {
                *first = written;
            }
            dataset.write_texts(None, (!shape.is_empty()).then_some((&start[..], &count[..])), &run)?;
            if let Some(first) = start.first_mut() {
                *first += written;
            }
        }
        Ok(dataset)
    }

    /// Creates the array `key` without space (h5py's `Empty`), of float32.
    ///
    /// # Errors
    /// As [`GroupWriter::group`].
    pub(crate) fn empty(&self, key: &str) -> Result<DatasetWriter<'w>> {
        self.new_name(key)?;
        let sink = self.sink.array(key, &Kind::Float { bytes: 4 }, None, &Layout::default())?;
        Ok(DatasetWriter { sink, path: below(&self.path, key), shape: vec![0] })
    }

    /// The group that the column `name` of this dataframe goes into, and its key there: "T/NK", as anndata up to 0.12
    /// writes it, is "NK" in a group "T".
    ///
    /// # Errors
    /// As [`GroupWriter::group`].
    pub(crate) fn column_place<'n>(&self, name: &'n str) -> Result<(GroupWriter<'w>, &'n str)> {
        let mut place = self.existing(".")?;
        let mut rest = name;
        while let Some((first, more)) = rest.split_once('/') {
            place = if place.exists(first) { place.existing(first)? } else { place.group(first)? };
            rest = more;
        }
        Ok((place, rest))
    }

    /// Copies the group or array at `path` of an open store unread, attributes and compression included; `false`, and
    /// nothing is written, when only its values can be taken. What its links lead to is copied in their place, in other
    /// files too where they may be opened.
    ///
    /// # Errors
    /// [`Error::Missing`] for the source, [`Error::Format`] when it is damaged, [`Error::External`] when a part of it is in
    /// a file that may not be opened, [`Error::Io`] for the target.
    pub(crate) fn copy(&self, key: &str, from: &Arc<Store>, path: &str) -> Result<bool> {
        let node = from.node(path)?;
        self.new_name(key)?;
        self.sink.copy(key, node.object().any())
    }

    /// The subgroup `key`, which is there; "." is this one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn existing(&self, key: &str) -> Result<GroupWriter<'w>> {
        Ok(self.of(key, self.sink.existing(key)?))
    }

    /// Removes `key`. What is written afterwards may take its space; when the store is closed, the space left is lost.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        self.sink.remove(key)
    }

    /// Gives `from` the name `to`, which is free.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.sink.rename(from, to)
    }

    fn new_name(&self, key: &str) -> Result<()> {
        let place = if self.path.is_empty() { "/" } else { &self.path };
        let bad =
            |expected: &str| Err(Error::parameter("key", format!("{expected} (in '{place}')"), format!("'{key}'")));
        if key.is_empty() || key == "." || key == ".." {
            return bad("a name");
        }
        if key.contains('/') {
            return bad("a name without '/', which separates groups in HDF5; rename it");
        }
        if key.contains('\0') {
            return bad("a name without NUL characters");
        }
        if self.exists(key) {
            return bad("a name that is not taken yet");
        }
        Ok(())
    }
}

/// An array of a store being written.
pub struct DatasetWriter<'w> {
    sink: Box<dyn ArraySink + 'w>,
    path: String,
    shape: Vec<usize>,
}

impl DatasetWriter<'_> {
    /// Path inside the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Writes all values, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of them, [`Error::Io`].
    pub(crate) fn write<T: Number>(&self, values: &[T]) -> Result<()> {
        self.expect(values.len(), &self.shape)?;
        self.put(Target::default(), Cells::Bytes(as_bytes(values)))
    }

    /// Writes the box of extents `count` that starts at `start`, row-major.
    ///
    /// # Errors
    /// As [`DatasetWriter::write`].
    pub(crate) fn write_at<T: Number>(&self, start: &[usize], count: &[usize], values: &[T]) -> Result<()> {
        self.expect(values.len(), count)?;
        self.put(Target { place: Some((start, count)), field: None }, Cells::Bytes(as_bytes(values)))
    }

    /// Writes values as they are in memory, see [`Cells::Bytes`]: all, those of a field, or those of a box.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write_bytes(&self, to: Target<'_>, values: &[u8]) -> Result<()> {
        self.put(to, Cells::Bytes(values))
    }

    /// Writes texts: all, or those of a field and of a box.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a text with a NUL in it, [`Error::Io`].
    pub(crate) fn write_texts(
        &self,
        field: Option<&str>,
        place: Option<(&[usize], &[usize])>,
        texts: &[&str],
    ) -> Result<()> {
        if let Some(at) = texts.iter().position(|t| t.contains('\0')) {
            let expected = format!("texts without NUL characters in '{}'", self.path);
            return Err(Error::parameter("text", expected, format!("one at {at}")));
        }
        self.put(Target { field, place }, Cells::Texts(texts))
    }

    fn put(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()> {
        match cells {
            Cells::Bytes([]) | Cells::Texts([]) => Ok(()),
            _ => self.sink.write(to, cells),
        }
    }

    /// Writes the chunk that starts at entry `first` of the first axis, as it is stored.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()> {
        self.sink.write_chunk(first, stored)
    }

    /// Gives the first axis another extent; the array must have been created resizable.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn resize(&self, extent: usize) -> Result<()> {
        self.sink.resize(extent)
    }

    fn expect(&self, found: usize, extents: &[usize]) -> Result<()> {
        let expected: usize = extents.iter().product();
        if found == expected {
            return Ok(());
        }
        Err(Error::shape(format!("writing '{}'", self.path), format!("{expected} values"), found))
    }
}

/// Attributes, the same for groups and arrays.
macro_rules! attributes {
    ($writer:ident) => {
        impl $writer<'_> {
            /// Sets a text attribute.
            ///
            /// # Errors
            /// [`Error::Io`]; [`Error::Parameter`] for a text with a NUL character.
            pub fn set_text(&self, name: &str, text: &str) -> Result<()> {
                no_nul(name, &[text])?;
                self.sink.set(name, Setting::Text(text))
            }

            /// Sets an attribute of a list of texts.
            ///
            /// # Errors
            /// As [`Self::set_text`].
            pub fn set_texts(&self, name: &str, texts: &[&str]) -> Result<()> {
                no_nul(name, texts)?;
                self.sink.set(name, Setting::Texts(texts))
            }

            /// Sets an attribute of a list of whole numbers.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_integers(&self, name: &str, values: &[i64]) -> Result<()> {
                self.sink.set(name, Setting::Integers(values))
            }

            /// Sets an attribute of one whole number.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_integer(&self, name: &str, value: i64) -> Result<()> {
                self.sink.set(name, Setting::Integer(value))
            }

            /// Sets an attribute of one truth value.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_flag(&self, name: &str, value: bool) -> Result<()> {
                self.sink.set(name, Setting::Flag(value))
            }

            /// Sets the two attributes that say what an element is.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_encoding(&self, encoding: &str, version: &str) -> Result<()> {
                self.set_text("encoding-type", encoding)?;
                self.set_text("encoding-version", version)
            }
        }
    };
}
attributes!(GroupWriter);
attributes!(DatasetWriter);

fn no_nul(name: &str, texts: &[&str]) -> Result<()> {
    match texts.iter().position(|t| t.contains('\0')) {
        None => Ok(()),
        Some(at) => Err(Error::parameter("attribute", "text without NUL characters", format!("'{name}', text {at}"))),
    }
}
