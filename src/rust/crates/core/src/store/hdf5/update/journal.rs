//! The journal of a save: pages of which either all or none get into a file.
//!
//! It consists of a header page, the new pages, the old content of the pages that are replaced, and
//! the page numbers. It is valid from the moment it has its name; before that, nobody reads it.

use super::lock::{lock_alone, Shared};
use super::names::{journal_of, prepared};
use super::view::{place, PagedFile, PAGE};
use crate::error::{Error, Result};
use crate::memory;
use crate::store::hdf5::bytes::Bytes as _;
use crate::store::positioned::{read_exact, write_all};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"anndataoom save1";
/// Bytes that disks write at once or not at all.
const SECTOR: usize = 512;
/// Pages copied at a time.
const RUN: usize = 256;

/// A complete journal.
struct Journal {
    file: File,
    path: PathBuf,
    /// Length of the file before the save (`base_len`) and after it (`new_len`).
    base_len: u64,
    new_len: u64,
    /// The page number in each slot.
    pages: Vec<u64>,
}

/// Turns the pages of a view into a journal, and copies them into the file.
pub(super) fn commit(view: &PagedFile, target: &Path, shared: &Shared) -> Result<()> {
    let Some((patch, pages)) = view.patch() else {
        return Err(Error::Internal("a file open for reading cannot be saved".into()));
    };
    if pages.is_empty() {
        return Ok(());
    }
    let unchanged = |action: &'static str| {
        let path = target.into();
        move |e: io::Error| Error::Io { path, action, kind: e.kind(), message: format!("{e}; the file is unchanged") }
    };
    let (base_len, new_len) = (view.base_len(), view.len().max(view.base_len()));
    let path = journal_of(target);
    complete(view, patch, &pages, new_len)
        .and_then(|()| std::fs::rename(prepared(target), &path))
        .map_err(unchanged("save into"))?;
    sync_directory(target);
    let file = patch.try_clone().map_err(unchanged("save into"))?;
    let journal = Journal { file, path, base_len, new_len, pages };
    shared.change(|keep| journal.apply(target, shared.file(), keep))
}

/// Adds the old pages, the page numbers and the header to the new pages, and brings all to the
/// disk.
fn complete(view: &PagedFile, patch: &File, pages: &[u64], new_len: u64) -> io::Result<()> {
    let mut slot = pages.len() as u64;
    let mut old = vec![0; PAGE];
    for page in pages.iter().filter(|&&page| page * (PAGE as u64) < view.base_len()) {
        view.read_base(&mut old, page * PAGE as u64)?;
        write_all(patch, &old, place(slot))?;
        slot += 1;
    }
    let index: Vec<u8> = pages.iter().flat_map(|page| page.to_le_bytes()).collect();
    write_all(patch, &index, place(slot))?;
    let mut header = MAGIC.to_vec();
    for number in [view.base_len(), new_len, pages.len() as u64, slot - pages.len() as u64] {
        header.extend(number.to_le_bytes());
    }
    let mut sum = libdeflater::Crc::new();
    sum.update(&header);
    sum.update(&index);
    header.extend(sum.sum().to_le_bytes());
    write_all(patch, &header, 0)?;
    patch.sync_all()
}

/// Finishes the interrupted save of `target`, if there is one.
///
/// # Errors
/// [`Error::Io`] when the file cannot be written or stays locked; [`Error::File`] when the journal
/// is damaged or belongs to another file.
pub(in crate::store::hdf5) fn recover(target: &Path) -> Result<()> {
    let path = journal_of(target);
    if !path.exists() {
        return Ok(());
    }
    let io = |e: io::Error| Error::Io {
        path: target.into(),
        action: "finish the interrupted save of",
        kind: e.kind(),
        message: format!("{e}; open the file once where it can be written"),
    };
    let file = OpenOptions::new().read(true).write(true).open(target).map_err(io)?;
    if !lock_alone(&file, target, || path.exists())? {
        if !path.exists() {
            return Ok(());
        }
        return Err(Error::Io {
            path: target.into(),
            action: "open",
            kind: io::ErrorKind::Other,
            message: "a save of it was interrupted and cannot be finished while it is open elsewhere; close it there"
                .into(),
        });
    }
    if !path.exists() {
        return Ok(());
    }
    let journal = Journal::read(path.clone()).map_err(io)?;
    let bad = |what: &str| Error::File {
        path: target.into(),
        message: format!(
            "an interrupted save left '{}', which {what}; remove that file if this one is good, or restore this one",
            path.display()
        ),
    };
    let journal = journal.ok_or_else(|| bad("is damaged"))?;
    if !journal.fits(&file).map_err(io)? {
        return Err(bad("belongs to another file"));
    }
    journal.apply(target, &file, &|_, _| ())
}

