//! Reading values of a [`RawDataset`].

use super::dataset::RawDataset;
use super::Cursor;
use crate::codec::pipeline::Pipeline;
use crate::dtype::{as_bytes_mut, Plain};
use crate::error::{Error, Result};
use crate::store::array::{Access, Extent};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Bytes of a chunk up to which memory is allocated without a check of the stored size.
const UNQUESTIONED: usize = 64 << 20;

impl RawDataset {
    /// Returns the number of bytes of a decoded chunk, padding at the edges of the array included.
    ///
    /// # Errors
    /// [`Error::Format`] for a chunk of more than 2^40 bytes.
    pub(crate) fn chunk_bytes(&self) -> Result<usize> {
        self.chunk()
            .iter()
            .try_fold(self.dtype().size() as u64, |n, &c| n.checked_mul(c))
            .filter(|&n| n <= 1 << 40)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| self.bad("chunks that fit into memory", format!("chunks of {:?} values", self.chunk())))
    }

    /// Appends values `range` of a 1-D dataset of `T` (the stored dtype) to `out`. The ranges read
    /// with one cursor must ascend.
    ///
    /// # Errors
    /// Errors of reading and decoding; [`Error::Memory`] where the values do not fit into memory.
    pub(crate) fn append<T: Plain>(&self, range: Range<u64>, cursor: &mut Cursor<'_>, out: &mut Vec<T>) -> Result<()> {
        debug_assert_eq!(self.shape().len(), 1);
        let before = out.len();
        reserve(out, range.end.saturating_sub(range.start), || self.element().to_owned())?;
        if self.is_contiguous() {
            let start = grow(out, (range.end - range.start) as usize);
            self.read_run(range.start, as_bytes_mut(&mut out[start..]))?;
        } else {
            self.append_chunks(range, cursor, out)?;
        }
        if self.is_swapped() {
            out[before..].iter_mut().for_each(|x| *x = x.swapped());
        }
        Ok(())
    }

    /// Appends values `range` of a chunked dataset: whole chunks that no other block needs
    /// directly, all others through the cursor.
    fn append_chunks<T: Plain>(&self, range: Range<u64>, cursor: &mut Cursor<'_>, out: &mut Vec<T>) -> Result<()> {
        let (len, bytes) = (self.chunk()[0], self.chunk_bytes()?);
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

    /// Reads the bytes of the values from `first` on of a contiguous array, as many as `out` has.
    pub(crate) fn read_run(&self, first: u64, out: &mut [u8]) -> Result<()> {
        let run = if let Access::Run(run) = self.meta().access { run } else { None };
        let offset = first.checked_mul(self.dtype().size() as u64);
        match run.and_then(|run| Some((run.object, run.at.checked_add(offset?)?))) {
            Some((object, at)) if self.is_remote() => {
                let extent = Extent { object, at, size: out.len() as u64, mask: 0 };
                self.fetch(&[extent], &mut |_, bytes| {
                    let whole = bytes.filter(|bytes| bytes.len() == out.len());
                    let bytes = whole.ok_or_else(|| self.bad("all bytes of its values", "fewer"))?;
                    out.copy_from_slice(bytes);
                    Ok(())
                })
            }
            Some((object, at)) => self.array.read(object, at, out),
            None => {
                self.fill(out);
                Ok(())
            }
        }
    }

    /// Fills `out` with the fill value.
    fn fill(&self, out: &mut [u8]) {
        let fill = &self.meta().fill;
        if fill.iter().all(|&b| b == 0) {
            out.fill(0);
        } else {
            out.chunks_exact_mut(fill.len()).for_each(|x| x.copy_from_slice(fill));
        }
    }

    /// Appends `n` whole chunks from number `first` on, fetched together.
    pub(crate) fn decode_run<T: Plain>(&self, first: u64, n: u64, out: &mut Vec<T>) -> Result<()> {
        let bytes = self.chunk_bytes()?;
        let values = bytes / size_of::<T>();
        let Access::Chunks(pipeline) = &self.meta().access else {
            for number in first..first + n {
                let start = grow(out, values);
                self.decode_into(number, bytes, as_bytes_mut(&mut out[start..]))?;
            }
            return Ok(());
        };
        self.decoded.fetch_add(n, Ordering::Relaxed);
        let mut number = first;
        let mut extents: Vec<Extent> = Vec::new();
        while number < first + n {
            extents.clear();
            for chunk in number..first + n {
                let Some(extent) = self.array.locate(chunk)? else { break };
                extents.push(extent);
            }
            if extents.is_empty() {
                let start = grow(out, values);
                self.fill(as_bytes_mut(&mut out[start..]));
                number += 1;
                continue;
            }
            if pipeline.is_empty() && !self.is_remote() && extents.iter().all(|e| e.size == bytes as u64) {
                self.copy_chunks(&extents, bytes, out)?;
            } else {
                self.decode_chunks(pipeline, number, &extents, values, out)?;
            }
            number += extents.len() as u64;
        }
        Ok(())
    }

    /// Appends chunks that are stored without filters; adjacent ones are read at once.
    fn copy_chunks<T: Plain>(&self, extents: &[Extent], bytes: usize, out: &mut Vec<T>) -> Result<()> {
        let mut rest = extents;
        while let Some((&first, mut after)) = rest.split_first() {
            let mut run = first;
            while let Some((longer, left)) = after.split_first().and_then(|(&e, left)| Some((run.joined(e)?, left))) {
                (run, after) = (longer, left);
            }
            let start = grow(out, (rest.len() - after.len()) * (bytes / size_of::<T>()));
            self.array.read(run.object, run.at, as_bytes_mut(&mut out[start..]))?;
            rest = after;
        }
        Ok(())
    }

    /// Decodes and appends chunks from number `first` on, of `values` values each.
    fn decode_chunks<T: Plain>(
        &self,
        pipeline: &Pipeline,
        first: u64,
        extents: &[Extent],
        values: usize,
        out: &mut Vec<T>,
    ) -> Result<()> {
        for (i, extent) in extents.iter().enumerate() {
            self.check_size(extent, first + i as u64)?;
        }
        out.reserve(values * extents.len());
        let room = &mut out.spare_capacity_mut()[..values * extents.len()];
        let mut decoded = vec![false; extents.len()];
        self.fetch(extents, &mut |i, stored| {
            let room = &mut room[i * values..(i + 1) * values];
            decoded[i] = true;
            let Some(stored) = stored else {
                room.fill(MaybeUninit::new(T::default()));
                // SAFETY: all values were just initialised.
                let values = unsafe { std::slice::from_raw_parts_mut(room.as_mut_ptr().cast::<T>(), values) };
                self.fill(as_bytes_mut(values));
                return Ok(());
            };
            let done = pipeline.decode_new(extents[i].mask, stored, new_bytes(room));
            done.map_err(|found| self.damaged(first + i as u64, &found))
        })?;
        if decoded.contains(&false) {
            return Err(Error::Internal(format!("a chunk of '{}' was not fetched", self.element())));
        }
        // SAFETY: `decode_new` wrote all bytes of the values of each chunk, and any bytes are a
        // value.
        unsafe { out.set_len(out.len() + values * extents.len()) };
        Ok(())
    }

    /// Checks that a chunk is not larger than its file or object, before memory is allocated for
    /// it.
    fn check_size(&self, extent: &Extent, number: u64) -> Result<()> {
        let (size, longest) = (extent.size, self.meta().longest);
        if size != Extent::WHOLE && (size > longest || usize::try_from(size).is_err()) {
            return Err(self.damaged(number, &format!("{size} stored bytes in a file of {longest}")));
        }
        Ok(())
    }

    /// Runs `work` on the stored bytes of a chunk, or on `None` where the chunk was never written.
    fn with_stored(
        &self,
        extent: Extent,
        number: u64,
        work: &mut dyn FnMut(Option<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        self.check_size(&extent, number)?;
        self.fetch(&[extent], &mut |_, stored| work(stored))
    }

    /// Makes the error for damaged data in a chunk.
    fn damaged(&self, number: u64, found: &str) -> Error {
        let first: Vec<String> = self.chunk_start(number).iter().map(u64::to_string).collect();
        self.bad(format!("intact data in the chunk at ({})", first.join(", ")), found)
    }

    /// Returns the position of a chunk's first value.
    fn chunk_start(&self, number: u64) -> Vec<u64> {
        match (self.shape(), self.chunk()) {
            (&[_, m], &[r, c]) => {
                let across = m.div_ceil(c).max(1);
                vec![number / across * r, number % across * c]
            }
            (_, chunk) => vec![number.saturating_mul(chunk[0])],
        }
    }

    /// Decodes chunk `number`, which has `bytes` bytes ([`RawDataset::chunk_bytes`]), into a new
    /// buffer. For a large chunk the buffer ends after the last value that is within the extents of
    /// the array; padding after it is left out.
    pub(crate) fn decode(&self, number: u64, bytes: usize) -> Result<Vec<u8>> {
        if let Access::Chunks(pipeline) = &self.meta().access {
            if let Some(e) = self.array.locate(number)?.filter(|e| e.mask == 0) {
                if pipeline.largest(e.size) < bytes as u64 {
                    return Err(self.damaged(number, &format!("{} stored bytes for {bytes}", e.size)));
                }
                if bytes > UNQUESTIONED {
                    // A large chunk gets its memory only if its own header has the same size.
                    self.with_stored(
                        e,
                        number,
                        &mut |stored| match stored.and_then(|stored| pipeline.claim(stored)) {
                            Some(n) if n != bytes as u64 => {
                                Err(self.damaged(number, &format!("{n} bytes for {bytes}")))
                            }
                            _ => Ok(()),
                        },
                    )?;
                }
            }
        }
        let used = if bytes > UNQUESTIONED { self.used_bytes(number, bytes) } else { bytes };
        let mut out = Vec::new();
        reserve(&mut out, used as u64, || self.element().to_owned())?;
        out.resize(used, 0u8);
        self.decode_into(number, bytes, &mut out)?;
        Ok(out)
    }

    /// Returns the extents of the chunk that starts at `start`, without padding at the edges.
    fn chunk_extents(&self, start: &[u64]) -> Vec<u64> {
        let chunks = start.iter().zip(self.chunk()).zip(self.shape());
        chunks.map(|((&s, &c), &n)| c.min(n.saturating_sub(s))).collect()
    }

    /// Returns the bytes of a chunk up to its last value within the extents.
    fn used_bytes(&self, number: u64, bytes: usize) -> usize {
        let within = self.chunk_extents(&self.chunk_start(number));
        let values = match (within.as_slice(), self.chunk()) {
            (&[rows, columns], &[_, width]) => rows.saturating_sub(1).saturating_mul(width).saturating_add(columns),
            (&[n], _) => n,
            _ => return bytes,
        };
        let used = values.saturating_mul(self.dtype().size() as u64);
        usize::try_from(used).map_or(bytes, |used| used.min(bytes))
    }

    /// Decodes the first `out.len()` bytes of a chunk of `whole` bytes: all of them, or the used
    /// part of a much larger one.
    fn decode_into(&self, number: u64, whole: usize, out: &mut [u8]) -> Result<()> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        let Access::Chunks(pipeline) = &self.meta().access else {
            if out.len() == whole {
                return self.read_box(number, out);
            }
            let used = out.len();
            let found = format!(
                "{whole} bytes for {used} bytes of values; write the file again (h5repack) with smaller chunks"
            );
            return Err(self.damaged(number, &found));
        };
        let Some(extent) = self.array.locate(number)? else {
            self.fill(out);
            return Ok(());
        };
        self.with_stored(extent, number, &mut |stored| {
            let Some(stored) = stored else {
                self.fill(out);
                return Ok(());
            };
            let done = if out.len() == whole {
                pipeline.decode(extent.mask, stored, out)
            } else {
                pipeline.decode_start(extent.mask, stored, whole, out)
            };
            done.map_err(|found| self.damaged(number, &found))
        })
    }

    /// Reads one chunk by the backend, with values in the stored byte order; padding at the edges
    /// is not written.
    fn read_box(&self, number: u64, out: &mut [u8]) -> Result<()> {
        let start = self.chunk_start(number);
        let count = self.chunk_extents(&start);
        if self.chunk_bytes()? != out.len() || count.contains(&0) {
            return Err(Error::Internal(format!("chunk {number} of '{}' is not there", self.element())));
        }
        self.array.read_box(&start, &count, self.chunk(), out).map_err(|found| self.damaged(number, &found))
    }
}

/// Reserves memory for `n` more values. `what` returns the name of the element for the error.
///
/// # Errors
/// [`Error::Memory`].
pub(crate) fn reserve<T>(out: &mut Vec<T>, n: u64, what: impl Fn() -> String) -> Result<()> {
    usize::try_from(n).ok().and_then(|n| out.try_reserve_exact(n).ok()).ok_or_else(|| Error::Memory {
        what: format!("a part of '{}'", what()),
        needed: n.saturating_mul(size_of::<T>() as u64),
        limit: 0,
        hint: " (the system gave no more); the file may be damaged".to_owned(),
    })
}

/// Returns the bytes of uninitialised memory for numbers.
fn new_bytes<T: Plain>(v: &mut [MaybeUninit<T>]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: it is the same memory, and bytes need no initial value and no alignment.
    unsafe { std::slice::from_raw_parts_mut(v.as_mut_ptr().cast(), std::mem::size_of_val(v)) }
}

/// Appends `n` zeros and returns the position of the first.
pub(crate) fn grow<T: Plain>(out: &mut Vec<T>, n: usize) -> usize {
    let start = out.len();
    out.resize(start + n, T::default());
    start
}
