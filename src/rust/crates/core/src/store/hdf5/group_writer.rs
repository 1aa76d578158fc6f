//! Groups, datasets and attributes of a file being written.

use super::datatype::{self, Item};
use super::Writer;
use crate::error::{Error, Result};
use hdf5::plist::{DatasetCreate, GroupCreate};
use hdf5::{from_id, h5call, Dataspace, Datatype, Location};
use hdf5_sys::h5a::{H5Acreate2, H5Awrite};
use hdf5_sys::h5d::{H5Dcreate2, H5Dwrite};
use hdf5_sys::h5g::H5Gcreate2;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{
    H5S_class_t, H5Screate, H5Screate_simple, H5Sselect_hyperslab, H5S_ALL, H5S_SELECT_SET, H5S_UNLIMITED,
};
use std::ffi::{c_char, c_void, CString};

/// How the chunks of a dataset are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip, level 0 to 9.
    Gzip(u8),
    /// LZF: fast, and part of h5py (not of other HDF5 readers).
    Lzf,
}

/// How a dataset is laid out in the file.
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

/// A group of a file being written.
pub struct GroupWriter<'w> {
    pub(super) writer: &'w Writer,
    pub(super) group: hdf5::Group,
    pub(super) path: String,
}

/// A dataset of a file being written.
pub struct DatasetWriter<'w> {
    writer: &'w Writer,
    dataset: hdf5::Dataset,
    path: String,
}

impl<'w> GroupWriter<'w> {
    pub(super) fn root(writer: &'w Writer, group: hdf5::Group) -> Self {
        GroupWriter { writer, group, path: String::new() }
    }