impl Journal {
    /// Reads the journal at `path`; `None` when it is damaged.
    fn read(path: PathBuf) -> io::Result<Option<Journal>> {
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let mut header = vec![0; MAGIC.len() + 4 * 8];
        let mut stored = [0; 4];
        if length < PAGE as u64 {
            return Ok(None);
        }
        read_exact(&file, &mut header, 0)?;
        read_exact(&file, &mut stored, header.len() as u64)?;
        let numbers: Vec<u64> = header[MAGIC.len()..]
            .chunks_exact(8)
            .map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()))
            .collect();
        let (&[base_len, new_len, slots, old], true) = (numbers.as_slice(), header.starts_with(MAGIC)) else {
            return Ok(None);
        };
        let fits = slots.checked_add(old).and_then(|n| n.checked_add(1)?.checked_mul(PAGE as u64));
        let Some(at) = fits.filter(|at| at.checked_add(slots * 8).is_some_and(|end| end <= length)) else {
            return Ok(None);
        };
        let mut index =
            memory::zeros::<u8>(slots as usize * 8, "the journal of a file").map_err(std::io::Error::other)?;
        read_exact(&file, &mut index, at)?;
        let mut sum = libdeflater::Crc::new();
        sum.update(&header);
        sum.update(&index);
        if sum.sum() != u32::from_le_bytes(stored) {
            return Ok(None);
        }
        let pages = index.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
        Ok(Some(Journal { file, path, base_len, new_len, pages }))
    }

    /// Returns the slots of pages that replace old ones, each with the slot of the old content.
    fn replaced(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let inside = |page: &u64| page * (PAGE as u64) < self.base_len;
        let first = self.pages.len() as u64;
        self.pages.iter().enumerate().filter(move |(_, page)| inside(page)).zip(first..).map(|((i, _), old)| (i, old))
    }

    fn bytes(&self, page: u64) -> usize {
        self.new_len.saturating_sub(page * PAGE as u64).min(PAGE as u64) as usize
    }

    /// Returns whether `file` is the one the journal was made for: every sector it replaces has the
    /// old or the new content.
    fn fits(&self, file: &File) -> io::Result<bool> {
        let length = file.metadata()?.len();
        if length < self.base_len {
            return Ok(false);
        }
        let (mut new, mut old) = (vec![0; PAGE], vec![0; PAGE]);
        for (slot, before) in self.replaced() {
            let start = self.pages[slot] * PAGE as u64;
            let n = length.saturating_sub(start).min(self.bytes(self.pages[slot]) as u64) as usize;
            let mut now = vec![0; n];
            read_exact(file, &mut now, start)?;
            read_exact(&self.file, &mut new, place(slot as u64))?;
            read_exact(&self.file, &mut old, place(before))?;
            // Past the former end there may be anything.
            let known = self.base_len.saturating_sub(start).min(n as u64) as usize;
            let sectors = now[..known].chunks(SECTOR).zip(new.chunks(SECTOR)).zip(old.chunks(SECTOR));
            if sectors.into_iter().any(|((now, new), old)| now != &new[..now.len()] && now != &old[..now.len()]) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Copies the pages into `file`, those past its end first, and removes the journal. `keep` gets
    /// the number and the old content of every page before it is replaced.
    fn apply(&self, target: &Path, file: &File, keep: &dyn Fn(u64, &[u8])) -> Result<()> {
        if let Err(e) = self.append(file) {
            // No old page has changed yet: the file is cut to its former length.
            let message = match file.set_len(self.base_len).and_then(|()| std::fs::remove_file(&self.path)) {
                Ok(()) => format!("{e}; the file is unchanged"),
                Err(_) => format!("{e}; the save is finished when the file is opened next"),
            };
            return Err(Error::Io { path: target.into(), action: "save into", kind: e.kind(), message });
        }
        let replace = || -> io::Result<()> {
            let (mut new, mut old) = (vec![0; PAGE], vec![0; PAGE]);
            for (slot, before) in self.replaced() {
                let page = self.pages[slot];
                read_exact(&self.file, &mut old, place(before))?;
                read_exact(&self.file, &mut new, place(slot as u64))?;
                keep(page, &old);
                write_all(file, &new[..self.bytes(page)], page * PAGE as u64)?;
            }
            file.sync_all()
        };
        replace().map_err(|e| Error::Io {
            path: target.into(),
            action: "save into",
            kind: e.kind(),
            message: format!("{e}; the save is finished when the file is opened next"),
        })?;
        // From here on the file is complete. If the journal cannot be removed, it is copied once
        // more.
        let _ = std::fs::remove_file(&self.path);
        sync_directory(target);
        Ok(())
    }

    /// Copies the pages past the former end, in runs.
    fn append(&self, file: &File) -> io::Result<()> {
        let mut slot = 0;
        let mut bytes = vec![0; RUN * PAGE];
        while slot < self.pages.len() {
            let page = self.pages[slot];
            if page * (PAGE as u64) < self.base_len {
                slot += 1;
                continue;
            }
            let run = (1..RUN).take_while(|&k| self.pages.get(slot + k) == Some(&(page + k as u64))).count() + 1;
            let run_bytes = self.new_len.saturating_sub(page * PAGE as u64).min((run * PAGE) as u64) as usize;
            read_exact(&self.file, &mut bytes[..run_bytes], place(slot as u64))?;
            write_all(file, &bytes[..run_bytes], page * PAGE as u64)?;
            slot += run;
        }
        if file.metadata()?.len() < self.new_len {
            file.set_len(self.new_len)?;
        }
        Ok(())
    }
}

/// Makes a new or removed name durable; some file systems cannot.
fn sync_directory(target: &Path) {
    if let Some(directory) = target.parent() {
        let _ = File::open(directory).and_then(|d| d.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Makes a file, the content that a save shall give it, and the complete journal of that save.
    fn interrupted(name: &str) -> (Dir, PathBuf, Vec<u8>, Vec<u8>) {
        let dir = std::env::temp_dir().join(format!("anndataoom-journal-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("x.h5ad");
        let old: Vec<u8> = (0..50_001u32).map(|i| (i * 7 % 253) as u8).collect();
        std::fs::write(&path, &old).unwrap();
        let view = PagedFile::writable(&File::open(&path).unwrap(), &path).unwrap();
        let mut new = old.clone();
        new.resize(90_000, 0);
        for (at, n, byte) in [(10, 30, 1u8), (5000, 1, 2), (49_990, 9000, 3), (70_000, 20_000, 4)] {
            view.write(&vec![byte; n], at).unwrap();
            new[at as usize..at as usize + n].fill(byte);
        }
        let (patch, pages) = view.patch().unwrap();
        complete(&view, patch, &pages, view.len()).unwrap();
        std::fs::rename(prepared(&path), journal_of(&path)).unwrap();
        (Dir(dir), path, old, new)
    }

    /// Checks that the next process to open the file finishes the copying, wherever it stopped.
    #[test]
    fn recovery_from_every_moment() {
        let (_dir, path, old, new) = interrupted("moment");
        let kept = std::fs::read(journal_of(&path)).unwrap();
        // Copied up to here, one sector at a time; the file has its new length first, or not.
        for reached in (0..new.len()).step_by(1536).chain([new.len()]) {
            let mut state = old.clone();
            if reached > 0 {
                state.resize(new.len(), 0);
            }
            let whole = reached / SECTOR * SECTOR;
            state[..whole].copy_from_slice(&new[..whole]);
            std::fs::write(&path, &state).unwrap();
            std::fs::write(journal_of(&path), &kept).unwrap();
            recover(&path).unwrap();
            assert!(std::fs::read(&path).unwrap() == new, "stopped at {reached}");
            assert!(!journal_of(&path).exists());
        }
        recover(&path).unwrap();
    }

    #[test]
    fn a_journal_of_another_file_is_refused() {
        let (_dir, path, old, _) = interrupted("other");
        let mut other = old.clone();
        other[20] = 77;
        for content in [other, old[..40_000].to_vec()] {
            std::fs::write(&path, &content).unwrap();
            let e = recover(&path).unwrap_err();
            assert!(e.to_string().contains("belongs to another file"), "{e}");
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_damaged_journal_is_refused() {
        let (_dir, path, old, _) = interrupted("damaged");
        let journal = std::fs::read(journal_of(&path)).unwrap();
        let mut flipped = journal.clone();
        flipped[20] ^= 1;
        let mut index = journal.clone();
        *index.last_mut().unwrap() ^= 1;
        for bad in [Vec::new(), vec![0; 10_000], journal[..journal.len() - 9].to_vec(), flipped, index] {
            std::fs::write(journal_of(&path), &bad).unwrap();
            let e = recover(&path).unwrap_err();
            assert!(e.to_string().contains("is damaged"), "{e}");
            assert_eq!(std::fs::read(&path).unwrap(), old);
        }
    }
}
