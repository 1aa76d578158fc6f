//! Reads values of a dataset, of one field of its records, or of an attribute into memory.

use super::claim::{bound, check_claim};
use super::datatype::{self, kind_of, packed};
use super::descriptors::Texts;
use super::layout::is_elsewhere;
use super::texts::Heaps;
use super::{lengths, Kind, Node};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::backend::{Part, Stored};
use hdf5::{from_id, h5call, Attribute, Dataspace, Datatype};
use hdf5_sys::h5a::H5Aread;
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5Screate_simple, H5Sselect_hyperslab, H5S_ALL, H5S_SELECT_SET};
use hdf5_sys::h5t::H5Treclaim;
use std::cell::Cell;
use std::ffi::{c_char, c_void, CStr};
use std::ops::Range;

/// Lower bound of the number of texts that are read without the library.
const FEW: usize = 64;
/// Texts read at a time, so that HDF5's copies of them do not double the memory of a long column.
const STRINGS_AT_ONCE: usize = 1 << 16;

enum Source<'a> {
    Dataset(&'a hdf5::Dataset),
    Attribute(Attribute),
}

/// A dataset or an attribute whose type and extents are known.
pub(super) struct Typed<'a> {
    node: &'a Node,
    source: Source<'a>,
    kind: Kind,
    /// `None` without space.
    extents: Option<Vec<usize>>,
    /// Upper bound of the bytes of all values; 0 for attributes.
    most: u64,
    /// Whether the chunks are still to be checked.
    unclaimed: Cell<bool>,
}

impl<'a> Typed<'a> {
    /// Prepares to read a dataset. The size that a local dataset claims is checked here
    /// ([`check_claim`]), and the size of a remote one when its values are read.
    pub(super) fn of_dataset(node: &'a Node) -> Result<Typed<'a>> {
        let dataset = node.dataset()?;
        // The chunks of a remote dataset are gone through when it is read, as its type alone may
        // be asked for.
        let (most, unclaimed) = match node.file().as_remote() {
            Some(_) => (bound(node, dataset)?, true),
            None => (check_claim(node, dataset)?, false),
        };
        let (dtype, space) = (dataset.dtype(), dataset.space());
        Ok(Typed { most, unclaimed: Cell::new(unclaimed), ..Self::new(node, Source::Dataset(dataset), dtype, space)? })
    }

    /// Prepares to read the attribute `name`.
    pub(super) fn of_attribute(node: &'a Node, name: &str) -> Result<Typed<'a>> {
        let attribute = node.location().attr(name).map_err(|e| node.damaged(&e))?;
        let (dtype, space) = (attribute.dtype(), attribute.space());
        Self::new(node, Source::Attribute(attribute), dtype, space)
    }

    fn new(
        node: &'a Node,
        source: Source<'a>,
        dtype: hdf5::Result<Datatype>,
        space: hdf5::Result<Dataspace>,
    ) -> Result<Typed<'a>> {
        let damaged = |e: hdf5::Error| node.damaged(&e);
        let space = space.map_err(damaged)?;
        let kind = kind_of(&dtype.map_err(damaged)?).map_err(damaged)?;
        let extents = (!space.is_null()).then(|| space.shape());
        Ok(Typed { node, source, kind, extents, most: 0, unclaimed: Cell::new(false) })
    }

    /// Checks the chunks of the dataset where that was not done yet.
    fn claim(&self) -> Result<()> {
        match &self.source {
            Source::Dataset(dataset) if self.unclaimed.replace(false) => check_claim(self.node, dataset).map(drop),
            _ => Ok(()),
        }
    }

    /// Returns the type in memory that `part` is read into. Array types stay arrays, and a field
    /// becomes a record of it alone.
    fn memory(&self, part: &Part<'_>) -> Result<Datatype> {
        let with = |e: hdf5::Error| self.node.damaged(&e);
        let memory = datatype::memory_type(part.kind).map_err(with)?;
        let memory = match part.inner {
            [] => memory,
            inner => datatype::array(&memory, inner).map_err(with)?,
        };
        match part.field {
            None => Ok(memory),
            Some(name) => packed(&[name], &[memory]).map_err(with),
        }
    }

    /// Reads the selected rows, or all, converted to the type `memory`.
    ///
    /// # Safety
    /// `buffer` must hold the selected values in the layout of `memory`.
    unsafe fn read_raw(&self, rows: Option<&Range<usize>>, memory: &Datatype, buffer: *mut c_void) -> hdf5::Result<()> {
        match (&self.source, rows) {
            (Source::Attribute(a), _) => h5call!(H5Aread(a.id(), memory.id(), buffer))?,
            (Source::Dataset(d), None) => h5call!(H5Dread(d.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer))?,
            (Source::Dataset(d), Some(rows)) => {
                let file = d.space()?;
                let mut count: Vec<u64> = self.extents.iter().flatten().map(|&e| e as u64).collect();
                let mut start = vec![0_u64; count.len()];
                if let (Some(first), Some(n)) = (start.first_mut(), count.first_mut()) {
                    (*first, *n) = (rows.start as u64, rows.len() as u64);
                }
                let (none, rank) = (std::ptr::null(), count.len() as i32);
                h5call!(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.as_ptr(), none, count.as_ptr(), none))?;
                let space = h5call!(H5Screate_simple(rank, count.as_ptr(), none))?;
                // SAFETY: the identifier was just returned by the constructor.
                let space: Dataspace = unsafe { from_id(space) }?;
                h5call!(H5Dread(d.id(), memory.id(), space.id(), file.id(), H5P_DEFAULT, buffer))?
            }
        };
        Ok(())
    }

