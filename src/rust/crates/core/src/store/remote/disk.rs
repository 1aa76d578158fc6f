//! A cache in a folder that the user names: parts of objects, by place and state. The least
//! recently used parts are removed when it is full.
//!
//! A part is a block of an object, and a file. The files of an object are in a folder named after
//! the object, its length and its ETag, so an object that changes gets another folder. A file is
//! written under another name and then renamed, and ends in a checksum: a part that is truncated or
//! overwritten is requested again. An object without an ETag is not cached.

use super::place::{hash, Mark, Place};
use crate::codec::crc32c;
use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Bytes of a part.
const PART: u64 = 1 << 20;
/// Upper bound of the cached bytes where the user sets none.
const MOST: u64 = 10 << 30;

#[derive(Clone)]
struct Cache {
    folder: PathBuf,
    most: u64,
}

static CACHE: Mutex<Option<Cache>> = Mutex::new(None);
/// Bytes written since the folder was last searched.
static WRITTEN: AtomicU64 = AtomicU64::new(u64::MAX);

fn cache() -> Option<Cache> {
    CACHE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Sets the folder in which parts are cached, and an upper bound of their bytes (10 GiB by
/// default). Without a folder nothing is cached.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be created.
pub fn set_cache(folder: Option<&Path>, most: Option<u64>) -> Result<()> {
    let cache = match folder {
        None => None,
        Some(folder) => {
            fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create", &e))?;
            Some(Cache { folder: folder.to_owned(), most: most.unwrap_or(MOST) })
        }
    };
    let mut now = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let same = matches!((&*now, &cache), (Some(a), Some(b)) if a.folder == b.folder && a.most == b.most);
    if !same {
        WRITTEN.store(u64::MAX, Ordering::Relaxed);
    }
    *now = cache;
    Ok(())
}

/// Returns the folder in which parts are cached.
pub fn cache_folder() -> Option<PathBuf> {
    cache().map(|cache| cache.folder)
}

/// Returns `size` bytes of an object from `at` on. Parts in the cache are read from it; others are
/// requested by `ask` and cached.
///
/// # Errors
/// The errors of `ask`. A folder that cannot be read or written is ignored.
pub(super) fn read_through(
    place: &Place,
    key: &str,
    mark: &Mark,
    at: u64,
    size: u64,
    ask: &dyn Fn(u64, u64) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let named = mark.etag.as_ref().zip(cache());
    let Some((etag, cache)) = named.filter(|_| size > 0 && at.saturating_add(size) <= mark.bytes) else {
        return ask(at, size);
    };
    let text = format!("{}\n{key}\n{}\n{etag}", place.location(), mark.bytes);
    // Two numbers make a name that no two objects share by chance.
    let name = format!("{:016x}{:016x}", hash(&text, 0), hash(&text, 0x9e37_79b9_7f4a_7c15));
    let folder = cache.folder.join(name);
    let end = at + size;
    let mut out = crate::memory::zeros::<u8>(usize::try_from(size).unwrap_or(usize::MAX), "a part of a file")?;
    let mut fill = |number: u64, bytes: &[u8]| {
        let first = number * PART;
        let (from, to) = (at.max(first), end.min(first + bytes.len() as u64));
        if from < to {
            let part = &bytes[(from - first) as usize..(to - first) as usize];
            out[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
        }
    };
    let mut number = at / PART;
    let last = end.div_ceil(PART);
    while number < last {
        let whole = |number: u64| PART.min(mark.bytes - number * PART);
        if let Some(bytes) = read_part(&folder.join(number.to_string()), whole(number)) {
            place.counts().cached(bytes.len());
            fill(number, &bytes);
            number += 1;
            continue;
        }
        let there = |number: u64| folder.join(number.to_string()).exists();
        let next = (number + 1..last).find(|&n| there(n)).unwrap_or(last);
        let first = number * PART;
        let bytes = ask(first, (next * PART).min(mark.bytes) - first)?;
        for (i, part) in bytes.chunks(PART as usize).enumerate() {
            fill(number + i as u64, part);
            write(&cache, &folder, number + i as u64, part);
        }
        number = next;
    }
    Ok(out)
}

/// Reads a cached part; `None` unless all bytes are there as they were written.
fn read_part(path: &Path, size: u64) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let sum = bytes.split_last_chunk::<4>().map(|(part, sum)| (part.len() as u64, crc32c(part), *sum))?;
    if sum.0 != size || sum.1.to_le_bytes() != sum.2 {
        return None;
    }
    bytes.truncate(size as usize);
    // The time of the last use, by which parts are removed; where it cannot be set, the time of
    // writing.
    let _ = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    Some(bytes)
}

/// Caches a part. A failure, such as a full disk, is ignored.
fn write(cache: &Cache, folder: &Path, number: u64, part: &[u8]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let own = format!(".{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (beside, path) = (folder.join(own), folder.join(number.to_string()));
    let written = || -> std::io::Result<()> {
        use std::io::Write;
        fs::create_dir_all(folder)?;
        let mut file = fs::File::create(&beside)?;
        file.write_all(part)?;
        file.write_all(&crc32c(part).to_le_bytes())?;
        fs::rename(&beside, &path)
    };
    if written().is_err() {
        let _ = fs::remove_file(&beside);
        return;
    }
    let size = part.len() as u64;
    let before = WRITTEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n.saturating_add(size)));
    if before.unwrap_or(u64::MAX).saturating_add(size) >= cache.most / 16 {
        WRITTEN.store(0, Ordering::Relaxed);
        trim(cache);
    }
}

/// Removes the least recently used parts, until there is room for those that are written before
/// this is done again.
fn trim(cache: &Cache) {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    let folders = fs::read_dir(&cache.folder).into_iter().flatten().flatten();
    // Only folders of this cache, by their names.
    let ours = |path: &Path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    for folder in folders.map(|folder| folder.path()).filter(|path| ours(path)) {
        for file in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if let Ok(meta) = file.metadata() {
                files.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), file.path()));
            }
        }
    }
    let mut bytes: u64 = files.iter().map(|file| file.1).sum();
    files.sort_unstable();
    for (_, size, path) in files {
        if bytes <= cache.most - cache.most / 16 - cache.most / 16 {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            bytes -= size;
        }
        if let Some(folder) = path.parent() {
            // Removes the folder only if it is empty.
            let _ = fs::remove_dir(folder);
        }
    }
}
