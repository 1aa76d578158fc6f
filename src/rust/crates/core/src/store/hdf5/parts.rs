//! Checks of the list of parts of a virtual dataset, before the library sees it. The list begins
//! with the number of parts. The library multiplies it by the bytes that it keeps for each, without
//! a check for overflow, and walks as many parts when it gives up.
//!
//! The list is an object of a global heap, which the layout message of the dataset's header names
//! (HDF5 File Format Specification, "Data Layout Message", "Global Heap Block for Virtual
//! Datasets").

use super::bytes::Bytes;
use super::heap::{Heap, Superblock};
use std::borrow::Cow;
use std::io;

/// Lower bound of the bytes of a part: two selections of 16 bytes; a name may be a flag.
const PART: u64 = 32;
/// Upper bound of the blocks of a dataset's header.
const MOST_BLOCKS: usize = 4096;
/// Upper bound of the bytes of these blocks together: a damaged block may claim the size of the
/// file.
const MOST_BYTES: u64 = 16 << 20;

const CONTINUATION: u16 = 0x10;
const LAYOUT: u16 = 8;
const CHUNKED: u8 = 2;
const VIRTUAL: u8 = 3;

/// The bytes of a file with the sizes that its superblock gives.
struct Reader<'a> {
    bytes: &'a dyn Bytes,
    superblock: Superblock,
}

impl Reader<'_> {
    fn read(&self, at: u64, size: u64) -> io::Result<Vec<u8>> {
        let at = self.superblock.base.saturating_add(at);
        // A size is never trusted beyond the end of the file.
        let there = self.bytes.len().saturating_sub(at).min(size);
        let mut out = vec![0; there as usize];
        self.bytes.read(&mut out, at)?;
        Ok(out)
    }
}

/// Reads the length of the list of parts of the virtual dataset whose header is at `header`: the
/// number of parts that the list claims, and the number that it has room for. Returns `None` for
/// other datasets. Any other damage of header or list is left to the library.
///
/// # Errors
/// Errors of reading the file; a description of a header of too many blocks or bytes, or of a
/// damaged heap.
pub(super) fn count(bytes: &dyn Bytes, superblock: Superblock, header: u64) -> io::Result<Option<(u64, u64)>> {
    let reader = Reader { bytes, superblock };
    match layout(&reader, header)? {
        Some((at, index)) => list(&reader, at, index),
        None => Ok(None),
    }
}

/// Finds the list of a virtual dataset: the address of its heap, and its number there; `None` for
/// other datasets.
fn layout(reader: &Reader<'_>, header: u64) -> io::Result<Option<(u64, u64)>> {
    let message = message(reader, header)?.filter(|message| message.get(1) == Some(&VIRTUAL) && message[0] >= 3);
    let addresses = reader.superblock.addresses;
    Ok(message.map(|message| (number(&message, 2, addresses), number(&message, 2 + addresses, 4))))
}

/// Finds the tree of the chunks of the dataset whose header is at `header`. Returns the address of
/// the tree, and the number of offsets in each of its keys, which is one more than the rank of the
/// dataset. Returns `None` for a dataset without chunks, or with a kind of list that HDF5 1.8 does
/// not have.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn chunk_tree(bytes: &dyn Bytes, superblock: Superblock, header: u64) -> io::Result<Option<(u64, usize)>> {
    let message = message(&Reader { bytes, superblock }, header)?;
    Ok(message.filter(|message| message.starts_with(&[3, CHUNKED])).and_then(|message| {
        let dimensions = usize::from(*message.get(2)?);
        Some((number(&message, 3, superblock.addresses), dimensions))
    }))
}

/// Reads the layout message from the header of a dataset; `None` without one.
fn message(reader: &Reader<'_>, header: u64) -> io::Result<Option<Vec<u8>>> {
    // The first read holds most headers as a whole.
    let start = reader.read(header, 512)?;
    let is_v2 = start.starts_with(b"OHDR");
    let (first, size, tracked) = if is_v2 {
        let flags = start.get(5).copied().unwrap_or(0);
        let at = 6 + if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
        let width = 1 << (flags & 3);
        (at + width, number(&start, at, width), flags & 4 != 0)
    } else {
        (16, number(&start, 8, 4), false)
    };
    let mut blocks = vec![(header.saturating_add(first as u64), size)];
    let (mut seen, mut left) = (0, MOST_BYTES);
    while let Some(&(at, size)) = blocks.get(seen) {
        seen += 1;
        left = left
            .checked_sub(size)
            .ok_or_else(|| io::Error::other(format!("a header of more than {MOST_BYTES} bytes")))?;
        let whole =
            (at == header.saturating_add(first as u64)).then(|| start.get(first..first.saturating_add(size as usize)));
        let block = match whole.flatten() {
            Some(read) => Cow::Borrowed(read),
            None => Cow::Owned(reader.read(at, size)?),
        };
        let mut place = if is_v2 && seen > 1 { 4 } else { 0 };
        let head = if is_v2 { 4 + if tracked { 2 } else { 0 } } else { 8 };
        while place + head <= block.len() {
            let (kind, length) = if is_v2 {
                (u16::from(block[place]), number(&block, place + 1, 2))
            } else {
                (number(&block, place, 2) as u16, number(&block, place + 2, 2))
            };
            let end = place + head + length as usize;
            let Some(message) = block.get(place + head..end) else { break };
            match kind {
                LAYOUT => return Ok(Some(message.to_vec())),
                CONTINUATION if blocks.len() < MOST_BLOCKS => {
                    let (at, size) = (number(message, 0, reader.superblock.addresses), reader.superblock.addresses);
                    blocks.push((at, number(message, size, reader.superblock.lengths)));
                }
                CONTINUATION => return Err(io::Error::other(format!("a header in more than {MOST_BLOCKS} blocks"))),
                _ => {}
            }
            place = end;
        }
    }
    Ok(None)
}

/// Reads the number of parts that object `index` of the heap at `at` claims, and how many it has
/// room for.
fn list(reader: &Reader<'_>, at: u64, index: u64) -> io::Result<Option<(u64, u64)>> {
    let at = reader.superblock.base.saturating_add(at);
    let mut heap = Heap::new(reader.bytes, at, reader.superblock.lengths);
    let mut found = None;
    heap.walk(|object, from, length| {
        if object == index {
            found = Some((from, length));
        }
    })?;
    // The list begins with a byte for its version, then the number of parts.
    Ok(match found {
        Some((from, length)) => Some((heap.number(from + 1, reader.superblock.lengths.min(8))?, length / PART)),
        None => None,
    })
}

/// Returns the little-endian number of `size` bytes (8 at most) at offset `from`; 0 where fewer
/// bytes are left.
pub(super) fn number(bytes: &[u8], from: usize, size: usize) -> u64 {
    let size = size.min(8);
    let mut raw = [0; 8];
    if let Some(part) = bytes.get(from..from + size) {
        raw[..size].copy_from_slice(part);
    }
    u64::from_le_bytes(raw)
}
