//! Checks of the object sizes in HDF5's global heaps, before the library sees them. The library
//! walks a heap by the sizes that its objects claim, and a size of 2^64 - 16 bytes makes it loop
//! without end.

use super::bytes::Bytes;
use std::io;

/// The first bytes of a global heap collection, version 1.
pub(super) const SIGNATURE: &[u8; 5] = b"GCOL\x01";

/// The values of a file's superblock that are needed to read its other parts.
#[derive(Clone, Copy)]
pub(super) struct Superblock {
    /// Offset of the superblock in the file; addresses count from there.
    pub(super) base: u64,
    /// Bytes of an address: 8 except in odd files.
    pub(super) addresses: usize,
    /// Bytes of a length: 8 except in odd files.
    pub(super) lengths: usize,
}

/// Reads the superblock of an HDF5 file. Without one, sizes of 8 bytes are assumed.
pub(super) fn superblock(bytes: &dyn Bytes) -> Superblock {
    let mut at = 0;
    while at + 16 <= bytes.len() {
        let mut start = [0; 16];
        if bytes.read(&mut start, at).is_err() {
            break;
        }
        if start.starts_with(b"\x89HDF\r\n\x1a\n") {
            let sizes = if start[8] < 2 { [start[13], start[14]] } else { [start[9], start[10]] };
            let [addresses, lengths] = sizes.map(|size| usize::from(size).clamp(2, 32));
            return Superblock { base: at, addresses, lengths };
        }
        at = if at == 0 { 512 } else { at * 2 };
    }
    Superblock { base: 0, addresses: 8, lengths: 8 }
}

/// Checks bytes that were read at `at`, if they begin with the signature of a global heap
/// collection.
///
/// # Errors
/// A description of an object that does not fit its collection.
#[inline]
pub(super) fn check(bytes: &dyn Bytes, lengths: usize, read: &[u8], at: u64) -> io::Result<()> {
    if read.starts_with(SIGNATURE) {
        Heap::of_read(bytes, at, lengths, read).walk(|_, _, _| ())
    } else {
        Ok(())
    }
}

/// Bytes of a heap that are read at once, where the library did not read them: objects are small
/// and many.
const WINDOW: usize = 1 << 16;

/// A collection of the global heap that begins at `at`; some of its bytes may be in memory already.
pub(super) struct Heap<'a> {
    bytes: &'a dyn Bytes,
    at: u64,
    /// Bytes of a length in this file.
    lengths: usize,
    /// Bytes from the start of the heap that were read before.
    read: &'a [u8],
    /// Bytes of the heap from `from` on, read here.
    window: Vec<u8>,
    from: u64,
}

impl<'a> Heap<'a> {
    /// Makes the heap at `at`, of which no byte is in memory yet.
    pub(super) fn new(bytes: &'a dyn Bytes, at: u64, lengths: usize) -> Self {
        Heap { bytes, at, lengths, read: &[], window: Vec::new(), from: 0 }
    }

    /// Makes a heap whose first bytes, `read`, are in memory already.
    pub(super) fn of_read(bytes: &'a dyn Bytes, at: u64, lengths: usize, read: &'a [u8]) -> Self {
        Heap { read, ..Heap::new(bytes, at, lengths) }
    }

    /// Reads the number of `size` (up to 8) bytes that lies `from` bytes into the heap.
    #[inline]
    pub(super) fn number(&mut self, from: u64, size: usize) -> io::Result<u64> {
        // Nearly all numbers lie in the bytes that were read, and have one of two sizes.
        let read = usize::try_from(from).ok().and_then(|from| self.read.get(from..)).unwrap_or_default();
        match (size, read.first_chunk::<2>(), read.first_chunk::<8>()) {
            (2, Some(bytes), _) => Ok(u16::from_le_bytes(*bytes).into()),
            (8, _, Some(bytes)) => Ok(u64::from_le_bytes(*bytes)),
            _ => self.odd_number(from, size),
        }
    }

    #[cold]
    fn odd_number(&mut self, from: u64, size: usize) -> io::Result<u64> {
        let within = |part: &[u8], start: u64| {
            let start = usize::try_from(from.checked_sub(start)?).ok()?;
            let mut raw = [0; 8];
            raw[..size].copy_from_slice(part.get(start..start.checked_add(size)?)?);
            Some(u64::from_le_bytes(raw))
        };
        if let Some(found) = within(self.read, 0).or_else(|| within(&self.window, self.from)) {
            return Ok(found);
        }
        let left = self.bytes.len().saturating_sub(self.at.saturating_add(from)).max(size as u64);
        self.window.resize(left.min(WINDOW as u64) as usize, 0);
        self.from = from;
        self.bytes.read(&mut self.window, self.at + from)?;
        Ok(within(&self.window, from).unwrap_or_default())
    }

    /// Walks the objects of the heap. `meet` gets the number of each, the offset of its bytes in
    /// the heap, and their count.
    ///
    /// # Errors
    /// A description of an object that does not fit the heap.
    pub(super) fn walk(&mut self, mut meet: impl FnMut(u64, u64, u64)) -> io::Result<()> {
        let at = self.at;
        let wrong = |what: String| Err(io::Error::other(format!("a damaged heap of texts at byte {at}: {what}")));
        let header = (8 + self.lengths).next_multiple_of(8) as u64;
        let width = self.lengths.min(8);
        let size = self.number(8, width)?;
        if size < header || size > self.bytes.len().saturating_sub(at) {
            return wrong(format!("it says it has {size} bytes, in a file of {}", self.bytes.len()));
        }
        let mut place = header;
        while place + header <= size {
            // Object 0 is the free space, whose length includes its header.
            let (index, length) = (self.number(place, 2)?, self.number(place + 8, width)?);
            let need = match index {
                0 => Some(length),
                _ => length.checked_next_multiple_of(8).and_then(|n| n.checked_add(header)),
            };
            match need.filter(|&n| n >= header && n <= size - place) {
                Some(n) => {
                    meet(index, place + header, length);
                    place += n;
                }
                None => return wrong(format!("a text says it has {length} bytes, where {} are left", size - place)),
            }
        }
        Ok(())
    }
}
