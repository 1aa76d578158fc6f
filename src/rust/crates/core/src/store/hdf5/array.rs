//! One numeric dataset: its shape, its dtype and the place of its bytes.

use super::chunks::{self, Chunk};
use super::datatype::number_of;
use super::raw::RawFile;
use super::tree::ChunkTree;
use super::{claim, fault, parts, register, Node};
use crate::codec::pipeline::Plan;
use crate::error::Result;
use crate::store::array::{Access, ChunkedArray, Extent, Meta, Take};
use hdf5::sync::sync;
use hdf5::{from_id, h5call, Dataspace};
use hdf5_sys::h5d::{self, H5D_layout_t};
use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5p, h5s};
use std::sync::Arc;

/// Bytes up to which extents are believed whatever is stored.
const UNQUESTIONED: u64 = 64 << 20;

const REWRITE: &str = "; write the file again with gzip, lzf, zstd, lz4 or blosc";

/// Values per piece when a dataset without chunks is read through the library.
const PIECE: u64 = 1 << 16;
/// Values per piece when a virtual dataset is read through the library.
const VIRTUAL_PIECE: u64 = 1 << 20;

/// A numeric dataset. Chunks whose filters `codec` can undo are read at their addresses, without
/// the library and its lock. All others are read through the library, with the same result.
pub(super) struct Hdf5Array {
    file: Arc<RawFile>,
    dataset: hdf5::Dataset,
    meta: Meta,
    places: Places,
    /// The dataset, for errors.
    node: Node,
}

/// The lookup of the places of the chunks.
#[derive(Debug)]
enum Places {
    /// A table of all chunks, read when the dataset is opened.
    Table(Table),
    /// The tree in a remote file, searched for each chunk when it is needed.
    Tree(Box<ChunkTree>),
}

/// The chunks present, by their row-major number in the chunk grid.
#[derive(Debug, Default)]
struct Table {
    entries: Vec<Chunk>,
    complete: bool,
}

impl Table {
    fn new(entries: Vec<Chunk>) -> Self {
        let complete = entries.iter().enumerate().all(|(i, e)| e.number == i as u64);
        Table { entries, complete }
    }

    /// Returns the chunk of this number; `None` when it was never written.
    fn get(&self, number: u64) -> Option<&Chunk> {
        if self.complete {
            self.entries.get(usize::try_from(number).ok()?)
        } else {
            self.entries.binary_search_by_key(&number, |e| e.number).ok().and_then(|i| self.entries.get(i))
        }
    }
}

impl std::fmt::Debug for Hdf5Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hdf5Array").field("meta", &self.meta).finish_non_exhaustive()
    }
}

