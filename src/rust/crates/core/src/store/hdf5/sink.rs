//! Groups, datasets and attributes of a file being written.

use super::datatype::{memory_type, packed, stored_type};
use super::register::register;
use super::{Hdf5Writer, Kind, Node};
use crate::codec::{id, Compression};
use crate::error::{Error, Result};
use crate::store::backend::below;
use crate::store::sink::{ArraySink, Cells, GroupSink, Layout, Setting, Target};
use hdf5::plist::{DatasetCreate, GroupCreate};
use hdf5::{from_id, h5call, Dataspace, Datatype, Location};
use hdf5_sys::h5a::{H5Acreate2, H5Adelete, H5Aexists, H5Awrite};
use hdf5_sys::h5d::{H5Dcreate2, H5Dwrite, H5Dwrite_chunk};
use hdf5_sys::h5g::{H5Gcreate2, H5Gopen2};
use hdf5_sys::h5l::{H5Ldelete, H5Lmove};
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{
    H5S_class_t, H5Screate, H5Screate_simple, H5Sselect_hyperslab, H5S_ALL, H5S_SELECT_SET, H5S_UNLIMITED,
};
use std::any::Any;
use std::ffi::{c_char, c_void, CString};

/// A group of a file being written.
pub(super) struct Hdf5Group<'w> {
    pub(super) writer: &'w Hdf5Writer,
    pub(super) group: hdf5::Group,
    pub(super) path: String,
}

/// A dataset of a file being written.
pub(super) struct Hdf5Dataset<'w> {
    writer: &'w Hdf5Writer,
    dataset: hdf5::Dataset,
    kind: Kind,
    path: String,
}

impl Hdf5Writer {
    /// Returns the root group.
    pub(super) fn root(&self) -> Result<Hdf5Group<'_>> {
        Ok(Hdf5Group::root(self, (**self.hdf5()?).clone()))
    }
}

impl<'w> Hdf5Group<'w> {
    fn root(writer: &'w Hdf5Writer, group: hdf5::Group) -> Self {
        Hdf5Group { writer, group, path: String::new() }
    }

    /// Creates the subgroup `key`, without times and with a UTF-8 name.
    pub(super) fn new_group(&self, key: &str) -> Result<Hdf5Group<'w>> {
        let name = c_name(key)?;
        let make = || -> hdf5::Result<hdf5::Group> {
            let plist: GroupCreate = GroupCreate::build().obj_track_times(false).finish()?;
            let link = utf8_link()?;
            let id = h5call!(H5Gcreate2(self.group.id(), name.as_ptr(), link.id(), plist.id(), H5P_DEFAULT))?;
            // SAFETY: `id` was just returned by the constructor.
            unsafe { from_id(id) }
        };
        let group = make().map_err(|e| self.writer.fault(&e))?;
        Ok(Hdf5Group { writer: self.writer, group, path: self.join(key) })
    }

    /// Creates a dataset of an HDF5 type; without space when `shape` is `None`.
    pub(super) fn new_dataset(
        &self,
        key: &str,
        dtype: &Datatype,
        shape: Option<&[usize]>,
        layout: &Layout,
    ) -> Result<hdf5::Dataset> {
        let name = c_name(key)?;
        create_dataset(&self.group, &name, dtype, shape, layout).map_err(|e| self.writer.fault(&e))
    }

    /// Returns the path of the member `key`.
    pub(super) fn join(&self, key: &str) -> String {
        below(&self.path, key)
    }
}

impl<'w> GroupSink<'w> for Hdf5Group<'w> {
    fn exists(&self, key: &str) -> bool {
        self.group.link_exists(key)
    }

    fn group(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>> {
        Ok(Box::new(self.new_group(key)?))
    }

    fn existing(&self, key: &str) -> Result<Box<dyn GroupSink<'w> + 'w>> {
        let name = c_name(key)?;
        let open = || -> hdf5::Result<hdf5::Group> {
            let id = h5call!(H5Gopen2(self.group.id(), name.as_ptr(), H5P_DEFAULT))?;
            // SAFETY: the identifier was just returned by the constructor.
            unsafe { from_id(id) }
        };
        let group = open().map_err(|e| self.writer.fault(&e))?;
        Ok(Box::new(Hdf5Group { writer: self.writer, group, path: self.join(key) }))
    }

    fn array(
        &self,
        key: &str,
        kind: &Kind,
        shape: Option<&[usize]>,
        layout: &Layout,
    ) -> Result<Box<dyn ArraySink + 'w>> {
        if matches!(layout.compression, Compression::GzipFile(_)) {
            let found = format!("{:?}", layout.compression);
            return Err(Error::parameter("compression", "gzip, lzf, zstd or none, in an HDF5 file", found));
        }
        let dtype = stored_type(kind).map_err(|e| self.writer.fault(&e))?;
        let dataset = self.new_dataset(key, &dtype, shape, layout)?;
        Ok(Box::new(Hdf5Dataset { writer: self.writer, dataset, kind: kind.clone(), path: self.join(key) }))
    }

    fn set(&self, name: &str, value: Setting<'_>) -> Result<()> {
        set(&self.group, name, value).map_err(|e| self.writer.fault(&e))
    }

    fn copy(&self, key: &str, from: &dyn Any) -> Result<bool> {
        match from.downcast_ref::<Node>() {
            Some(node) => self.copy_element(key, node).map(|()| true),
            None => Ok(false),
        }
    }

    fn remove(&self, key: &str) -> Result<()> {
        self.writer.forget_copied(&self.join(key));
        let name = c_name(key)?;
        let remove = || h5call!(H5Ldelete(self.group.id(), name.as_ptr(), H5P_DEFAULT)).map(|_| ());
        remove().map_err(|e| self.writer.fault(&e))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.writer.rename_copied(&self.join(from), &self.join(to));
        let (from, to, id) = (c_name(from)?, c_name(to)?, self.group.id());
        let rename = || h5call!(H5Lmove(id, from.as_ptr(), id, to.as_ptr(), H5P_DEFAULT, H5P_DEFAULT)).map(|_| ());
        rename().map_err(|e| self.writer.fault(&e))
    }
}

