//! Reading values of a [`RawDataset`].

use super::dataset::{Access, RawDataset};
use super::number::{as_bytes_mut, Plain};
use super::Cursor;
use crate::error::{Error, Result};
use crate::store::chunks::Chunk as Entry;
use crate::store::fault;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Bytes of neighbouring chunks fetched with one read: fits a core's cache, and hides the cost of a call for small
/// chunks.
const FETCH: u64 = 1 << 20;

/// Bytes of a chunk up to which memory is taken without a look at what is stored.
const UNQUESTIONED: usize = 64 << 20;

thread_local! {
    static FETCHED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl RawDataset {
    /// Decoded bytes of a chunk, padding at the edges included.
    pub(crate) fn chunk_bytes(&self) -> Result<usize> {
        self.chunk
            .iter()
            .try_fold(self.number.dtype.size() as u64, |n, &c| n.checked_mul(c))
            .filter(|&n| n <= 1 << 40)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| self.bad("chunks that fit into memory", format!("chunks of {:?} values", self.chunk)))
    }

    /// Appends values `range` of a 1-D dataset of `T` (stored dtype) to `out`. Ranges asked of one cursor ascend.
    ///
    /// # Errors
    /// Those of reading and decoding; [`Error::Memory`] when the values do not fit into memory.
    pub(crate) fn append<T: Plain>(&self, range: Range<u64>, cursor: &mut Cursor<'_>, out: &mut Vec<T>) -> Result<()> {
        debug_assert_eq!(self.shape.len(), 1);
        let before = out.len();
        reserve(out, range.end.saturating_sub(range.start), || self.element.clone())?;
        if self.is_contiguous() {
            let start = grow(out, (range.end - range.start) as usize);
            self.read_run(range.start, as_bytes_mut(&mut out[start..]))?;
        } else {
            self.append_chunks(range, cursor, out)?;
        }
        if self.number.swapped {
            out[before..].iter_mut().for_each(|x| *x = x.swapped());
        }
        Ok(())
    }

    fn append_chunks<T: Plain>(&self, range: Range<u64>, cursor: &mut Cursor<'_>, out: &mut Vec<T>) -> Result<()> {
        let (len, bytes) = (self.chunk[0], self.chunk_bytes()?);
        let mut at = range.start;
        while at < range.end {
            let number = at / len;
            let whole = |n: u64| (n + 1) * len <= range.end && !cursor.is_shared(n);
            if at.is_multiple_of(len) && whole(number) {
                let mut n = 1;
                while whole(number + n) {
                    n += 1;
                }
                self.decode_run(number, n, out)?;
                at += n * len;
            } else {
                let n = ((number + 1) * len).min(range.end) - at;
                let chunk = cursor.chunk(number, bytes, || self.decode(number, bytes))?;
                let skip = (at - number * len) as usize * size_of::<T>();
                let start = grow(out, n as usize);
                let to = as_bytes_mut(&mut out[start..]);
                to.copy_from_slice(&chunk[skip..skip + to.len()]);
                at += n;
            }
        }
        Ok(())
    }

    /// Values from `first` on of a contiguous dataset, as bytes.
    pub(crate) fn read_run(&self, first: u64, out: &mut [u8]) -> Result<()> {
        let address = if let Access::Contiguous(address) = self.access { address } else { None };
        let at =
            address.and_then(|a| first.checked_mul(self.number.dtype.size() as u64).and_then(|o| a.checked_add(o)));
        match (at, &self.file) {
            (Some(at), Some(file)) => file.read(at, out),
            _ => {
                self.fill(out);
                Ok(())
            }
        }
    }

    pub(super) fn fill(&self, out: &mut [u8]) {
        if self.fill.iter().all(|&b| b == 0) {
            out.fill(0);
        } else {
            out.chunks_exact_mut(self.fill.len()).for_each(|x| x.copy_from_slice(&self.fill));
        }
    }

    /// Appends `n` whole chunks from `first` on, fetching neighbours together.
    pub(crate) fn decode_run<T: Plain>(&self, first: u64, n: u64, out: &mut Vec<T>) -> Result<()> {
        let bytes = self.chunk_bytes()?;
        let values = bytes / size_of::<T>();
        let Access::Chunked { pipeline, table } = &self.access else {
            for number in first..first + n {
                let start = grow(out, values);
                self.decode_into(number, as_bytes_mut(&mut out[start..]))?;
            }
            return Ok(());
        };
        self.decoded.fetch_add(n, Ordering::Relaxed);
        let mut number = first;
        while number < first + n {
            let Some(&entry) = table.get(number) else {
                let start = grow(out, values);
                self.fill(as_bytes_mut(&mut out[start..]));
                number += 1;
                continue;
            };
            let (mut last, mut end) = (number + 1, entry.address.saturating_add(entry.size));
            while last < first + n {
                match table.get(last) {
                    Some(e) if e.address == end && end - entry.address + e.size <= FETCH => end += e.size,
                    _ => break,
                }
                last += 1;
            }
            if pipeline.is_empty() && end - entry.address == bytes as u64 * (last - number) {
                let start = grow(out, values * (last - number) as usize);
                self.fetch(&entry, as_bytes_mut(&mut out[start..]))?;
            } else {
                self.with_stored(&entry, end - entry.address, number, |stored| {
                    for chunk in number..last {
                        let e = table.get(chunk).unwrap_or(&entry);
                        let from = (e.address - entry.address) as usize;
                        out.reserve(values);
                        let to = new_bytes(&mut out.spare_capacity_mut()[..values]);
                        pipeline
                            .decode_new(e.mask, &stored[from..from + e.size as usize], to)
                            .map_err(|found| self.damaged(chunk, &found))?;
                        // SAFETY: `decode_new` wrote all bytes of these values, and any bytes are a value.
                        unsafe { out.set_len(out.len() + values) };
                    }
                    Ok(())
                })?;
            }
            number = last;
        }
        Ok(())
    }

    fn fetch(&self, entry: &Entry, out: &mut [u8]) -> Result<()> {
        match &self.file {
            Some(file) => file.read(entry.address, out),
            None => Err(Error::Internal("chunks without a file".to_owned())),
        }
    }

    /// Runs `work` on `size` stored bytes from `entry` on.
    fn with_stored(&self, entry: &Entry, size: u64, number: u64, work: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let length = self.file.as_ref().map_or(0, |f| f.len());
        let n = usize::try_from(size)
            .ok()
            .filter(|_| size <= length)
            .ok_or_else(|| self.damaged(number, &format!("{size} stored bytes in a file of {length}")))?;
        FETCHED.with_borrow_mut(|stored| {
            if stored.len() < n {
                stored.resize(n, 0);
            }
            self.fetch(entry, &mut stored[..n])?;
            let done = work(&stored[..n]);
            if stored.capacity() > 16 << 20 {
                *stored = Vec::new();
            }
            done
        })
    }

    fn damaged(&self, number: u64, found: &str) -> Error {
        let first: Vec<String> = self.chunk_start(number).iter().map(u64::to_string).collect();
        self.bad(format!("intact data in the chunk at ({})", first.join(", ")), found)
    }

    /// Position of a chunk's first value.
    fn chunk_start(&self, number: u64) -> Vec<u64> {
        match (self.shape.as_slice(), self.chunk.as_slice()) {
            (&[_, m], &[r, c]) => {
                let across = m.div_ceil(c).max(1);
                vec![number / across * r, number % across * c]
            }
            _ => vec![number.saturating_mul(self.chunk[0])],
        }
    }

    /// One chunk, decoded, in a buffer of its own.
    pub(crate) fn decode(&self, number: u64, bytes: usize) -> Result<Vec<u8>> {
        if let Access::Chunked { pipeline, table } = &self.access {
            if let Some(e) = table.get(number).filter(|e| e.mask == 0) {
                if pipeline.largest(e.size) < bytes as u64 {
                    return Err(self.damaged(number, &format!("{} stored bytes for {bytes}", e.size)));
                }
                if bytes > UNQUESTIONED {
                    // A large chunk gets its memory only when its own header agrees.
                    self.with_stored(e, e.size, number, |stored| match pipeline.claim(stored) {
                        Some(n) if n != bytes as u64 => Err(self.damaged(number, &format!("{n} bytes for {bytes}"))),
                        _ => Ok(()),
                    })?;
                }
            }
        }
        let used = if bytes > UNQUESTIONED { self.used_bytes(number, bytes) } else { bytes };
        let mut out = Vec::new();
        reserve(&mut out, used as u64, || self.element.clone())?;
        out.resize(used, 0u8);
        if used < bytes {
            self.decode_start(number, bytes, &mut out)?;
        } else {
            self.decode_into(number, &mut out)?;
        }
        Ok(out)
    }

    /// Bytes of a chunk up to its last value within the extents.
    fn used_bytes(&self, number: u64, bytes: usize) -> usize {
        let start = self.chunk_start(number);
        let within: Vec<u64> =
            (start.iter().zip(&self.chunk).zip(&self.shape)).map(|((&s, &c), &n)| c.min(n.saturating_sub(s))).collect();
        let values = match (within.as_slice(), self.chunk.as_slice()) {
            (&[rows, columns], &[_, width]) => rows.saturating_sub(1).saturating_mul(width).saturating_add(columns),
            (&[n], _) => n,
            _ => return bytes,
        };
        let used = values.saturating_mul(self.number.dtype.size() as u64);
        usize::try_from(used).map_or(bytes, |used| used.min(bytes))
    }

    /// The start of a chunk of `whole` bytes that is much larger than what is used of it.
    fn decode_start(&self, number: u64, whole: usize, out: &mut [u8]) -> Result<()> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        match &self.access {
            Access::Chunked { pipeline, table } => match table.get(number) {
                None => {
                    self.fill(out);
                    Ok(())
                }
                Some(e) => self.with_stored(e, e.size, number, |stored| {
                    let done = pipeline.decode_start(e.mask, stored, whole, out);
                    done.map_err(|found| self.damaged(number, &found))
                }),
            },
            _ => Err(self.damaged(
                number,
                &format!(
                    "{whole} bytes for {} bytes of values; write the file again (h5repack) with smaller chunks",
                    out.len()
                ),
            )),
        }
    }

    fn decode_into(&self, number: u64, out: &mut [u8]) -> Result<()> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        match &self.access {
            Access::Chunked { pipeline, table } => match table.get(number) {
                None => {
                    self.fill(out);
                    Ok(())
                }
                Some(e) => self.with_stored(e, e.size, number, |stored| {
                    pipeline.decode(e.mask, stored, out).map_err(|found| self.damaged(number, &found))
                }),
            },
            _ => self.read_library(number, out),
        }
    }

    /// One chunk through the library, values in the file's byte order; padding at the edges is left as it is.
    fn read_library(&self, number: u64, out: &mut [u8]) -> Result<()> {
        use hdf5_sys::{h5d, h5p::H5P_DEFAULT, h5s};
        let start = self.chunk_start(number);
        let count: Vec<u64> =
            (start.iter().zip(&self.chunk).zip(&self.shape)).map(|((&s, &c), &n)| c.min(n.saturating_sub(s))).collect();
        let zero = vec![0u64; start.len()];
        if self.chunk_bytes()? != out.len() || count.contains(&0) {
            return Err(Error::Internal(format!("chunk {number} of '{}' is not there", self.element)));
        }
        let failed = |e: hdf5::Error| Error::File {
            path: self.store.path().to_owned(),
            message: format!("element '{}': {}", self.element, fault::cause(&e)),
        };
        let datatype = self.dataset.dtype().map_err(failed)?;
        let space = self.dataset.space().map_err(failed)?;
        hdf5::sync::sync(|| {
            // SAFETY: all arrays have the dataset's rank; `out` holds a whole chunk of the memory dataspace.
            unsafe {
                let (null, set) = (std::ptr::null(), h5s::H5S_seloper_t::H5S_SELECT_SET);
                let memory = h5s::H5Screate_simple(self.chunk.len() as i32, self.chunk.as_ptr(), null);
                let ok = memory >= 0
                    && h5s::H5Sselect_hyperslab(memory, set, zero.as_ptr(), null, count.as_ptr(), null) >= 0
                    && h5s::H5Sselect_hyperslab(space.id(), set, start.as_ptr(), null, count.as_ptr(), null) >= 0;
                let status = if ok {
                    let to = out.as_mut_ptr().cast();
                    hdf5::h5check(h5d::H5Dread(self.dataset.id(), datatype.id(), memory, space.id(), H5P_DEFAULT, to))
                } else {
                    hdf5::h5check(-1)
                };
                if memory >= 0 {
                    h5s::H5Sclose(memory);
                }
                status
            }
        })
        .map(|_| ())
        .map_err(|e| self.damaged(number, &fault::cause(&e)))
    }
}

/// Room for `n` more values, or a clear error.
pub(crate) fn reserve<T>(out: &mut Vec<T>, n: u64, what: impl Fn() -> String) -> Result<()> {
    usize::try_from(n).ok().and_then(|n| out.try_reserve_exact(n).ok()).ok_or_else(|| Error::Memory {
        what: format!("a part of '{}'", what()),
        needed: n.saturating_mul(size_of::<T>() as u64),
        limit: 0,
        hint: " (the system gave no more); the file may be damaged".to_owned(),
    })
}

/// The bytes of memory for numbers.
fn new_bytes<T: Plain>(v: &mut [MaybeUninit<T>]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the same memory; bytes need no initial value and no alignment.
    unsafe { std::slice::from_raw_parts_mut(v.as_mut_ptr().cast(), std::mem::size_of_val(v)) }
}

/// Appends `n` zeros and returns where they start.
pub(crate) fn grow<T: Plain>(out: &mut Vec<T>, n: usize) -> usize {
    let start = out.len();
    out.resize(start + n, T::default());
    start
}
