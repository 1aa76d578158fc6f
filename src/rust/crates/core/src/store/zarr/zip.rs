//! A store in a zip archive, which is read in place. Entries stored without compression are read in
//! ranges of the archive; deflated entries are inflated whole.

use super::files::{is_name, join, Files, Ranges};
use super::folder::{state_of, Part, MOST_METADATA};
use super::remote::{of_remote, RemoteRanges};
use crate::codec::inflate_raw;
use crate::error::{Error, Result};
use crate::location::Location;
use crate::memory;
use crate::store::backend::FileState;
use crate::store::positioned;
use crate::store::remote::RemoteFile;
use crate::store::traffic::Traffic;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The first bytes of an archive with entries.
const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
/// Bytes of the last record without its comment, which has at most 65,535.
const END: usize = 22;
/// Upper bound of the bytes of the list of entries.
const MOST_ENTRIES: u64 = 1 << 30;

/// An archive.
#[derive(Debug)]
pub(super) struct Zip {
    bytes: Arc<dyn Ranges>,
    len: u64,
    location: Location,
    entries: BTreeMap<String, Entry>,
    whence: Whence,
}

/// The place of an archive.
#[derive(Debug)]
enum Whence {
    Here(File),
    Remote(Arc<RemoteFile>),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Offset of the entry's header in the archive.
    header: u64,
    stored: u64,
    size: u64,
    method: u16,
    crc: u32,
}

/// Returns whether a file is an archive with a store in it. A damaged archive counts as one.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn is_store(path: &Path) -> Result<bool> {
    let io = |e: std::io::Error| Error::io(path, "open", &e);
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() < END as u64 {
        return Ok(false);
    }
    let mut first = [0; 4];
    positioned::read_exact(&file, &mut first, 0).map_err(io)?;
    let of_store = || match Zip::open(path) {
        Ok(zip) => ["zarr.json", ".zgroup", ".zmetadata"].iter().any(|name| zip.entries.contains_key(*name)),
        Err(_) => true,
    };
    Ok(first == SIGNATURE && of_store())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b).into())
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

impl Zip {
    /// Opens the archive at `path`, which must be absolute. If all entries lie in one folder that
    /// is a store, that folder becomes the root.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] for a damaged list of entries.
    pub(super) fn open(path: &Path) -> Result<Zip> {
        let io = |e: std::io::Error| Error::io(path, "open", &e);
        let file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let bytes = Arc::new(Part { file: file.try_clone().map_err(io)?, len });
        Self::new(bytes, path.into(), Whence::Here(file))
    }

    /// Opens a remote archive.
    ///
    /// # Errors
    /// The errors of [`Zip::open`].
    pub(super) fn open_remote(file: RemoteFile) -> Result<Zip> {
        let location = file.place().location().clone();
        let file = Arc::new(file);
        Self::new(Arc::new(RemoteRanges(file.clone())), location, Whence::Remote(file))
    }

    fn new(bytes: Arc<dyn Ranges>, location: Location, whence: Whence) -> Result<Zip> {
        let len = bytes.len();
        let mut zip = Zip { bytes, len, location, entries: BTreeMap::new(), whence };
        let list = zip.list()?;
        let mut rest = list.as_slice();
        while u32_at(rest, 0) == Some(0x0201_4b50) {
            let (key, entry, size) = entry(rest).ok_or_else(|| zip.damaged("an entry of its list is cut off"))?;
            rest = rest.get(size..).unwrap_or_default();
            // Folders have no bytes.
            if let Some(key) = key.filter(|key| !key.ends_with('/')) {
                zip.entries.insert(key, entry);
            }
        }
        zip.strip();
        Ok(zip)
    }

    /// Removes the folder in which all entries lie from their keys, if that folder is a store and
    /// the root is none.
    fn strip(&mut self) {
        let is_store = |entries: &BTreeMap<String, Entry>, at: &str| {
            ["zarr.json", ".zgroup", ".zmetadata"].iter().any(|name| entries.contains_key(&join(at, name)))
        };
        let Some(first) = self.entries.keys().next().and_then(|key| key.split_once('/')).map(|(first, _)| first) else {
            return;
        };
        let prefix = format!("{first}/");
        let alone = self.entries.keys().all(|key| key.starts_with(&prefix));
        if !is_store(&self.entries, "") && alone && is_store(&self.entries, first) {
            let all = std::mem::take(&mut self.entries);
            self.entries = all.into_iter().map(|(key, entry)| (key[prefix.len()..].to_owned(), entry)).collect();
        }
    }

