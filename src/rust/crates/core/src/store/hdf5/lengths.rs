//! Checks of the lengths of texts before the library allocates memory for them. The library
//! allocates as many bytes as a text claims, and finds out later that there are fewer.

use super::descriptors::{is_nested, Texts};
use super::{chunks, layout, Node};
use crate::error::Result;
use crate::memory;
use crate::store::backend::Backend;
use hdf5::{from_id, h5call, Attribute, Dataset, Dataspace, Location};
use hdf5_sys::h5::{H5_INDEX_NAME, H5_ITER_NATIVE};
use hdf5_sys::h5a::{H5Aopen_by_idx, H5Aread};
use hdf5_sys::h5d::H5D_layout_t::H5D_CONTIGUOUS;
use hdf5_sys::h5d::H5Dread;
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5Screate_simple, H5Sselect_hyperslab, H5S_ALL, H5S_SELECT_SET};
use std::ffi::c_void;
use std::ops::Range;

/// Values that are checked together.
const AT_ONCE: u64 = 1 << 16;
/// Upper bound of the values in one row.
const IN_A_ROW: u64 = 1 << 22;
/// Upper bound of the bytes of a chunk that was never written and whose fill value has to be
/// checked.
const LARGEST: u64 = 64 << 20;
/// Upper bound of the number of values in a dataset whose parts lie elsewhere, for each byte of the
/// file and of the files that links in it opened.
const EXPANSION: u64 = 4096;

/// Checks the texts in rows of a dataset, or in a field of its records, before they are read. Their
/// lengths together must not exceed the size of the file, since no text is stored twice.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) with the text at which they do;
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
pub(super) fn check(node: &Node, dataset: &Dataset, field: Option<&str>, rows: Option<&Range<usize>>) -> Result<()> {
    let damaged = |e: hdf5::Error| node.damaged(&e);
    match Texts::find(node, &dataset.dtype().map_err(damaged)?, field)? {
        Some(texts) => Sum::new(node, &texts, String::new()).rows_of(dataset, rows),
        None => Ok(()),
    }
}

/// Checks the texts of an attribute before they are read.
///
/// # Errors
/// The errors of [`check`].
pub(super) fn check_attribute(node: &Node, attribute: &Attribute) -> Result<()> {
    let damaged = |e: hdf5::Error| node.damaged(&e);
    let Some(texts) = Texts::find(node, &attribute.dtype().map_err(damaged)?, None)? else { return Ok(()) };
    let space = attribute.space().map_err(damaged)?;
    let n = if space.is_null() { 0 } else { space.size() };
    if n == 0 {
        return Ok(());
    }
    let mut sum = Sum::new(node, &texts, format!("attribute '{}': ", attribute.name()));
    let mut out = sum.room(n as u64)?;
    let place = out.as_mut_ptr().cast::<c_void>();
    h5call!(H5Aread(attribute.id(), texts.memory.id(), place)).map_err(damaged)?;
    sum.add(&out)
}

/// Checks all texts of an element and of its attributes, before the library copies it.
///
/// # Errors
/// The errors of [`check`]; [`Error::Unsupported`](crate::Error::Unsupported) for texts or lists
/// within lists, whose lengths cannot be read.
pub(super) fn check_all(node: &Node) -> Result<()> {
    if !node.is_group() {
        let dataset = node.dataset()?;
        let dtype = dataset.dtype().map_err(|e| node.damaged(&e))?;
        if is_nested(&dtype).map_err(|e| node.damaged(&e))? {
            return Err(node.unsupported("copying lists of texts or of lists", ""));
        }
        check(node, dataset, None, None)?;
    }
    check_attributes(node, node.location())
}

