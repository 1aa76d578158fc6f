//! Lengths of texts, looked at before the library takes memory for them: it takes what a text says it has, and finds out
//! later that it has less.

use super::{chunks, register, storage, Node};
use crate::codec::pipeline::Plan;
use crate::error::{Error, Result};
use crate::memory;
use crate::store::backend::Backend;
use crate::store::positioned::read_exact;
use hdf5::types::TypeDescriptor;
use hdf5::Dataset;
use hdf5_sys::h5d::H5D_layout_t::{H5D_CHUNKED, H5D_CONTIGUOUS};

/// The name of texts in errors.
const TEXTS: &str = "the lengths of texts";

/// Bytes looked at together.
const PIECE: u64 = 1 << 20;
/// Bytes of a chunk that is decoded for it.
const LARGEST: u64 = 64 << 20;

/// Checks all the texts of a dataset before the library copies it.
///
/// # Errors
/// As [`check`].
pub(super) fn check_all(node: &Node, dataset: &Dataset) -> Result<()> {
    match dataset.dtype().and_then(|t| t.to_descriptor()) {
        Ok(TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode) => check(node, dataset, None),
        Ok(TypeDescriptor::Compound(record)) => {
            let is_text = |t: &TypeDescriptor| matches!(t, TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode);
            record.fields.iter().filter(|f| is_text(&f.ty)).try_for_each(|f| check(node, dataset, Some(&f.name)))
        }
        // Of other types nothing is known here.
        _ => Ok(()),
    }
}

/// Checks that the texts of a dataset, or of a field of its records, fit its file, all of them together: none is there
/// twice. Records that hold more than numbers and texts are not looked through.
///
/// # Errors
/// [`Error::Format`] with the text that does not; [`Error::Io`] when the file cannot be read.
pub(super) fn check(node: &Node, dataset: &Dataset, field: Option<&str>) -> Result<()> {
    let plist = dataset.create_plist().map_err(|e| node.damaged(&e))?;
    if storage::is_elsewhere(plist.id()) || dataset.size() == 0 {
        return Ok(());
    }
    let io = |e: std::io::Error| Error::io(node.file().path(), "read", &e);
    let file = node.file().raw().map_err(io)?;
    let addresses = node.file().hdf5().create_plist().map_or(8, |p| p.sizes().sizeof_addr);
    let Some((offset, width)) = place(dataset, field, 8 + addresses) else { return Ok(()) };
    let mut sum = Sum { node, offset, most: node.file().bytes(), bytes: 0, texts: 0 };
    match (storage::layout(plist.id()), plist.chunk()) {
        (Some(H5D_CONTIGUOUS), _) => {
            let (stored, n) = (dataset.storage_size(), dataset.size() as u64);
            let Some(start) = dataset.offset().filter(|_| stored % n == 0) else { return Ok(()) };
            let width = stored / n;
            let step = (PIECE / width.max(1)).max(1) * width.max(1);
            let mut at = 0;
            while at < stored {
                let mut piece = memory::zeros(step.min(stored - at) as usize, TEXTS)?;
                // The library says what is wrong with a file that is too short.
                if read_exact(&file, &mut piece, start.saturating_add(at)).is_err() {
                    return Ok(());
                }
                sum.add(&piece, width as usize)?;
                at += step;
            }
            Ok(())
        }
        (Some(H5D_CHUNKED), Some(chunk)) => {
            let Plan::Direct(pipeline) = register::plan(plist.id()) else { return Ok(()) };
            let extents: Vec<u64> = chunk.iter().map(|&n| n as u64).collect();
            let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
            let whole = extents.iter().fold(width as u64, |n, &e| n.saturating_mul(e));
            let stored = chunks::of(dataset, &shape, &extents).map_err(|found| node.format(chunks::EXPECTED, found))?;
            if whole > LARGEST {
                return Ok(());
            }
            let (mut bytes, mut texts) = (Vec::new(), memory::zeros(whole as usize, TEXTS)?);
            for c in stored {
                if c.size > whole.saturating_mul(2).saturating_add(1 << 16) {
                    return Err(node.format(chunks::EXPECTED, format!("one of {} bytes for {whole}", c.size)));
                }
                memory::lengthen(&mut bytes, c.size as usize, 0, TEXTS)?;
                bytes.truncate(c.size as usize);
                read_exact(&file, &mut bytes, c.address).map_err(io)?;
                pipeline
                    .decode(c.mask, &bytes, &mut texts)
                    .map_err(|found| node.format(format!("intact data in chunk {}", c.number), found))?;
                sum.add(&texts, width)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Where in a value as it is stored the text starts that `field` names, and the bytes of the value; a text has `text`
/// bytes there, and a pointer's in the types that the library tells.
fn place(dataset: &Dataset, field: Option<&str>, text: usize) -> Option<(usize, usize)> {
    let Some(field) = field else { return Some((0, text)) };
    let Ok(TypeDescriptor::Compound(record)) = dataset.dtype().and_then(|t| t.to_descriptor()) else { return None };
    let mut fields: Vec<_> = record.fields.iter().collect();
    fields.sort_by_key(|f| f.offset);
    let (mut found, mut longer) = (None, 0);
    for f in fields {
        if f.name == field {
            found = Some(f.offset + longer);
        }
        match f.ty {
            TypeDescriptor::VarLenAscii | TypeDescriptor::VarLenUnicode => longer += text - size_of::<usize>(),
            TypeDescriptor::Compound(_) | TypeDescriptor::FixedArray(..) | TypeDescriptor::VarLenArray(_) => {
                return None
            }
            _ => {}
        }
    }
    Some((found?, record.size + longer))
}

struct Sum<'a> {
    node: &'a Node,
    /// Of the text in a value.
    offset: usize,
    most: u64,
    bytes: u64,
    texts: u64,
}

impl Sum<'_> {
    /// Adds the lengths of texts as they lie in the file: each a length of 4 bytes, then its place.
    fn add(&mut self, stored: &[u8], width: usize) -> Result<()> {
        for value in stored.chunks_exact(width.max(4)) {
            let text = value.get(self.offset..).unwrap_or_default();
            let length = text.first_chunk::<4>().map_or(0, |n| u32::from_le_bytes(*n));
            self.bytes += u64::from(length);
            if self.bytes > self.most {
                let found = format!("text {} (zero-based) of {length} bytes, {} in all so far", self.texts, self.bytes);
                return Err(self.node.format(format!("texts that fit the file of {} bytes", self.most), found));
            }
            self.texts += 1;
        }
        Ok(())
    }
}
