//! One numeric dataset: its shape, dtype and where its bytes are.

use super::number::NumberType;
use super::RawFile;
use crate::codec::pipeline::{Pipeline, Plan};
use crate::element::DType;
use crate::error::{Error, Result};
use crate::matrix::Reads;
use crate::store::chunks::{self, Chunk as Entry};
use crate::store::{Node, Store};
use hdf5::sync::sync;
use hdf5_sys::h5p;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Bytes up to which extents are believed whatever is stored.
const UNQUESTIONED: u64 = 64 << 20;

const REWRITE: &str = "; write the file again with gzip, lzf, zstd, lz4 or blosc";

/// Values per piece when a dataset without chunks is read through the library.
const PIECE: u64 = 1 << 16;
/// The same for a virtual dataset.
const VIRTUAL_PIECE: u64 = 1 << 20;

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

/// The chunks present, by their row-major number in the chunk grid.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    complete: bool,
}

impl Table {
    fn new(entries: Vec<Entry>) -> Self {
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
    /// Opens a dataset; `file` is a plain handle on the file it is in, `None` to read through the library alone.
    ///
    /// # Errors
    /// [`Error::Format`] when it is no dataset of one or two dimensions, or its chunks cannot be;
    /// [`Error::Unsupported`] for a datatype or filter this build cannot read, [`Error::File`] when HDF5 fails.
    pub(crate) fn open(node: &Node, file: Option<&Arc<RawFile>>) -> Result<Self> {
        let (store, element) = (node.store(), node.path());
        let path = store.path();
        let failed = |e: hdf5::Error| node.damaged(&e);
        let dataset = node.dataset()?.clone();
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
        let plan = crate::store::plan(plist.id());
        if let Plan::Unsupported(name) = plan {
            return Err(unsupported(name, REWRITE));
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
            _ => {
                // The parts of a virtual dataset may have chunks, which are decoded again for every piece.
                let piece = if here { PIECE } else { VIRTUAL_PIECE };
                match shape.as_slice() {
                    [_, m] => vec![(piece / (*m).max(1)).max(1), (*m).max(1)],
                    _ => vec![piece],
                }
            }
        };
        let table = match layout {
            hdf5_sys::h5d::H5D_layout_t::H5D_CHUNKED => chunks::of(&dataset, &shape, &chunk)
                .map_err(|found| node.format(chunks::EXPECTED, found))
                .map(Table::new)?,
            _ => Table::default(),
        };
        if let Plan::Direct(pipeline) = &plan {
            if let Some(name) = table.entries.iter().find_map(|e| pipeline.missing(e.mask)) {
                return Err(unsupported(name, REWRITE));
            }
        }
        let access = match (layout, plan) {
            _ if file.is_none() => Access::Library,
            (hdf5_sys::h5d::H5D_layout_t::H5D_CHUNKED, Plan::Direct(pipeline)) if whole_edges(plist.id()) => {
                Access::Chunked { pipeline, table }
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
            let raw = Arc::new(RawFile::of(&store).unwrap());
            let node = store.node(element).unwrap();
            let dataset = RawDataset::open(&node, Some(&raw)).unwrap();
            assert_eq!(dataset.is_direct(), direct, "{element}");
            assert!(!RawDataset::open(&node, None).unwrap().is_direct());
        }
    }
}