impl Hdf5Array {
    /// Opens a dataset of numbers.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) for a group, or for chunks that do not fit the
    /// extents or the file; [`Error::Unsupported`](crate::Error::Unsupported) for a datatype or
    /// filter this build cannot read; [`Error::Io`](crate::Error::Io) for the file.
    pub(super) fn open(node: &Node) -> Result<Self> {
        let failed = |e: hdf5::Error| node.damaged(&e);
        let dataset = node.dataset()?.clone();
        let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
        let datatype = dataset.dtype().map_err(failed)?;
        let number = number_of(&datatype).map_err(|what| node.unsupported(what, ""))?;
        let plist = dataset.create_plist().map_err(failed)?;
        let plan = register::plan(plist.id());
        if let Plan::Unsupported(name) = plan {
            return Err(node.unsupported(name, REWRITE));
        }
        // SAFETY: a query on a valid identifier.
        let layout = sync(|| unsafe { h5p::H5Pget_layout(plist.id()) });
        // SAFETY: a query on a valid identifier.
        let external = sync(|| unsafe { h5p::H5Pget_external_count(plist.id()) });
        let here = layout != H5D_layout_t::H5D_VIRTUAL;
        let bytes = shape.iter().fold(number.dtype.size() as u64, |n, &e| n.saturating_mul(e));
        let chunk: Vec<u64> = match (layout, plist.chunk()) {
            (H5D_layout_t::H5D_CHUNKED, Some(c)) if c.len() == shape.len() && !c.contains(&0) => {
                c.iter().map(|&n| n as u64).collect()
            }
            _ => {
                // The parts of a virtual dataset may have chunks, which are decoded again for every
                // piece.
                let piece = if here { PIECE } else { VIRTUAL_PIECE };
                let row: Vec<u64> = shape.iter().skip(1).map(|&m| m.max(1)).collect();
                let rows = piece / row.iter().fold(1_u64, |n, &m| n.saturating_mul(m));
                shape.iter().take(1).map(|_| rows.max(1)).chain(row).collect()
            }
        };
        let whole = chunk.iter().fold(number.dtype.size() as u64, |n, &e| n.saturating_mul(e));
        if layout == H5D_layout_t::H5D_CHUNKED && whole_edges(plist.id()) {
            if let (Plan::Direct(pipeline), Some(tree)) = (&plan, tree_of(node, &shape, &chunk)?) {
                let fill = fill_value(plist.id(), datatype.id(), number.dtype.size());
                let file = node.file().reader()?;
                // The stored bytes are not known before all chunks are found; this is an upper
                // bound.
                let stored = bytes.min(file.len());
                let most = file.len().saturating_mul(plan.expansion());
                if whole.max(bytes) > UNQUESTIONED && whole.max(bytes) > most {
                    return Err(node.format(
                        "extents that fit the stored data",
                        format!("{shape:?} ({bytes} bytes) in a file of {} bytes, which can be {most}", file.len()),
                    ));
                }
                let access = Access::Chunks(pipeline.clone());
                let meta = Meta { shape, number, chunk, access, fill, stored, longest: file.len() };
                return Ok(Hdf5Array { file, dataset, meta, places: Places::Tree(Box::new(tree)), node: node.clone() });
            }
        }
        // SAFETY: a query on a valid identifier.
        let disk_bytes = sync(|| unsafe { h5d::H5Dget_storage_size(dataset.id()) });
        let table = match layout {
            H5D_layout_t::H5D_CHUNKED => chunks::read_list(&dataset, &shape, &chunk)
                .map_err(|found| node.format(chunks::EXPECTED, found))
                .map(Table::new)?,
            _ => Table::default(),
        };
        let chunks = (layout == H5D_layout_t::H5D_CHUNKED).then_some((table.entries.len(), whole));
        let most = claim::max_bytes(node, &dataset, chunks, plan.expansion());
        if here && bytes > UNQUESTIONED && bytes > most {
            // A chunk that was never written takes no space, so a small file can claim any extents.
            return Err(node.format(
                "extents that fit the stored data",
                format!("{shape:?} ({bytes} bytes) over {disk_bytes} stored bytes, which can be {most}"),
            ));
        }
        if let Plan::Direct(pipeline) = &plan {
            if let Some(name) = table.entries.iter().find_map(|e| pipeline.missing(e.mask)) {
                return Err(node.unsupported(name, REWRITE));
            }
        }
        let access = match (layout, plan) {
            (H5D_layout_t::H5D_CHUNKED, Plan::Direct(pipeline)) if whole_edges(plist.id()) => Access::Chunks(pipeline),
            (H5D_layout_t::H5D_CONTIGUOUS, _) if external == 0 => {
                Access::Run(dataset.offset().map(|at| Extent { object: 0, at, size: bytes, mask: 0 }))
            }
            _ => Access::Boxes,
        };
        let fill = fill_value(plist.id(), datatype.id(), number.dtype.size());
        let file = node.file().reader()?;
        let meta = Meta { shape, number, chunk, access, fill, stored: disk_bytes, longest: file.len() };
        Ok(Hdf5Array { file, dataset, meta, places: Places::Table(table), node: node.clone() })
    }
}

/// Returns the tree of the chunks of a dataset in a remote file; `None` in a local file, or for a
/// dataset without such a tree.
fn tree_of(node: &Node, shape: &[u64], chunk: &[u64]) -> Result<Option<ChunkTree>> {
    let file = node.file();
    let (Some(far), true) = (file.as_far(), node.header() > 0) else { return Ok(None) };
    let root = parts::chunk_tree(file.bytes_read(), file.superblock(), node.header());
    let root = root.map_err(|e| match fault::fed("reading a header") {
        Err(error) => error,
        Ok(()) => node.format("an intact header", e.to_string()),
    })?;
    Ok(root.and_then(|root| ChunkTree::new(far, file.superblock(), root, shape, chunk)))
}

