//! One numeric dataset: its shape, dtype and where its bytes are.

use super::filters::{Pipeline, Plan};
use super::number::NumberType;
use super::RawFile;
use crate::element::DType;
use crate::error::{Error, Result};
use crate::matrix::Reads;
use crate::store::Store;
use hdf5::sync::sync;
use hdf5_sys::h5p;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Bytes up to which extents are believed whatever is stored.
const UNQUESTIONED: u64 = 64 << 20;

/// Values per piece when a dataset without chunks is read through the library.
const PIECE: u64 = 1 << 16;

/// A numeric dataset of one or two dimensions, read chunk by chunk from any thread.
#[derive(Debug)]
pub(crate) struct RawDataset {
    pub(super) store: Arc<Store>,
    pub(super) file: Option<Arc<RawFile>>,
    pub(super) dataset: hdf5::Dataset,
    pub(super) element: String,
    pub(super) shape: Vec<u64>,
    pub(super) number: NumberType,
    pub(super) access: Access,
    /// Shape of a chunk, of the shape's rank; all at least 1.
    pub(super) chunk: Vec<u64>,
    /// One value, as bytes in the file's order: what chunks that were never written hold.
    pub(super) fill: Vec<u8>,
    disk_bytes: u64,
    /// Chunks decoded so far.
    pub(super) decoded: AtomicU64,
}

/// How the bytes are reached.
#[derive(Debug)]
pub(super) enum Access {
    /// In one run from this address; nothing was written when `None`.
    Contiguous(Option<u64>),
    /// In chunks, each through the pipeline.
    Chunked { pipeline: Pipeline, table: Table },
    /// Through the library.
    Library,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    number: u64,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) mask: u32,
}

/// The chunks present, by their row-major number in the chunk grid.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    complete: bool,
}

impl Table {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by_key(|e| e.number);
        let complete = entries.iter().enumerate().all(|(i, e)| e.number == i as u64);
        Table { entries, complete }
    }

    /// The chunk; `None` when it was never written.
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        if self.complete {
            self.entries.get(usize::try_from(number).ok()?)
        } else {
            self.entries.binary_search_by_key(&number, |e| e.number).ok().and_then(|i| self.entries.get(i))
        }
    }
}

