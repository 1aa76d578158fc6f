//! Moving values from a dataset, one field of a compound dataset, or an attribute, into memory.

use super::datatype::{packed, Padding};
use super::{chunks, lengths, storage, Kind, Node};
use crate::error::{Error, Result};
use crate::memory;
use hdf5::{from_id, h5call, Attribute, Dataspace, Datatype};
use hdf5_sys::h5a::H5Aread;
use hdf5_sys::h5d::H5D_layout_t::H5D_CHUNKED;
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5Screate_simple, H5Sselect_hyperslab, H5S_ALL, H5S_SELECT_SET};
use hdf5_sys::h5t::H5Treclaim;
use std::ffi::{c_char, c_void, CStr};
use std::ops::Range;

/// Up to this many bytes are read whatever the file's size; beyond it the claimed size must be plausible.
const UNQUESTIONED: u64 = 64 << 20;
/// The most that a chunk can be expected to grow when decompressed (gzip's limit is 1032).
const EXPANSION: u64 = 4096;
/// Strings fetched at a time, so that HDF5's copies of them do not double the memory of a long column.
const STRINGS_AT_ONCE: usize = 1 << 16;

/// Bytes that may have any pattern: HDF5 fills them.
pub(crate) trait Plain: Copy {}
macro_rules! plain { ($($t:ty),*) => { $(impl Plain for $t {})* }; }
plain!(i8, i16, i32, i64, u8, u16, u32, u64, half::f16, f32, f64, [f64; 2]);
impl Plain for *mut c_char {}

enum Source<'a> {
    Dataset(&'a hdf5::Dataset),
    Attribute(Attribute),
}

/// Typed values at rest: what they are, how many, and the means to read all or a run of rows of them.
pub(crate) struct Values<'a> {
    node: &'a Node,
    source: Source<'a>,
    /// Of a compound dataset the one field meant.
    field: Option<String>,
    kind: Kind,
    /// Extents of the dataset or attribute.
    extents: Vec<usize>,
    /// Extents of every value, for array types; else empty.
    inner: Vec<usize>,
    null: bool,
    /// Name for errors.
    what: String,
}

impl<'a> Values<'a> {
    pub(super) fn of_dataset(node: &'a Node) -> Result<Values<'a>> {
        let dataset = node.dataset()?;
        check_chunks(node, dataset)?;
        let (dtype, space) = (dataset.dtype(), dataset.space());
        Self::new(node, Source::Dataset(dataset), dtype, space, String::new())
    }

    pub(super) fn of_attribute(node: &'a Node, name: &str) -> Result<Values<'a>> {
        let attribute = node.location().attr(name).map_err(|e| node.damaged(&e))?;
        let (dtype, space) = (attribute.dtype(), attribute.space());
        Self::new(node, Source::Attribute(attribute), dtype, space, format!("attribute '{name}': "))
    }

    fn new(
        node: &'a Node,
        source: Source<'a>,
        dtype: hdf5::Result<Datatype>,
        space: hdf5::Result<Dataspace>,
        what: String,
    ) -> Result<Values<'a>> {
        let damaged = |e: hdf5::Error| node.damaged(&e);
        let space = space.map_err(damaged)?;
        let kind = Kind::of(&dtype.map_err(damaged)?).map_err(damaged)?;
        let (kind, inner) = flatten(kind);
        let (null, extents) = (space.is_null(), space.shape());
        Ok(Values { node, source, field: None, kind, extents, inner, null, what })
    }

    /// One field of a compound.
    pub(crate) fn field(&self, name: &str) -> Result<Values<'a>> {
        let Kind::Compound(fields) = &self.kind else {
            return Err(self.format("a compound type", self.kind.name()));
        };
        let Some((_, kind)) = fields.iter().find(|f| f.0 == name) else {
            return Err(self.format(format!("a field '{name}'"), "none of that name"));
        };
        let source = match &self.source {
            Source::Dataset(d) => Source::Dataset(d),
            Source::Attribute(a) => Source::Attribute(a.clone()),
        };
        let (kind, inner) = flatten(kind.clone());
        let what = format!("{}field '{name}': ", self.what);
        Ok(Values {
            node: self.node,
            source,
            field: Some(name.to_owned()),
            kind,
            inner,
            what,
            extents: self.extents.clone(),
            null: self.null,
        })
    }