    /// Reads the first texts of a one-dimensional list, as many as can be read without the library,
    /// hands each to `give`, and returns their number.
    fn texts_of_heaps(&self, part: &Part<'_>, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<usize> {
        let (Source::Dataset(dataset), Some(&[n])) = (&self.source, self.extents.as_deref()) else { return Ok(0) };
        let file = self.node.file();
        let damaged = |e: hdf5::Error| self.node.damaged(&e);
        let elsewhere = is_elsewhere(dataset.create_plist().map_err(damaged)?.id());
        if part.field.is_some() || !part.inner.is_empty() || part.count < FEW || elsewhere || file.is_updated() {
            return Ok(0);
        }
        let Some(texts) = Texts::find(self.node, &dataset.dtype().map_err(damaged)?, None)? else { return Ok(0) };
        if texts.units != [1] {
            return Ok(0);
        }
        let rows = part.rows.clone().unwrap_or(0..n);
        let mut heaps = Heaps::new(file);
        let mut descriptors = Vec::new();
        for start in rows.clone().step_by(STRINGS_AT_ONCE) {
            let run = start..(start + STRINGS_AT_ONCE).min(rows.end);
            let bytes = run.len() * texts.width;
            memory::lengthen(&mut descriptors, bytes, 0, "places of texts")?;
            descriptors.truncate(bytes);
            // SAFETY: the buffer has room for the descriptors, which is what HDF5 writes for their
            // type and these rows.
            unsafe { self.read_raw(Some(&run), &texts.memory, descriptors.as_mut_ptr().cast()) }.map_err(damaged)?;
            for (i, descriptor) in descriptors.chunks_exact(texts.width).enumerate() {
                match heaps.find(descriptor) {
                    Some(text) => give(text)?,
                    None => return Ok(run.start + i - rows.start),
                }
            }
        }
        Ok(rows.len())
    }