/// Checks the texts of all attributes of an object, which is `node` or a datatype in it.
///
/// # Errors
/// The errors of [`check_all`].
pub(super) fn check_attributes(node: &Node, object: &Location) -> Result<()> {
    let damaged = |e: hdf5::Error| node.damaged(&e);
    let n = object.loc_info().map_err(damaged)?.num_attrs;
    for i in 0..n as u64 {
        let open = || -> hdf5::Result<Attribute> {
            let (name, plain) = (c".".as_ptr(), H5P_DEFAULT);
            // SAFETY: the identifier was just returned by the constructor.
            unsafe {
                from_id(h5call!(H5Aopen_by_idx(object.id(), name, H5_INDEX_NAME, H5_ITER_NATIVE, i, plain, plain))?)
            }
        };
        let attribute = open().map_err(damaged)?;
        let dtype = attribute.dtype().map_err(damaged)?;
        if is_nested(&dtype).map_err(damaged)? {
            let what = format!("copying lists of texts or of lists, as in attribute '{}',", attribute.name());
            return Err(node.unsupported(what, ""));
        }
        check_attribute(node, &attribute)?;
    }
    Ok(())
}

/// The sum of the lengths of texts.
struct Sum<'a> {
    node: &'a Node,
    texts: &'a Texts,
    /// Start of `found` in errors: empty, or the name of the attribute.
    what: String,
    most: u64,
    bytes: u64,
    seen: u64,
}