impl ChunkedArray for Hdf5Array {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn locate(&self, chunk: u64) -> Result<Option<Extent>> {
        let extent = |&Chunk { address: at, size, mask, .. }: &Chunk| Extent { object: 0, at, size, mask };
        let tree = match &self.places {
            Places::Table(table) => return Ok(table.get(chunk).map(extent)),
            Places::Tree(tree) => tree,
        };
        let found = tree.find(chunk)?.map_err(|found| self.node.format(chunks::EXPECTED, found))?;
        if let (Some(chunk), Access::Chunks(pipeline)) = (&found, &self.meta.access) {
            if let Some(name) = pipeline.missing(chunk.mask) {
                return Err(self.node.unsupported(name, REWRITE));
            }
        }
        Ok(found.as_ref().map(extent))
    }

    fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        self.file.fetch(extents, take)
    }

    fn is_far(&self) -> bool {
        self.file.as_far().is_some()
    }

    fn file(&self) -> Option<u64> {
        self.file.as_far().map(|file| file.number())
    }

    fn read(&self, _: u64, at: u64, out: &mut [u8]) -> Result<()> {
        self.file.read(at, out)
    }

    fn read_box(&self, start: &[u64], count: &[u64], within: &[u64], out: &mut [u8]) -> Result<(), String> {
        let rank = self.meta.shape.len();
        let bytes = within.iter().try_fold(self.meta.number.dtype.size() as u64, |n, &e| n.checked_mul(e));
        let fits = count.iter().zip(within).all(|(c, w)| c <= w);
        if [start.len(), count.len(), within.len()] != [rank; 3] || bytes != Some(out.len() as u64) || !fits {
            return Err(format!("a box of {count:?} in {within:?} for {} bytes", out.len()));
        }
        let failed = |e: hdf5::Error| fault::cause(&e);
        let datatype = self.dataset.dtype().map_err(failed)?;
        let space = self.dataset.space().map_err(failed)?;
        let zero = vec![0u64; rank];
        let read = || -> hdf5::Result<()> {
            let (null, set) = (std::ptr::null(), h5s::H5S_seloper_t::H5S_SELECT_SET);
            let memory = h5call!(h5s::H5Screate_simple(rank as i32, within.as_ptr(), null))?;
            // SAFETY: the identifier was just returned by the constructor.
            let memory: Dataspace = unsafe { from_id(memory) }?;
            // All arrays have the dataset's rank; `out` holds the whole memory dataspace (both
            // checked).
            h5call!(h5s::H5Sselect_hyperslab(memory.id(), set, zero.as_ptr(), null, count.as_ptr(), null))?;
            h5call!(h5s::H5Sselect_hyperslab(space.id(), set, start.as_ptr(), null, count.as_ptr(), null))?;
            let (dataset, datatype, file) = (self.dataset.id(), datatype.id(), space.id());
            let to = out.as_mut_ptr().cast();
            h5call!(h5d::H5Dread(dataset, datatype, memory.id(), file, h5p::H5P_DEFAULT, to))?;
            Ok(())
        };
        sync(read).map_err(failed)
    }
}

/// Returns whether partial chunks at the edge go through the filters like the others, which they do
/// unless the writer said otherwise.
fn whole_edges(plist: hid_t) -> bool {
    let mut options = 0;
    // SAFETY: a query into a local.
    let status = sync(|| unsafe { h5p::H5Pget_chunk_opts(plist, &raw mut options) });
    status >= 0 && options & h5d::H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS == 0
}

/// Returns the value of chunks that were never written, `size` bytes: zero unless the writer set
/// one.
fn fill_value(plist: hid_t, datatype: hid_t, size: usize) -> Vec<u8> {
    let mut value = vec![0u8; size];
    sync(|| {
        let mut defined = h5d::H5D_fill_value_t::H5D_FILL_VALUE_UNDEFINED;
        // SAFETY: a query into a local.
        unsafe { h5p::H5Pfill_value_defined(plist, &raw mut defined) };
        if defined == h5d::H5D_fill_value_t::H5D_FILL_VALUE_USER_DEFINED {
            // SAFETY: `value` has the size of one number of the datatype.
            let status = unsafe { h5p::H5Pget_fill_value(plist, datatype, value.as_mut_ptr().cast()) };
            if status < 0 {
                value.fill(0);
            }
        }
    });
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// Checks which datasets are read at their addresses, and which are left to the library.
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
            let array = store.node(element).unwrap().array().unwrap();
            assert_eq!(!matches!(array.meta().access, Access::Boxes), direct, "{element}");
        }
    }
}
