//! Copies of datasets that the library cannot copy itself: with values in other files, or with
//! filters that have no name in the file.

use super::filters::{filters, Filter};
use super::sink::{c_name, Hdf5Group};
use super::{chunks, layout, lengths, Node};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::sink::Layout;
use hdf5::sync::sync;
use hdf5::{from_id, h5call, Dataset, Dataspace, Datatype, Location};
use hdf5_sys::h5a::{
    H5Aclose, H5Acreate2, H5Aget_create_plist, H5Aget_name, H5Aget_space, H5Aget_type, H5Aopen_by_idx, H5Aread,
    H5Awrite,
};
use hdf5_sys::h5d::{H5Dcreate2, H5Dread, H5Dwrite, H5Dwrite_chunk};
use hdf5_sys::h5l::H5Lcreate_soft;
use hdf5_sys::h5p::{H5Pclose, H5P_DEFAULT};
use hdf5_sys::h5s::{H5Screate_simple, H5Sselect_hyperslab, H5S_ALL, H5S_SELECT_SET};
use hdf5_sys::h5t::{H5T_class_t, H5Tdetect_class, H5Tis_variable_str, H5Treclaim};
use hdf5_sys::h5z::H5Zfilter_avail;
use std::ffi::{c_void, CString};

/// The first filter identifier that is not the library's own. Filters from here on may lack a name
/// in the file.
const OTHERS: i32 = 256;
/// Bytes moved at a time.
const PIECE: usize = 8 << 20;
/// Bytes that extents may claim whatever is stored, and the factor by which they may exceed the
/// stored bytes beyond that.
const UNQUESTIONED: u64 = 64 << 20;
const EXPANSION: u64 = 4096;

/// Returns whether the library knows how to apply a filter.
fn is_known(id: i32) -> bool {
    // SAFETY: a query that takes any number.
    sync(|| unsafe { H5Zfilter_avail(id) }) > 0
}

/// Returns whether a dataset has to be copied here.
pub(super) fn is_needed(dataset: &Dataset) -> hdf5::Result<bool> {
    let plist = dataset.create_plist()?;
    // For a filter that the library knows, it does not report whether the name is in the file.
    let unnamed = |f: &Filter| f.id >= OTHERS && (!f.named || is_known(f.id));
    Ok(layout::is_elsewhere(plist.id()) || filters(plist.id())?.iter().any(unnamed))
}

/// Returns whether values are pointers in memory, and whether they are references to places in
/// their file.
fn indirect(dtype: &Datatype) -> hdf5::Result<(bool, bool)> {
    let has = |class| Ok::<_, hdf5::Error>(h5call!(H5Tdetect_class(dtype.id(), class))? > 0);
    let text = h5call!(H5Tis_variable_str(dtype.id()))? > 0;
    // The class of a compound does not reveal its texts. All compounds are reclaimed, which is
    // harmless.
    let compound = has(H5T_class_t::H5T_COMPOUND)? || has(H5T_class_t::H5T_ARRAY)?;
    Ok((text || compound || has(H5T_class_t::H5T_VLEN)?, has(H5T_class_t::H5T_REFERENCE)?))
}

/// Returns whether every chunk of a dataset skipped one of its filters.
fn never_applied(node: &Node) -> Result<bool> {
    let dataset = node.dataset()?;
    let Some(chunk) = dataset.chunk() else { return Ok(false) };
    let wide = |extents: Vec<usize>| extents.into_iter().map(|n| n as u64).collect::<Vec<_>>();
    let stored = chunks::read_list(dataset, &wide(dataset.shape()), &wide(chunk))
        .map_err(|found| node.format(chunks::EXPECTED, found))?;
    Ok(stored.iter().all(|c| c.mask != 0))
}

