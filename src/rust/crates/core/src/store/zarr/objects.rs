//! The files of an array that is being written: one for each chunk, or one for each shard, with the
//! places of its chunks at its end.

use super::files::join;
use super::grid;
use crate::codec::crc32c;
use crate::error::Result;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The files to which the chunks of an array go.
#[derive(Debug)]
pub(super) struct Objects {
    folder: PathBuf,
    version: u8,
    /// Chunks in a shard, along the first axis; `None` where each chunk is a file.
    pub(super) shard: Option<u64>,
    open: Option<Shard>,
}

#[derive(Debug)]
struct Shard {
    number: u64,
    file: File,
    places: Vec<(u64, u64)>,
    end: u64,
}

/// The index entry of a chunk that was never written.
const NEVER: (u64, u64) = (u64::MAX, u64::MAX);

impl Objects {
    /// Makes the files of an array in `folder`; `shard` is the number of chunks in a shard.
    pub(super) fn new(folder: &Path, version: u8, shard: Option<u64>) -> Objects {
        Objects { folder: folder.to_owned(), version, shard, open: None }
    }

    fn create(&self, place: &[u64]) -> std::io::Result<File> {
        let numbers = place.iter().map(u64::to_string).collect::<Vec<_>>();
        let name = match self.version {
            2 if numbers.is_empty() => "0".to_owned(),
            2 => numbers.join("."),
            _ => numbers.iter().fold("c".to_owned(), |name, n| join(&name, n)),
        };
        let path = self.folder.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        File::create(path)
    }

    /// Writes a chunk at its place in the grid. In shards, chunks are whole rows and must come in
    /// order.
    ///
    /// # Errors
    /// Errors of the system.
    pub(super) fn put(&mut self, place: &[u64], bytes: &[u8]) -> std::io::Result<()> {
        let Some(per) = self.shard else {
            return self.create(place)?.write_all(bytes);
        };
        let first = place.first().copied().unwrap_or(0);
        let (number, inside) = (first / per, (first % per) as usize);
        if self.open.as_ref().is_none_or(|shard| shard.number != number) {
            self.close(Some(per))?;
            let mut at = vec![0; place.len()];
            at.iter_mut().take(1).for_each(|at| *at = number);
            self.open = Some(Shard { number, file: self.create(&at)?, places: Vec::new(), end: 0 });
        }
        let Some(shard) = &mut self.open else { return Ok(()) };
        shard.file.write_all(bytes)?;
        shard.places.resize(inside.max(shard.places.len()), NEVER);
        shard.places.push((shard.end, bytes.len() as u64));
        shard.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes the index of the open shard and closes it. The index is padded to `places` entries if
    /// that is given.
    fn close(&mut self, places: Option<u64>) -> std::io::Result<()> {
        let Some(mut shard) = self.open.take() else { return Ok(()) };
        if let Some(n) = places {
            shard.places.resize(n as usize, NEVER);
        }
        let mut index: Vec<u8> = shard.places.iter().flat_map(|&(at, n)| [at, n]).flat_map(u64::to_le_bytes).collect();
        index.extend(crc32c(&index).to_le_bytes());
        shard.file.write_all(&index)
    }

    /// Closes the open shard, and returns the number of chunks in a shard for the metadata; `None`
    /// without shards. If all chunks lie in the first shard, it is the number of those chunks,
    /// which may be smaller than [`Objects::shard`].
    ///
    /// # Errors
    /// Errors of the system.
    pub(super) fn finish(&mut self) -> std::io::Result<Option<u64>> {
        let alone = self.open.as_ref().filter(|shard| shard.number == 0).map(|shard| shard.places.len() as u64);
        let places = alone.or(self.shard);
        self.close(places)?;
        Ok(places)
    }
}

/// Brings all files of the file system of a folder to the disk. One call is enough, while file by
/// file a thousand small files take seconds.
///
/// # Errors
/// Errors of the system.
#[cfg(target_os = "linux")]
pub(super) fn sync(folder: &Path) -> Result<(), std::io::Error> {
    use std::os::fd::AsRawFd;
    let folder = File::open(folder)?;
    // SAFETY: the descriptor is open.
    match unsafe { libc::syncfs(folder.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Brings all files below a folder to the disk.
///
/// # Errors
/// Errors of the system.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync(folder: &Path) -> Result<(), std::io::Error> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            // Opened for writing, which Windows requires for this.
            File::options().write(true).open(&path)?.sync_all()?;
        }
    }
    // Some systems cannot bring a folder to the disk by itself.
    let _ = File::open(folder).and_then(|f| f.sync_all());
    Ok(())
}

/// Returns the places, in the grid of chunks, of the chunks whose index along the first axis is
/// `band`. `shape` has the extents of the array, and `chunk` the extents of a chunk.
pub(super) fn band(band: u64, shape: &[u64], chunk: &[u64]) -> Vec<Vec<u64>> {
    let across = grid::counts(shape.get(1..).unwrap_or_default(), chunk.get(1..).unwrap_or_default());
    let n = grid::count(&across);
    let place = |number| {
        let mut place = grid::place(number, &across);
        place.insert(0, band);
        place
    };
    (0..n).map(place).collect()
}
