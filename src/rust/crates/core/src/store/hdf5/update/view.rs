//! A view of a file as it was when it was opened, or as it will be after a save: changed pages over
//! the bytes of the file.

use crate::error::{Error, Result};
use crate::store::hdf5::bytes::Bytes;
use crate::store::positioned::{read_exact, write_all};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a page, the unit in which changes are recorded.
pub(super) const PAGE: usize = 4096;

/// A file under pages. Reading takes the bytes of a page where there is one, else those of the
/// file.
#[derive(Debug)]
pub(super) struct PagedFile {
    base: File,
    /// Bytes of the file when the view was made.
    base_len: u64,
    patch: Option<Patch>,
    state: Mutex<Pages>,
}

/// The file to which written pages go, one after another; its first page is left for a header.
/// Removed on drop.
#[derive(Debug)]
struct Patch {
    file: File,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct Pages {
    len: u64,
    /// Pages as they were before a later save changed the file, by page number.
    kept: HashMap<u64, Box<[u8]>>,
    /// The slot in the patch of each page that was written, by page number.
    written: BTreeMap<u64, u64>,
}

impl PagedFile {
    /// Makes a view of the file as it is now. Nothing can be written through it; [`PagedFile::keep`]
    /// preserves its pages.
    pub(super) fn readable(base: File) -> io::Result<PagedFile> {
        let base_len = base.metadata()?.len();
        Ok(PagedFile { base, base_len, patch: None, state: Mutex::new(Pages { len: base_len, ..Pages::default() }) })
    }

    /// Makes a view to write through, over the file at `path`. Written pages go to a file beside
    /// it.
    pub(super) fn writable(base: &File, path: &Path) -> Result<PagedFile> {
        let beside = super::names::prepared(path);
        let patch = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside);
        let patch = Patch { file: patch.map_err(|e| Error::io(&beside, "create", &e))?, path: beside };
        let mut view = base.try_clone().and_then(PagedFile::readable).map_err(|e| Error::io(path, "open", &e))?;
        view.patch = Some(patch);
        Ok(view)
    }

    /// Returns the underlying file.
    pub(super) fn base(&self) -> &File {
        &self.base
    }

    /// Returns the bytes that the underlying file had when the view was made.
    pub(super) fn base_len(&self) -> u64 {
        self.base_len
    }

    /// Returns the patch file and the page number in each of its slots, in order of the slots;
    /// `None` for a view that is not written through.
    pub(super) fn patch(&self) -> Option<(&File, Vec<u64>)> {
        let patch = self.patch.as_ref()?;
        let mut slots: Vec<(u64, u64)> = self.lock().written.iter().map(|(&page, &slot)| (slot, page)).collect();
        slots.sort_unstable();
        Some((&patch.file, slots.into_iter().map(|(_, page)| page).collect()))
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        // A poisoned lock cannot occur: nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the present bytes of page `page` before a save changes it in the file. Only the first
    /// call for a page counts.
    pub(super) fn keep(&self, page: u64, bytes: &[u8]) {
        if page * (PAGE as u64) < self.base_len {
            self.lock().kept.entry(page).or_insert_with(|| bytes.into());
        }
    }

    /// Reads bytes of the underlying file; past its end there are zeros.
    pub(super) fn read_base(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let there = self.base_len.saturating_sub(at).min(out.len() as u64) as usize;
        let (inside, beyond) = out.split_at_mut(there);
        beyond.fill(0);
        if inside.is_empty() {
            return Ok(());
        }
        read_exact(&self.base, inside, at)
    }
}

impl Bytes for PagedFile {
    /// Reads `out.len()` bytes at `at`; past the end there are zeros.
    fn read(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        // One read of the whole range; the pages are laid over it.
        self.read_base(out, at)?;
        let (first, last) = (at / PAGE as u64, (at + out.len() as u64).div_ceil(PAGE as u64));
        let mut places = Vec::new();
        {
            let state = self.lock();
            if state.kept.is_empty() && state.written.is_empty() {
                return Ok(());
            }
            for (&page, &slot) in state.written.range(first..last) {
                places.push((page, slot));
            }
            for page in first..last {
                if let Some(bytes) = state.kept.get(&page) {
                    let (to, from, n) = overlap(page, at, out.len());
                    out[to..to + n].copy_from_slice(&bytes[from..from + n]);
                }
            }
        }
        for (page, slot) in places {
            let Some(patch) = &self.patch else { continue };
            let (to, from, n) = overlap(page, at, out.len());
            read_exact(&patch.file, &mut out[to..to + n], place(slot) + from as u64)?;
        }
        Ok(())
    }