impl Hdf5Group<'_> {
    /// Copies a dataset as `key`, with its attributes. Chunks in the dataset's own file are copied
    /// encoded; otherwise its values are read and written.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for references as values, and for a filter that neither the file nor
    /// the library names; errors of reading; [`Error::Io`] for the target.
    pub(super) fn repack(&self, key: &str, node: &Node) -> Result<()> {
        let from = node.dataset()?;
        let (read, write) = (|e: hdf5::Error| node.damaged(&e), |e: hdf5::Error| self.writer.fault(&e));
        let (dtype, space) = (from.dtype().map_err(read)?, from.space().map_err(read)?);
        let plist = from.create_plist().map_err(read)?;
        let elsewhere = layout::is_elsewhere(plist.id());
        if let Some(f) = filters(plist.id()).map_err(read)?.iter().find(|f| !f.optional && !is_known(f.id)) {
            return Err(node.unsupported(
                crate::codec::name_of(f.id),
                ", and is not named in the file, so that it cannot be copied; write the file again with gzip",
            ));
        }
        let (pointers, references) = indirect(&dtype).map_err(read)?;
        if references {
            return Err(node.unsupported("copying references to other elements", ""));
        }
        // Texts are encoded anew. Filters that were never applied to them are left out.
        let unused = pointers && !elsewhere && never_applied(node)?;
        let to = if elsewhere || unused {
            let shape = from.shape();
            self.check_claim(node, &dtype, &shape)?;
            self.new_dataset(key, &dtype, Some(&shape), &Layout::default())?
        } else {
            let name = c_name(key)?;
            let make = || -> hdf5::Result<Dataset> {
                let link = super::sink::utf8_link()?;
                let (dtype, space, plist) = (dtype.id(), space.id(), plist.id());
                let id =
                    h5call!(H5Dcreate2(self.group.id(), name.as_ptr(), dtype, space, link.id(), plist, H5P_DEFAULT))?;
                // SAFETY: the identifier was just returned by the constructor.
                unsafe { from_id(id) }
            };
            make().map_err(write)?
        };
        match plist.chunk().filter(|_| !elsewhere && !pointers) {
            Some(chunk) => self.move_chunks(node, &to, &chunk)?,
            None => self.move_values(node, &to, &dtype, pointers)?,
        }
        self.copy_attributes(node, &to)
    }

    /// Checks that a dataset does not claim far more values than its files could hold.
    fn check_claim(&self, node: &Node, dtype: &Datatype, shape: &[usize]) -> Result<()> {
        let claimed = shape.iter().fold(dtype.size() as u64, |n, &e| n.saturating_mul(e as u64));
        let stored = node.file().bytes_of_family();
        if claimed > UNQUESTIONED.max(stored.saturating_mul(EXPANSION)) {
            let found = format!("extents {shape:?} ({claimed} bytes) over files of {stored} bytes");
            return Err(node.format("a size that fits the stored data", found));
        }
        Ok(())
    }

    /// Copies the chunks without decoding them.
    fn move_chunks(&self, node: &Node, to: &Dataset, chunk: &[usize]) -> Result<()> {
        let shape: Vec<u64> = to.shape().iter().map(|&n| n as u64).collect();
        let chunk: Vec<u64> = chunk.iter().map(|&n| n as u64).collect();
        let stored =
            chunks::read_list(node.dataset()?, &shape, &chunk).map_err(|found| node.format(chunks::EXPECTED, found))?;
        let file = node.file().reader()?;
        let length = file.len();
        for c in stored {
            if c.size > length {
                return Err(node.format(chunks::EXPECTED, format!("a chunk of {} bytes in a file of {length}", c.size)));
            }
            let mut bytes = memory::zeros(c.size as usize, &format!("copying {}", node.path()))?;
            file.read(c.address, &mut bytes)?;
            let offset = chunks::place(c.number, &shape, &chunk);
            let (at, data) = (offset.as_ptr(), bytes.as_ptr().cast());
            let done = || h5call!(H5Dwrite_chunk(to.id(), H5P_DEFAULT, c.mask, at, bytes.len(), data));
            done().map_err(|e| self.writer.fault(&e))?;
        }
        Ok(())
    }

    /// Copies the values, in runs of rows.
    fn move_values(&self, node: &Node, to: &Dataset, dtype: &Datatype, pointers: bool) -> Result<()> {
        let from = node.dataset()?;
        let shape = from.shape();
        let row = shape.iter().skip(1).product::<usize>().saturating_mul(dtype.size());
        let step = if shape.is_empty() { 1 } else { (PIECE / row.max(1)).max(1) };
        let rows = shape.first().copied().unwrap_or(1);
        if from.size() == 0 {
            return Ok(());
        }
        let mut buffer = Vec::new();
        for start in (0..rows).step_by(step) {
            let n = step.min(rows - start);
            let select = |of: &Dataset| -> hdf5::Result<(i64, Dataspace)> {
                let space = of.space()?;
                if shape.is_empty() {
                    return Ok((H5S_ALL, space));
                }
                let mut at = vec![0_u64; shape.len()];
                let mut count: Vec<u64> = shape.iter().map(|&e| e as u64).collect();
                (at[0], count[0]) = (start as u64, n as u64);
                let none = std::ptr::null();
                h5call!(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, at.as_ptr(), none, count.as_ptr(), none))?;
                Ok((space.id(), space))
            };
            let bytes = row.checked_mul(n).filter(|&b| buffer.try_reserve(b).is_ok()).ok_or_else(|| Error::Memory {
                what: format!("copying {}", node.path()),
                needed: (row as u64).saturating_mul(n as u64),
                limit: 0,
                hint: "; the system has no more memory".into(),
            })?;
            let bytes = if shape.is_empty() { dtype.size() } else { bytes };
            buffer.clear();
            buffer.resize(bytes, 0_u8);
            let place = buffer.as_mut_ptr().cast::<c_void>();
            let count = (bytes / dtype.size().max(1)) as u64;
            // SAFETY: the identifiers are those of new objects; the buffer has room for the values
            // selected.
            let memory: Dataspace =
                unsafe { h5call!(H5Screate_simple(1, &raw const count, std::ptr::null())).and_then(|id| from_id(id)) }
                    .map_err(|e| self.writer.fault(&e))?;
            let source = select(from).map_err(|e| node.damaged(&e))?;
            h5call!(H5Dread(from.id(), dtype.id(), memory.id(), source.0, H5P_DEFAULT, place))
                .map_err(|e| node.damaged(&e))?;
            let write = || -> hdf5::Result<()> {
                let target = select(to)?;
                h5call!(H5Dwrite(to.id(), dtype.id(), memory.id(), target.0, H5P_DEFAULT, place))?;
                Ok(())
            };
            let written = write();
            if pointers {
                h5call!(H5Treclaim(dtype.id(), memory.id(), H5P_DEFAULT, place)).map_err(|e| node.damaged(&e))?;
            }
            written.map_err(|e| self.writer.fault(&e))?;
        }
        Ok(())
    }

    /// Copies the attributes of an element to `to`. References lead nowhere in another file and are
    /// left out.
    pub(super) fn copy_attributes(&self, node: &Node, to: &Location) -> Result<()> {
        let on = node.location();
        lengths::check_attributes(node, on)?;
        let n = on.loc_info().map_err(|e| node.damaged(&e))?.num_attrs;
        for i in 0..n as u64 {
            copy_attribute(on, i, to).map_err(|e| node.damaged(&e))?;
        }
        Ok(())
    }

    /// Creates a soft link `key` to `target`.
    pub(super) fn soft_link(&self, key: &str, target: &str) -> Result<()> {
        let name = c_name(key)?;
        let target = CString::new(target).map_err(|_| Error::parameter("key", "a target without NUL", target))?;
        let link = || -> hdf5::Result<()> {
            let link = super::sink::utf8_link()?;
            h5call!(H5Lcreate_soft(target.as_ptr(), self.group.id(), name.as_ptr(), link.id(), H5P_DEFAULT))?;
            Ok(())
        };
        link().map_err(|e| self.writer.fault(&e))
    }
}