    /// Path inside the file, without a leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file this group is in.
    pub fn writer(&self) -> &'w Writer {
        self.writer
    }

    /// Creates the subgroup `key`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a key that HDF5 cannot hold or that is taken, [`Error::Io`].
    pub fn group(&self, key: &str) -> Result<GroupWriter<'w>> {
        let name = self.new_name(key)?;
        let make = || -> hdf5::Result<hdf5::Group> {
            let plist: GroupCreate = GroupCreate::build().obj_track_times(false).finish()?;
            let link = utf8_link()?;
            let id = h5call!(H5Gcreate2(self.group.id(), name.as_ptr(), link.id(), plist.id(), H5P_DEFAULT))?;
            // SAFETY: `id` was just returned by the constructor.
            unsafe { from_id(id) }
        };
        let group = make().map_err(|e| self.writer.fault(&e))?;
        Ok(GroupWriter { writer: self.writer, group, path: self.join(key) })
    }

    /// Creates the dataset `key` of numbers of type `T`; an empty `shape` makes a scalar.
    ///
    /// # Errors
    /// As [`GroupWriter::group`].
    pub(crate) fn dataset<T: Item>(&self, key: &str, shape: &[usize], layout: &Layout) -> Result<DatasetWriter<'w>> {
        let dtype = T::datatype().map_err(|e| self.writer.fault(&e))?;
        self.dataset_of(key, &dtype, shape, layout)
    }

    /// Creates the dataset `key` of any HDF5 type.
    pub(crate) fn dataset_of(
        &self,
        key: &str,
        dtype: &Datatype,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<DatasetWriter<'w>> {
        let name = self.new_name(key)?;
        let dataset = create_dataset(&self.group, &name, dtype, shape, layout).map_err(|e| self.writer.fault(&e))?;
        Ok(DatasetWriter { writer: self.writer, dataset, path: self.join(key) })
    }

    /// Creates the dataset `key` of UTF-8 texts of any length and writes them.
    pub(crate) fn texts<'s>(
        &self,
        key: &str,
        texts: impl ExactSizeIterator<Item = &'s str>,
        shape: &[usize],
        layout: &Layout,
    ) -> Result<DatasetWriter<'w>> {
        const AT_ONCE: usize = 1 << 16;
        let dtype = datatype::text().map_err(|e| self.writer.fault(&e))?;
        let dataset = self.dataset_of(key, &dtype, shape, layout)?;
        let per_row: usize = shape.iter().skip(1).product();
        if per_row == 0 {
            return Ok(dataset);
        }
        let rows = (AT_ONCE / per_row).max(1);
        let mut texts = texts.peekable();
        let mut row = 0;
        while texts.peek().is_some() {
            let run: Vec<&str> = texts.by_ref().take(rows * per_row).collect();
            let (owned, pointers) = c_texts(&run).map_err(|at| dataset.nul(at))?;
            let count = run.len() / per_row;
            let extent = rows_of(shape, row, count);
            dataset.write_raw(&dtype, extent.as_ref(), pointers.as_ptr().cast())?;
            drop(owned);
            row += count;
        }
        Ok(dataset)
    }

    /// Creates the dataset `key` without space (h5py's `Empty`), of float32.
    pub(crate) fn empty(&self, key: &str) -> Result<DatasetWriter<'w>> {
        let name = self.new_name(key)?;
        let make = || -> hdf5::Result<hdf5::Dataset> {
            let space: Dataspace = own(h5call!(H5Screate(H5S_class_t::H5S_NULL))?)?;
            let plist = DatasetCreate::build().obj_track_times(false).finish()?;
            let (dtype, link) = (f32::datatype()?, utf8_link()?);
            own(h5call!(H5Dcreate2(
                self.group.id(),
                name.as_ptr(),
                dtype.id(),
                space.id(),
                link.id(),
                plist.id(),
                H5P_DEFAULT
            ))?)
        };
        let dataset = make().map_err(|e| self.writer.fault(&e))?;
        Ok(DatasetWriter { writer: self.writer, dataset, path: self.join(key) })
    }

    /// The group that the column `name` of this dataframe goes into, and its key there: "T/NK", as anndata up to 0.12
    /// writes it, is "NK" in a group "T".
    ///
    /// # Errors
    /// As [`GroupWriter::group`].
    pub(crate) fn column_place<'n>(&self, name: &'n str) -> Result<(GroupWriter<'w>, &'n str)> {
        let mut place = GroupWriter { writer: self.writer, group: self.group.clone(), path: self.path.clone() };
        let mut rest = name;
        while let Some((first, more)) = rest.split_once('/') {
            place = if place.exists(first) { place.existing(first)? } else { place.group(first)? };
            rest = more;
        }
        Ok((place, rest))
    }

    /// Whether `key` is taken.
    pub fn exists(&self, key: &str) -> bool {
        self.group.link_exists(key)
    }

    pub(super) fn join(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}/{key}", self.path)
        }
    }

    pub(super) fn new_name(&self, key: &str) -> Result<CString> {
        let place = if self.path.is_empty() { "/" } else { &self.path };
        let bad = |expected: &str| Error::parameter("key", format!("{expected} (in '{place}')"), format!("'{key}'"));
        if key.is_empty() || key == "." || key == ".." {
            return Err(bad("a name"));
        }
        if key.contains('/') {
            return Err(bad("a name without '/', which separates groups in HDF5; rename it"));
        }
        if self.group.link_exists(key) {
            return Err(bad("a name that is not taken yet"));
        }
        CString::new(key).map_err(|_| bad("a name without NUL characters"))
    }
}

impl<'w> DatasetWriter<'w> {
    /// Writes all values, row-major.
    pub(crate) fn write<T: Item>(&self, values: &[T]) -> Result<()> {
        self.expect(values.len(), self.dataset.size())?;
        if values.is_empty() {
            return Ok(());
        }
        let memory = T::datatype().map_err(|e| self.writer.fault(&e))?;
        self.write_raw(&memory, None, values.as_ptr().cast())
    }

    /// Writes the box of extents `count` that starts at `start`, row-major.
    pub(crate) fn write_at<T: Item>(&self, start: &[usize], count: &[usize], values: &[T]) -> Result<()> {
        self.expect(values.len(), count.iter().product())?;
        if values.is_empty() {
            return Ok(());
        }
        let memory = T::datatype().map_err(|e| self.writer.fault(&e))?;
        self.write_raw(&memory, Some(&(start.to_vec(), count.to_vec())), values.as_ptr().cast())
    }

    /// Gives the dataset new extents; it must have been created resizable.
    pub(crate) fn resize(&self, shape: &[usize]) -> Result<()> {
        self.dataset.resize(shape).map_err(|e| self.writer.fault(&e))
    }

    /// Path inside the file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The HDF5 handle.
    pub(crate) fn hdf5(&self) -> &hdf5::Dataset {
        &self.dataset
    }