    /// What one value is; array types are unfolded into [`Values::shape`].
    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Extents, those of array types last; empty for a scalar.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.extents.iter().chain(&self.inner).copied().collect()
    }

    /// Whether it has no space at all (h5py's `Empty`).
    pub(crate) fn is_null(&self) -> bool {
        self.null
    }

    /// Whether it is a single value without axes.
    pub(crate) fn is_scalar(&self) -> bool {
        !self.null && self.extents.is_empty() && self.inner.is_empty()
    }

    /// [`Error::Format`] about these values.
    pub(crate) fn format(&self, expected: impl Into<String>, found: impl std::fmt::Display) -> Error {
        self.node.format(expected, format!("{}{found}", self.what))
    }

    /// [`Error::Unsupported`] for their type.
    pub(crate) fn unsupported(&self) -> Error {
        self.node.unsupported(format!("{}the type {}", self.what, self.kind.name()), "")
    }

    fn damaged(&self, error: &hdf5::Error) -> Error {
        self.node.damaged(error)
    }

    /// The run of the first axis that is read: all of it, or `rows` (in range).
    fn rows(&self, rows: Option<&Range<usize>>) -> Vec<usize> {
        let mut extents = self.extents.clone();
        if let (Some(first), Some(rows)) = (extents.first_mut(), rows) {
            *first = rows.len();
        }
        extents
    }

    /// Number of values in a run of rows, arrays in them counted out; an error when a file claims more than it can hold.
    fn count(&self, rows: Option<&Range<usize>>) -> Result<usize> {
        if self.null {
            return Ok(0);
        }
        if let (Some(rows), Some(&n)) = (rows, self.extents.first()) {
            if rows.end > n || rows.start > rows.end {
                return Err(self.format(format!("rows up to {}", rows.end), format!("{n} rows")));
            }
        }
        let extents = self.rows(rows);
        let absurd = || self.format("a size that fits the file", format!("extents {:?}", self.shape()));
        let count = extents.iter().chain(&self.inner).try_fold(1_usize, |n, &e| n.checked_mul(e)).ok_or_else(absurd)?;
        let bytes = (count as u64).checked_mul(self.kind.memory_bytes() as u64).ok_or_else(absurd)?;
        if bytes > UNQUESTIONED {
            let stored = match &self.source {
                Source::Dataset(d) => d.storage_size(),
                Source::Attribute(_) => 0,
            };
            if bytes > stored.saturating_mul(EXPANSION) {
                return Err(self.format(
                    "a size that fits the stored data",
                    format!("extents {:?} ({bytes} bytes) over {stored} stored bytes", self.shape()),
                ));
            }
        }
        Ok(count)
    }

    /// Reads `per_value` items of type `T` a value (1, or the bytes of fixed text), for all rows or a run of them.
    fn read_items<T: Plain>(&self, rows: Option<Range<usize>>, per_value: usize, memory: &Datatype) -> Result<Vec<T>> {
        let count = self.count(rows.as_ref())?;
        debug_assert_eq!(memory.size(), per_value * size_of::<T>());
        let items = count.saturating_mul(per_value);
        let mut out: Vec<T> = Vec::new();
        out.try_reserve_exact(items).map_err(|_| Error::Memory {
            what: format!("reading {}", self.node.path()),
            needed: (items as u64).saturating_mul(size_of::<T>() as u64),
            limit: 0,
            hint: "; the system has no more memory".into(),
        })?;
        if items == 0 {
            return Ok(out);
        }
        let with = |e: hdf5::Error| self.damaged(&e);
        // An array type is read as the array it is.
        let memory = match self.inner.as_slice() {
            [] => memory.clone(),
            inner => super::datatype::array(memory, inner).map_err(with)?,
        };
        let memory = match &self.field {
            None => memory,
            Some(name) => packed(&[name], &[memory]).map_err(with)?,
        };
        // SAFETY: the buffer has room for `items` values of `T`, which is what HDF5 writes for `memory` and this
        // selection (checked above); `T` is `Plain`, so zeroes and whatever HDF5 leaves are valid values.
        unsafe {
            std::ptr::write_bytes(out.as_mut_ptr(), 0, items);
            self.read_raw(rows, &memory, out.as_mut_ptr().cast()).map_err(with)?;
            out.set_len(items);
        }
        Ok(out)
    }

    /// # Safety
    /// `buffer` must hold the selected values in the layout of `memory`.
    unsafe fn read_raw(&self, rows: Option<Range<usize>>, memory: &Datatype, buffer: *mut c_void) -> hdf5::Result<()> {
        match (&self.source, rows) {
            (Source::Attribute(a), _) => h5call!(H5Aread(a.id(), memory.id(), buffer))?,
            (Source::Dataset(d), None) => h5call!(H5Dread(d.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer))?,
            (Source::Dataset(d), Some(rows)) => {
                let file = d.space()?;
                let mut start = vec![0_u64; self.extents.len()];
                let count: Vec<u64> = self.rows(Some(&rows)).iter().map(|&e| e as u64).collect();
                if let Some(first) = start.first_mut() {
                    *first = rows.start as u64;
                }
                let (none, rank) = (std::ptr::null(), count.len() as i32);
                h5call!(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.as_ptr(), none, count.as_ptr(), none))?;
                let space: Dataspace = from_id(h5call!(H5Screate_simple(rank, count.as_ptr(), none))?)?;
                h5call!(H5Dread(d.id(), memory.id(), space.id(), file.id(), H5P_DEFAULT, buffer))?
            }
        };
        Ok(())
    }

    /// The values as `T`, which must be this kind's type in memory (`[f64; 2]` for complex).
    pub(crate) fn read<T: Plain>(&self, rows: Option<Range<usize>>) -> Result<Vec<T>> {
        let memory = self.kind.memory_type().map_err(|e| self.damaged(&e))?;
        if memory.size() != size_of::<T>() {
            return Err(Error::Internal(format!("{} read as {} bytes", self.kind.name(), size_of::<T>())));
        }
        self.read_items(rows, 1, &memory)
    }

    /// Whole numbers and enumerations as i64 (u64 beyond i64's range is an error).
    pub(crate) fn read_integers(&self, rows: Option<Range<usize>>) -> Result<Vec<i64>> {
        const NUMBERS: &str = "whole numbers of a file";
        fn wide<T: Into<i64>>(v: Vec<T>) -> Result<Vec<i64>> {
            memory::collected(v.into_iter().map(Into::into), NUMBERS)
        }
        let (Kind::Integer { bytes, signed } | Kind::Enumeration { bytes, signed, .. }) = &self.kind else {
            return Err(self.format("whole numbers", self.kind.name()));
        };
        Ok(match (bytes, signed) {
            (1, true) => wide(self.read::<i8>(rows)?)?,
            (2, true) => wide(self.read::<i16>(rows)?)?,
            (4, true) => wide(self.read::<i32>(rows)?)?,
            (8, true) => self.read::<i64>(rows)?,
            (1, false) => wide(self.read::<u8>(rows)?)?,
            (2, false) => wide(self.read::<u16>(rows)?)?,
            (4, false) => wide(self.read::<u32>(rows)?)?,
            _ => self
                .read::<u64>(rows)?
                .into_iter()
                .map(|x| i64::try_from(x).map_err(|_| self.format("numbers below 2^63", x)))
                .collect::<Result<_>>()?,
        })
    }

    /// Booleans stored as an enumeration of FALSE and TRUE.
    pub(crate) fn read_booleans(&self, rows: Option<Range<usize>>) -> Result<Vec<bool>> {
        let Some((no, yes)) = self.kind.boolean() else {
            return Err(self.format("an enumeration of FALSE and TRUE", self.kind.name()));
        };
        let truth = |x: i64| match x {
            x if x == no => Ok(false),
            x if x == yes => Ok(true),
            x => Err(self.format(format!("{no} (FALSE) or {yes} (TRUE)"), x)),
        };
        if let Kind::Enumeration { bytes: 1, signed: true, .. } = self.kind {
            return self.read::<i8>(rows)?.into_iter().map(|x| truth(x.into())).collect();
        }
        self.read_integers(rows)?.into_iter().map(truth).collect()
    }

    /// Texts, fixed or of any length, handed to `each` in order.
    pub(crate) fn read_texts(
        &self,
        rows: Option<Range<usize>>,
        each: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        let mut at = 0_usize;
        self.read_bytes(rows, &mut |bytes| match std::str::from_utf8(bytes) {
            Ok(text) => {
                at += 1;
                each(text)
            }
            Err(e) => {
                let byte = bytes.get(e.valid_up_to()).copied().unwrap_or_default();
                Err(self.format("UTF-8 text", format!("byte 0x{byte:02x} in text {at} (zero-based)")))
            }
        })
    }

    /// The bytes of texts, fixed or of any length, without their padding.
    pub(crate) fn read_bytes(
        &self,
        rows: Option<Range<usize>>,
        give: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match self.kind {
            Kind::FixedText { bytes, padding, .. } => {
                let memory = self.kind.memory_type().map_err(|e| self.damaged(&e))?;
                let raw: Vec<u8> = self.read_items(rows, bytes, &memory)?;
                let kept = |cell: &[u8]| match padding {
                    Padding::Terminated => cell.iter().position(|&b| b == 0),
                    Padding::Nul => cell.iter().rposition(|&b| b != 0).map_or(Some(0), |i| Some(i + 1)),
                    Padding::Spaces => cell.iter().rposition(|&b| b != b' ').map_or(Some(0), |i| Some(i + 1)),
                };
                raw.chunks_exact(bytes.max(1)).try_for_each(|cell| give(&cell[..kept(cell).unwrap_or(cell.len())]))
            }
            Kind::Text { .. } => {
                if let Source::Dataset(dataset) = self.source {
                    lengths::check(self.node, dataset, self.field.as_deref())?;
                }
                let memory = self.kind.memory_type().map_err(|e| self.damaged(&e))?;
                let total = self.count(rows.as_ref())?;
                let runs = match (&self.source, self.extents.first()) {
                    (Source::Dataset(_), Some(&n)) if total > STRINGS_AT_ONCE => {
                        let rows = rows.unwrap_or(0..n);
                        let step = (STRINGS_AT_ONCE / (total / rows.len().max(1)).max(1)).max(1);
                        rows.clone().step_by(step).map(|s| Some(s..(s + step).min(rows.end))).collect()
                    }
                    _ => vec![rows],
                };
                runs.into_iter().try_for_each(|run| self.texts_of(run, &memory, give))
            }
            _ => Err(self.format("text", self.kind.name())),
        }
    }

    /// One run of variable-length texts: HDF5 allocates each, and takes them back here whatever `give` says.
    fn texts_of(
        &self,
        rows: Option<Range<usize>>,
        memory: &Datatype,
        give: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut pointers: Vec<*mut c_char> = self.read_items(rows, 1, memory)?;
        if pointers.is_empty() {
            return Ok(());
        }
        let result = pointers.iter().try_for_each(|&p| {
            // SAFETY: HDF5 hands out NUL-terminated texts, or null for one that was never written.
            give(if p.is_null() { b"" } else { unsafe { CStr::from_ptr(p) }.to_bytes() })
        });
        let n = pointers.len() as u64;
        let mut give_back = || -> hdf5::Result<()> {
            // SAFETY: the pointers came from HDF5 with this memory type, and are not used after this.
            unsafe {
                let space: Dataspace = from_id(h5call!(H5Screate_simple(1, &n, std::ptr::null()))?)?;
                h5call!(H5Treclaim(memory.id(), space.id(), H5P_DEFAULT, pointers.as_mut_ptr().cast()))?;
            }
            Ok(())
        };
        give_back().map_err(|e| self.damaged(&e))?;
        result
    }
}

