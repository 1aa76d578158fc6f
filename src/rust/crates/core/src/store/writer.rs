//! A store being written: groups, arrays and attributes, put in place when the store is complete.

use super::backend::{below, Change};
use super::sink::{ArraySink, Cells, GroupSink, Layout, Setting, StoreSink, Target};
use super::{Kind, Store};
use crate::dtype::{as_bytes, Number};
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// A new store that replaces its target on [`Writer::commit`], and is removed if it is dropped
/// before.
///
/// The target may be the store that is being read: whoever has it open keeps the old content. If
/// anything fails, a full disk included, the target is unchanged.
pub struct Writer(Box<dyn StoreSink>);

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Makes the writer of a new store.
    pub(super) fn new(sink: Box<dyn StoreSink>) -> Writer {
        Writer(sink)
    }

    /// Begins an HDF5 file that will be `target`. Links are followed: the file they lead to is
    /// replaced.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory is not there or not writable, or `target` is a directory.
    pub fn create(target: impl AsRef<Path>) -> Result<Writer> {
        Ok(Writer(super::backends::create(target.as_ref())?))
    }

    /// Begins a Zarr store that will be `target`, a folder. Links are followed: the store they lead
    /// to is replaced. Whoever has that store open gets errors that it has changed.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder is not there or not writable, or when `target` is something
    /// else than a store; [`Error::Parameter`] for a format that does not exist.
    pub fn create_zarr(target: impl AsRef<Path>, format: super::ZarrFormat) -> Result<Writer> {
        Ok(Writer(super::backends::create_zarr(target.as_ref(), format)?))
    }

    /// Returns the root group.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn root(&self) -> Result<GroupWriter<'_>> {
        Ok(GroupWriter { sink: self.0.root()?, path: String::new() })
    }

    /// Brings everything to the disk and puts the store in the place of the target, whose
    /// permissions it takes.
    ///
    /// # Errors
    /// [`Error::Io`] naming the target, which is then unchanged.
    pub fn commit(self) -> Result<()> {
        self.0.commit()
    }
}

/// A save into an open store. None of it is in the store before [`Update::commit`].
pub(crate) struct Update(Box<dyn Change>);

impl Update {
    /// Begins to save into a store.
    ///
    /// # Errors
    /// [`Error::State`] when it was opened read-only, or was saved or changed since it was opened;
    /// [`Error::Io`] when another process or thread has it open.
    pub(crate) fn begin(store: &Store) -> Result<Update> {
        store.backend().change().map(Update)
    }