    /// Writes values laid out as `memory` says, to all of the dataset or to the box (start, count). The caller
    /// vouches that the buffer holds them.
    pub(crate) fn write_raw(
        &self,
        memory: &Datatype,
        place: Option<&(Vec<usize>, Vec<usize>)>,
        buffer: *const c_void,
    ) -> Result<()> {
        let write = || -> hdf5::Result<()> {
            let Some((start, count)) = place else {
                h5call!(H5Dwrite(self.dataset.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer))?;
                return Ok(());
            };
            let file = self.dataset.space()?;
            let (start, count, none) = (wide(start), wide(count), std::ptr::null());
            h5call!(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.as_ptr(), none, count.as_ptr(), none))?;
            let space: Dataspace = own(h5call!(H5Screate_simple(count.len() as i32, count.as_ptr(), none))?)?;
            h5call!(H5Dwrite(self.dataset.id(), memory.id(), space.id(), file.id(), H5P_DEFAULT, buffer))?;
            Ok(())
        };
        write().map_err(|e| self.writer.fault(&e))
    }

    fn expect(&self, found: usize, expected: usize) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::shape(format!("writing '{}'", self.path), format!("{expected} values"), found))
    }

    fn nul(&self, at: usize) -> Error {
        Error::parameter("text", format!("texts without NUL characters in '{}'", self.path), format!("one at {at}"))
    }
}

/// Attributes, the same for groups and datasets.
macro_rules! attributes {
    ($writer:ident, $handle:ident) => {
        impl $writer<'_> {
            /// Sets a text attribute.
            ///
            /// # Errors
            /// [`Error::Io`]; [`Error::Parameter`] for a text with a NUL character.
            pub fn set_text(&self, name: &str, text: &str) -> Result<()> {
                set_texts(self.writer, &self.$handle, name, &[text], true)
            }

            /// Sets an attribute of a list of texts.
            ///
            /// # Errors
            /// As [`Self::set_text`].
            pub fn set_texts(&self, name: &str, texts: &[&str]) -> Result<()> {
                set_texts(self.writer, &self.$handle, name, texts, false)
            }

            /// Sets an attribute of a list of whole numbers.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_integers(&self, name: &str, values: &[i64]) -> Result<()> {
                set_items(self.writer, &self.$handle, name, values, false)
            }

            /// Sets an attribute of one whole number.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_integer(&self, name: &str, value: i64) -> Result<()> {
                set_items(self.writer, &self.$handle, name, &[value], true)
            }

            /// Sets an attribute of one truth value.
            ///
            /// # Errors
            /// [`Error::Io`].
            pub fn set_flag(&self, name: &str, value: bool) -> Result<()> {
                set_items(self.writer, &self.$handle, name, &[value], true)
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
attributes!(GroupWriter, group);
attributes!(DatasetWriter, dataset);

fn set_items<T: Item>(writer: &Writer, on: &Location, name: &str, values: &[T], scalar: bool) -> Result<()> {
    let set =
        || -> hdf5::Result<()> { set_raw(on, name, &T::datatype()?, values.len(), scalar, values.as_ptr().cast()) };
    set().map_err(|e| writer.fault(&e))
}

fn set_texts(writer: &Writer, on: &Location, name: &str, texts: &[&str], scalar: bool) -> Result<()> {
    let (owned, pointers) = c_texts(texts)
        .map_err(|at| Error::parameter("attribute", "text without NUL characters", format!("'{name}', text {at}")))?;
    let set = || -> hdf5::Result<()> {
        set_raw(on, name, &datatype::text()?, pointers.len(), scalar, pointers.as_ptr().cast())
    };
    let result = set().map_err(|e| writer.fault(&e));
    drop(owned);
    result
}

fn set_raw(
    on: &Location,
    name: &str,
    dtype: &Datatype,
    n: usize,
    scalar: bool,
    buffer: *const c_void,
) -> hdf5::Result<()> {
    let name = CString::new(name).map_err(|_| hdf5::Error::from("an attribute name with a NUL in it"))?;
    let n = n as u64;
    let space: Dataspace = own(if scalar {
        h5call!(H5Screate(H5S_class_t::H5S_SCALAR))?
    } else {
        h5call!(H5Screate_simple(1, &n, std::ptr::null()))?
    })?;
    let attribute: hdf5::Attribute =
        own(h5call!(H5Acreate2(on.id(), name.as_ptr(), dtype.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT))?)?;
    if n > 0 {
        h5call!(H5Awrite(attribute.id(), dtype.id(), buffer))?;
    }
    Ok(())
}

fn create_dataset(
    group: &hdf5::Group,
    name: &CString,
    dtype: &Datatype,
    shape: &[usize],
    layout: &Layout,
) -> hdf5::Result<hdf5::Dataset> {
    let mut plist = DatasetCreate::build();
    plist.obj_track_times(false);
    let compressed = layout.compression != Compression::None;
    let no_values = shape.contains(&0);
    // HDF5 has no chunks of no extent: a dataset without values is stored in one piece unless it may grow.
    let chunked = !shape.is_empty() && (layout.resizable || (!no_values && (compressed || layout.chunk.is_some())));
    if chunked {
        let chunk = layout.chunk.clone().unwrap_or_else(|| choose_chunk(shape, dtype.size()));
        let limit =
            |i: usize, c: usize| if i == 0 && layout.resizable { c.max(1) } else { c.clamp(1, shape[i].max(1)) };
        plist.chunk(chunk.iter().enumerate().take(shape.len()).map(|(i, &c)| limit(i, c)).collect::<Vec<_>>());
        if compressed && layout.shuffle {
            plist.shuffle();
        }
        match layout.compression {
            Compression::None => {}
            Compression::Gzip(level) => {
                plist.deflate(level.min(9));
            }
            Compression::Lzf => {
                plist.lzf();
            }
        }
    }
    let plist = plist.finish()?;
    let extents = wide(shape);
    let mut limits = extents.clone();
    if let (true, Some(first)) = (layout.resizable, limits.first_mut()) {
        *first = H5S_UNLIMITED;
    }
    let space: Dataspace = own(if shape.is_empty() {
        h5call!(H5Screate(H5S_class_t::H5S_SCALAR))?
    } else {
        h5call!(H5Screate_simple(extents.len() as i32, extents.as_ptr(), limits.as_ptr()))?
    })?;
    let link = utf8_link()?;
    own(h5call!(H5Dcreate2(group.id(), name.as_ptr(), dtype.id(), space.id(), link.id(), plist.id(), H5P_DEFAULT))?)
}

/// Whole rows up to [`CHUNK_BYTES`]; rows longer than that are cut.
fn choose_chunk(shape: &[usize], item: usize) -> Vec<usize> {
    let mut room = (CHUNK_BYTES / item.max(1)).max(1);
    let mut chunk: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let c = extent.clamp(1, room);
            room = (room / c).max(1);
            c
        })
        .collect();
    chunk.reverse();
    chunk
}

