//! The chunks of an array: located by their names, or by the index of their shard; fetched and
//! decoded.
//!
//! The list of objects is read once, so that an object that disappears is an error and does not
//! become a fill value.

use super::files::{join, Files, Ranges};
use super::grid;
use super::metadata::Array;
use super::remote::of_remote;
use crate::codec::crc32c;
use crate::error::{Error, Result};
use crate::memory;
use crate::store::array::{Extent, Take, TakePiece};
use crate::store::backend::FileState;
use crate::store::piece::Piece;
use crate::store::remote::{self, Run};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a chunk, or of adjacent chunks, that are fetched by one read (as for HDF5).
const FETCH: u64 = 1 << 20;
/// Bytes that a chunk may have whatever is stored.
const UNQUESTIONED: u64 = 64 << 20;
/// The number of chunks that extents may have whatever is stored, and the factor by which it may
/// exceed the stored ones beyond that.
const UNQUESTIONED_CHUNKS: u64 = 1 << 16;
const MISSING: u64 = 64;
/// Upper bound of the chunks in extents where the stored ones cannot be listed.
const REMOTE_CHUNKS: u64 = 1 << 24;
/// Bytes of a shard that are fetched along with its index.
const SMALL_SHARD: u64 = 128 << 10;
/// Upper bounds of the objects that are kept open, and of their bytes in memory.
const OPEN: usize = 16;
const HELD: u64 = 64 << 20;