    fn unread(&self, error: &std::io::Error) -> Error {
        of_remote(error).unwrap_or_else(|| Error::io(&self.location, "read", error))
    }

    fn damaged(&self, what: &str) -> Error {
        let message = format!("a damaged zip archive: {what}; copy or download it again");
        Error::File { path: self.location.clone(), message }
    }

    fn read_at(&self, at: u64, n: u64) -> Result<Vec<u8>> {
        if at.checked_add(n).is_none_or(|end| end > self.len) {
            return Err(self.damaged(&format!("bytes {at} to {} of {} are not there", at.saturating_add(n), self.len)));
        }
        let mut bytes = memory::zeros::<u8>(n as usize, "a part of a zip archive")?;
        self.bytes.read(at, &mut bytes).map_err(|e| self.unread(&e))?;
        Ok(bytes)
    }

    /// Reads the list of entries.
    fn list(&self) -> Result<Vec<u8>> {
        let tail = self.len.min((END + (1 << 16)) as u64);
        let bytes = self.read_at(self.len - tail, tail)?;
        let place = (0..=bytes.len().saturating_sub(END)).rev().find(|&i| bytes[i..].starts_with(b"PK\x05\x06"));
        let place = place.ok_or_else(|| self.damaged("it has no list of entries"))?;
        let end = &bytes[place..];
        let (mut size, mut at) = (u32_at(end, 12).unwrap_or(0), u32_at(end, 16).unwrap_or(0));
        let locator = place.checked_sub(20).map(|from| &bytes[from..]).filter(|l| l.starts_with(b"PK\x06\x07"));
        if let Some(large) = locator.and_then(|l| u64_at(l, 8)) {
            let record = self.read_at(large, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err(self.damaged("the record of its list is not where it says"));
            }
            (size, at) = (u64_at(&record, 40).unwrap_or(0), u64_at(&record, 48).unwrap_or(0));
        }
        if size > MOST_ENTRIES {
            return Err(self.damaged(&format!("a list of entries of {size} bytes")));
        }
        self.read_at(at, size)
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Returns the entries in a folder, with their keys relative to it.
    fn below<'a>(&'a self, key: &str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
        self.entries.range(prefix.clone()..).map_while(move |(key, entry)| Some((key.strip_prefix(&prefix)?, entry)))
    }

    fn opened(&self, key: &str, most: u64) -> Result<Option<Box<dyn Ranges>>> {
        let Some(entry) = self.find(key) else { return Ok(None) };
        let header = self.read_at(entry.header, 30)?;
        let (name, extra) = (u16_at(&header, 26).unwrap_or(0), u16_at(&header, 28).unwrap_or(0));
        let first = entry.header + 30 + name + extra;
        if !header.starts_with(&SIGNATURE) || first.checked_add(entry.stored).is_none_or(|end| end > self.len) {
            return Err(self.damaged(&format!("the entry '{key}' is not where its list says")));
        }
        let wrong = |what: &str| self.damaged(&format!("the entry '{key}' {what}"));
        Ok(Some(match entry.method {
            0 if entry.size == entry.stored => Box::new(Stored { bytes: self.bytes.clone(), first, len: entry.size }),
            8 => {
                // Deflate makes at most 1,032 bytes of one.
                if entry.size > most || entry.size / 1040 > entry.stored {
                    return Err(wrong(&format!("says that it holds {} bytes", entry.size)));
                }
                let stored = self.read_at(first, entry.stored)?;
                let mut bytes = memory::zeros::<u8>(entry.size as usize, "an entry of a zip archive")?;
                inflate_raw(&stored, &mut bytes, entry.crc).map_err(|what| wrong(&format!("holds {what}")))?;
                Box::new(Inflated(bytes))
            }
            0 => return Err(wrong("says two sizes")),
            other => {
                return Err(Error::Unsupported {
                    path: self.location.clone(),
                    element: key.to_owned(),
                    what: format!("the compression {other} of a zip archive"),
                    hint: "; unpack the archive and read the folder".to_owned(),
                });
            }
        }))
    }
}