    /// Reads one run of `count` texts of any length by the library, and hands each to `give`.
    /// `memory` is the type of the selection and `text` of one text in it. HDF5 allocates each
    /// text; all are freed here, even if `give` fails.
    fn texts_of(
        &self,
        rows: Option<&Range<usize>>,
        count: usize,
        (memory, text): (&Datatype, &Datatype),
        give: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let mut pointers: Vec<*mut c_char> = Vec::new();
        pointers.try_reserve_exact(count).map_err(|_| Error::Memory {
            what: format!("reading {}", self.node.path()),
            needed: (count as u64).saturating_mul(size_of::<*mut c_char>() as u64),
            limit: 0,
            hint: "; the system has no more memory".into(),
        })?;
        pointers.resize(count, std::ptr::null_mut());
        // SAFETY: the buffer has room for a pointer a text, which is what HDF5 writes for `memory`
        // and these rows.
        unsafe { self.read_raw(rows, memory, pointers.as_mut_ptr().cast()) }.map_err(|e| self.node.damaged(&e))?;
        let result = pointers.iter().try_for_each(|&p| {
            // SAFETY: HDF5 hands out NUL-terminated texts, or null for one that was never written.
            give(if p.is_null() { b"" } else { unsafe { CStr::from_ptr(p) }.to_bytes() })
        });
        let n = pointers.len() as u64;
        let mut give_back = || -> hdf5::Result<()> {
            // SAFETY: the pointers came from HDF5 as texts of this type, and are not used after
            // this.
            unsafe {
                let space: Dataspace = from_id(h5call!(H5Screate_simple(1, &n, std::ptr::null()))?)?;
                h5call!(H5Treclaim(text.id(), space.id(), H5P_DEFAULT, pointers.as_mut_ptr().cast()))?;
            }
            Ok(())
        };
        give_back().map_err(|e| self.node.damaged(&e))?;
        result
    }
}

impl Stored for Typed<'_> {
    fn kind(&self) -> &Kind {
        &self.kind
    }

    fn extents(&self) -> Option<Vec<usize>> {
        self.extents.clone()
    }

    fn max_bytes(&self) -> u64 {
        self.most
    }

    fn read(&self, part: &Part<'_>, out: &mut [u8]) -> Result<()> {
        self.claim()?;
        let memory = self.memory(part)?;
        let arrays = part.count / part.inner.iter().product::<usize>().max(1);
        if memory.size().checked_mul(arrays) != Some(out.len()) {
            return Err(Error::Internal(format!(
                "{} bytes for {} values of '{}'",
                out.len(),
                part.count,
                self.node.path()
            )));
        }
        // SAFETY: the buffer has room for the values, which is what HDF5 writes for `memory` and
        // these rows (checked).
        unsafe { self.read_raw(part.rows.as_ref(), &memory, out.as_mut_ptr().cast()) }
            .map_err(|e| self.node.damaged(&e))
    }

    fn texts(&self, part: &Part<'_>, give: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.claim()?;
        match &self.source {
            Source::Dataset(dataset) => lengths::check(self.node, dataset, part.field, part.rows.as_ref())?,
            Source::Attribute(attribute) => lengths::check_attribute(self.node, attribute)?,
        }
        let read = self.texts_of_heaps(part, give)?;
        let rest;
        let part = match read {
            0 => part,
            n if n == part.count => return Ok(()),
            n => {
                let first = part.rows.as_ref().map_or(0, |rows| rows.start);
                rest = Part { rows: Some(first + n..first + part.count), count: part.count - n, ..*part };
                &rest
            }
        };
        let text = datatype::memory_type(part.kind).map_err(|e| self.node.damaged(&e))?;
        let types = (&self.memory(part)?, &text);
        match (&self.source, self.extents.as_deref()) {
            (Source::Dataset(_), Some(&[n, ..])) if part.count > STRINGS_AT_ONCE => {
                let rows = part.rows.clone().unwrap_or(0..n);
                let a_row = part.count / rows.len().max(1);
                let step = (STRINGS_AT_ONCE / a_row.max(1)).max(1);
                rows.clone().step_by(step).try_for_each(|start| {
                    let run = start..(start + step).min(rows.end);
                    self.texts_of(Some(&run), run.len() * a_row, types, give)
                })
            }
            _ => self.texts_of(part.rows.as_ref(), part.count, types, give),
        }
    }
}