    /// Writes `bytes` at `at`, into the patch.
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let Some(patch) = &self.patch else {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading"));
        };
        let (first, last) = (at / PAGE as u64, (at + bytes.len() as u64).div_ceil(PAGE as u64));
        let mut page = first;
        while page < last {
            let slot = self.lock().written.get(&page).copied();
            let (from, to, n) = overlap(page, at, bytes.len());
            match slot {
                Some(slot) => {
                    write_all(&patch.file, &bytes[from..from + n], place(slot) + to as u64)?;
                    page += 1;
                }
                // Adjacent pages that are new and written whole are written at once.
                None if n == PAGE => {
                    let mut state = self.lock();
                    let slot = state.written.len() as u64;
                    let mut end = page;
                    while end < last && overlap(end, at, bytes.len()).2 == PAGE && !state.written.contains_key(&end) {
                        state.written.insert(end, slot + end - page);
                        end += 1;
                    }
                    drop(state);
                    let run = (end - page) as usize * PAGE;
                    write_all(&patch.file, &bytes[from..from + run], place(slot))?;
                    page = end;
                }
                None => {
                    let mut whole = vec![0; PAGE];
                    self.read_base(&mut whole, page * PAGE as u64)?;
                    whole[to..to + n].copy_from_slice(&bytes[from..from + n]);
                    let slot = {
                        let mut state = self.lock();
                        let slot = state.written.len() as u64;
                        state.written.insert(page, slot);
                        slot
                    };
                    write_all(&patch.file, &whole, place(slot))?;
                    page += 1;
                }
            }
        }
        let mut state = self.lock();
        state.len = state.len.max(at + bytes.len() as u64);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.lock().len
    }

    fn set_len(&self, len: u64) {
        self.lock().len = len;
    }
}

impl Drop for Patch {
    fn drop(&mut self) {
        // A complete journal has been renamed by now; a file that still has this name is of no use.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Returns the offset of a slot in the patch.
pub(super) fn place(slot: u64) -> u64 {
    (slot + 1) * PAGE as u64
}

/// Returns the part of `len` bytes at `at` that lies in a page: its start among the bytes, its
/// start in the page, its length.
fn overlap(page: u64, at: u64, len: usize) -> (usize, usize, usize) {
    let (start, end) = (page * PAGE as u64, (page + 1) * PAGE as u64);
    let (from, to) = (start.max(at), end.min(at + len as u64));
    ((from - at) as usize, (from - start) as usize, to.saturating_sub(from) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that random writes through a view read back as on a plain buffer, and that the file
    /// itself never changes.
    #[test]
    fn a_view_is_a_buffer() {
        let dir = std::env::temp_dir().join(format!("anndataoom-view-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("x");
        let old: Vec<u8> = (0..30_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &old).unwrap();
        let view = PagedFile::writable(&File::open(&path).unwrap(), &path).unwrap();
        let mut twin = old.clone();
        let mut x = 7u64;
        let mut random = |n: u64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (x >> 33) % n
        };
        for round in 0..400u32 {
            let (at, n) = (random(60_000), if random(4) == 0 { random(20_000) } else { random(300) });
            let bytes: Vec<u8> = (0..n).map(|i| (i as u32 ^ round) as u8).collect();
            view.write(&bytes, at).unwrap();
            let end = (at + n) as usize;
            if twin.len() < end {
                twin.resize(end, 0);
            }
            twin[at as usize..end].copy_from_slice(&bytes);
            let (at, n) = (random(70_000), random(30_000) as usize);
            let mut got = vec![9; n];
            view.read(&mut got, at).unwrap();
            let expected: Vec<u8> = (at as usize..at as usize + n).map(|i| twin.get(i).copied().unwrap_or(0)).collect();
            assert!(got == expected, "round {round}");
        }
        assert_eq!(view.len(), twin.len() as u64);
        assert_eq!(std::fs::read(&path).unwrap(), old);
        drop(view);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "the patch is removed");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