thread_local! {
    static FETCHED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The index of a shard: first byte and length of each chunk, both all ones for a chunk that was
/// never written.
type Index = Arc<Vec<(u64, u64)>>;

/// The bytes and the index of a shard. The first thread that needs them reads them, others wait for
/// it.
type Known = Arc<Mutex<Option<(u64, Index)>>>;

/// The chunks of an array.
#[derive(Debug)]
pub(super) struct Chunks {
    files: Arc<dyn Files>,
    path: String,
    pub(super) array: Arc<Array>,
    /// Objects along each axis, and chunks along each axis (`grid`).
    objects: Vec<u64>,
    pub(super) grid: Vec<u64>,
    /// Bytes of the objects that exist, by number; `None` where they cannot be listed.
    sizes: Option<HashMap<u64, u64>>,
    pub(super) stored: u64,
    pub(super) longest: u64,
    state: Option<FileState>,
    indexes: Mutex<HashMap<u64, Known>>,
    open: Mutex<VecDeque<(u64, Arc<dyn Ranges>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock cannot occur: nothing that can panic runs while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chunks {
    /// Looks up the objects of the array at `path`. `state` is the state of the store when it was
    /// opened.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for far more chunks than are stored.
    pub(super) fn open(
        files: &Arc<dyn Files>,
        path: &str,
        array: Arc<Array>,
        state: Option<FileState>,
    ) -> Result<Chunks> {
        let rank = array.shape.len();
        let objects = grid::counts(&array.shape, &array.object);
        let mut sizes = HashMap::new();
        let (mut stored, mut longest) = (0_u64, 0);
        let found = if files.lists() { files.objects(path, array.keys.depth(rank))? } else { Vec::new() };
        for (name, size) in found {
            let place = array.keys.place(&name, rank);
            // Chunks outside the extents are left from an array that was larger.
            let Some(number) = place.and_then(|place| grid::number(&place, &objects)) else { continue };
            sizes.try_reserve(1).map_err(|_| memory::refused::<(u64, u64)>(sizes.len() + 1, "places of chunks"))?;
            sizes.insert(number, size);
            stored = stored.saturating_add(size);
            longest = longest.max(size);
        }
        let grid = grid::counts(&array.shape, array.chunk());
        let sizes = files.lists().then_some(sizes);
        let (files, path) = (files.clone(), path.to_owned());
        let (indexes, open) = Default::default();
        let chunks = Chunks { files, path, array, objects, grid, sizes, stored, longest, state, indexes, open };
        let all = grid::count(&chunks.grid);
        let Some(sizes) = &chunks.sizes else {
            let most = REMOTE_CHUNKS;
            return if all > most {
                Err(chunks.format(&format!("at most {most} chunks in a remote store"), &all.to_string()))
            } else {
                Ok(chunks.unlisted())
            };
        };
        let there = (sizes.len() as u64).saturating_mul(chunks.in_object());
        if all > UNQUESTIONED_CHUNKS.max(there.saturating_mul(MISSING)) {
            let found = format!("{there} stored of the {all} that extents {:?} have", chunks.array.shape);
            return Err(chunks.format("every chunk, or most of them", &found));
        }
        Ok(chunks)
    }

    /// Assumes that all chunks are stored, where they cannot be listed: as many bytes as their
    /// values have decoded.
    fn unlisted(mut self) -> Chunks {
        let size = self.array.of.size().unwrap_or(1) as u64;
        self.stored = self.array.shape.iter().fold(size, |n, &e| n.saturating_mul(e));
        self.longest = u64::MAX;
        self
    }

    /// Makes an [`Error::Format`] about this array.
    pub(super) fn format(&self, expected: &str, found: &str) -> Error {
        Error::Format {
            path: self.files.location().clone(),
            element: self.path.clone(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    /// Returns whether the store is remote, where each request takes long.
    pub(super) fn is_remote(&self) -> bool {
        self.files.is_remote()
    }

    /// Returns the number of chunks in an object.
    fn in_object(&self) -> u64 {
        grid::count(&self.chunks_per_object())
    }

    /// Returns the number of chunks in an object along each axis.
    fn chunks_per_object(&self) -> Vec<u64> {
        self.array.object.iter().zip(self.array.chunk()).map(|(o, c)| o / c.max(&1)).collect()
    }

    /// Returns the size of a decoded chunk, in bytes; `None` for values of any length.
    pub(super) fn bytes(&self) -> Option<u64> {
        let size = self.array.of.size()? as u64;
        self.array.chunk().iter().try_fold(size, |n, &c| n.checked_mul(c))
    }

    /// Returns an upper bound of the size of all values, in bytes. It follows from the bytes that
    /// are stored.
    pub(super) fn max_bytes(&self) -> u64 {
        const EXPANSION: u64 = 4096;
        const MISSING: u64 = 16;
        let decoded = self.stored.saturating_mul(self.array.codecs.pipeline.ratio().min(EXPANSION));
        let objects = self.bytes().unwrap_or(u64::MAX).saturating_mul(self.in_object());
        let there = self.sizes.as_ref().map_or(u64::MAX, |sizes| sizes.len() as u64);
        decoded.min(objects.saturating_mul(there)).saturating_mul(MISSING)
    }

    /// Returns the size of a decoded chunk, in bytes, once it is checked: memory may be allocated
    /// for it.
    ///
    /// # Errors
    /// [`Error::Format`] for values of any length, and for more bytes than any stored object can
    /// decode to.
    pub(super) fn believed(&self) -> Result<usize> {
        let most = self.longest.saturating_mul(self.array.codecs.pipeline.ratio()).max(UNQUESTIONED);
        self.bytes().filter(|&n| n <= most && n <= 1 << 40).and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
            let found =
                format!("chunks of {:?} values over objects of at most {} bytes", self.array.chunk(), self.longest);
            self.format("chunks that fit the stored data", &found)
        })
    }

    /// Returns the name of an object, for errors and to open it.
    fn name(&self, object: u64) -> String {
        self.array.keys.name(&grid::place(object, &self.objects))
    }

    /// Finds a chunk; `None` when it was never written.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] for a damaged index.
    pub(super) fn locate(&self, chunk: u64) -> Result<Option<Extent>> {
        if self.array.sharding.is_none() {
            let extent = |size| Extent { object: chunk, at: 0, size, mask: 0 };
            return Ok(match &self.sizes {
                Some(sizes) => sizes.get(&chunk).copied().map(extent),
                None => Some(extent(Extent::WHOLE)),
            });
        }
        let within = self.chunks_per_object();
        let place = grid::place(chunk, &self.grid);
        let shard: Vec<u64> = place.iter().zip(&within).map(|(p, w)| p / w).collect();
        let inside: Vec<u64> = place.iter().zip(&within).map(|(p, w)| p % w).collect();
        let (Some(object), Some(inside)) = (grid::number(&shard, &self.objects), grid::number(&inside, &within)) else {
            return Err(Error::Internal(format!("chunk {chunk} of '{}' is not there", self.path)));
        };
        if self.sizes.as_ref().is_some_and(|sizes| !sizes.contains_key(&object)) {
            return Ok(None);
        }
        let (size, index) = self.index(object)?;
        let Some(&(at, n)) = index.get(inside as usize) else { return Ok(None) };
        if (at, n) == (u64::MAX, u64::MAX) {
            return Ok(None);
        }
        if at.checked_add(n).is_none_or(|end| end > size) {
            let found = format!("chunk {inside} at bytes {at} to {} of {size}", at.saturating_add(n));
            return Err(self.format(&format!("chunks within the shard '{}'", self.name(object)), &found));
        }
        Ok(Some(Extent { object, at, size: n, mask: 0 }))
    }

    /// Returns the bytes of a shard and its index, which is read once. A shard that does not exist
    /// has no entries.
    fn index(&self, object: u64) -> Result<(u64, Index)> {
        let known = lock(&self.indexes).entry(object).or_default().clone();
        let mut known = lock(&known);
        if let Some(index) = &*known {
            return Ok(index.clone());
        }
        let read = self.read_index(object)?;
        Ok(known.insert(read).clone())
    }

    fn read_index(&self, object: u64) -> Result<(u64, Index)> {
        let Some(sharding) = &self.array.sharding else { return Err(Error::Internal("an index of no shard".into())) };
        let entries = self.in_object();
        let bytes = entries.checked_mul(16).and_then(|n| n.checked_add(if sharding.checksum { 4 } else { 0 }));
        let wrong = |found: String| self.format(&format!("an index in the shard '{}'", self.name(object)), &found);
        let ranges = match &self.sizes {
            Some(_) => self.opened(object)?,
            None => match self.open_shard(object, bytes.unwrap_or(0), sharding.at_end)? {
                Some(ranges) => ranges,
                None => {
                    // All shards are gone with a store that was removed.
                    self.unchanged()?;
                    return Ok((0, Index::default()));
                }
            },
        };
        let size = ranges.len();
        let bytes = bytes
            .filter(|&n| n <= size)
            .ok_or_else(|| wrong(format!("{size} bytes, which have no room for the places of {entries} chunks")))?;
        let mut stored = memory::zeros::<u8>(bytes as usize, "the index of a shard")?;
        self.read_from(&*ranges, object, if sharding.at_end { size - bytes } else { 0 }, &mut stored)?;
        self.unchanged()?;
        let mut places = stored.as_slice();
        if sharding.checksum {
            let (before, sum) = places.split_last_chunk::<4>().ok_or_else(|| wrong("no checksum".to_owned()))?;
            let (found, computed) = (u32::from_le_bytes(*sum), crc32c(before));
            if found != computed {
                return Err(wrong(format!("a wrong checksum (crc32c {found:#010x}, computed {computed:#010x})")));
            }
            places = before;
        }
        let (numbers, _) = places.as_chunks::<8>();
        let number = |bytes: [u8; 8]| if sharding.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
        let (pairs, _) = numbers.as_chunks::<2>();
        let places = memory::collected(pairs.iter().map(|&[at, n]| (number(at), number(n))), "the index of a shard")?;
        Ok((size, Arc::new(places)))
    }

    fn gone(&self, what: &str) -> Error {
        Error::File {
            path: self.files.location().clone(),
            message: format!("{what} of '{}' changed while it was open: open it again", self.path),
        }
    }

    /// Opens a shard that may not exist, by a first request for its index; `None` if it does not
    /// exist.
    fn open_shard(&self, object: u64, bytes: u64, at_end: bool) -> Result<Option<Arc<dyn Ranges>>> {
        let key = join(&self.path, &self.name(object));
        let found = if at_end { self.files.open_end(&key, bytes.max(SMALL_SHARD))? } else { self.files.open(&key)? };
        Ok(found.map(|ranges| self.keep_open(object, ranges.into())))
    }

    /// Keeps a shard open, since its chunks are read one after another.
    fn keep_open(&self, object: u64, ranges: Arc<dyn Ranges>) -> Arc<dyn Ranges> {
        let mut open = lock(&self.open);
        // A remote object holds no descriptor, and its state when it was first read is to be kept.
        if !self.files.is_remote() {
            open.truncate(OPEN - 1);
        }
        open.push_front((object, ranges.clone()));
        while open.len() > 1 && open.iter().map(|o| o.1.held()).sum::<u64>() > HELD {
            open.pop_back();
        }
        ranges
    }

    /// Opens an object that exists, or returns it if it is open.
    fn opened(&self, object: u64) -> Result<Arc<dyn Ranges>> {
        if let Some((_, ranges)) = lock(&self.open).iter().find(|o| o.0 == object) {
            return Ok(ranges.clone());
        }
        let name = self.name(object);
        let found = self.files.open(&join(&self.path, &name))?;
        let ranges: Arc<dyn Ranges> = found.ok_or_else(|| self.gone(&format!("chunk '{name}'")))?.into();
        let known = match &self.sizes {
            Some(sizes) => sizes.get(&object).copied(),
            None => {
                let known = lock(&self.indexes).get(&object).cloned();
                known.and_then(|known| lock(&known).as_ref().map(|known| known.0))
            }
        };
        if known != Some(ranges.len()) {
            return Err(self.gone(&format!("chunk '{name}'")));
        }
        // An object that is one chunk is read once.
        Ok(if self.array.sharding.is_some() { self.keep_open(object, ranges) } else { ranges })
    }

    /// Checks that the store is still in the state in which it was opened.
    fn unchanged(&self) -> Result<()> {
        match self.files.state()? {
            now if now == self.state => Ok(()),
            _ => Err(self.gone("the store")),
        }
    }

    fn read_from(&self, ranges: &dyn Ranges, object: u64, at: u64, out: &mut [u8]) -> Result<()> {
        ranges.read(at, out).map_err(|e| self.unread(&e, object, at, out.len() as u64))
    }

    /// Makes the error for `size` bytes of an object that cannot be read.
    fn unread(&self, error: &std::io::Error, object: u64, at: u64, size: u64) -> Error {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            let found = format!("an end before byte {}", at.saturating_add(size));
            return self.format(&format!("all bytes of the chunk '{}'", self.name(object)), &found);
        }
        of_remote(error).unwrap_or_else(|| Error::io(self.files.location(), "read", error))
    }

    /// Fills `out` from byte `at` of an object on.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] when it does not exist any more.
    pub(super) fn read(&self, object: u64, at: u64, out: &mut [u8]) -> Result<()> {
        let ranges = self.opened(object)?;
        self.read_from(&*ranges, object, at, out)?;
        self.unchanged()
    }

    /// Reads extents and hands the bytes of each to `take`. Adjacent extents are read together.
    ///
    /// # Errors
    /// The errors of [`Chunks::read`]; the errors of `take`.
    pub(super) fn fetch(&self, extents: &[Extent], take: &mut Take<'_>) -> Result<()> {
        if self.files.is_remote() {
            return self.fetch_pieces(extents, &mut |i, piece| take(i, piece.as_deref()));
        }
        FETCHED.with_borrow_mut(|fetched| {
            let mut first = 0;
            while let Some(&start) = extents.get(first) {
                let (mut run, mut end) = (start, first + 1);
                while let Some(longer) = extents.get(end).and_then(|&next| run.joined(next)) {
                    if longer.size > FETCH {
                        break;
                    }
                    (run, end) = (longer, end + 1);
                }
                let n = usize::try_from(run.size).unwrap_or(usize::MAX);
                if fetched.len() < n {
                    memory::lengthen(fetched, n, 0, "a stored chunk")?;
                }
                self.read(run.object, run.at, &mut fetched[..n])?;
                let mut at = 0;
                for (i, extent) in extents.iter().enumerate().take(end).skip(first) {
                    take(i, Some(&fetched[at..at + extent.size as usize]))?;
                    at += extent.size as usize;
                }
                first = end;
            }
            if fetched.capacity() > 16 << 20 {
                *fetched = Vec::new();
            }
            Ok(())
        })
    }

    /// Reads extents as [`Chunks::fetch`] does, for a `take` that keeps their bytes.
    ///
    /// # Errors
    /// The errors of [`Chunks::fetch`].
    pub(super) fn fetch_pieces(&self, extents: &[Extent], take: &mut TakePiece<'_>) -> Result<()> {
        if !self.files.is_remote() {
            return self.fetch(extents, &mut |i, bytes| take(i, bytes.map(Piece::copied).transpose()?));
        }
        let sure = AtomicBool::new(true);
        remote::fetch(extents, |run| self.run(run, &sure), take)?;
        match sure.into_inner() {
            true => Ok(()),
            false => self.unchanged(),
        }
    }

    /// Reads a run of a remote object; `None` when the object does not exist. Sets `sure` to `false`
    /// unless the object is known to be of the store that was opened.
    fn run(&self, run: &Run, sure: &AtomicBool) -> Result<Option<Vec<u8>>> {
        if run.size == Extent::WHOLE {
            sure.store(false, Ordering::Relaxed);
            return self.files.read(&join(&self.path, &self.name(run.object)));
        }
        let ranges = self.opened(run.object)?;
        if !ranges.is_sure() {
            sure.store(false, Ordering::Relaxed);
        }
        ranges.part(run.at, run.size).map(Some).map_err(|e| self.unread(&e, run.object, run.at, run.size))
    }

    /// Makes the error for a chunk that cannot be decoded.
    pub(super) fn damaged(&self, chunk: u64, found: &str) -> Error {
        let place = grid::place(chunk, &self.grid);
        let first: Vec<String> =
            place.iter().zip(self.array.chunk()).map(|(&p, &c)| p.saturating_mul(c).to_string()).collect();
        self.format(&format!("intact data in the chunk at ({})", first.join(", ")), found)
    }

    /// Runs `work` on the stored bytes of a chunk; returns whether the chunk exists.
    pub(super) fn with_stored(&self, chunk: u64, work: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(extent) = self.locate(chunk)? else { return Ok(false) };
        let mut there = false;
        self.fetch(&[extent], &mut |_, stored| {
            there = stored.is_some();
            stored.map_or(Ok(()), &mut *work)
        })?;
        Ok(there)
    }

    /// Decodes a chunk into `out`, whose length is [`Chunks::believed`]: values as they are stored,
    /// row-major. A chunk that was never written gives the fill value.
    ///
    /// # Errors
    /// Errors of reading; [`Error::Format`] for a damaged chunk.
    pub(super) fn decode(&self, chunk: u64, out: &mut [u8]) -> Result<()> {
        let codecs = &self.array.codecs;
        let there = self.with_stored(chunk, &mut |stored| {
            codecs.pipeline.decode(0, stored, out).map_err(|found| self.damaged(chunk, &found))
        })?;
        if !there {
            let fill = &self.array.fill;
            if fill.iter().all(|&b| b == 0) {
                out.fill(0);
            } else {
                out.chunks_exact_mut(fill.len()).for_each(|x| x.copy_from_slice(fill));
            }
            return Ok(());
        }
        let Some(order) = &codecs.order else { return Ok(()) };
        let size = self.array.of.size().unwrap_or(1);
        let turned = memory::copied(out, "a transposed chunk")?;
        let extents = self.array.chunk();
        let steps = grid::strides(extents, Some(order));
        let mut place = vec![0_u64; extents.len()];
        for value in out.chunks_exact_mut(size.max(1)) {
            let from = place.iter().zip(&steps).map(|(p, s)| p * s).sum::<u64>() as usize * size;
            value.copy_from_slice(&turned[from..from + size]);
            for (at, &extent) in place.iter_mut().zip(extents).rev() {
                *at += 1;
                if *at < extent {
                    break;
                }
                *at = 0;
            }
        }
        Ok(())
    }
}