impl Hdf5Dataset<'_> {
    /// Returns the type in memory of values to be written: the whole kind, or a record of the one
    /// field `field`. The library leaves the other fields of stored records as they are.
    fn memory(&self, field: Option<&str>) -> Result<Datatype> {
        let fault = |e: hdf5::Error| self.writer.fault(&e);
        let Some(name) = field else { return memory_type(&self.kind).map_err(fault) };
        let kind = match &self.kind {
            Kind::Compound(fields) => fields.iter().find(|f| f.0 == name).map(|f| &f.1),
            _ => None,
        };
        let kind = kind.ok_or_else(|| Error::Internal(format!("'{}' has no field '{name}'", self.path)))?;
        memory_type(kind).and_then(|t| packed(&[name], &[t])).map_err(fault)
    }
}

impl ArraySink for Hdf5Dataset<'_> {
    fn write(&self, to: Target<'_>, cells: Cells<'_>) -> Result<()> {
        let memory = self.memory(to.field)?;
        let values = to.place.map_or(self.dataset.size(), |(_, count)| count.iter().product());
        let texts;
        let (buffer, bytes): (*const c_void, usize) = match cells {
            Cells::Bytes(bytes) => (bytes.as_ptr().cast(), bytes.len()),
            Cells::Texts(list) => {
                texts = c_texts(list).map_err(|at| {
                    let expected = format!("texts without NUL characters in '{}'", self.path);
                    Error::parameter("text", expected, format!("a NUL in text {at} (zero-based)"))
                })?;
                (texts.1.as_ptr().cast(), size_of_val(&texts.1[..]))
            }
        };
        if memory.size().checked_mul(values) != Some(bytes) {
            return Err(Error::Internal(format!("{bytes} bytes for {values} values of '{}'", self.path)));
        }
        let write = || -> hdf5::Result<()> {
            let Some((start, count)) = to.place else {
                // The buffer has the bytes of all values (checked); the library copies them.
                h5call!(H5Dwrite(self.dataset.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer))?;
                return Ok(());
            };
            let file = self.dataset.space()?;
            let (start, count, none) = (wide(start), wide(count), std::ptr::null());
            h5call!(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.as_ptr(), none, count.as_ptr(), none))?;
            let space: Dataspace = adopt(h5call!(H5Screate_simple(count.len() as i32, count.as_ptr(), none))?)?;
            // The same, for the values of the box.
            h5call!(H5Dwrite(self.dataset.id(), memory.id(), space.id(), file.id(), H5P_DEFAULT, buffer))?;
            Ok(())
        };
        write().map_err(|e| self.writer.fault(&e))
    }

    fn write_chunk(&self, first: usize, stored: &[u8]) -> Result<()> {
        let mut offset = vec![0u64; self.dataset.ndim()];
        if let Some(at) = offset.first_mut() {
            *at = first as u64;
        }
        let (id, at, bytes) = (self.dataset.id(), offset.as_ptr(), stored.as_ptr().cast());
        let write = || h5call!(H5Dwrite_chunk(id, H5P_DEFAULT, 0, at, stored.len(), bytes)).map(|_| ());
        write().map_err(|e| self.writer.fault(&e))
    }

    fn resize(&self, extent: usize) -> Result<()> {
        let mut shape = self.dataset.shape();
        if let Some(first) = shape.first_mut() {
            *first = extent;
        }
        self.dataset.resize(shape).map_err(|e| self.writer.fault(&e))
    }

    fn set(&self, name: &str, value: Setting<'_>) -> Result<()> {
        set(&self.dataset, name, value).map_err(|e| self.writer.fault(&e))
    }
}

/// Returns a key as a C string.
pub(super) fn c_name(key: &str) -> Result<CString> {
    CString::new(key).map_err(|_| Error::parameter("key", "a name without NUL characters", format!("{key:?}")))
}