    /// Returns the root group as it will be after the save.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn root(&self) -> Result<GroupWriter<'_>> {
        Ok(GroupWriter { sink: self.0.root()?, path: String::new() })
    }

    /// Puts all changes into the store, and opens its new state.
    ///
    /// # Errors
    /// [`Error::Io`]; the store is then unchanged, or the rest of the save is done when it is
    /// opened next.
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
    fn child(&self, key: &str, sink: Box<dyn GroupSink<'w> + 'w>) -> GroupWriter<'w> {
        GroupWriter { sink, path: if key == "." { self.path.clone() } else { below(&self.path, key) } }
    }

    /// Returns the path inside the store, without a leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the same group as a root: the paths of elements in it, as errors show them, begin
    /// here.
    pub(crate) fn into_root(self) -> GroupWriter<'w> {
        GroupWriter { path: String::new(), ..self }
    }

    /// Returns whether `key` is taken.
    pub fn exists(&self, key: &str) -> bool {
        self.sink.exists(key)
    }

    /// Creates the subgroup `key`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a key that is taken or that no store can hold, [`Error::Io`].
    pub fn group(&self, key: &str) -> Result<GroupWriter<'w>> {
        self.new_name(key)?;
        Ok(self.child(key, self.sink.group(key)?))
    }

    /// Creates the array `key` of numbers of type `T`; an empty `shape` makes a scalar.
    ///
    /// # Errors
    /// The errors of [`GroupWriter::group`].
    pub(crate) fn dataset<T: Number>(&self, key: &str, shape: &[usize], layout: &Layout) -> Result<DatasetWriter<'w>> {
        self.dataset_of(key, &Kind::from_dtype(T::DTYPE), shape, layout)
    }

    /// Creates the array `key` of values of any kind.
    ///
    /// # Errors
    /// The errors of [`GroupWriter::group`].
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
    /// The errors of [`GroupWriter::group`]; [`Error::Parameter`] for a text with a NUL in it.
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
    /// The errors of [`GroupWriter::group`].
    pub(crate) fn empty(&self, key: &str) -> Result<DatasetWriter<'w>> {
        self.new_name(key)?;
        let sink = self.sink.array(key, &Kind::Float { bytes: 4 }, None, &Layout::default())?;
        Ok(DatasetWriter { sink, path: below(&self.path, key), shape: vec![0] })
    }

    /// Returns the place of the column `name` of this dataframe: the group, and the key in that
    /// group. A name without "/" is a key of this group. A name with "/" is a path of groups, which
    /// are created if they are missing, since anndata up to 0.12 writes a column "T/NK" as "NK" in
    /// a group "T".
    ///
    /// # Errors
    /// The errors of [`GroupWriter::group`].
    pub(crate) fn column_place<'n>(&self, name: &'n str) -> Result<(GroupWriter<'w>, &'n str)> {
        let mut place = self.existing(".")?;
        let mut rest = name;
        while let Some((first, more)) = rest.split_once('/') {
            place = if place.exists(first) { place.existing(first)? } else { place.group(first)? };
            rest = more;
        }
        Ok((place, rest))
    }

    /// Copies the group or array at `path` of an open store without decoding it, attributes and
    /// compression included. Returns `false`, and writes nothing, when only its values can be
    /// taken. The targets of its links are copied in place of the links, from other files too where
    /// they may be opened.
    ///
    /// # Errors
    /// [`Error::Missing`] for the source, [`Error::Format`] when it is damaged, [`Error::External`]
    /// when a part of it is in a file that may not be opened, [`Error::Io`] for the target.
    pub(crate) fn copy(&self, key: &str, from: &Arc<Store>, path: &str) -> Result<bool> {
        let node = from.node(path)?;
        self.new_name(key)?;
        self.sink.copy(key, node.object().as_any())
    }

    /// Returns the subgroup `key`, which must exist; "." is this group itself.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn existing(&self, key: &str) -> Result<GroupWriter<'w>> {
        Ok(self.child(key, self.sink.existing(key)?))
    }

    /// Removes `key`. Later writes may take its space; the space that is left when the store is
    /// closed is lost.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        self.sink.remove(key)
    }

    /// Renames the member `from` to `to`, a free name.
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
    /// Returns the path inside the store.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Writes all values, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of values, [`Error::Io`].
    pub(crate) fn write<T: Number>(&self, values: &[T]) -> Result<()> {
        self.expect(values.len(), &self.shape)?;
        self.put(Target::default(), Cells::Bytes(as_bytes(values)))
    }

    /// Writes the box of extents `count` that starts at `start`, row-major.
    ///
    /// # Errors
    /// The errors of [`DatasetWriter::write`].
    pub(crate) fn write_at<T: Number>(&self, start: &[usize], count: &[usize], values: &[T]) -> Result<()> {
        self.expect(values.len(), count)?;
        self.put(Target { place: Some((start, count)), field: None }, Cells::Bytes(as_bytes(values)))
    }

    /// Writes values as they are in memory, see [`Cells::Bytes`], to the whole array, to a field,
    /// or to a box.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write_bytes(&self, to: Target<'_>, values: &[u8]) -> Result<()> {
        self.put(to, Cells::Bytes(values))
    }

    /// Writes texts to the whole array, or to a field or a box of it.
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
            return Err(Error::parameter("text", expected, format!("a NUL in text {at} (zero-based)")));
        }
        self.put(Target { field, place }, Cells::Texts(texts))
    }

    fn put(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()> {
        match cells {
            Cells::Bytes([]) | Cells::Texts([]) => Ok(()),
            _ => self.sink.write(to, cells),
        }
    }

    /// Writes one chunk that is encoded already: the one that starts at entry `first` of the first
    /// axis.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()> {
        self.sink.write_chunk(first, stored)
    }

    /// Changes the extent of the first axis; the array must have been created resizable.
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

/// The attributes of groups and arrays, set in the same way.
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

            /// Sets an attribute to a list of texts.
            ///
            /// # Errors
            /// The errors of [`Self::set_text`].
            pub fn set_texts(&self, name: &str, texts: &[&str]) -> Result<()> {
                no_nul(name, texts)?;
                self.sink.set(name, Setting::Texts(texts))
            }

            /// Sets an attribute to a list of whole numbers.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_integers(&self, name: &str, values: &[i64]) -> Result<()> {
                self.sink.set(name, Setting::Integers(values))
            }

            /// Sets an attribute to one whole number.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_integer(&self, name: &str, value: i64) -> Result<()> {
                self.sink.set(name, Setting::Integer(value))
            }

            /// Sets an attribute to one truth value.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_flag(&self, name: &str, value: bool) -> Result<()> {
                self.sink.set(name, Setting::Flag(value))
            }

            /// Sets the attributes "encoding-type" and "encoding-version" of an element.
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
