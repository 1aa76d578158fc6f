//! Checks of the size that a dataset claims against the bytes stored for it.

use super::filters::filters;
use super::layout::{is_elsewhere, layout};
use super::{chunks, register, Node};
use crate::codec::id;
use crate::codec::pipeline::Plan;
use crate::error::Result;
use crate::memory;
use crate::store::backend::Backend;
use crate::store::values::UNQUESTIONED;
use hdf5::plist::DatasetCreate;
use hdf5::Dataset;
use hdf5_sys::h5d::H5D_layout_t::H5D_CHUNKED;

/// Upper bound of the chunks of a dataset for each one stored. Chunks that are not stored hold the
/// fill value and take no space in the file.
const ABSENT: u64 = 16;

/// Returns an upper bound, in bytes, of the values of a dataset in its own file. It follows from
/// the bytes that are stored, since a file can claim any extents. `chunks` is the number of stored
/// chunks and the size in bytes of a decoded chunk; `None` for a dataset without chunks. The bound
/// is the smaller of two: 16 times the size of the stored chunks when decoded, and `expansion` (at
/// least 16) times the stored bytes. Without chunks it is 16 times the stored bytes. The factor of
/// 16 allows for chunks that were never written.
pub(super) fn max_bytes(node: &Node, dataset: &Dataset, chunks: Option<(usize, u64)>, expansion: u64) -> u64 {
    let stored = dataset.storage_size().min(node.file().bytes());
    match chunks {
        None => stored.saturating_mul(ABSENT),
        Some((n, bytes)) => {
            let whole = (n as u64).saturating_mul(bytes).saturating_mul(ABSENT);
            whole.min(stored.saturating_mul(expansion.max(ABSENT)))
        }
    }
}

/// Upper bound of the bytes of values for each stored byte, whatever the compressor could do.
const EXPANSION: u64 = 4096;

/// Returns an upper bound, in bytes, of the values of a remote dataset: the size of its file times
/// the expansion of its filters (16 to 4096). The list of its chunks is not read.
///
/// # Errors
/// Errors of reading the filters.
pub(super) fn bound(node: &Node, dataset: &Dataset) -> Result<u64> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    let expansion = register::plan(plist.id()).expansion().clamp(ABSENT, EXPANSION);
    Ok(node.file().bytes().saturating_mul(expansion))
}

/// Checks the chunks of a dataset before the library reads them, and returns an upper bound, in
/// bytes, of the values. The check is needed because the library takes chunks that it does not find
/// for zeros, and allocates a whole chunk whatever part is asked for. For values in other files,
/// nothing is checked, and the bound is 4096 times the stored bytes.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) for a list of chunks that does not fit the extents, and
/// for chunks of over 64 MiB and over 16 times the whole dataset;
/// [`Error::Unsupported`](crate::Error::Unsupported) for a checksum under a filter that `codec`
/// cannot undo.
pub(super) fn check_claim(node: &Node, dataset: &Dataset) -> Result<u64> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    if is_elsewhere(plist.id()) {
        return Ok(dataset.storage_size().saturating_mul(EXPANSION));
    }
    let Some(chunk) = plist.chunk().filter(|_| layout(plist.id()) == Some(H5D_CHUNKED)) else {
        return Ok(max_bytes(node, dataset, None, 1));
    };
    let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
    let extents: Vec<u64> = chunk.iter().map(|&n| n as u64).collect();
    let stored = chunks::read_list(dataset, &shape, &extents).map_err(|found| node.format(chunks::EXPECTED, found))?;
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
    check_checksums(node, &plist, &stored, whole)?;
    let expansion = register::plan(plist.id()).expansion().min(EXPANSION);
    Ok(max_bytes(node, dataset, Some((stored.len(), whole)), expansion))
}

/// Checks the chunks of a dataset whose checksum lies under another filter. That filter may decode
/// to fewer bytes than a checksum has, and the library would then look for the checksum before the
/// chunk's start.
fn check_checksums(node: &Node, plist: &DatasetCreate, stored: &[chunks::Chunk], whole: u64) -> Result<()> {
    const BYTES: &str = "a chunk with a checksum";
    let ids: Vec<i32> = filters(plist.id()).map_err(|e| node.damaged(&e))?.iter().map(|filter| filter.id).collect();
    let above = ids.iter().skip_while(|&&filter| filter != id::FLETCHER32).skip(1);
    if stored.is_empty() || above.filter(|&&filter| filter != id::SHUFFLE && filter != id::FLETCHER32).count() == 0 {
        return Ok(());
    }
    let Plan::Direct(pipeline) = register::plan(plist.id()) else {
        return Err(node.unsupported("a checksum under another filter", "; write the file again with gzip"));
    };
    let file = node.file().reader()?;
    let (mut bytes, mut out) = (Vec::new(), memory::zeros(usize::try_from(whole).unwrap_or(usize::MAX), BYTES)?);
    for c in stored.iter().filter(|c| c.size <= file.len()) {
        memory::lengthen(&mut bytes, c.size as usize, 0, BYTES)?;
        bytes.truncate(c.size as usize);
        file.read(c.address, &mut bytes)?;
        pipeline
            .decode(c.mask, &bytes, &mut out)
            .map_err(|found| node.format(format!("intact data in chunk {}", c.number), found))?;
    }
    Ok(())
}