impl RawDataset {
    /// Opens the dataset at `element`; `file` is the plain handle, `None` to read through the library alone.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there, [`Error::Format`] when it is no dataset of one or two dimensions,
    /// [`Error::Unsupported`] for a datatype or filter this build cannot read, [`Error::File`] when HDF5 fails.
    pub(crate) fn open(store: &Arc<Store>, file: Option<&Arc<RawFile>>, element: &str) -> Result<Self> {
        let path = store.path();
        let failed =
            |e: hdf5::Error| Error::File { path: path.to_owned(), message: format!("element '{element}': {e}") };
        let hdf5 = store.hdf5();
        match hdf5.loc_type_by_name(element) {
            Ok(hdf5::LocationType::Dataset) => {}
            Ok(_) => {
                let (expected, found) = ("a dataset".to_owned(), "a group".to_owned());
                return Err(Error::Format { path: path.to_owned(), element: element.to_owned(), expected, found });
            }
            Err(_) => {
                let hint = "; a sparse matrix has 'data', 'indices' and 'indptr'".to_owned();
                return Err(Error::Missing { path: path.to_owned(), element: element.to_owned(), hint });
            }
        }
        let dataset = hdf5.dataset(element).map_err(failed)?;
        let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
        if shape.is_empty() || shape.len() > 2 {
            return Err(Error::Format {
                path: path.to_owned(),
                element: element.to_owned(),
                expected: "1 or 2 dimensions".to_owned(),
                found: shape.len().to_string(),
            });
        }
        let unsupported = |what: String, hint: &str| Error::Unsupported {
            path: path.to_owned(),
            element: element.to_owned(),
            what,
            hint: hint.to_owned(),
        };
        let datatype = dataset.dtype().map_err(failed)?;
        let number = NumberType::of(&datatype).map_err(|what| unsupported(what, ""))?;
        let plist = dataset.create_plist().map_err(failed)?;
        let plan = Plan::of(&filters(plist.id()));
        if let Plan::Unsupported(name) = plan {
            return Err(unsupported(name, "; write the file again with gzip, lzf, zstd, lz4 or blosc"));
        }
        // SAFETY: a query on a valid identifier.
        let layout = sync(|| unsafe { h5p::H5Pget_layout(plist.id()) });
        // SAFETY: a query on a valid identifier.
        let disk_bytes = sync(|| unsafe { hdf5_sys::h5d::H5Dget_storage_size(dataset.id()) });
        let here = layout != hdf5_sys::h5d::H5D_layout_t::H5D_VIRTUAL;
        let bytes = shape.iter().fold(number.dtype.size() as u64, |n, &e| n.saturating_mul(e));
        if here && bytes > UNQUESTIONED && bytes > disk_bytes.saturating_mul(plan.expansion()) {
            // Chunks that were never written cost nothing, so that a small file can claim any extents.
            return Err(Error::Format {
                path: path.to_owned(),
                element: element.to_owned(),
                expected: "extents that fit the stored data".to_owned(),
                found: format!("{shape:?} ({bytes} bytes) over {disk_bytes} stored bytes"),
            });
        }
        let chunk = match (layout, plist.chunk()) {
            (hdf5_sys::h5d::H5D_layout_t::H5D_CHUNKED, Some(c)) if c.len() == shape.len() && !c.contains(&0) => {
                c.iter().map(|&n| n as u64).collect()
            }
            _ => match shape.as_slice() {
                [_, m] => vec![(PIECE / (*m).max(1)).max(1), (*m).max(1)],
                _ => vec![PIECE],
            },
        };
        // An external link leads to another file, whose bytes the handle does not read.
        let file = file.filter(|_| same_file(hdf5, &dataset));
        let access = match (layout, plan) {
            _ if file.is_none() => Access::Library,
            (hdf5_sys::h5d::H5D_layout_t::H5D_CHUNKED, Plan::Direct(pipeline)) if whole_edges(plist.id()) => {
                chunk_table(&dataset, &shape, &chunk)
                    .map_or(Access::Library, |table| Access::Chunked { pipeline, table })
            }
            (hdf5_sys::h5d::H5D_layout_t::H5D_CONTIGUOUS, _)
                if sync(|| unsafe { h5p::H5Pget_external_count(plist.id()) }) == 0 =>
            {
                Access::Contiguous(dataset.offset())
            }
            _ => Access::Library,
        };
        let fill = fill_value(plist.id(), datatype.id(), number.dtype.size());
        Ok(RawDataset {
            store: store.clone(),
            file: file.cloned(),
            dataset,
            element: element.to_owned(),
            shape,
            number,
            access,
            chunk,
            fill,
            disk_bytes,
            decoded: AtomicU64::new(0),
        })
    }

    /// Its extents.
    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Extents of a chunk, or of the pieces it is read in.
    pub(crate) fn chunk(&self) -> &[u64] {
        &self.chunk
    }

    /// Its dtype.
    pub(crate) fn dtype(&self) -> DType {
        self.number.dtype
    }

    /// Bytes it takes in the file.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Chunks there are, and how many were decoded so far.
    pub(crate) fn reads(&self) -> Reads {
        let chunks = match self.access {
            Access::Contiguous(_) => 0,
            _ => self.shape.iter().zip(&self.chunk).map(|(&n, &c)| n.div_ceil(c)).product(),
        };
        Reads { chunks, decoded: self.decoded.load(Ordering::Relaxed) }
    }

    /// Whether values come in the other byte order.
    pub(crate) fn is_swapped(&self) -> bool {
        self.number.swapped
    }

    #[cfg(test)]
    /// Whether bytes are read at their addresses rather than through the library.
    pub(crate) fn is_direct(&self) -> bool {
        !matches!(self.access, Access::Library)
    }

    /// Whether the bytes lie in one run.
    pub(crate) fn is_contiguous(&self) -> bool {
        matches!(self.access, Access::Contiguous(_))
    }