/// Names are marked as UTF-8, as h5py does.
pub(super) fn utf8_link() -> hdf5::Result<hdf5::plist::LinkCreate> {
    hdf5::plist::LinkCreate::build().char_encoding(hdf5::plist::link_create::CharEncoding::Utf8).finish()
}

fn own<T: OwnedId>(id: i64) -> hdf5::Result<T> {
    T::own(id)
}

/// HDF5 objects that a constructor's identifier can be turned into.
trait OwnedId: Sized {
    fn own(id: i64) -> hdf5::Result<Self>;
}
macro_rules! owned {
    ($($t:ty),*) => { $(impl OwnedId for $t {
        fn own(id: i64) -> hdf5::Result<Self> {
            // SAFETY: every caller passes an identifier that a constructor has just returned.
            unsafe { from_id(id) }
        }
    })* };
}
owned!(hdf5::Dataset, hdf5::Attribute, Dataspace);

fn wide(extents: &[usize]) -> Vec<u64> {
    extents.iter().map(|&e| e as u64).collect()
}

/// The box of `count` rows from `row` on; `None` (everything) for a scalar.
fn rows_of(shape: &[usize], row: usize, count: usize) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut extents = shape.to_vec();
    let mut start = vec![0; shape.len()];
    *extents.first_mut()? = count;
    *start.first_mut()? = row;
    Some((start, extents))
}

/// NUL-terminated copies and pointers to them; the position of a text that contains NUL as error.
fn c_texts(texts: &[&str]) -> std::result::Result<(Vec<CString>, Vec<*const c_char>), usize> {
    let owned: Vec<CString> =
        texts.iter().enumerate().map(|(i, t)| CString::new(*t).map_err(|_| i)).collect::<Result<_, _>>()?;
    let pointers = owned.iter().map(|t| t.as_ptr()).collect();
    Ok((owned, pointers))
}