/// That the chunks of a dataset are what they must be, before the library goes through them: it takes chunks that it
/// does not find for zeros, and memory for a whole chunk whatever is asked for.
fn check_chunks(node: &Node, dataset: &hdf5::Dataset) -> Result<()> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    let Some(chunk) = plist.chunk().filter(|_| storage::layout(plist.id()) == Some(H5D_CHUNKED)) else {
        return Ok(());
    };
    let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
    let extents: Vec<u64> = chunk.iter().map(|&n| n as u64).collect();
    let stored = chunks::of(dataset, &shape, &extents).map_err(|found| node.format(chunks::EXPECTED, found))?;
    let bytes = |extents: &[u64]| {
        extents.iter().fold(dataset.dtype().map_or(1, |t| t.size()) as u64, |n, &e| n.saturating_mul(e))
    };
    let (whole, used) = (bytes(&extents), bytes(&shape));
    if !stored.is_empty() && whole > UNQUESTIONED && whole / 16 > used {
        return Err(node.format(
            "chunks not much larger than the dataset",
            format!(
                "chunks of {whole} bytes for {used} bytes of values; write the file again (h5repack) with smaller ones"
            ),
        ));
    }
    Ok(())
}

fn flatten(kind: Kind) -> (Kind, Vec<usize>) {
    let (mut kind, mut inner) = (kind, Vec::new());
    while let Kind::Array { extents, item } = kind {
        inner.extend(extents);
        kind = *item;
    }
    (kind, inner)
}
