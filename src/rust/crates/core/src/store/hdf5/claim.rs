//! The size that a dataset claims, held against what is stored of it.

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

/// How often the bytes of its chunks that are stored a dataset may have: others are the fill value, and cost nothing in the
/// file.
const ABSENT: u64 = 16;

/// The most bytes that the values of a dataset in its own file can be, for what of it is stored: extents are only claimed.
/// A stored byte becomes at most `expansion` bytes, and chunks that are not stored are at most 15 of 16.
pub(super) fn most(node: &Node, dataset: &Dataset, chunks: Option<(usize, u64)>, expansion: u64) -> u64 {
    let stored = dataset.storage_size().min(node.file().bytes());
    match chunks {
        None => stored.saturating_mul(ABSENT),
        Some((n, bytes)) => {
            let whole = (n as u64).saturating_mul(bytes).saturating_mul(ABSENT);
            whole.min(stored.saturating_mul(expansion.max(ABSENT)))
        }
    }
}

/// How often the stored bytes the values of a dataset may be, whatever the compressor could do.
const EXPANSION: u64 = 4096;

/// Checks that the chunks of a dataset are what they must be, before the library goes through them: it takes chunks that
/// it does not find for zeros, and memory for a whole chunk whatever is asked for. Gives the most bytes that the values can
/// be.
pub(super) fn check_claim(node: &Node, dataset: &Dataset) -> Result<u64> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    if is_elsewhere(plist.id()) {
        return Ok(dataset.storage_size().saturating_mul(EXPANSION));
    }
    let Some(chunk) = plist.chunk().filter(|_| layout(plist.id()) == Some(H5D_CHUNKED)) else {
        return Ok(most(node, dataset, None, 1));
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
    check_checksums(node, &plist, &stored, whole)?;
    let expansion = register::plan(plist.id()).expansion().min(EXPANSION);
    Ok(most(node, dataset, Some((stored.len(), whole)), expansion))
}

/// Checks chunks with a checksum under another filter, which may leave less than one: the library looks for it in front of
/// the chunk then.
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