impl<'a> Sum<'a> {
    fn new(node: &'a Node, texts: &'a Texts, what: String) -> Sum<'a> {
        Sum { node, texts, what, most: node.file().bytes(), bytes: 0, seen: 0 }
    }

    fn room(&self, values: u64) -> Result<Vec<u8>> {
        let one = self.texts.memory.size() as u64;
        let bytes = usize::try_from(values.saturating_mul(one)).unwrap_or(usize::MAX);
        memory::zeros(bytes, &format!("looking at the texts of {}", self.node.path()))
    }

    /// Adds the lengths of texts. `stored` has their descriptors as in the file: a length of 4
    /// bytes, then the place.
    fn add(&mut self, stored: &[u8]) -> Result<()> {
        for (text, unit) in stored.chunks_exact(self.texts.width).zip(self.texts.units.iter().cycle()) {
            let length = text.first_chunk::<4>().map_or(0, |n| u32::from_le_bytes(*n));
            self.bytes = self.bytes.saturating_add(u64::from(length).saturating_mul(*unit));
            if self.bytes > self.most {
                let found = format!(
                    "{}text {} (zero-based) of {length} bytes, {} in all so far",
                    self.what, self.seen, self.bytes
                );
                return Err(self.node.format(format!("texts that fit the file of {} bytes", self.most), found));
            }
            self.seen += 1;
        }
        Ok(())
    }

    fn rows_of(&mut self, dataset: &Dataset, rows: Option<&Range<usize>>) -> Result<()> {
        let node = self.node;
        let damaged = |e: hdf5::Error| node.damaged(&e);
        if dataset.space().map_err(damaged)?.size() == 0 {
            return Ok(());
        }
        let plist = dataset.create_plist().map_err(damaged)?;
        let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
        let n = shape.iter().fold(1_u64, |n, &e| n.saturating_mul(e));
        let whole = 0..shape.first().copied().unwrap_or(1);
        let rows = rows.map_or(whole, |r| r.start as u64..r.end as u64);
        if layout::is_elsewhere(plist.id()) {
            self.most = node.file().bytes_of_family();
            if n > self.most.saturating_mul(EXPANSION) {
                return Err(node.format("a size that fits the stored data", format!("extents {shape:?}")));
            }
            return self.runs(dataset, &shape, rows);
        }
        if let Some(chunk) = plist.chunk() {
            let chunk: Vec<u64> = chunk.iter().map(|&n| n as u64).collect();
            return self.chunks_of(dataset, &shape, &chunk, &rows, layout::has_fill(plist.id()));
        }
        let stored = dataset.storage_size();
        if stored == 0 || dataset.offset().is_none() && layout::layout(plist.id()) == Some(H5D_CONTIGUOUS) {
            // Never written: each value is the fill value, so one of them is enough.
            return self.read(dataset, &vec![0; shape.len()], &vec![1; shape.len()]);
        }
        if stored > self.most || n > stored {
            let found = format!("extents {shape:?} in {stored} bytes");
            return Err(node.format(format!("a size that fits the file of {} bytes", self.most), found));
        }
        self.runs(dataset, &shape, rows)
    }

    /// Adds the texts of rows, many rows at a time.
    fn runs(&mut self, dataset: &Dataset, shape: &[u64], rows: Range<u64>) -> Result<()> {
        let a_row = shape.iter().skip(1).fold(1_u64, |n, &e| n.saturating_mul(e));
        if a_row > IN_A_ROW {
            return Err(self.node.format(format!("at most {IN_A_ROW} texts in a row"), format!("extents {shape:?}")));
        }
        let step = (AT_ONCE / a_row.max(1) / self.texts.units.len().max(1) as u64).max(1);
        let mut at = rows.start;
        while at < rows.end {
            let (mut start, mut count) = (vec![0; shape.len()], shape.to_vec());
            if let (Some(first), Some(n)) = (start.first_mut(), count.first_mut()) {
                (*first, *n) = (at, step.min(rows.end - at));
            }
            self.read(dataset, &start, &count)?;
            at += step;
        }
        Ok(())
    }

    /// Adds the texts of the stored chunks, one chunk after the other. If a chunk is missing and
    /// the writer set a fill value, one value of the missing chunk is added too.
    fn chunks_of(
        &mut self,
        dataset: &Dataset,
        shape: &[u64],
        chunk: &[u64],
        rows: &Range<u64>,
        fill: bool,
    ) -> Result<()> {
        let stored =
            chunks::read_list(dataset, shape, chunk).map_err(|found| self.node.format(chunks::EXPECTED, found))?;
        let missing = (0..).zip(&stored).find(|(i, c)| *i != c.number).map_or(stored.len() as u64, |(i, _)| i);
        if fill && missing < chunks::count(shape, chunk) {
            let bytes = chunk.iter().fold(self.texts.width as u64, |n, &e| n.saturating_mul(e));
            if bytes > LARGEST {
                let found = format!("chunks of {bytes} bytes, not all of them stored, with a text as their value");
                return Err(self.node.format("texts that fit the stored data", found));
            }
            self.read(dataset, &chunks::place(missing, shape, chunk), &vec![1; shape.len()])?;
        }
        for c in &stored {
            let mut start = chunks::place(c.number, shape, chunk);
            let mut count: Vec<u64> =
                start.iter().zip(chunk).zip(shape).map(|((&at, &size), &n)| size.min(n - at)).collect();
            if let (Some(first), Some(n)) = (start.first_mut(), count.first_mut()) {
                let end = (*first + *n).min(rows.end);
                *first = (*first).max(rows.start);
                if *first >= end {
                    continue;
                }
                *n = end - *first;
            }
            self.read(dataset, &start, &count)?;
        }
        Ok(())
    }

    fn read(&mut self, dataset: &Dataset, start: &[u64], count: &[u64]) -> Result<()> {
        let node = self.node;
        let n = count.iter().fold(1_u64, |n, &e| n.saturating_mul(e));
        let mut out = self.room(n)?;
        let place = out.as_mut_ptr().cast::<c_void>();
        let read = || -> hdf5::Result<()> {
            let (memory, plain, none) = (self.texts.memory.id(), H5P_DEFAULT, std::ptr::null());
            if count.is_empty() {
                h5call!(H5Dread(dataset.id(), memory, H5S_ALL, H5S_ALL, plain, place))?;
                return Ok(());
            }
            let file = dataset.space()?;
            h5call!(H5Sselect_hyperslab(file.id(), H5S_SELECT_SET, start.as_ptr(), none, count.as_ptr(), none))?;
            // SAFETY: the identifier was just returned by the constructor.
            let space: Dataspace =
                unsafe { from_id(h5call!(H5Screate_simple(count.len() as i32, count.as_ptr(), none))?)? };
            h5call!(H5Dread(dataset.id(), memory, space.id(), file.id(), plain, place))?;
            Ok(())
        };
        read().map_err(|e| node.damaged(&e))?;
        self.add(&out)
    }
}