/// Sets an attribute. One of that name is deleted first, since its type and shape may differ.
fn set(on: &Location, name: &str, value: Setting<'_>) -> hdf5::Result<()> {
    let name = CString::new(name).map_err(|_| hdf5::Error::from("an attribute name with a NUL in it"))?;
    if h5call!(H5Aexists(on.id(), name.as_ptr()))? > 0 {
        h5call!(H5Adelete(on.id(), name.as_ptr()))?;
    }
    let texts = |texts: &[&str], scalar: bool| {
        let (owned, pointers) = c_texts(texts).map_err(|at| hdf5::Error::from(format!("a NUL in text {at}")))?;
        let set = set_raw(on, &name, &memory_type(&Kind::TEXT)?, pointers.len(), scalar, pointers.as_ptr().cast());
        drop(owned);
        set
    };
    let integers = |values: &[i64], scalar: bool| {
        set_raw(on, &name, &Datatype::from_type::<i64>()?, values.len(), scalar, values.as_ptr().cast())
    };
    match value {
        Setting::Text(text) => texts(&[text], true),
        Setting::Texts(list) => texts(list, false),
        Setting::Integer(value) => integers(&[value], true),
        Setting::Integers(list) => integers(list, false),
        Setting::Flag(value) => {
            let dtype = memory_type(&Kind::from_dtype(crate::dtype::DType::Bool))?;
            set_raw(on, &name, &dtype, 1, true, (&raw const value).cast())
        }
    }
}

fn set_raw(
    on: &Location,
    name: &CString,
    dtype: &Datatype,
    n: usize,
    scalar: bool,
    buffer: *const c_void,
) -> hdf5::Result<()> {
    let n = n as u64;
    let space: Dataspace = adopt(if scalar {
        h5call!(H5Screate(H5S_class_t::H5S_SCALAR))?
    } else {
        h5call!(H5Screate_simple(1, &n, std::ptr::null()))?
    })?;
    let attribute: hdf5::Attribute =
        adopt(h5call!(H5Acreate2(on.id(), name.as_ptr(), dtype.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT))?)?;
    if n > 0 {
        h5call!(H5Awrite(attribute.id(), dtype.id(), buffer))?;
    }
    Ok(())
}

fn create_dataset(
    group: &hdf5::Group,
    name: &CString,
    dtype: &Datatype,
    shape: Option<&[usize]>,
    layout: &Layout,
) -> hdf5::Result<hdf5::Dataset> {
    let mut plist = DatasetCreate::build();
    plist.obj_track_times(false);
    if let Some(shape) = shape.filter(|shape| layout.is_chunked(shape)) {
        plist.chunk(layout.chunk_of(shape, dtype.size()));
        if layout.compression != Compression::None && layout.shuffle {
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
            Compression::Zstd(level) => {
                register();
                plist.add_filter(id::ZSTD, &[level.into()]);
            }
            // Refused in `Hdf5Group::array`.
            Compression::GzipFile(_) => {}
        }
    }
    let plist = plist.finish()?;
    let space: Dataspace = adopt(match shape {
        None => h5call!(H5Screate(H5S_class_t::H5S_NULL))?,
        Some([]) => h5call!(H5Screate(H5S_class_t::H5S_SCALAR))?,
        Some(shape) => {
            let extents = wide(shape);
            let mut limits = extents.clone();
            if layout.resizable {
                limits[0] = H5S_UNLIMITED;
            }
            h5call!(H5Screate_simple(extents.len() as i32, extents.as_ptr(), limits.as_ptr()))?
        }
    })?;
    let link = utf8_link()?;
    adopt(h5call!(H5Dcreate2(group.id(), name.as_ptr(), dtype.id(), space.id(), link.id(), plist.id(), H5P_DEFAULT))?)
}

/// Makes the properties of a link whose name is marked as UTF-8, as h5py does.
pub(super) fn utf8_link() -> hdf5::Result<hdf5::plist::LinkCreate> {
    hdf5::plist::LinkCreate::build().char_encoding(hdf5::plist::link_create::CharEncoding::Utf8).finish()
}

fn adopt<T: OwnedId>(id: i64) -> hdf5::Result<T> {
    T::adopt(id)
}

/// HDF5 objects that can be made from an identifier.
trait OwnedId: Sized {
    fn adopt(id: i64) -> hdf5::Result<Self>;
}
macro_rules! owned {
    ($($t:ty),*) => { $(impl OwnedId for $t {
        fn adopt(id: i64) -> hdf5::Result<Self> {
            // SAFETY: every caller passes an identifier that a constructor has just returned.
            unsafe { from_id(id) }
        }
    })* };
}
owned!(hdf5::Dataset, hdf5::Attribute, Dataspace);

fn wide(extents: &[usize]) -> Vec<u64> {
    extents.iter().map(|&e| e as u64).collect()
}

/// Makes NUL-terminated copies of texts, and pointers to them. The error is the position of a text
/// that contains a NUL.
fn c_texts(texts: &[&str]) -> std::result::Result<(Vec<CString>, Vec<*const c_char>), usize> {
    let owned: Vec<CString> =
        texts.iter().enumerate().map(|(i, t)| CString::new(*t).map_err(|_| i)).collect::<Result<_, _>>()?;
    let pointers = owned.iter().map(|t| t.as_ptr()).collect();
    Ok((owned, pointers))
}