/// Copies the attribute number `i`.
fn copy_attribute(on: &Location, i: u64, to: &Location) -> hdf5::Result<()> {
    use hdf5_sys::h5::{H5_INDEX_NAME, H5_ITER_NATIVE};
    let attribute =
        h5call!(H5Aopen_by_idx(on.id(), c".".as_ptr(), H5_INDEX_NAME, H5_ITER_NATIVE, i, H5P_DEFAULT, H5P_DEFAULT))?;
    let copy = || -> hdf5::Result<()> {
        // SAFETY: the identifier was just returned by the constructor.
        let dtype: Datatype = unsafe { from_id(h5call!(H5Aget_type(attribute))?) }?;
        // SAFETY: as above.
        let space: Dataspace = unsafe { from_id(h5call!(H5Aget_space(attribute))?) }?;
        let (pointers, references) = indirect(&dtype)?;
        if references {
            return Ok(());
        }
        let size = h5call!(H5Aget_name(attribute, 0, std::ptr::null_mut()))?;
        let mut name = vec![0_u8; usize::try_from(size).unwrap_or(0) + 1];
        h5call!(H5Aget_name(attribute, name.len(), name.as_mut_ptr().cast()))?;
        let bytes = if space.is_null() { 0 } else { space.size().saturating_mul(dtype.size()) };
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(bytes).map_err(|_| hdf5::Error::from("an attribute larger than memory"))?;
        buffer.resize(bytes, 0_u8);
        let place = buffer.as_mut_ptr().cast::<c_void>();
        let plist = h5call!(H5Aget_create_plist(attribute))?;
        let made = h5call!(H5Acreate2(to.id(), name.as_ptr().cast(), dtype.id(), space.id(), plist, H5P_DEFAULT));
        // SAFETY: made above, used by nobody else.
        sync(|| unsafe { H5Pclose(plist) });
        let made = made?;
        let moved = (|| -> hdf5::Result<()> {
            if bytes > 0 {
                h5call!(H5Aread(attribute, dtype.id(), place))?;
                let written = h5call!(H5Awrite(made, dtype.id(), place)).map(|_| ());
                if pointers {
                    h5call!(H5Treclaim(dtype.id(), space.id(), H5P_DEFAULT, place))?;
                }
                written?;
            }
            Ok(())
        })();
        // SAFETY: as above.
        sync(|| unsafe { H5Aclose(made) });
        moved
    };
    let done = copy();
    // SAFETY: as above.
    sync(|| unsafe { H5Aclose(attribute) });
    done
}
