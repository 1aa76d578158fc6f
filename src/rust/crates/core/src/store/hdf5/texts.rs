//! Reads texts from the heaps of a file without the library. The library looks up each text by
//! itself and copies it to memory of its own.

use super::file::Hdf5File;
use super::heap::{Heap, Superblock, SIGNATURE};
use crate::memory;
use std::ops::Range;

/// Upper bound of the bytes of a heap read here. Larger ones, as a rule of a single long text, are
/// left to the library.
const LARGEST: u64 = 16 << 20;
/// Bytes read at once: heaps are small, and most lie one after the other.
const WINDOW: u64 = 1 << 17;

/// The heaps of a file, of which one is open at a time. The texts of a dataset usually lie in them
/// in their order.
pub(super) struct Heaps<'a> {
    file: &'a Hdf5File,
    superblock: Superblock,
    /// Bytes of the file from `from` on.
    window: Vec<u8>,
    from: u64,
    /// Offset in the file of the open heap.
    at: Option<u64>,
    /// Objects of the open heap: their numbers, in order, and the ranges of their bytes in the
    /// window.
    objects: Vec<(u64, Range<usize>)>,
    /// Bytes that may still be read and walked. If each text lies in another heap than the one
    /// before, the library reads less, since it caches several heaps.
    left: u64,
}

impl<'a> Heaps<'a> {
    /// Makes a reader of the heaps of a file. In all, it reads at most four times the bytes of the
    /// file, or one window if that is more.
    pub(super) fn new(file: &'a Hdf5File) -> Self {
        let left = file.bytes_read().len().saturating_mul(4).max(WINDOW);
        let (window, objects) = Default::default();
        Heaps { file, superblock: file.superblock(), window, from: 0, at: None, objects, left }
    }

    /// Finds a text by its descriptor: its length, the address of its heap, its number there.
    /// `None` where the library has to read it: the descriptor is damaged, or the limits here are
    /// reached.
    pub(super) fn find(&mut self, descriptor: &[u8]) -> Option<&[u8]> {
        let (length, rest) = descriptor.split_first_chunk::<4>()?;
        let (address, number) = rest.split_last_chunk::<4>()?;
        let address = u64::from_le_bytes(*address.first_chunk::<8>().filter(|low| low.len() == address.len())?);
        if address == 0 {
            // Never written.
            return Some(&[]);
        }
        let at = self.superblock.base.checked_add(address)?;
        if self.at != Some(at) {
            self.open(at)?;
        }
        let number = u64::from(u32::from_le_bytes(*number));
        // Numbers run from 1 on in heaps from which nothing was removed.
        let nth = usize::try_from(number.checked_sub(1)?).ok()?;
        let object = match self.objects.get(nth).filter(|object| object.0 == number) {
            Some(object) => object,
            None => self.objects.get(self.objects.binary_search_by_key(&number, |object| object.0).ok()?)?,
        };
        let text = self.window.get(object.1.clone())?;
        let whole = text.len() as u64 == u64::from(u32::from_le_bytes(*length));
        whole.then(|| text.split(|&byte| byte == 0).next().unwrap_or_default())
    }

    /// Reads the window if it does not hold the `size` bytes from `at` on, and returns the offset
    /// of `at` in it.
    fn window_of(&mut self, at: u64, size: u64) -> Option<usize> {
        let file = self.file.bytes_read();
        let within = at.checked_sub(self.from).filter(|start| start + size <= self.window.len() as u64);
        if let Some(start) = within {
            return usize::try_from(start).ok();
        }
        let there = file.len().checked_sub(at).filter(|&there| there >= size)?;
        let wanted = there.min(size.max(WINDOW));
        self.left = self.left.checked_sub(wanted)?;
        let wanted = wanted as usize;
        memory::lengthen(&mut self.window, wanted, 0, "texts of a file").ok()?;
        self.window.truncate(wanted);
        self.from = at;
        file.read(&mut self.window, at).ok()?;
        Some(0)
    }

    /// Opens the heap at `at`: reads it and lists its objects.
    fn open(&mut self, at: u64) -> Option<()> {
        self.at = None;
        let lengths = self.superblock.lengths;
        let start = self.window_of(at, 8 + lengths as u64)?;
        let head = &self.window[start..];
        let size = Heap::of_read(self.file.bytes_read(), at, lengths, head).number(8, lengths.min(8)).ok()?;
        if !head.starts_with(SIGNATURE) || size > LARGEST || size > self.left {
            return None;
        }
        self.left -= size;
        let start = self.window_of(at, size)?;
        let mut objects = std::mem::take(&mut self.objects);
        objects.clear();
        let mut whole = true;
        let meet = |number: u64, from: u64, length: u64| {
            if number != 0 {
                whole &= memory::reserve(&mut objects, 1, "texts of a file").is_ok();
                if whole {
                    objects.push((number, start + from as usize..start + (from + length) as usize));
                }
            }
        };
        let heap = &self.window[start..start + size as usize];
        Heap::of_read(self.file.bytes_read(), at, lengths, heap).walk(meet).ok()?;
        objects.sort_unstable_by_key(|object| object.0);
        self.objects = objects;
        self.at = whole.then_some(at);
        self.at.map(drop)
    }
}