/// Reads the first entry of a list. Returns its name (`None` for a name that no store has), the
/// entry, and the bytes it takes in the list.
fn entry(list: &[u8]) -> Option<(Option<String>, Entry, usize)> {
    let (name, extra, comment) = (u16_at(list, 28)?, u16_at(list, 30)?, u16_at(list, 32)?);
    let (mut stored, mut size, mut header) = (u32_at(list, 20)?, u32_at(list, 24)?, u32_at(list, 42)?);
    let key = list.get(46..46 + name as usize)?;
    let mut more = list.get(46 + name as usize..46 + (name + extra) as usize)?;
    // Numbers that do not fit are in the extra field, in this order.
    while let (Some(id), Some(n)) = (u16_at(more, 0), u16_at(more, 2)) {
        let mut field = more.get(4..4 + n as usize)?;
        if id == 1 {
            for number in [&mut size, &mut stored, &mut header] {
                if *number == u64::from(u32::MAX) {
                    *number = u64_at(field, 0)?;
                    field = field.get(8..)?;
                }
            }
        }
        more = more.get(4 + n as usize..)?;
    }
    let key = std::str::from_utf8(key).ok().filter(|key| key.trim_end_matches('/').split('/').all(is_name));
    let (method, crc) = (u16_at(list, 10)? as u16, u32_at(list, 16)? as u32);
    let taken = 46 + (name + extra + comment) as usize;
    Some((key.map(str::to_owned), Entry { header, stored, size, method, crc }, taken))
}

impl Files for Zip {
    fn location(&self) -> &Location {
        &self.location
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(object) = self.opened(key, MOST_METADATA)? else { return Ok(None) };
        if object.len() > MOST_METADATA {
            return Err(self.damaged(&format!("metadata '{key}' of {} bytes", object.len())));
        }
        let mut bytes = memory::zeros::<u8>(object.len() as usize, "metadata of a store")?;
        object.read(0, &mut bytes).map_err(|e| self.unread(&e))?;
        Ok(Some(bytes))
    }

    fn folders(&self, key: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for (rest, _) in self.below(key) {
            if let Some((name, _)) = rest.split_once('/').filter(|(name, _)| names.last().is_none_or(|n| n != name)) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn objects(&self, key: &str, depth: usize) -> Result<Vec<(String, u64)>> {
        let short = |rest: &str| rest.matches('/').count() < depth;
        Ok(self.below(key).filter(|(rest, _)| short(rest)).map(|(rest, e)| (rest.to_owned(), e.size)).collect())
    }

    fn open(&self, key: &str) -> Result<Option<Box<dyn Ranges>>> {
        self.opened(key, u64::MAX)
    }

    fn bytes(&self) -> u64 {
        self.len
    }

    fn is_remote(&self) -> bool {
        matches!(self.whence, Whence::Remote(_))
    }

    fn state(&self) -> Result<Option<FileState>> {
        Ok(match &self.whence {
            Whence::Here(file) => file.metadata().ok().as_ref().and_then(state_of),
            // The state in which it was opened; every part that is read later is compared with it.
            Whence::Remote(file) => Some(file.state()),
        })
    }

    fn traffic(&self) -> Option<Traffic> {
        match &self.whence {
            Whence::Here(_) => None,
            Whence::Remote(file) => Some(file.place().traffic()),
        }
    }
}

/// An entry stored without compression.
#[derive(Debug)]
struct Stored {
    bytes: Arc<dyn Ranges>,
    first: u64,
    len: u64,
}

fn too_short() -> std::io::Error {
    std::io::ErrorKind::UnexpectedEof.into()
}

impl Ranges for Stored {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        if at.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return Err(too_short());
        }
        self.bytes.read(self.first + at, out)
    }
}

/// An entry that was deflated, inflated.
#[derive(Debug)]
struct Inflated(Vec<u8>);

impl Ranges for Inflated {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn held(&self) -> u64 {
        self.len()
    }

    fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.0.get(at..)?.get(..out.len()));
        out.copy_from_slice(from.ok_or_else(too_short)?);
        Ok(())
    }
}