    /// An [`Error::Format`] on this dataset.
    pub(crate) fn bad(&self, expected: impl Into<String>, found: impl ToString) -> Error {
        Error::Format {
            path: self.store.path().to_owned(),
            element: self.element.clone(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

/// Whether a dataset lies in the very file that was opened.
fn same_file(file: &hdf5::File, dataset: &hdf5::Dataset) -> bool {
    matches!((file.loc_info(), dataset.loc_info()), (Ok(a), Ok(b)) if a.fileno == b.fileno)
}

/// Identifier and parameters of each filter, in the order of writing.
fn filters(plist: hdf5_sys::h5i::hid_t) -> Vec<(i32, Vec<u32>)> {
    sync(|| {
        // SAFETY: queries on a valid property list; the buffer's length is passed along.
        let n = unsafe { h5p::H5Pget_nfilters(plist) };
        (0..n.max(0) as u32)
            .map(|i| {
                let (mut flags, mut config, mut count, mut values) = (0, 0, 64, vec![0u32; 64]);
                // SAFETY: as above.
                let id = unsafe {
                    h5p::H5Pget_filter2(
                        plist,
                        i,
                        &raw mut flags,
                        &raw mut count,
                        values.as_mut_ptr(),
                        0,
                        std::ptr::null_mut(),
                        &raw mut config,
                    )
                };
                values.truncate(count);
                (id, values)
            })
            .collect()
    })
}

/// Whether partial chunks at the edge go through the filters like the others (they do unless the writer said
/// otherwise).
fn whole_edges(plist: hdf5_sys::h5i::hid_t) -> bool {
    let mut options = 0;
    // SAFETY: a query into a local.
    let status = sync(|| unsafe { h5p::H5Pget_chunk_opts(plist, &raw mut options) });
    status >= 0 && options & hdf5_sys::h5d::H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS == 0
}

/// The value of chunks that were never written: zero unless the writer set one.
fn fill_value(plist: hdf5_sys::h5i::hid_t, datatype: hdf5_sys::h5i::hid_t, size: usize) -> Vec<u8> {
    let mut value = vec![0u8; size];
    sync(|| {
        let mut defined = hdf5_sys::h5d::H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
        // SAFETY: `value` has the size of one number of the datatype.
        unsafe {
            h5p::H5Pfill_value_defined(plist, &raw mut defined);
            if defined == hdf5_sys::h5d::H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED
                && h5p::H5Pget_fill_value(plist, datatype, value.as_mut_ptr().cast()) < 0
            {
                value.fill(0);
            }
        }
    });
    value
}

/// Addresses of all chunks, taken in one walk; `None` when the library's answer does not fit the chunk grid.
fn chunk_table(dataset: &hdf5::Dataset, shape: &[u64], chunk: &[u64]) -> Option<Table> {
    // Before 1.14.4 the library gave addresses relative to the end of the user block.
    let base =
        if hdf5::library_version() < (1, 14, 4) { dataset.file().ok()?.create_plist().ok()?.userblock() } else { 0 };
    let grid: Vec<u64> = shape.iter().zip(chunk).map(|(&n, &c)| n.div_ceil(c)).collect();
    let mut entries = Vec::new();
    let mut fits = true;
    dataset
        .chunks_visit(|c| {
            let mut number = 0u64;
            for ((&at, &size), &extent) in c.offset.iter().zip(chunk).zip(&grid) {
                fits &= at % size == 0 && at / size < extent;
                number = number.saturating_mul(extent).saturating_add(at / size);
            }
            fits &= c.addr != u64::MAX;
            entries.push(Entry { number, address: c.addr.saturating_add(base), size: c.size, mask: c.filter_mask });
            0
        })
        .ok()?;
    fits.then(|| Table::new(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which datasets are read at their addresses, and which are left to the library.
    #[test]
    fn eligibility() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../tests/golden/matrix");
        for (file, element, direct) in [
            ("filters.h5", "zstd/data", true),
            ("filters.h5", "lz4/indices", true),
            ("filters.h5", "blosc/data", true),
            ("types.h5", "f4_big/data", true),
            ("userblock.h5", "contiguous", true),
            ("layouts.h5", "masked/data", true),
            ("layouts.h5", "missing", true),
            ("layouts.h5", "checksum", true),
            ("layouts.h5", "unfiltered_edges", false),
            ("layouts.h5", "compact", false),
            ("layouts.h5", "virtual", false),
        ] {
            let store = Store::open(fixtures.join(file)).unwrap();
            let raw = RawFile::of(&store).unwrap().map(Arc::new);
            assert!(raw.is_some());
            let dataset = RawDataset::open(&store, raw.as_ref(), element).unwrap();
            assert_eq!(dataset.is_direct(), direct, "{element}");
            assert!(!RawDataset::open(&store, None, element).unwrap().is_direct());
        }
    }
}
