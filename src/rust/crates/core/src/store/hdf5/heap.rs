//! Sizes in HDF5's heaps of texts, looked at before the library sees them: it walks a heap by the sizes its objects say
//! they have, and one that says 2^64 - 16 bytes makes it walk on the spot without an end.

use super::bytes::Bytes;
use std::io;

const SIGNATURE: &[u8; 5] = b"GCOL\x01";

/// Bytes of a length in an HDF5 file, as its superblock says: 8 in all but odd files.
pub(super) fn bytes_of_lengths(bytes: &dyn Bytes) -> usize {
    let mut at = 0;
    while at + 16 <= bytes.len() {
        let mut start = [0; 16];
        if bytes.read(&mut start, at).is_err() {
            break;
        }
        if start.starts_with(b"\x89HDF\r\n\x1a\n") {
            let length = if start[8] < 2 { start[14] } else { start[10] };
            return usize::from(length).clamp(2, 32);
        }
        at = if at == 0 { 512 } else { at * 2 };
    }
    8
}

/// Checks bytes that were read at `at`, if they start a collection of the global heap.
///
/// # Errors
/// With a description of an object that does not fit its collection.
#[inline]
pub(super) fn check(bytes: &dyn Bytes, lengths: usize, read: &[u8], at: u64) -> io::Result<()> {
    if read.starts_with(SIGNATURE) {
        walk(bytes, lengths, read, at)
    } else {
        Ok(())
    }
}

fn walk(bytes: &dyn Bytes, lengths: usize, read: &[u8], at: u64) -> io::Result<()> {
    let wrong = |what: String| Err(io::Error::other(format!("a damaged heap of texts at byte {at}: {what}")));
    let header = (8 + lengths).next_multiple_of(8) as u64;
    let number = |from: u64| -> io::Result<u64> {
        let mut raw = [0; 8];
        let n = lengths.min(8);
        match read.get(from as usize..from as usize + n) {
            Some(there) => raw[..n].copy_from_slice(there),
            None => bytes.read(&mut raw[..n], at + from)?,
        }
        Ok(u64::from_le_bytes(raw))
    };
    let size = number(8)?;
    if size < header || size > bytes.len().saturating_sub(at) {
        return wrong(format!("it says it has {size} bytes, in a file of {}", bytes.len()));
    }
    let mut place = header;
    while place + header <= size {
        let length = number(place + 8)?;
        let mut index = [0; 2];
        match read.get(place as usize..place as usize + 2) {
            Some(there) => index.copy_from_slice(there),
            None => bytes.read(&mut index, at + place)?,
        }
        // Object 0 is what is free, its header counted in.
        let need = match u16::from_le_bytes(index) {
            0 => Some(length),
            _ => length.checked_next_multiple_of(8).and_then(|n| n.checked_add(header)),
        };
        match need.filter(|&n| n >= header && n <= size - place) {
            Some(n) => place += n,
            None => return wrong(format!("a text says it has {length} bytes, where {} are left", size - place)),
        }
    }
    Ok(())
}
